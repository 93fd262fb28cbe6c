"""`hill_climb`: perturb the fee, look at what the channel earned per open hour, keep the direction or turn round.

What is climbed is the reputation-weighted net income per open hour: fees, less the liquidity used up, plus that gained.
One window of a price sees a handful of payments, so two windows alone can't be told apart; the direction is the slope
through the last weeks' windows (`slope.py`). Steps are in the logarithm of the fee (10 ppm is a lot at 30 ppm and
nothing at 1,000), as long as the slope is steep, and at most `step_ratio`: a turn halves it, keeping on lengthens it,
so the search narrows where the income is flat. A channel that is calm sleeps (`calm.py`).

A channel that ran empty while payments want to leave has a value of liquidity as high as its price: a steep slope, so
it gets dearer though nothing flows. What is learnt from is what was broadcast, counted from the moment it took effect:
`setchannel` honours the old price for 600 s.
"""

from __future__ import annotations

import math
from typing import Final

from revops.decide.governor import dead_band_ppm
from revops.decide.strategies.base import Proposal, reset, watch
from revops.decide.strategies.calm import FLAT_SLOPE, awake, expected_count, grow_calmer, is_calm, waking_cause
from revops.decide.strategies.evidence import Evidence, look, too_early
from revops.decide.strategies.slope import Slope, net_slope
from revops.domain.decision import FeeState
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import FeeInput
from revops.domain.values import replace

STEP_GROWTH: Final = 1.3
STEP_SHRINK: Final = 0.5
LEAST_STEP_RATIO: Final = 0.04
#: No single step is longer, whatever `max_step_ratio` allows: what is learnt from two windows can be a flood's doing.
MOST_STEP_RATIO: Final = 0.25
#: Length of a step per slope: at a slope of 1 (1 % of price is 1 % of income) it changes the fee by so much.
STEP_PER_SLOPE: Final = 0.3
#: A slope less well known than this, and flat, is no guide: then a better rate than the last keeps the direction.
UNKNOWN_ERROR: Final = 1.0
#: A slope is told of so many prices at least.
LEAST_PRICES: Final = 2


def propose(offer: FeeInput, policy: FeesConfig, now: float) -> Proposal:
    """Given a peer and what it earned since its window started, return the fee that should be tried next."""
    fee_ppm = offer.channel.local_terms.fee_ppm
    state, anew = watch(offer, now)
    if anew is not None:
        return Proposal(fee_ppm, 0.0, (anew,), state, reset(state))
    view = look(offer, state, policy, now)
    if state.asleep_until_at is not None and now >= state.counted_at:
        return _sleep_on(view, policy, now)
    early = too_early(view, policy, now)
    if early is not None:
        return _stay(view, state, early)
    slope = _slope(view, now)
    if is_calm(slope, view.earned_count, _rate_change(view)):
        calmer = grow_calmer(state, view.interest_count, now)
        calm_hours = round((now - (calmer.calm_since_at or now)) / 3600, 1)
        calm = why(ReasonCode.CALM, fee_ppm=fee_ppm, calm_hours=calm_hours)
        return _stay(view, calmer, calm, _slope_reason(view, slope))
    return _climb(view, slope, policy)


def _slope(view: Evidence, now: float) -> Slope:
    return net_slope(view.windows, view.fee_ppm, view.value_ppm - view.entry_value_ppm, now)


def _rate_change(view: Evidence) -> float:
    """By how many standard errors the rate differs from that of the last price; 0 where there is none."""
    last_msat = view.state.last_rate_msat
    noise_msat = math.hypot(view.error_msat, view.state.last_rate_error_msat or 0.0)
    if last_msat is None or noise_msat <= 0:
        return 0.0
    return abs(view.rate_msat - last_msat) / noise_msat


def _sleep_on(view: Evidence, policy: FeesConfig, now: float) -> Proposal:
    """Let a sleeper sleep, or try another price with what has woken it."""
    state, slope = view.state, _slope(view, now)
    cause = waking_cause(state, view.interest_count, slope, now)
    came_count = round(view.interest_count - state.asleep_interest_count, 1)
    due_count = round(expected_count(state), 1)
    if cause is None:
        asleep = why(
            ReasonCode.ASLEEP,
            fee_ppm=view.fee_ppm,
            left_hours=round(((state.asleep_until_at or now) - now) / 3600, 1),
            interest_count=came_count,
            expected_count=due_count,
        )
        return _stay(view, state, asleep)
    woken = why(
        ReasonCode.WOKEN, fee_ppm=view.fee_ppm, cause=cause, interest_count=came_count, expected_count=due_count
    )
    climb = _climb(view, slope, policy)
    return replace(climb, reasons=(woken, *climb.reasons))


