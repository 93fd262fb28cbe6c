"""`fees adjust`, decided: snapshot and policy in, one decision a channel out.

The path of each channel: strategy (`fee_peer.py`), rails and governor (`fee_channel.py`), and whatever suspends writing
altogether (observe mode, reserve, a node that syncs). Nothing here sends anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from revops.decide import in_flight
from revops.decide.chain_floor import chain_rate
from revops.decide.experiment import reason_of
from revops.decide.fee_channel import decide_alone
from revops.decide.fee_decision import author_of, decision_on
from revops.decide.fee_peer import decide_peer
from revops.decide.floors import Chain
from revops.decide.governor import cap
from revops.decide.node_ratio import node_ratio
from revops.decide.openness import unreachable_peers
from revops.decide.peers import price_together
from revops.domain.decision import FeeDecision, FeePlan, Outcome
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import FeeInput, FeeSnapshot
from revops.domain.values import replace

_ERROR_LENGTH = 200


def decide_fees(snapshot: FeeSnapshot, policy: FeesConfig, suspended: tuple[Reason, ...] = ()) -> FeePlan:
    """Given a snapshot, the policy and what suspends writing, return what to do with each channel's fee.

    The plan is ordered by channel_id and depends on nothing but the arguments.
    """
    now = snapshot.view.taken_at
    decisions: list[FeeDecision] = []
    priced: list[FeeInput] = []
    unreachable = unreachable_peers(snapshot.view.channels)
    for fee_input in sorted(snapshot.inputs, key=lambda fee_input: fee_input.channel.channel_id):
        if fee_input.channel.peer_id in unreachable:
            fee_input = replace(fee_input, reachable=False)
        own_policy = fee_input.policy or policy
        alone = _safely((fee_input,), own_policy, partial(decide_alone, fee_input, own_policy, now))
        decisions += alone
        if not alone:
            priced.append(fee_input)
    samples = snapshot.feerates
    chain = Chain() if samples is None else Chain(chain_rate(samples, now), sampled=True)
    market_ratio = node_ratio(priced)
    for peer in price_together((replace(one, market_ratio=market_ratio) for one in priced), policy):
        decide = partial(decide_peer, peer, chain, snapshot.view.channels, now)
        decisions += _safely(peer.members, peer.policy, decide)
    decisions.sort(key=lambda decision: decision.channel_id)
    decisions = cap(decisions, snapshot.updates_last_day_count, policy)
    notes = {one.channel.channel_id: in_flight.notes(one.channel) for one in snapshot.inputs}
    notes |= {one.channel.channel_id: (*_notes(one), *notes[one.channel.channel_id]) for one in priced}
    decisions = [_noted(decision, notes.get(decision.channel_id, ())) for decision in decisions]
    if suspended:
        decisions = [_suspend(decision, suspended) for decision in decisions]
    return FeePlan(taken_at=now, decisions=tuple(decisions))


def _safely(
    members: tuple[FeeInput, ...], policy: FeesConfig, decide: Callable[[], list[FeeDecision]]
) -> list[FeeDecision]:
    """What is decided on these channels; where that raises, they stay as they are, and the others get their turn."""
    try:
        return decide()
    except Exception as error:  # noqa: BLE001  one peer's misfortune must not stop the rest; the run says so at its end
        message = f"{type(error).__name__}: {error}"[:_ERROR_LENGTH]
        return [_leave_failed(member, policy, message) for member in members]


def _leave_failed(member: FeeInput, policy: FeesConfig, message: str) -> FeeDecision:
    reason = why(ReasonCode.STRATEGY_FAILED, strategy=author_of(member, policy), error=message)
    return decision_on(member, policy, (reason,), member.state)


def _notes(one: FeeInput) -> Iterator[Reason]:
    """What a reader should know beside the price: nobody can get here, an experiment has chosen the strategy."""
    if not one.reachable:
        yield why(ReasonCode.UNREACHABLE)
    if one.turn is not None:
        yield reason_of(one.turn)


def _noted(decision: FeeDecision, notes: tuple[Reason, ...]) -> FeeDecision:
    return replace(decision, reasons=(*decision.reasons, *notes)) if notes else decision


def _suspend(decision: FeeDecision, suspended: tuple[Reason, ...]) -> FeeDecision:
    if decision.outcome is not Outcome.CHANGE:
        return decision
    return replace(decision, outcome=Outcome.DEFER, reasons=(*decision.reasons, *suspended))
