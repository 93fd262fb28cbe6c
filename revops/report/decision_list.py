"""`revops report decisions` as blocks: a row for each decision, its reasons in full."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from revops.domain.decision_list import DecisionsReport
from revops.domain.record import DecisionRecord
from revops.domain.text import counted
from revops.report.amounts import age, instant
from revops.report.blocks import Block, Line, Table
from revops.report.words import OUTCOMES, amount_moved, fee_step

_HEADINGS: Final = ("last", ">times", "command", "channel", "outcome", "what", "why")


def decisions(value: DecisionsReport) -> Iterator[Block]:
    """Given decisions, render a row each."""
    if value.decisions:
        yield Table("", _HEADINGS, tuple(map(_row, value.decisions)))
    more = "; there are older ones: --last N" if value.more else ""
    yield Line(f"{counted(len(value.decisions), 'decision')}{more}; synced {age(value.synced_at, value.taken_at)}")


def what(decision: DecisionRecord) -> str:
    """Given a decision, return what it is about: an amount, or a fee's step; "" where it is about neither."""
    if decision.amount_msat:
        return amount_moved(decision)
    if decision.new_ppm is None or decision.old_ppm is None:
        return ""
    return fee_step(decision.outcome, decision.old_ppm, decision.new_ppm)


def _row(decision: DecisionRecord) -> tuple[str, ...]:
    return (
        instant(decision.last_at),
        f"{decision.repeat_count + 1:,}",
        decision.command,
        decision.name,
        OUTCOMES[decision.outcome],
        what(decision),
        "; ".join(reason.sentence for reason in decision.reasons),
    )
