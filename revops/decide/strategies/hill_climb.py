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
from dataclasses import dataclass, replace
from typing import Final

from revops.decide.belief import UNSETTLED_PER_SETTLED
from revops.decide.governor import dead_band_ppm
from revops.decide.openness import could_route
from revops.decide.strategies.base import Proposal, reset, watch
from revops.decide.strategies.calm import FLAT_SLOPE, awake, expected_count, grow_calmer, is_calm, waking_cause
from revops.decide.strategies.slope import Slope, net_slope
from revops.decide.value import value_ppm
from revops.domain.decision import FeeState, PriceWindow
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import FeeInput

STEP_GROWTH: Final = 1.3
STEP_SHRINK: Final = 0.5
LEAST_STEP_RATIO: Final = 0.04
#: Length of a step per slope: at a slope of 1 (1 % of price is 1 % of income) it changes the fee by so much.
STEP_PER_SLOPE: Final = 0.3
#: A slope less well known than this, and flat, is no guide: then a better rate than the last keeps the direction.
UNKNOWN_ERROR: Final = 1.0
#: So many prices are remembered: two weeks of them at two a day.
WINDOW_COUNT: Final = 30


@dataclass(frozen=True, slots=True)
class _View:
    """What a step is decided on."""

    fee_ppm: int
    state: FeeState
    routable: bool
    rate_msat: float
    error_msat: float
    interest_count: float
    earned_count: int
    value_ppm: float
    entry_value_ppm: float
    windows: tuple[PriceWindow, ...]
    slope: Slope


def propose(offer: FeeInput, policy: FeesConfig, now: float) -> Proposal:
    """Given a peer and what it earned since its window started, return the fee that should be tried next."""
    fee_ppm = offer.channel.local_terms.fee_ppm
    state, anew = watch(offer, now)
    if anew is not None:
        return Proposal(fee_ppm, 0.0, (anew,), state, reset(state))
    view = _look(offer, state, now)
    # A clock that went back shows windows without their payments: nothing is judged until it has caught up.
    behind = now < state.counted_at
    if state.asleep_until_at is not None and not behind:
        return _sleep_on(view, policy, now)
    if behind or not _ripe(view, policy, now):
        reason = why(
            ReasonCode.OBSERVING,
            fee_ppm=fee_ppm,
            open_hours=round(state.open_seconds / 3600, 1),
            needed_hours=round(policy.min_interval_seconds / 3600, 1),
            forward_count=view.earned_count,
        )
        return _stay(view, state, reason)
    if is_calm(view.slope, view.earned_count, _rate_change(view)):
        calmer = grow_calmer(state, view.interest_count, now)
        calm_hours = round((now - (calmer.calm_since_at or now)) / 3600, 1)
        return _stay(view, calmer, why(ReasonCode.CALM, fee_ppm=fee_ppm, calm_hours=calm_hours), _slope_reason(view))
    return _climb(view, policy)


#: Less than the interest of one settled payment of 1,000 sat is dust, which its sender gets for nothing: no revenue,
#: however many payments failed beside it.
LEAST_INTEREST_COUNT: Final = 0.04


def _look(offer: FeeInput, state: FeeState, now: float) -> _View:
    """Put together what a step is decided on."""
    fee_ppm = state.fee_ppm
    open_hours = state.open_seconds / 3600
    rate_msat, error_msat = _rate(offer, open_hours)
    interest_count, paid_count = believed_interest(offer)
    windows = state.windows
    if open_hours > 0:
        windows = (*windows, PriceWindow(now, fee_ppm, open_hours, interest_count))[-WINDOW_COUNT:]
    worth_ppm = value_ppm(offer.signals, offer.channel.spendable_msat, fee_ppm)
    entry_value_ppm = offer.signals.entry_value_ppm
    return _View(
        fee_ppm=fee_ppm,
        state=state,
        routable=could_route(offer.channel),
        rate_msat=rate_msat,
        error_msat=error_msat,
        interest_count=interest_count,
        earned_count=offer.earned_count if paid_count >= LEAST_INTEREST_COUNT else 0,
        value_ppm=worth_ppm,
        entry_value_ppm=entry_value_ppm,
        windows=windows,
        slope=net_slope(windows, fee_ppm, worth_ppm - entry_value_ppm, now),
    )


def believed_interest(offer: FeeInput) -> tuple[float, float]:
    """Given a peer, return how many payments showed interest at its price, and how many of them paid it.

    What failed beyond us costs its sender nothing at any price, so that a flood of it would make demand look as if
    nobody minded the price: it counts as far as others have paid this very price.
    """
    interest_count = float(offer.earned_count) if offer.interest_count is None else offer.interest_count
    if offer.settled_interest_count is None:
        return interest_count, interest_count
    paid_count = offer.settled_interest_count
    return min(interest_count, (1 + UNSETTLED_PER_SETTLED) * paid_count), paid_count


def _rate(offer: FeeInput, open_hours: float) -> tuple[float, float]:
    """The net income per open hour in msat, and its Poisson error."""
    if open_hours <= 0:
        return 0.0, 0.0
    score_msat = float(offer.earned_msat) if offer.score_msat is None else offer.score_msat
    error_msat = offer.score_error_msat
    if error_msat is None:
        error_msat = abs(score_msat) / math.sqrt(offer.earned_count) if offer.earned_count else 0.0
    return score_msat / open_hours, error_msat / open_hours


