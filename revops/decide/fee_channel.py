"""One channel's fee, decided: no strategy looks at it, the operator has pinned it, or a proposal goes its way through
the rails and the governor.
"""

from __future__ import annotations

from revops.decide.congested import remember, remember_all, remembered
from revops.decide.fee_decision import decision_on, wish
from revops.decide.floors import NO_LIMITS, Limits
from revops.decide.governor import gate
from revops.decide.occupancy import congestion
from revops.decide.openness import could_sell
from revops.decide.rails import apply_rails
from revops.decide.strategies.base import Proposal, propose_price
from revops.decide.valve import LEVEL_COUNT, oversized_msat, unfit_msat, wanted_step
from revops.domain.channel import Channel
from revops.domain.decision import FeeDecision
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import FeeInput, FeePin
from revops.domain.units import sat_floor

_HOUR_SECONDS = 3_600


def decide_alone(fee_input: FeeInput, policy: FeesConfig, now: float) -> list[FeeDecision]:
    """Given a channel, its policy and the time, return the decision on one that no strategy looks at, or whose fee the
    operator has set; none where a strategy prices it.
    """
    left_alone = _left_alone(fee_input, policy, now)
    if left_alone is not None:
        return [_leave(fee_input, policy, left_alone, now)]
    return [] if fee_input.pin is None else [_decide_pinned(fee_input, fee_input.pin, policy, now)]


def _left_alone(fee_input: FeeInput, policy: FeesConfig, now: float) -> Reason | None:
    """Why no strategy looks at a channel at all; None where one does."""
    channel = fee_input.channel
    if fee_input.pin is None and policy.strategy == "off":
        return why(ReasonCode.STRATEGY_OFF)
    if not channel.live:
        return why(ReasonCode.NOT_USABLE, state=channel.state)
    if fee_input.pin is None and policy.external == "respect" and fee_input.external_since_at is not None:
        age_hours = round(max(now - fee_input.external_since_at, 0) / _HOUR_SECONDS, 1)
        return why(ReasonCode.EXTERNAL_RESPECTED, fee_ppm=channel.local_terms.fee_ppm, age_hours=age_hours)
    return None


def _leave(fee_input: FeeInput, policy: FeesConfig, reason: Reason, now: float) -> FeeDecision:
    """A channel that no strategy looks at; whether it is congested is remembered all the same."""
    state = fee_input.state
    if state is not None:
        state = remember(state, congestion(fee_input.channel, state.congested_since_at, now))
    return decision_on(fee_input, policy, (reason,), state)


def _decide_pinned(fee_input: FeeInput, pin: FeePin, policy: FeesConfig, now: float) -> FeeDecision:
    """A channel whose fee the operator has set: no strategy, but rails and governor all the same."""
    left_hours = None if pin.until_at is None else round(max(pin.until_at - now, 0) / _HOUR_SECONDS, 1)
    span = "until it is released" if left_hours is None else f"for {left_hours} h more"
    proposal = propose_price(fee_input, pin.ppm, why(ReasonCode.PINNED, pin_ppm=pin.ppm, span=span), now)
    full = congestion(fee_input.channel, remembered(fee_input), now)
    proposal = remember_all(proposal, full)
    routable = full is None and could_sell(fee_input)
    return decide_channel(fee_input, proposal, policy, routable, now, forced=pin.forced)


def decide_channel(
    fee_input: FeeInput,
    proposal: Proposal,
    policy: FeesConfig,
    routable: bool,
    now: float,
    *,
    limits: Limits = NO_LIMITS,
    forced: bool = False,
    first: bool = False,
) -> FeeDecision:
    """Given a channel, a proposal for it, its policy, and whether a payment could use it, return what the rails and the
    governor make of that. `forced` passes all of them but the bounds and the node's daily cap, `first` (also a fee that
    is put back) the step limit. What the operator has set by hand has no soft limits.
    """
    terms = fee_input.channel.local_terms
    new_ppm, railed = apply_rails(
        terms.fee_ppm,
        proposal.ppm,
        proposal.state.idle_open_seconds,
        routable,
        policy,
        limits=limits,
        worth_ppm=fee_input.signals.value_ppm if proposal.value_ppm is None else proposal.value_ppm,
        forced=forced,
        first=first,
        promise=fee_input.promise,
    )
    reasons = (*proposal.reasons, *railed, *limits.notes)
    if terms.fee_base_msat != policy.base_msat:
        base = why(ReasonCode.BASE_FEE, base_msat=terms.fee_base_msat, wanted_base_msat=policy.base_msat)
        reasons = (*reasons, base)
    htlc_max_msat, turned = _valve(fee_input.channel, policy)
    decision = wish(fee_input, policy, proposal, new_ppm, htlc_max_msat, (*reasons, *turned), now)
    return gate(decision, fee_input, policy, now, forced=forced)


def _valve(channel: Channel, policy: FeesConfig) -> tuple[int | None, tuple[Reason, ...]]:
    """The largest payment that should be let through, and why; None where it stays."""
    old_sat, valve = sat_floor(channel.local_terms.htlc_max_msat), policy.htlc_max == "valve"
    cut_msat = unfit_msat(channel) if valve else None
    if cut_msat is not None:
        fits_sat = sat_floor(channel.spendable_msat)
        cut = why(ReasonCode.HTLC_MAX_UNFIT, old_sat=old_sat, new_sat=sat_floor(cut_msat), fits_sat=fits_sat)
        return cut_msat, (cut,)
    most_msat = oversized_msat(channel)
    if most_msat is not None:
        holds_sat = sat_floor(channel.least_capacity_msat)
        put_right = why(
            ReasonCode.HTLC_MAX_OVERSIZED, old_sat=old_sat, new_sat=sat_floor(most_msat), holds_sat=holds_sat
        )
        return most_msat, (put_right,)
    step = wanted_step(channel) if valve else None
    if step is None:
        return None, ()
    reason = why(
        ReasonCode.HTLC_MAX,
        local_percent=channel.local_percent,
        old_sat=old_sat,
        new_sat=sat_floor(step.htlc_max_msat),
        level=step.level,
        level_count=LEVEL_COUNT,
    )
    return step.htlc_max_msat, (reason,)
