"""Plans, verdicts and summaries as blocks for people. Pure: what is printed where is `output.py`'s business."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from revops.domain.decision import (
    BudgetVerdict,
    FeeDecision,
    Outcome,
    RebalanceDecision,
    WindowBudget,
)
from revops.domain.reason import Reason
from revops.domain.record import Books, ReserveStanding
from revops.domain.splice import SpliceDecision
from revops.domain.summary import (
    BackupSummary,
    DatabaseState,
    RollupSummary,
    SyncSummary,
)
from revops.domain.text import counted
from revops.domain.units import sat_ceil, sat_floor
from revops.report.amounts import cost, income, instant
from revops.report.blocks import Block, Line, Table
from revops.report.words import OUTCOMES, deciding, shortened

Decided = TypeVar("Decided", FeeDecision, RebalanceDecision, SpliceDecision)


def sentences(reasons: Sequence[Reason]) -> str:
    """Given reasons, return them as one text."""
    return "; ".join(reason.sentence for reason in reasons)


def _shortened(decision: FeeDecision | RebalanceDecision | SpliceDecision) -> str:
    return shortened(decision.outcome, decision.reasons, same_ppm=_same_ppm(decision))


def _same_ppm(decision: FeeDecision | RebalanceDecision | SpliceDecision) -> bool:
    return isinstance(decision, FeeDecision) and decision.old_ppm == decision.new_ppm


def grouped(
    decisions: Sequence[Decided], outcome_of: Callable[[Decided], str] = lambda decision: OUTCOMES[decision.outcome]
) -> Iterator[Block]:
    """Given skips, and the word for what became of each, render them by that and by the reason that decided, with one
    channel as the example.
    """
    groups: dict[tuple[str, str], list[Decided]] = defaultdict(list)
    for decision in decisions:
        reason = deciding(decision.outcome, decision.reasons, same_ppm=_same_ppm(decision))
        groups[outcome_of(decision), str(reason.code) if reason is not None else "no_reason"].append(decision)
    rows = tuple(
        (f"{len(group):,}", outcome, code, f"{_name(group[0])}: {_shortened(group[0])}")
        for (outcome, code), group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    )
    yield Table("", (">channels", "outcome", "reason", "for example"), rows)


def counts(outcomes: Sequence[Outcome], change: str) -> str:
    """Given the outcomes of a plan, and what follows from a change, return how many there are of each."""
    numbers = {outcome: outcomes.count(outcome) for outcome in Outcome}
    return (
        f"{counted(len(outcomes), 'channel')}: {numbers[Outcome.CHANGE]:,} {change}, "
        f"{numbers[Outcome.DEFER]:,} {OUTCOMES[Outcome.DEFER]}, "
        f"{numbers[Outcome.SKIP]:,} {OUTCOMES[Outcome.SKIP]}"
    )


def _name(decision: FeeDecision | RebalanceDecision | SpliceDecision) -> str:
    return decision.target_name if isinstance(decision, RebalanceDecision) else decision.name


def suspensions(reasons: Sequence[Reason], reserves: Sequence[ReserveStanding]) -> Iterator[Line]:
    """Given what suspends, and how the reserves stand, render each reason; of a reserve with since when it holds."""
    since = {one.reason.sentence: one.since_at for one in reserves if one.reason is not None}
    for reason in reasons:
        at = since.get(reason.sentence)
        yield Line(reason.sentence if at is None else f"{reason.sentence}; since {instant(at)}")


def budget(verdict: BudgetVerdict, reserves: Sequence[ReserveStanding] = ()) -> Iterator[Block]:
    """Given the budget's state, and how the reserves stand, render its windows, what suspends it, and what is left."""
    rows = tuple(_window_row(window) for window in (verdict.daily, verdict.weekly))
    yield Table("", ("budget", ">limit sat", ">spent sat", ">reserved sat", ">left sat"), rows)
    yield from suspensions(verdict.suspended, reserves)
    left_sat = 0 if verdict.suspended else min(_left_sat(verdict.daily), _left_sat(verdict.weekly))
    yield Line(f"left for the next rebalance: {left_sat:,} sat")


def _window_row(window: WindowBudget) -> tuple[str, ...]:
    return (
        window.window,
        income(window.limit_msat),
        cost(window.spent_msat),
        cost(window.reserved_msat),
        f"{_left_sat(window):,}",
    )


def _left_sat(window: WindowBudget) -> int:
    """What is left of the figures as they are printed, so that the row adds up. Never more than there is."""
    return max(0, sat_floor(window.limit_msat) - sat_ceil(window.spent_msat) - sat_ceil(window.reserved_msat))


def sync(summary: SyncSummary) -> Iterator[Block]:
    """Given what a sync copied, render it in two lines."""
    yield Line(
        f"{counted(summary.new_forward_count, 'new forward')}, {summary.changed_forward_count:,} changed; "
        f"{counted(summary.move_count, 'move')}, {counted(summary.event_count, 'event')}; "
        f"{counted(summary.channel_count, 'channel')}, {summary.closed_channel_count:,} closed"
    )
    if summary.books is not None:
        yield Line(books(summary.books))


def books(value: Books) -> str:
    """Given the reconciliation, return it as a sentence."""
    difference_msat = value.difference_msat
    if difference_msat is None:
        return "books: not compared yet, the first sync isn't complete"
    if difference_msat == 0:
        return f"books: right, {income(value.node_fees_msat)} sat in all; compared {instant(value.checked_at)}"
    return (
        f"books: the node says {value.node_fees_msat:,} msat, our rows {value.recorded_fees_msat:,} and "
        f"{value.opening_msat:,} before them: {difference_msat:+,} msat apart; compared {instant(value.checked_at)}"
    )


def rollup(summary: RollupSummary) -> Iterator[Block]:
    """Given what a rollup did, render it."""
    pruned = ", ".join(f"{count:,} {kind}" for kind, count in summary.pruned_count.items() if count) or "nothing"
    changed = summary.changed_class_count
    classes = f"; {counted(changed, 'channel')} in another class (`revops report classes`)" if changed else ""
    room = f"; {summary.given_back_bytes:,} bytes given back to the disk" if summary.given_back_bytes else ""
    yield Line(f"{counted(summary.rolled_up_count, 'forward')} summarised; pruned: {pruned}{classes}{room}")


def database(state: DatabaseState) -> Iterator[Block]:
    """Given the schema's state, render it in one line."""
    if state.version_before is None:
        yield Line(f"{state.url}: created, schema {state.version}")
    elif state.version_before == state.version:
        yield Line(f"{state.url}: schema {state.version}, up to date")
    else:
        yield Line(f"{state.url}: schema {state.version_before} -> {state.version}")


def backup(summary: BackupSummary) -> Iterator[Block]:
    """Given a backup, render where it is."""
    removed = f"; {counted(summary.removed_count, 'older copy')} removed" if summary.removed_count == 1 else ""
    removed = f"; {summary.removed_count:,} older copies removed" if summary.removed_count > 1 else removed
    yield Line(f"{summary.target}: {summary.size_bytes:,} bytes{removed}")
