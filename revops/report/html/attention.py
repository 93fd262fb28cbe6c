"""What an operator should look at first: what is suspended, failed, stale, offline, or bought nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from revops.domain.profit_class import ProfitClass
from revops.domain.record import ChannelRecord
from revops.domain.review import Review
from revops.domain.status import CommandStanding
from revops.domain.text import counted
from revops.report.amounts import age, income, instant
from revops.report.html.headline import FULL_RATIO
from revops.report.html.names import cut, name_of
from revops.report.profit import note_on_ledger
from revops.report.summaries import books, suspensions
from revops.report.words import by_turns

#: A sync that old has missed several of cron's turns; one older by far is stale.
OLD_SECONDS: Final = 2 * 3_600
STALE_SECONDS: Final = 24 * 3_600
#: No command takes that long.
UNFINISHED_SECONDS: Final = 3_600
_NAMED_COUNT: Final = 4
_MESSAGE_LENGTH: Final = 300
#: A predicate that is false is no failure.
_FINE: Final = frozenset({0, 1})


@dataclass(frozen=True, slots=True)
class Item:
    """Something to look at. `tone`: "bad" stops the work or loses money, "warn" may, "info" is good to know. `command`
    says more, or mends it.
    """

    tone: str
    title: str
    detail: str = ""
    command: str = ""


def attention(review: Review) -> tuple[Item, ...]:
    """Given a review, return what to look at, the most urgent first."""
    found = [
        *_freshness(review), *_suspended(review), *_runs(review), *_records(review), *_channels(review),
        *_budget(review), *_capital(review), *_modes(review),
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda item: ("bad", "warn", "info").index(item.tone)))


def _freshness(review: Review) -> Iterator[Item]:
    synced_at, now = review.standing.synced_at, review.standing.taken_at
    if synced_at is None:
        yield Item("bad", "Nothing was ever copied from the node", "all figures are empty", "revops sync")
    elif now - synced_at >= OLD_SECONDS:
        tone = "bad" if now - synced_at >= STALE_SECONDS else "warn"
        detail = f"the last sync was {instant(synced_at)}; what happened since isn't in any figure"
        yield Item(tone, f"The figures are old: synced {age(synced_at, now)}", detail, "revops sync")


def _suspended(review: Review) -> Iterator[Item]:
    reasons = review.standing.budget.suspended
    for line in suspensions(reasons, review.standing.reserves):
        yield Item("bad", "Spending is suspended", line.text, "revops budget check")


def _runs(review: Review) -> Iterator[Item]:
    now = review.standing.taken_at
    late = []
    for one in review.commands:
        title = _failure(one, now)
        if title is not None:
            since = f"last success {age(one.last_success_at, now)}"
            message = f"{cut(one.message, _MESSAGE_LENGTH)}; {since}" if one.message else since
            yield Item("bad", title, message, f"revops {one.command} -v")
        elif one.late:
            late.append(f"{one.command} ({age(one.started_at, now)})")
    if late:
        verb = "hasn't" if len(late) == 1 else "haven't"
        title = f"{counted(len(late), 'command')} {verb} run for a while"
        yield Item("warn", title, f"{', '.join(late)}: does cron run?")


def _failure(one: CommandStanding, now: float) -> str | None:
    if one.exit_code is None:
        ended = now - one.started_at >= UNFINISHED_SECONDS
        return f"{one.command} never reported its end" if ended else None
    if one.exit_code in _FINE:
        return None
    return f"{one.command} failed {age(one.started_at, now)} (exit {one.exit_code})"


def _records(review: Review) -> Iterator[Item]:
    standing = review.standing.books
    if standing is not None and standing.difference_msat:
        yield Item("warn", "The books differ from the node", books(standing), "revops reconcile")
    for block in note_on_ledger(read=review.profit.ledger_read):
        yield Item("warn", "Costs are missing", getattr(block, "text", ""), "revops sync")


def _channels(review: Review) -> Iterator[Item]:
    channels = [channel for channel in review.standing.channels if channel.open]
    height = review.standing.blockheight
    near = [channel for channel in channels if channel.near_expiry_blocks(height) is not None]
    if near:
        blocks = min(channel.near_expiry_blocks(height) or 0 for channel in near)
        when = "has expired" if blocks <= 0 else f"expires in {counted(blocks, 'block')}"
        yield Item("bad", "A payment is stuck", f"the first HTLC {when}: {_named(near)}")
    away = [channel for channel in channels if not channel.connected]
    if away:
        ours = income(sum(channel.local_msat for channel in away))
        title = f"{counted(len(away), 'channel')} offline"
        yield Item("warn", title, f"{ours} sat of ours in them: {_named(away)}", "revops report peers")


def _named(channels: Iterable[ChannelRecord]) -> str:
    """The largest of them, by the peer."""
    ranked = sorted(channels, key=lambda channel: (-channel.local_msat, channel.name))
    named = [f"{name_of(one).peer} ({name_of(one).channel})" for one in ranked[:_NAMED_COUNT]]
    more = len(ranked) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")


def _budget(review: Review) -> Iterator[Item]:
    for one in review.categories:
        for window in (one.daily, one.weekly):
            limit_msat = window.limit.limit_msat
            if limit_msat > 0 and window.spent_msat + window.reserved_msat >= FULL_RATIO * limit_msat:
                detail = f"{income(window.left_msat)} of {income(limit_msat)} sat are left ({one.category})"
                yield Item(
                    "warn", f"The budget of the {window.window} is nearly used up", detail, "revops budget check"
                )


def _capital(review: Review) -> Iterator[Item]:
    if review.dead.dead:
        detail = f"{income(review.dead.capital_msat)} sat of ours in them earn nothing"
        yield Item("info", f"Dead capital: {counted(len(review.dead.dead), 'channel')}", detail, "revops report dead")
    underwater = sum(state.profit_class is ProfitClass.UNDERWATER for state in review.classes.values())
    if underwater:
        title = f"{counted(underwater, 'channel')} underwater"
        yield Item("info", title, "they cost more than they bring", "revops report classes")


def _modes(review: Review) -> Iterator[Item]:
    for section, mode in (("fees", review.fees_mode), ("rebalance", review.rebalance_mode)):
        if mode == "observe":
            detail = f"decisions are taken and recorded, nothing is sent ({section}.mode)"
            yield Item("info", f"{section}: observe mode", detail)
    turns = by_turns(review.standing.experiment, review.standing.taken_at)
    if turns is not None:
        yield Item("info", "An experiment runs", turns, "revops experiment status")