def _climb(view: Evidence, slope: Slope, policy: FeesConfig) -> Proposal:
    """Keep on, turn or start, and take one step."""
    state = awake(view.state)
    guided = slope.error < UNKNOWN_ERROR or abs(slope.ratio) > FLAT_SLOPE
    if not (guided or view.routable):
        return _stay(view, state, why(ReasonCode.NOTHING_TO_LEARN, fee_ppm=view.fee_ppm), _slope_reason(view, slope))
    direction = _uphill(slope) if guided else _keep_or_turn(view)
    if view.earned_count == 0 and not view.sold_out and direction > 0:
        if slope.interest_count > 0:
            return _stay(view, state, _inconclusive(view), _slope_reason(view, slope))
        direction = -1
    bound_ppm = _bound_ahead_ppm(view, direction, policy)
    if bound_ppm is not None and (guided or view.earned_count == 0):
        at_bound = why(ReasonCode.AT_BOUND, fee_ppm=view.fee_ppm, bound_ppm=bound_ppm)
        return _stay(view, state, at_bound, _slope_reason(view, slope))
    if bound_ppm is not None:
        direction = -direction
    if state.last_rate_msat is None:
        code, step_ratio = ReasonCode.CLIMB_PROBE, state.step_ratio
    elif direction == state.direction:
        code, step_ratio = ReasonCode.CLIMB_KEEP, state.step_ratio * STEP_GROWTH
    else:
        code, step_ratio = ReasonCode.CLIMB_REVERSE, state.step_ratio * STEP_SHRINK
    step_ratio = min(max(step_ratio, LEAST_STEP_RATIO), MOST_STEP_RATIO, policy.max_step_ratio)
    step = min(step_ratio, STEP_PER_SLOPE * abs(slope.ratio)) if guided else step_ratio
    times = step if direction > 0 else step / (1.0 + step)  # a step down is taken back by one up
    # A step within the dead band would never be announced, and nothing would ever be learnt from it.
    change_ppm = max(round(view.fee_ppm * times), dead_band_ppm(view.fee_ppm, policy))
    reason = why(
        code,
        fee_ppm=view.fee_ppm,
        rate_msat=round(view.rate_msat),
        last_rate_msat=round(state.last_rate_msat or 0),
        step_percent=round(direction * change_ppm / max(view.fee_ppm, 1) * 100, 1),
    )
    if_sent = replace(
        reset(state),
        direction=direction,
        step_ratio=step_ratio,
        last_rate_msat=view.rate_msat,
        last_rate_error_msat=view.error_msat,
        windows=view.windows,
    )
    reasons = (reason, _slope_reason(view, slope))
    return Proposal(view.fee_ppm + direction * change_ppm, view.rate_msat, reasons, state, if_sent)


def _uphill(slope: Slope) -> int:
    return 1 if slope.ratio > 0 else -1


def _keep_or_turn(view: Evidence) -> int:
    """The way on where the last rate is no better than this one, else back: all that two prices alone can say."""
    last_msat = view.state.last_rate_msat
    if last_msat is None or view.earned_count == 0:
        return 1 if view.earned_count > 0 else -1
    return view.state.direction if view.rate_msat >= last_msat else -view.state.direction


def _bound_ahead_ppm(view: Evidence, direction: int, policy: FeesConfig) -> int | None:
    """The bound in this direction, where it is so near that no announced step fits before it. What lies beyond it
    already is for the rails to bring back.
    """
    fee_ppm, band_ppm = view.fee_ppm, dead_band_ppm(view.fee_ppm, policy)
    if direction > 0 and fee_ppm <= policy.max_ppm < fee_ppm + band_ppm:
        return policy.max_ppm
    if direction < 0 and fee_ppm - band_ppm < policy.min_ppm <= fee_ppm:
        return policy.min_ppm
    return None


def _stay(view: Evidence, state: FeeState, *reasons: Reason) -> Proposal:
    return Proposal(view.fee_ppm, view.rate_msat, reasons, state, reset(state))


def _inconclusive(view: Evidence) -> Reason:
    return why(
        ReasonCode.INCONCLUSIVE,
        fee_ppm=view.fee_ppm,
        rate_msat=round(view.rate_msat),
        last_rate_msat=round(view.state.last_rate_msat or 0),
        forward_count=view.earned_count,
    )


def _slope_reason(view: Evidence, slope: Slope) -> Reason:
    """What the direction rests on: of one price alone there is no slope to be told, but what a sold sat costs."""
    value_ppm, entry_value_ppm = round(view.value_ppm), round(view.entry_value_ppm)
    if len({window.fee_ppm for window in view.windows}) < LEAST_PRICES:
        return why(ReasonCode.CLIMB_WORTH, value_ppm=value_ppm, entry_value_ppm=entry_value_ppm)
    return why(
        ReasonCode.CLIMB_SLOPE,
        window_count=len(view.windows),
        slope_percent=round(slope.ratio, 2),
        error_percent=round(slope.error, 2),
        value_ppm=value_ppm,
        entry_value_ppm=entry_value_ppm,
    )
