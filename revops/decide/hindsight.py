"""What a strategy remembers, put right where a clock that was ahead has written it."""

from __future__ import annotations

from revops.decide.strategies.calm import SLEEP_SECONDS, awake
from revops.domain.decision import FeeState
from revops.domain.instants import is_ahead, not_ahead
from revops.domain.values import replace


def put_right(state: FeeState, now: float) -> FeeState:
    """Given what is remembered and the time, return it without instants that lie ahead, which would hold up everything
    that is learnt until then.

    A window that begins ahead has seen nothing: it begins now, and what was counted in it doesn't count. The windows
    before it stay as they are: an age is never below nothing.
    """
    if is_ahead(state.window_start_at, now):
        state = replace(awake(state), window_start_at=now, open_seconds=0.0)
    calm_at, until_at, congested_at = state.calm_since_at, state.asleep_until_at, state.congested_since_at
    demand = state.demand
    return replace(
        state,
        counted_at=not_ahead(state.counted_at, now),
        calm_since_at=None if calm_at is None else not_ahead(calm_at, now),
        congested_since_at=None if congested_at is None else not_ahead(congested_at, now),
        demand=None if demand is None else replace(demand, judged_at=not_ahead(demand.judged_at, now)),
        asleep_until_at=now if until_at is not None and is_ahead(until_at, now + SLEEP_SECONDS) else until_at,
    )
