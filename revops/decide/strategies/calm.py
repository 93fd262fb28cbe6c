"""Calm channels sleep: a price that nothing near it beats is left alone for a while, and gossip is saved.

Earlier tools called a channel calm when its revenue changed by less than 1 %, which for a handful of forwards is luck,
and for one that earns nothing is always: it slept at a price that had killed it. Here a channel is calm when it earns
and its slope is within its own error, and it wakes when more or fewer payments come than chance explains, when its
liquidity has become scarce or plentiful, or when its time is over. At one and the same fee income is as many payments
times the same fee, and their number is the less noisy of the two.
"""

from __future__ import annotations

import math
from typing import Final

from revops.decide.strategies.slope import Slope
from revops.domain.decision import FeeState
from revops.domain.values import replace

#: A channel must have been calm for so long before it sleeps, and sleeps so long.
CALM_SECONDS: Final = 24 * 3_600.0
SLEEP_SECONDS: Final = 48 * 3_600.0
#: A slope less well known than this says nothing: whoever knows nothing isn't calm.
KNOWN_ERROR: Final = 0.6
#: A slope as flat as this isn't worth a step, however well it is known.
FLAT_SLOPE: Final = 0.1
#: Standard errors between two rates that are called the same.
STEADY_CHANGE: Final = 2.0
#: Standard errors by which the count must be off to wake a channel; it is looked at dozens of times.
SURPRISE: Final = 4.0
#: A slope that steep wakes as well: the value of liquidity has moved.
WAKING_SLOPE: Final = 2.0


def is_calm(slope: Slope, earned_count: int, rate_change: float) -> bool:
    """Given a slope, the forwards of the window, and by how many standard errors its rate differs from the last one's,
    return whether the channel earns, steadily, and no price near is better.
    """
    return (
        earned_count > 0
        and rate_change <= STEADY_CHANGE
        and slope.error <= KNOWN_ERROR
        and abs(slope.ratio) <= max(slope.error, FLAT_SLOPE)
    )


def grow_calmer(state: FeeState, interest_count: float, now: float) -> FeeState:
    """Given the state of a channel that is calm now, return it counted up, asleep once it has been calm for long."""
    since_at = now if state.calm_since_at is None else state.calm_since_at
    if now - since_at < CALM_SECONDS:
        return replace(state, calm_since_at=since_at)
    return replace(
        state,
        calm_since_at=since_at,
        asleep_until_at=now + SLEEP_SECONDS,
        asleep_open_seconds=state.open_seconds,
        asleep_interest_count=interest_count,
    )


def awake(state: FeeState) -> FeeState:
    """Given a state, return it awake, and calm from no time on."""
    return replace(state, calm_since_at=None, asleep_until_at=None, asleep_open_seconds=0.0, asleep_interest_count=0.0)


def expected_count(state: FeeState) -> float:
    """Given the state of a sleeper, return how many payments should have come since it fell asleep."""
    if state.asleep_open_seconds <= 0:
        return 0.0
    return state.asleep_interest_count * max(state.open_seconds / state.asleep_open_seconds - 1, 0.0)


def waking_cause(state: FeeState, interest_count: float, slope: Slope, now: float) -> str | None:
    """Given a sleeper and what came since its window began, return what wakes it; None if nothing does.

    The error of expecting m payments from n seen in a time r times as long is sqrt(m + m²/n) = sqrt(m (1 + 1/r)).
    """
    expected = expected_count(state)
    came = interest_count - state.asleep_interest_count
    seen = max(state.asleep_interest_count, 1.0)
    noise = SURPRISE * math.sqrt(expected * (1 + expected / seen) + 1)
    if came > expected + noise:
        return "more payments"
    if came < expected - noise:
        return "fewer payments"
    if abs(slope.ratio) > WAKING_SLOPE:
        return "the value of liquidity"
    if state.asleep_until_at is None or now >= state.asleep_until_at:
        return "time"
    return None
