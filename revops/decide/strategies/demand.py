"""`demand`: learn what the channel's customers would pay, and ask for what is expected to bring the most.

All prices that were tried lately, and what came at each, make one belief about demand (`demand_curve.py`), centred on
what others charge into the peer until there is evidence. The price is the one whose expected net income is highest: the
payments that should come at it, times what each leaves after the liquidity that it uses up here and gives where it
enters. There is no bonus for trying something new: prices move often enough to learn from, and what is not worth a
step is not worth an experiment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from revops.decide.demand_curve import Belief, best_price, elasticity, learn, rate_per_hour
from revops.decide.governor import dead_band_ppm
from revops.decide.strategies.base import Proposal, reset, watch
from revops.decide.strategies.evidence import Evidence, look, too_early
from revops.domain.forward import TYPICAL_PAYMENT_MSAT
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import FeeInput
from revops.domain.units import PPM

#: Prices that are compared, evenly in the logarithm, between one step down and one step up.
PRICE_COUNT: Final = 25
#: A price is judged so often in the least interval between two updates.
TURNS_PER_INTERVAL: Final = 4


def propose(offer: FeeInput, policy: FeesConfig, now: float) -> Proposal:
    """Given a peer and what its prices have brought, return the fee that is expected to bring the most."""
    fee_ppm = offer.channel.local_terms.fee_ppm
    state, anew = watch(offer, now)
    if anew is not None:
        return Proposal(fee_ppm, 0.0, (anew,), state, reset(state))
    seen = look(offer, state, policy, now)
    early = too_early(seen, policy, now)
    if early is not None:
        return Proposal(fee_ppm, seen.rate_msat, (early,), state, reset(state))
    if not _due(offer, seen, policy, now):
        later = why(ReasonCode.JUDGED_LATELY, fee_ppm=fee_ppm, hours=round(_turn_seconds(policy) / 3600, 1))
        return Proposal(fee_ppm, seen.rate_msat, (later,), state, reset(state))
    anchor_ppm = offer.signals.anchor_ppm
    belief = learn(seen.windows, policy.start_ppm if anchor_ppm is None else anchor_ppm, now)
    cost_ppm = seen.value_ppm - seen.entry_value_ppm
    best_ppm = best_price(belief, _prices(fee_ppm, policy), cost_ppm)
    reasons = (_reason(seen, belief, best_ppm, cost_ppm),)
    # Without revenue only a cheaper price can tell something.
    dearer_unpaid = best_ppm > fee_ppm and seen.earned_count == 0 and seen.routable
    if dearer_unpaid or abs(best_ppm - fee_ppm) < dead_band_ppm(fee_ppm, policy):
        return Proposal(fee_ppm, seen.rate_msat, reasons, state, reset(state))
    if_sent = replace(
        reset(state), windows=seen.windows, last_rate_msat=seen.rate_msat, last_rate_error_msat=seen.error_msat
    )
    return Proposal(best_ppm, seen.rate_msat, reasons, state, if_sent)


def _turn_seconds(policy: FeesConfig) -> float:
    return policy.min_interval_seconds / TURNS_PER_INTERVAL


def _due(offer: FeeInput, seen: Evidence, policy: FeesConfig, now: float) -> bool:
    """Whether enough time has been added since the last look to judge anew: open time, or any on a channel that can't
    route. It costs more than all the rest of a decision, and a run every few minutes brings next to nothing new.
    """
    known, state = offer.state, seen.state
    if known is None:
        return True
    if seen.routable:
        before, after = known.open_seconds, state.open_seconds
    else:
        before, after = known.counted_at - state.window_start_at, now - state.window_start_at
    turn_seconds = _turn_seconds(policy)
    return before // turn_seconds < after // turn_seconds


def _prices(fee_ppm: int, policy: FeesConfig) -> Sequence[int]:
    """What one update can reach."""
    most = 1.0 + policy.max_step_ratio
    half = PRICE_COUNT // 2
    wished = (round(max(fee_ppm, 1) * most ** (place / half)) for place in range(-half, half + 1))
    return sorted({fee_ppm, *(ppm for ppm in wished if policy.min_ppm <= ppm <= policy.max_ppm)})


def _reason(seen: Evidence, belief: Belief, best_ppm: int, cost_ppm: float) -> Reason:
    steepness, low, high = elasticity(belief, seen.fee_ppm)
    return why(
        ReasonCode.DEMAND,
        fee_ppm=seen.fee_ppm,
        interest_count=round(belief.interest_count, 1),
        per_day=round(24 * rate_per_hour(belief, seen.fee_ppm), 2),
        elasticity=round(steepness, 2),
        low=round(low, 2),
        high=round(high, 2),
        best_ppm=best_ppm,
        gain_msat=round(24 * _gain_msat(seen, belief, best_ppm, cost_ppm)),
        value_ppm=round(seen.value_ppm),
        entry_value_ppm=round(seen.entry_value_ppm),
    )


def _gain_msat(seen: Evidence, belief: Belief, best_ppm: int, cost_ppm: float) -> float:
    """What the better price is expected to bring more in an hour, for payments of the typical size."""
    now_ppm = rate_per_hour(belief, seen.fee_ppm) * (seen.fee_ppm - cost_ppm)
    then_ppm = rate_per_hour(belief, best_ppm) * (best_ppm - cost_ppm)
    return (then_ppm - now_ppm) * TYPICAL_PAYMENT_MSAT / PPM
