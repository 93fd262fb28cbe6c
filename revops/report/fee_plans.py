"""`revops fees adjust`, `fees set` and `fees unset` as blocks: what changes, what stays, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from revops.domain.decision import FeeDecision, FeePlan, Outcome
from revops.domain.reason import ReasonCode, says, why
from revops.domain.snapshot import FeePin
from revops.domain.text import counted
from revops.report.amounts import income
from revops.report.blocks import Block, Legend, Line, Table
from revops.report.summaries import grouped
from revops.report.words import fee_step, pin_end, shortened

_OBSERVED: Final = why(ReasonCode.OBSERVE_MODE)
_KEPT: Final = "kept"
_NOT_SENT: Final = "not sent"


def fee_plan(plan: FeePlan, *, dry_run: bool, each_skip: bool) -> Iterator[Block]:
    """Given a fee plan, render its changes and counts; of a dry run also why the others stay, in groups; with
    `each_skip` each channel with all its reasons, one a line.
    """
    wanted = [decision for decision in plan.decisions if decision.outcome is not Outcome.SKIP]
    others = [decision for decision in plan.decisions if decision.outcome is Outcome.SKIP]
    if each_skip:
        for decision in (*wanted, *others):
            yield from _whole(decision, dry_run=dry_run)
    else:
        if wanted:
            valve = any(decision.new_htlc_max_msat is not None for decision in wanted)
            headings = ("channel", "peer", ">old ppm", ">new ppm", *[">htlc_max sat"] * valve, "outcome", "why")
            yield Table("", headings, tuple(_fee_row(decision, valve=valve, dry_run=dry_run) for decision in wanted))
        if others and dry_run:
            yield from grouped(others, lambda decision: became(decision, dry_run=dry_run))
        if any(len(decision.reasons) > 1 for decision in (*wanted, *(others if dry_run else ()))):
            yield Line("why: the reason that decided; (+2): there are two more, -v tells them")
    if any(_only_watched(decision) for decision in wanted):
        yield Line('observe mode: nothing is sent; set fees.mode = "act" when you agree with what would be')
    if dry_run and any(says(decision.reasons, ReasonCode.FIRST_SEEN) for decision in plan.decisions):
        yield Legend(
            "first seen: what such a channel earns at its fee isn't known yet. As a dry run records nothing, it is "
            "watched from the first other run on, in either mode, and its fee judged once it was open for some hours"
        )
    yield Line(_counts(plan, dry_run=dry_run))


def became(decision: FeeDecision, *, dry_run: bool) -> str:
    """Given a decision, return what became of the fee, in the words of all commands that set fees."""
    if decision.outcome is Outcome.CHANGE:
        return _sent(dry_run=dry_run)
    return _KEPT if decision.outcome is Outcome.SKIP and decision.same_fee else _NOT_SENT


def _sent(*, dry_run: bool) -> str:
    return "would be sent" if dry_run else "sent"


def _counts(plan: FeePlan, *, dry_run: bool) -> str:
    words = [became(decision, dry_run=dry_run) for decision in plan.decisions]
    told = ", ".join(f"{words.count(word):,} {word}" for word in (_sent(dry_run=dry_run), _NOT_SENT, _KEPT))
    return f"{counted(len(words), 'channel')}: {told}"


def _only_watched(decision: FeeDecision) -> bool:
    """Whether nothing but the mode stands against a change: said once, and not in place of each one's reason."""
    return decision.outcome is Outcome.DEFER and decision.reasons[-1:] == (_OBSERVED,)


def _whole(decision: FeeDecision, *, dry_run: bool) -> Iterator[Block]:
    """One channel's decision, its reasons one a line."""
    yield Line(f"{decision.name}  {decision.peer_id[:12]}  {_told(decision, dry_run=dry_run)}")
    for reason in decision.reasons:
        yield Line(f"  - {reason.sentence}")


def _told(decision: FeeDecision, *, dry_run: bool) -> str:
    """What became of the fee, and which that is."""
    step = fee_step(decision.outcome, decision.old_ppm, decision.new_ppm)
    return f"{became(decision, dry_run=dry_run)}: {step}{_beside(decision)}"


def _beside(decision: FeeDecision) -> str:
    """What is sent beside the fee rate."""
    parts = []
    if decision.new_base_msat != decision.old_base_msat:
        parts.append(f"base fee {decision.old_base_msat:,} -> {decision.new_base_msat:,} msat")
    if decision.new_htlc_max_msat is not None:
        parts.append(f"htlc_max {income(decision.new_htlc_max_msat)} sat")
    return "".join(f", {part}" for part in parts)


def fee_set(plan: FeePlan, pin: FeePin, *, dry_run: bool) -> Iterator[Block]:
    """Given the plan that followed from a pin, say what was pinned and what comes of it now."""
    for decision in plan.decisions:
        would = "would be " if dry_run else ""
        yield Line(f"{decision.name} {would}pinned at {pin.ppm:,} ppm {pin_end(pin)}")
        yield from _by_hand(decision, dry_run=dry_run)


def fee_unset(plan: FeePlan, *, dry_run: bool) -> Iterator[Block]:
    """Given the plan that followed from a release, say who goes on from which fee, and what comes of it now."""
    for decision in plan.decisions:
        would = "would be " if dry_run else ""
        yield Line(f"{decision.name} {would}released at {decision.old_ppm:,} ppm to strategy {decision.strategy}")
        yield from _by_hand(decision, dry_run=dry_run)


def _by_hand(decision: FeeDecision, *, dry_run: bool) -> Iterator[Block]:
    yield Line(_told(decision, dry_run=dry_run))
    for reason in decision.reasons:
        yield Line(f"  - {reason.sentence}")


def _why(decision: FeeDecision) -> str:
    return shortened(decision.outcome, decision.reasons, same_ppm=decision.old_ppm == decision.new_ppm)


def _fee_row(decision: FeeDecision, *, valve: bool, dry_run: bool) -> tuple[str, ...]:
    htlc_max_msat = decision.new_htlc_max_msat
    return (
        decision.name,
        decision.peer_id[:12],
        f"{decision.old_ppm:,}",
        f"{decision.new_ppm:,}",
        *["as it is" if htlc_max_msat is None else income(htlc_max_msat)] * valve,
        became(decision, dry_run=dry_run),
        _why(decision),
    )
