"""`fees adjust`, decided: snapshot and policy in, one decision a channel out.

The path of each channel: strategy, rails, governor, and whatever suspends writing altogether (observe mode, reserve,
a node that syncs). Nothing here sends anything.
"""

from __future__ import annotations

from dataclasses import replace

from revops.decide.governor import cap, gate
from revops.decide.openness import could_route
from revops.decide.rails import apply_rails, sane
from revops.decide.strategies.base import EFFECTIVE_AFTER_SECONDS, Proposal
from revops.decide.strategies.registry import STRATEGIES
from revops.domain.decision import FeeDecision, FeePlan, FeeState, Outcome
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import FeeInput, FeeSnapshot


def decide_fees(snapshot: FeeSnapshot, policy: FeesConfig, suspended: tuple[Reason, ...] = ()) -> FeePlan:
    """Given a snapshot, the policy and what suspends writing, return what to do with each channel's fee.

    The plan is ordered by channel_id and depends on nothing but the arguments.
    """
    now = snapshot.view.taken_at
    decisions = [
        decide_channel(fee_input, fee_input.policy or policy, now)
        for fee_input in sorted(snapshot.inputs, key=lambda fee_input: fee_input.channel.channel_id)
    ]
    decisions = cap(decisions, snapshot.updates_last_day_count, policy)
    if suspended:
        decisions = [_suspend(decision, suspended) for decision in decisions]
    return FeePlan(taken_at=now, decisions=tuple(decisions))


def decide_channel(fee_input: FeeInput, policy: FeesConfig, now: float) -> FeeDecision:
    """Given one channel, return its decision before the node's daily cap."""
    channel = fee_input.channel
    terms = channel.local_terms
    stay = FeeDecision(
        channel_id=channel.channel_id,
        peer_id=channel.peer_id,
        name=channel.name,
        strategy=policy.strategy,
        outcome=Outcome.SKIP,
        old_ppm=terms.fee_ppm,
        proposed_ppm=terms.fee_ppm,
        new_ppm=terms.fee_ppm,
        old_base_msat=terms.fee_base_msat,
        new_base_msat=terms.fee_base_msat,
        expected_gain_msat=0,
        reasons=(),
        state=fee_input.state,
        state_if_sent=None,
    )
    if policy.strategy == "off":
        return replace(stay, reasons=(why(ReasonCode.STRATEGY_OFF),))
    if not channel.live:
        return replace(stay, reasons=(why(ReasonCode.NOT_USABLE, state=channel.state),))
    proposal = STRATEGIES[policy.strategy](fee_input, policy, now)
    new_ppm, railed = apply_rails(
        terms.fee_ppm, proposal.ppm, proposal.state.idle_open_seconds, could_route(channel), policy
    )
    reasons = (*proposal.reasons, *railed)
    if terms.fee_base_msat != policy.base_msat:
        base = why(ReasonCode.BASE_FEE, base_msat=terms.fee_base_msat, wanted_base_msat=policy.base_msat)
        reasons = (*reasons, base)
    decision = replace(
        stay,
        outcome=Outcome.CHANGE,
        proposed_ppm=sane(proposal.ppm, terms.fee_ppm),
        new_ppm=new_ppm,
        new_base_msat=policy.base_msat,
        expected_gain_msat=_expected_gain_msat(terms.fee_ppm, new_ppm, proposal),
        reasons=reasons,
        state=proposal.state,
        state_if_sent=_state_if_sent(proposal, terms.fee_ppm, new_ppm, now),
    )
    return gate(decision, fee_input.last_changed_at, policy, now)


def _state_if_sent(proposal: Proposal, old_ppm: int, new_ppm: int, now: float) -> FeeState:
    """What the strategy remembers once `new_ppm` is in force. Its direction is the one that the rails left."""
    direction = proposal.if_sent.direction
    if new_ppm != old_ppm:
        direction = 1 if new_ppm > old_ppm else -1
    return replace(
        proposal.if_sent,
        fee_ppm=new_ppm,
        direction=direction,
        window_start_at=now + EFFECTIVE_AFTER_SECONDS,
        counted_at=now,
    )


def _expected_gain_msat(old_ppm: int, new_ppm: int, proposal: Proposal) -> int:
    """A day's income times the size of the step: only good for ranking changes under the cap."""
    return int(proposal.rate_msat * 24 * abs(new_ppm - old_ppm) / max(old_ppm, 1))


def _suspend(decision: FeeDecision, suspended: tuple[Reason, ...]) -> FeeDecision:
    if decision.outcome is not Outcome.CHANGE:
        return decision
    return replace(decision, outcome=Outcome.DEFER, reasons=(*decision.reasons, *suspended))
