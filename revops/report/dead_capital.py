"""`revops report dead` as blocks: channels whose capital does nothing, and what moving it would cost and bring."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from revops.domain.dead_capital import DeadChannel, DeadReport, SilentChannel, Standing
from revops.domain.text import counted
from revops.report.amounts import age, cost, income, instant, percent
from revops.report.blocks import Block, Legend, Line, Table
from revops.report.rates import span_days

_HEADINGS: Final = (
    "channel", "peer", ">local", "last forward", ">silent d", ">close", ">by force", "close paid by", ">reopen",
    ">elsewhere a year", ">paid back in d",
)  # fmt: skip
_SILENT: Final = ("channel", "peer", ">local", "last forward", ">silent d", ">value ppm", "not dead, since")
_WHY: Final = {
    Standing.YOUNG: "too young",
    Standing.WANTED: "payments want it: its next sat has a value",
    Standing.UNVALUED: "not judged yet what its next sat is worth",
    Standing.UNSEEN: "usable for too few days on record",
    Standing.SPLICING: "a splice is in flight",
}
#: Longer than this nobody waits for.
_MOST_DAYS: Final = 36_500


def dead(value: DeadReport) -> Iterator[Block]:
    """Given the report, render what is dead, what it would take to move it, and why the rest isn't."""
    count = len(value.dead)
    if count:
        yield Line(
            f"{counted(count, 'channel')} with {income(value.capital_msat)} sat of dead capital; synced "
            f"{age(value.synced_at, value.taken_at)}"
        )
    else:
        yield Line(f"No capital is dead; synced {age(value.synced_at, value.taken_at)}")
    yield Legend(
        f"Dead: nothing settled over it in either direction for {value.dead_days} usable days, in which it could have "
        f"forwarded, its next sat has no value, and it is at least {value.min_age_days} days old"
    )
    yield from _others(value)
    if count:
        yield Line("")
        yield Table("Dead capital (sat)", _HEADINGS, tuple(_row(one) for one in value.dead))
        yield from _rates(value)
        yield from _elsewhere(value)
    if value.silent:
        yield Line("")
        yield Table("Silent, but not dead (sat)", _SILENT, tuple(_silent_row(one) for one in value.silent))
    if value.unvalued_count:
        yield Legend(
            "what a next sat is worth is judged by `revops fees adjust`, in observe mode, too; before, none is dead"
        )
    if count:
        yield from _by_hand(value.dead[0])


def _others(value: DeadReport) -> Iterator[Block]:
    groups = (
        (value.alive_count, "had a forward in these days, or too few of them have passed"),
        (value.young_count, _WHY[Standing.YOUNG]),
        (value.wanted_count, "silent, but payments want it"),
        (value.unvalued_count, "silent, but not judged yet"),
        (value.splicing_count, "silent, with a splice in flight"),
        (value.unseen_count, "silent by the calendar, but usable for too few days on record to tell"),
    )
    told = [f"{count:,} {why}" for count, why in groups if count]
    if told:
        yield Legend(f"The other channels: {'; '.join(told)}")
    elif not value.dead:
        yield Line("There is no open channel")


def _silent_row(one: SilentChannel) -> tuple[str, ...]:
    return (*_head(one), "?" if one.value_ppm is None else f"{one.value_ppm:,.0f}", _WHY[one.standing])


def _head(one: SilentChannel | DeadChannel) -> tuple[str, ...]:
    last = "never" if one.last_settled_at is None else instant(one.last_settled_at)[:10]
    peer = one.alias or (one.peer_id or "")[:12]
    return one.name, peer, income(one.local_msat), last, f"{one.silent_days:,.0f}"


def _row(one: DeadChannel) -> tuple[str, ...]:
    close = one.close
    return (
        *_head(one),
        *(("?",) * 4 if close is None else (
            cost(close.mutual_msat), cost(close.unilateral_msat), close.payer, cost(close.reopen_msat)
        )),
        "?" if one.elsewhere_msat is None else income(one.elsewhere_msat),
        _payback(one),
    )  # fmt: skip


def _payback(one: DeadChannel) -> str:
    """Not known ("?"), or never ("-")."""
    if one.close is None or one.elsewhere_msat is None:
        return "?"
    return "-" if one.payback_days is None or one.payback_days > _MOST_DAYS else f"{one.payback_days:,.0f}"


def _rates(value: DeadReport) -> Iterator[Block]:
    rates = value.rates
    if rates is None:
        yield Line("What a close costs isn't known (?): the node had no estimate of feerates in the last 3 days")
        return
    yield Line(
        f"By the feerates of {age(rates.sampled_at, value.taken_at)}, in sat per 1,000 weight: {rates.mutual_perkw:,} "
        f"for a close, {rates.unilateral_perkw:,} by force, {rates.opening_perkw:,} for opening"
    )
    yield Legend(
        "close: our part of a mutual close, which the opener pays; by force: with the bump by the anchor and the sweep "
        "of our balance, which we pay in any case; HTLCs under way would make it dearer"
    )


def _elsewhere(value: DeadReport) -> Iterator[Block]:
    found = value.elsewhere
    if found is None:
        yield Line("What capital earns elsewhere isn't known: no channel of this node is profitable")
        return
    yield Legend(
        f"Elsewhere: {percent(found.median_ratio)} a year, the median of {counted(found.channel_count, 'channel')} "
        f"that are profitable ({percent(found.low_ratio)} to {percent(found.high_ratio)}), each fee counted where the "
        f"payment left, over the last {span_days(value.rated)} days of which balances are on record"
    )
    yield Legend(
        "paid back: after so many days at that rate a mutual close and a new opening are paid (-: never). More of the "
        "same usually earns less than the first of it"
    )


def _by_hand(first: DeadChannel) -> Iterator[Block]:
    yield Line("")
    yield Legend(
        "This is advice: revops closes nothing. A cheaper fee may be tried first (`revops fees set`), or a splice out. "
        "To close a channel yourself, with its peer and never by force:"
    )
    yield Line(f"    lightning-cli close {first.name} 0")
