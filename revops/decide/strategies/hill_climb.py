"""`hill_climb`: perturb the fee, look at what the channel earned per open hour, keep the direction or turn round.

Steps are in the logarithm of the fee (10 ppm is a lot at 30 ppm and nothing at 1,000). A better rate lengthens the
step a little, a worse one halves it, so the search narrows where the income is flat. Two rates are compared only when
their difference is larger than the noise of counting so few forwards (a Poisson count of n has the error sqrt(n));
until then the channel is watched, up to `PATIENCE` windows. What is learnt from is what was broadcast, counted from
the moment it took effect: `setchannel` honours the old price for 600 s.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from revops.decide.governor import dead_band_ppm
from revops.decide.strategies.base import Proposal, reset, watch
from revops.domain.decision import FeeState
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import FeeInput

#: A comparison that is still within its noise after this many windows is decided anyway.
PATIENCE: Final = 4
STEP_GROWTH: Final = 1.2
STEP_SHRINK: Final = 0.5
LEAST_STEP_RATIO: Final = 0.04


def propose(offer: FeeInput, policy: FeesConfig, now: float) -> Proposal:
    """Given a peer and what it earned since its window started, return the fee that should be tried next."""
    fee_ppm = offer.channel.local_terms.fee_ppm
    state, anew = watch(offer, now)
    if anew is not None:
        return _stay(fee_ppm, 0.0, state, anew)
    open_hours = state.open_seconds / 3600
    rate_msat, error_msat = _rate(offer, open_hours)
    if state.open_seconds < policy.min_interval_seconds:
        reason = why(
            ReasonCode.OBSERVING,
            fee_ppm=fee_ppm,
            open_hours=round(open_hours, 1),
            needed_hours=round(policy.min_interval_seconds / 3600, 1),
            forward_count=offer.earned_count,
        )
        return _stay(fee_ppm, rate_msat, state, reason)
    if not _conclusive(state, rate_msat, error_msat, policy.min_interval_seconds):
        reason = why(
            ReasonCode.INCONCLUSIVE,
            fee_ppm=fee_ppm,
            rate_msat=round(rate_msat),
            last_rate_msat=round(state.last_rate_msat or 0),
            forward_count=offer.earned_count,
        )
        return _stay(fee_ppm, rate_msat, state, reason)
    return _step(fee_ppm, state, rate_msat, error_msat, policy)


def _stay(fee_ppm: int, rate_msat: float, state: FeeState, reason: Reason) -> Proposal:
    return Proposal(fee_ppm, rate_msat, (reason,), state, reset(state))


def _rate(offer: FeeInput, open_hours: float) -> tuple[float, float]:
    """The income per open hour in msat, and its Poisson error."""
    if open_hours <= 0:
        return 0.0, 0.0
    score_msat = float(offer.earned_msat) if offer.score_msat is None else offer.score_msat
    error_msat = offer.score_error_msat
    if error_msat is None:
        error_msat = score_msat / math.sqrt(offer.earned_count) if offer.earned_count else 0.0
    return score_msat / open_hours, error_msat / open_hours


def _conclusive(state: FeeState, rate_msat: float, error_msat: float, window_seconds: int) -> bool:
    """Whether the two rates differ by more than their noise, or patience has run out."""
    if state.last_rate_msat is None or state.open_seconds >= PATIENCE * window_seconds:
        return True
    noise_msat = math.hypot(error_msat, state.last_rate_error_msat or 0.0)
    return abs(rate_msat - state.last_rate_msat) > noise_msat


def _step(fee_ppm: int, state: FeeState, rate_msat: float, error_msat: float, policy: FeesConfig) -> Proposal:
    """Keep, turn or start, and take one step from `fee_ppm`."""
    last = state.last_rate_msat
    if last is None:
        code, direction, step = ReasonCode.CLIMB_PROBE, (1 if rate_msat > 0 else -1), state.step_ratio
    elif rate_msat == 0:
        # Nothing earned at this price: a cheaper one is the only experiment that can tell us something.
        code = ReasonCode.CLIMB_KEEP if state.direction < 0 else ReasonCode.CLIMB_REVERSE
        direction, step = -1, state.step_ratio
    elif rate_msat >= last:
        code, direction, step = ReasonCode.CLIMB_KEEP, state.direction, state.step_ratio * STEP_GROWTH
    else:
        code, direction, step = ReasonCode.CLIMB_REVERSE, -state.direction, state.step_ratio * STEP_SHRINK
    step = min(max(step, LEAST_STEP_RATIO), policy.max_step_ratio)
    # A step within the dead band would never be announced, and nothing would ever be learnt from it.
    band_ppm = dead_band_ppm(fee_ppm, policy)
    change_ppm = max(round(fee_ppm * step), band_ppm)
    # So near a bound that no announced step fits before it, there is only one way; without revenue that is never up.
    if fee_ppm + band_ppm > policy.max_ppm:
        direction = -1
    elif fee_ppm - band_ppm < policy.min_ppm and rate_msat > 0:
        direction = 1
    reason = why(
        code,
        fee_ppm=fee_ppm,
        rate_msat=round(rate_msat),
        last_rate_msat=round(last or 0),
        step_percent=round(direction * step * 100, 1),
    )
    if_sent = replace(
        reset(state), direction=direction, step_ratio=step, last_rate_msat=rate_msat, last_rate_error_msat=error_msat
    )
    return Proposal(fee_ppm + direction * change_ppm, rate_msat, (reason,), state, if_sent)
