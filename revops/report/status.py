"""`revops status` as blocks: one screen. What needs a look comes first, since all else can wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from revops.domain.budget import Category, CategoryState, WindowState
from revops.domain.instants import is_ahead
from revops.domain.reason import Reason
from revops.domain.status import CommandStanding, Earnings, Status
from revops.domain.text import counted
from revops.domain.units import sat_exact
from revops.report.amounts import age, cost, income, instant, share, span
from revops.report.blocks import Block, Line, Table, Tone, Toned
from revops.report.sparkline import sparkline
from revops.report.words import by_turns

_EARNINGS: Final = ("", ">earned", ">leases", ">rebalance costs", ">chain costs", ">paid for leases", ">net")
#: crontab.example lets no run last longer.
_LONGEST_RUN_SECONDS: Final = 3_600.0
_BUDGET: Final = (">limit", ">used", ">spent", ">reserved", ">left")
_SPENT_ON: Final = {Category.REBALANCE: "rebalancing", Category.SPLICE: "splices"}
#: What each command does next, beyond that it runs.
_FEES, _PLAN, _RUN = "fees adjust", "rebalance plan", "rebalance run"


def status(value: Status) -> Iterator[Block]:
    """Given how the node stands, render it."""
    yield Line(
        f"{value.alias or '(no alias)'}  {value.node_id[:12]}  {value.network}  block {value.blockheight:,}; "
        f"synced {age(value.synced_at, value.taken_at)}"
    )
    attention = tuple(_attention(value))
    yield Line(Toned("needs a look:", Tone.WARN) if attention else Toned("nothing needs a look", Tone.GOOD))
    for text in attention:
        yield Line(Toned(f"  - {text}", Tone.WARN))
    yield Line("")
    yield Table("Earned and spent (sat, UTC days)", _headings(value), tuple(_rows(value)))
    yield Line(f"net by day, 30 days to today: {sparkline(value.net_by_day_msat)}")
    yield Line("")
    for number, one in enumerate(value.budget.categories):
        yield Table("" if number else "May be spent (sat)", (_SPENT_ON[one.category], *_BUDGET), _budget(value, one))
    yield Line(_funds(value))
    if value.channels.splicing:
        yield Line(f"splices in flight: {counted(value.channels.splicing, 'channel')}, `revops report channels`")
    yield Line("")
    if value.commands:
        rows = tuple(_command(one, value) for one in value.commands)
        yield Table("Commands", ("command", "last run", ">exit", "every", "next", "what it has before it"), rows)


def _attention(value: Status) -> Iterator[str]:
    if value.synced_at is None:
        yield "the node was never synced: run `revops sync`"
    elif is_ahead(value.synced_at, value.taken_at):
        ahead = span(value.synced_at - value.taken_at)
        yield f"the last sync was recorded {ahead} in the future: a clock was, or is, wrong"
    since = {one.reason.sentence: one.since_at for one in value.budget.reserves if one.reason is not None}
    for reason in value.budget.suspended:
        yield f"spending is suspended: {_since(reason, since)}"
    yield from _stale(value)
    difference_msat = None if value.books is None else value.books.difference_msat
    if difference_msat:
        yield f"the books differ from the node by {difference_msat:+,} msat: `revops reconcile` says where"
    if value.channels.expiring:
        yield f"{counted(value.channels.expiring, 'channel')} with an HTLC near its end: `revops report channels`"
    if value.channels.offline:
        yield f"{value.channels.offline:,} of {counted(value.channels.open, 'channel')} offline"
    turns = by_turns(value.experiment, value.taken_at)
    if turns is not None:
        yield turns


def _stale(value: Status) -> Iterator[str]:
    """Commands that don't come any more, or fail. Where all have stopped, the cause is not in any of them."""
    late = [one for one in value.commands if one.late]
    if len(late) > 1 and len(late) == len(value.commands):
        last_at = max(one.started_at for one in late)
        yield f"no command has run as it used to since {instant(last_at)}: does cron run?"
        return
    for one in value.commands:
        parts = []
        if one.late:
            success = age(one.last_success_at, value.taken_at)
            parts.append(f"last succeeded {success}, and is expected every {span(one.every_seconds or 0)}")
        if one.exit_code:
            parts.append(f"ended with exit code {one.exit_code}: {one.message or 'run it by hand to see why'}")
        if parts:
            yield f"`{one.command}` {'; it '.join(parts)}"