def _rate_change(view: _View) -> float:
    """By how many standard errors the rate differs from that of the last price; 0 where there is none."""
    last_msat = view.state.last_rate_msat
    noise_msat = math.hypot(view.error_msat, view.state.last_rate_error_msat or 0.0)
    if last_msat is None or noise_msat <= 0:
        return 0.0
    return abs(view.rate_msat - last_msat) / noise_msat


def _ripe(view: _View, policy: FeesConfig, now: float) -> bool:
    """Whether the price has been seen long enough: open for the interval, or in force so long on a channel that can't
    route for want of the liquidity that payments ask for.
    """
    if view.routable or view.value_ppm <= 0:
        return view.state.open_seconds >= policy.min_interval_seconds
    return now - view.state.window_start_at >= policy.min_interval_seconds


def _sleep_on(view: _View, policy: FeesConfig, now: float) -> Proposal:
    """Let a sleeper sleep, or try another price with what has woken it."""
    state = view.state
    cause = waking_cause(state, view.interest_count, view.slope, now)
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
    climb = _climb(view, policy)
    return replace(climb, reasons=(woken, *climb.reasons))


def _climb(view: _View, policy: FeesConfig) -> Proposal:
    """Keep on, turn or start, and take one step."""
    state = awake(view.state)
    guided = view.slope.error < UNKNOWN_ERROR or abs(view.slope.ratio) > FLAT_SLOPE
    if not (guided or view.routable):
        return _stay(view, state, why(ReasonCode.NOTHING_TO_LEARN, fee_ppm=view.fee_ppm), _slope_reason(view))
    direction = _uphill(view) if guided else _keep_or_turn(view)
    if view.earned_count == 0 and view.routable and direction > 0:
        if view.slope.interest_count > 0:
            return _stay(view, state, _inconclusive(view), _slope_reason(view))
        direction = -1
    bound_ppm = _bound_ahead_ppm(view, direction, policy)
    if bound_ppm is not None and (guided or view.earned_count == 0):
        at_bound = why(ReasonCode.AT_BOUND, fee_ppm=view.fee_ppm, bound_ppm=bound_ppm)
        return _stay(view, state, at_bound, _slope_reason(view))
    if bound_ppm is not None:
        direction = -direction
    if state.last_rate_msat is None:
        code, step_ratio = ReasonCode.CLIMB_PROBE, state.step_ratio
    elif direction == state.direction:
        code, step_ratio = ReasonCode.CLIMB_KEEP, state.step_ratio * STEP_GROWTH
    else:
        code, step_ratio = ReasonCode.CLIMB_REVERSE, state.step_ratio * STEP_SHRINK
    step_ratio = min(max(step_ratio, LEAST_STEP_RATIO), policy.max_step_ratio)
    step = min(step_ratio, STEP_PER_SLOPE * abs(view.slope.ratio)) if guided else step_ratio
    # A step within the dead band would never be announced, and nothing would ever be learnt from it.
    change_ppm = max(round(view.fee_ppm * step), dead_band_ppm(view.fee_ppm, policy))
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
    reasons = (reason, _slope_reason(view))
    return Proposal(view.fee_ppm + direction * change_ppm, view.rate_msat, reasons, state, if_sent)


def _uphill(view: _View) -> int:
    return 1 if view.slope.ratio > 0 else -1


def _keep_or_turn(view: _View) -> int:
    """The way on where the last rate is no better than this one, else back: all that two prices alone can say."""
    last_msat = view.state.last_rate_msat
    if last_msat is None or view.earned_count == 0:
        return 1 if view.earned_count > 0 else -1
    return view.state.direction if view.rate_msat >= last_msat else -view.state.direction


def _bound_ahead_ppm(view: _View, direction: int, policy: FeesConfig) -> int | None:
    """The bound in this direction, where it is so near that no announced step fits before it. What lies beyond it
    already is for the rails to bring back.
    """
    fee_ppm, band_ppm = view.fee_ppm, dead_band_ppm(view.fee_ppm, policy)
    if direction > 0 and fee_ppm <= policy.max_ppm < fee_ppm + band_ppm:
        return policy.max_ppm
    if direction < 0 and fee_ppm - band_ppm < policy.min_ppm <= fee_ppm:
        return policy.min_ppm
    return None


def _stay(view: _View, state: FeeState, *reasons: Reason) -> Proposal:
    return Proposal(view.fee_ppm, view.rate_msat, reasons, state, reset(state))


def _inconclusive(view: _View) -> Reason:
    return why(
        ReasonCode.INCONCLUSIVE,
        fee_ppm=view.fee_ppm,
        rate_msat=round(view.rate_msat),
        last_rate_msat=round(view.state.last_rate_msat or 0),
        forward_count=view.earned_count,
    )


def _slope_reason(view: _View) -> Reason:
    return why(
        ReasonCode.CLIMB_SLOPE,
        window_count=len(view.windows),
        slope_percent=round(view.slope.ratio, 2),
        error_percent=round(view.slope.error, 2),
        value_ppm=round(view.value_ppm),
        entry_value_ppm=round(view.entry_value_ppm),
    )
