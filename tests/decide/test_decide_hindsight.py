"""What a clock that was ahead has left in a strategy's memory is put right; all else stays to the bit."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from revops.decide.hindsight import put_right
from revops.decide.strategies.calm import SLEEP_SECONDS
from revops.domain.decision import FeeState, PriceWindow
from revops.domain.instants import AHEAD_SECONDS, LONG_AGO, known_past, not_ahead
from tests.builders import DAY, HOUR, NOW, make_state
from tests.strategies import fee_states

FAR = NOW + 60 * DAY


def test_nothing_ahead_is_left() -> None:
    windows = (PriceWindow(FAR, 90, 9.0, 3.0),)
    state = make_state(
        window_start_at=FAR, counted_at=FAR, congested_since_at=FAR, calm_since_at=FAR, asleep_until_at=FAR,
        asleep_open_seconds=5.0, asleep_interest_count=2.0, idle_open_seconds=7.0, windows=windows,
    )  # fmt: skip
    right = put_right(state, NOW)
    assert (right.window_start_at, right.counted_at, right.congested_since_at) == (NOW, NOW, NOW)
    assert right.open_seconds == 0.0
    assert (right.calm_since_at, right.asleep_until_at, right.asleep_open_seconds) == (None, None, 0.0)
    assert (right.idle_open_seconds, right.windows, right.last_rate_msat) == (7.0, windows, state.last_rate_msat)


def test_a_window_that_began_before_goes_on() -> None:
    state = make_state(counted_at=FAR, calm_since_at=FAR, asleep_until_at=FAR)
    right = put_right(state, NOW)
    assert (right.open_seconds, right.window_start_at) == (state.open_seconds, state.window_start_at)
    assert (right.counted_at, right.calm_since_at, right.asleep_until_at) == (NOW, NOW, NOW)


def test_what_lies_ahead_by_design_stays() -> None:
    """A price that is in force only in ten minutes, a sleep of two days, a clock that differs by minutes."""
    state = make_state(window_start_at=NOW + 600, counted_at=NOW + 60, asleep_until_at=NOW + SLEEP_SECONDS)
    assert put_right(state, NOW) == state


@given(state=fee_states(100))
def test_once_is_enough(state: FeeState) -> None:
    state = replace(state, counted_at=state.counted_at + HOUR)
    right = put_right(state, NOW)
    assert put_right(right, NOW) == right
    assert right.counted_at <= NOW + AHEAD_SECONDS


@given(at=st.floats(0, 2 * NOW))
def test_an_instant_ahead_is_now_or_long_ago(at: float) -> None:
    ahead = at > NOW + AHEAD_SECONDS
    assert not_ahead(at, NOW) == (NOW if ahead else at)
    assert known_past(at, NOW) == (LONG_AGO if ahead else at)