def _since(reason: Reason, since: dict[str, float | None]) -> str:
    at = since.get(reason.sentence)
    return reason.sentence if at is None else f"{reason.sentence}; since {instant(at)}"


def _columns(value: Status) -> list[int]:
    """Most nodes have no leases, and some never rebalance: a column of nothing is left out."""
    cells = [_figures(one) for one in value.earnings]
    always = {0, len(_EARNINGS) - 2}
    return [number for number in range(len(_EARNINGS) - 1) if number in always or any(row[number] for row in cells)]


def _headings(value: Status) -> tuple[str, ...]:
    return ("last", *(_EARNINGS[number + 1] for number in _columns(value)))


def _figures(one: Earnings) -> tuple[int, ...]:
    line = one.line
    return (
        line.earned_msat, line.lease_earned_msat, line.rebalance_msat, line.chain_msat, line.lease_paid_msat,
        line.net_msat,
    )  # fmt: skip


def _rows(value: Status) -> Iterator[tuple[str, ...]]:
    shown = (income, income, cost, cost, cost, income)
    for one in value.earnings:
        figures = _figures(one)
        name = "today" if one.days == 1 else f"{one.days} days"
        cells = [shown[number](figures[number]) for number in _columns(value)]
        net = Toned(cells[-1], Tone.BAD if one.line.net_msat < 0 else Tone.GOOD if one.line.net_msat else None)
        yield (name, *cells[:-1], net)


def _budget(value: Status, one: CategoryState) -> tuple[tuple[str, ...], ...]:
    return tuple(_window(window, suspended=bool(value.budget.suspended)) for window in (one.daily, one.weekly))


def _window(window: WindowState, *, suspended: bool) -> tuple[str, ...]:
    limit_msat = window.limit.limit_msat
    used = share(window.spent_msat + window.reserved_msat, limit_msat)
    left = Toned("suspended", Tone.BAD) if suspended else income(window.left_msat)
    return (window.window, income(limit_msat), used, cost(window.spent_msat), cost(window.reserved_msat), left)


def _funds(value: Status) -> str:
    """What there is, beside what must stay."""
    floors = {one.place: one.floor_msat for one in value.budget.reserves}
    parts = []
    for name, place, have_msat in (
        ("wallet", "onchain", value.wallet_spendable_msat), ("channels", "offchain", value.channels_spendable_msat)
    ):  # fmt: skip
        have = "not known" if have_msat is None else f"{income(have_msat)} sat"
        floor_msat = floors.get(place, 0)
        parts.append(f"{name} {have}" + (f" (reserve {sat_exact(floor_msat)})" if floor_msat else ""))
    return f"spendable: {', '.join(parts)}"


def _command(one: CommandStanding, value: Status) -> tuple[str, ...]:
    every = "-" if one.every_seconds is None else span(one.every_seconds)
    return (
        one.command,
        age(one.started_at, value.taken_at),
        _ending(one, value.taken_at),
        every,
        _due(one, value.taken_at),
        _before(one.command, value),
    )


def _ending(one: CommandStanding, now: float) -> str:
    if one.exit_code is None:
        runs = one.message is None and now - one.started_at < _LONGEST_RUN_SECONDS
        return "runs" if runs else Toned("killed", Tone.BAD)
    return Toned(str(one.exit_code), Tone.BAD) if one.exit_code else "0"


def _due(one: CommandStanding, now: float) -> str:
    if one.due_at is None or is_ahead(one.started_at, now):
        return "-"
    if one.late:
        return Toned("late", Tone.BAD)
    return f"in {span(one.due_at - now)}" if one.due_at > now else "now"


def _before(command: str, value: Status) -> str:
    """What waits for a command."""
    refills = value.refills
    if command == _FEES:
        waiting = f"{counted(value.channels.deferred, 'change')} put off, {value.channels.asleep:,} asleep"
        return waiting if value.modes["fees"] == "act" else f"observes only; {waiting}"
    if command == _RUN:
        planned = (
            f"{refills.planned_count:,} planned: {income(refills.planned_msat)} sat for at most "
            f"{cost(refills.planned_fee_msat)}" if refills.planned_count else "nothing planned"
        )  # fmt: skip
        under_way = f"; {refills.under_way_count:,} under way" if refills.under_way_count else ""
        return planned + under_way if value.modes["rebalance"] == "act" else f"observes only; {planned}{under_way}"
    return ""
