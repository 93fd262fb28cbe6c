"""`revops report classes` as blocks: a row a channel, with the evidence of its class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from revops.domain.profit_class import ClassedChannel, ClassesReport, ClassState
from revops.domain.text import counted
from revops.report.amounts import age, instant
from revops.report.blocks import Block, Legend, Line, Table


def classes(value: ClassesReport) -> Iterator[Block]:
    """Given the classes, render how many of each there are, and a row a channel."""
    if not value.channels:
        yield Line("No channel has a class yet: `revops rollup` judges them")
        return
    counts = Counter(one.state.profit_class for one in value.channels)
    told = ", ".join(f"{count:,} {one.word}" for one, count in counts.items())
    judged_at = max(one.state.judged_at for one in value.channels)
    yield Line(
        f"{counted(len(value.channels), 'channel')}: {told}; judged {age(judged_at, value.taken_at)} by "
        f"{value.window_days} days"
    )
    if value.waiting_count:
        yield Line(f"{counted(value.waiting_count, 'channel')} more: the next `revops rollup` judges them")
    yield Line("")
    headings = ("channel", "peer", "class", "since", "evidence")
    yield Table("Channels", headings, tuple(_row(one) for one in value.channels))
    yield Legend(
        "returns: of the window's days, as far as balances are on record, as in `revops report pnl`, which counts in "
        "addition what transactions cost. Usable days: open hours, in days: time in which the peer was known to be "
        "connected and a typical payment could have left. "
        f"A class changes when another has held for {counted(value.hold_days, 'day')}"
    )


def _row(one: ClassedChannel) -> tuple[str, ...]:
    state = one.state
    return (
        one.name,
        one.alias or (one.peer_id or "")[:12],
        state.profit_class.word,
        instant(state.since_at)[:10],
        evidence(state),
    )


def evidence(state: ClassState) -> str:
    """Given a class, return what it rests on, as one text."""
    return "; ".join(reason.sentence for reason in state.evidence)


def standing(state: ClassState) -> str:
    """Given a class, return it in one line, with its evidence."""
    return f"{state.profit_class.word} since {instant(state.since_at)[:10]}: {evidence(state)}"
