"""When a peer was connected, by rows that say less than one would like."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.stability import window_of
from revops.decide.uptime import stretches
from revops.domain.node import NodeEvent
from revops.domain.stability import Presence
from tests.builders import DAY, HOUR, NOW, node_id

HERE, GONE, FAILED = "connect", "disconnect", "connect_fail"


def event(kind: str, hours_ago: float, connected_hours: float | None = None) -> NodeEvent:
    duration = None if connected_hours is None else connected_hours * HOUR
    return NodeEvent(1, node_id(1), kind, int(NOW - hours_ago * HOUR), duration)


def hours(
    events: tuple[NodeEvent, ...], connected: bool, stable_hours_ago: float | None = None
) -> tuple[float, float, int]:
    """Of the last day: hours connected, hours away, and drops."""
    stable_at = None if stable_hours_ago is None else NOW - stable_hours_ago * HOUR
    day = window_of(stretches(events, connected, NOW - DAY, NOW, stable_at), NOW, DAY)
    return (round(day.up_seconds / HOUR, 6), round(day.down_seconds / HOUR, 6), day.flap_count)


@pytest.mark.parametrize(
    ("events", "connected", "up_down_drops"),
    [
        # No row since the record is complete: it was there all the time, or nobody knows.
        ((), True, (24, 0, 0)),
        ((), False, (0, 0, 0)),
        # Seen once: what was before isn't known.
        ((event(HERE, 6),), True, (6, 0, 0)),
        ((event(GONE, 6, 6),), False, (6, 6, 1)),
        ((event(GONE, 6),), False, (0, 6, 1)),
        ((event(GONE, 18, 100),), False, (6, 18, 1)),
        ((event(GONE, 18, 6), event(HERE, 6)), True, (12, 12, 1)),
        ((event(GONE, 18, 6), event(HERE, 12), event(GONE, 6, 6)), False, (12, 12, 2)),
        ((event(GONE, 12, 12), event(HERE, 12)), True, (24, 0, 1)),
        # lightningd started anew 6 h ago, and 12 h ago: it says nothing of the ends that it made itself.
        ((event(HERE, 18), event(HERE, 6)), True, (18, 0, 0)),
        ((event(HERE, 400), event(HERE, 6)), True, (24, 0, 0)),
        ((event(HERE, 400), event(HERE, 12), event(GONE, 6, 6)), False, (18, 6, 1)),
        # The last row before the window says how the window began.
        ((event(GONE, 30, 99), event(HERE, 6)), True, (6, 18, 0)),
        ((event(HERE, 400),), True, (24, 0, 0)),
        ((event(GONE, 30, 99),), False, (0, 24, 0)),
        # It left while we were away: since when isn't known, until an attempt fails.
        ((event(HERE, 400),), False, (0, 0, 0)),
        ((event(HERE, 400), event(FAILED, 6)), False, (18, 6, 0)),
        ((event(HERE, 400), event(FAILED, 6), event(FAILED, 5), event(HERE, 2)), True, (20, 4, 0)),
        ((event(FAILED, 20), event(HERE, 5)), True, (5, 15, 0)),
        # An attempt that its own connection crossed.
        ((event(HERE, 8), event(FAILED, 7)), True, (8, 0, 0)),
        ((event(HERE, 8), event(FAILED, 7), event(GONE, 1, 7)), False, (7, 1, 1)),
        # Back, though nothing says since when; and gone twice without having come.
        ((event(GONE, 6, 99),), True, (18, 0, 1)),
        ((event(GONE, 8, 99), event(GONE, 6, 1)), False, (17, 7, 2)),
        # A kind of row that doesn't exist yet.
        ((event("hello", 6),), True, (24, 0, 0)),
    ],
)
def test_a_day(events: tuple[NodeEvent, ...], connected: bool, up_down_drops: tuple[float, float, int]) -> None:
    assert hours(events, connected) == pytest.approx(up_down_drops)


@pytest.mark.parametrize(
    ("events", "connected", "stable_hours_ago", "up_down_drops"),
    [
        # No row says when it came back; the channel list knows a moment at which it was here.
        ((event(GONE, 6, 99),), True, 4, (22 + 1 / 60, 0, 1)),
        ((event(GONE, 6, 99),), True, 7, (18, 0, 1)),
        ((event(GONE, 6, 99),), False, 4, (18, 0, 1)),
        ((event(GONE, 6, 99),), False, 7, (18, 6, 1)),
        ((event(HERE, 20),), False, 19, (1, 0, 0)),
        ((event(HERE, 20),), False, 400, (0, 0, 0)),
        ((event(HERE, 20),), True, 400, (20, 0, 0)),
        ((), False, 400, (0, 0, 0)),
    ],
)
def test_the_last_stable_connection_is_a_check(
    events: tuple[NodeEvent, ...], connected: bool, stable_hours_ago: float, up_down_drops: tuple[float, float, int]
) -> None:
    assert hours(events, connected, stable_hours_ago) == pytest.approx(up_down_drops, abs=1e-5)


@given(
    events=st.lists(
        st.builds(event, st.sampled_from((HERE, GONE, FAILED)), st.floats(-1, 48), st.none() | st.floats(0, 1_000)),
        max_size=8,
    ),
    connected=st.booleans(),
    stable_at=st.none() | st.floats(0, NOW + DAY),
)
def test_the_window_is_filled_once_whatever_the_node_says(
    events: list[NodeEvent], connected: bool, stable_at: float | None
) -> None:
    found = stretches(events, connected, NOW - DAY, NOW, stable_at)
    assert (found[0].from_at, found[-1].until_at) == (NOW - DAY, NOW)
    assert all(one.until_at == other.from_at for one, other in pairwise(found))
    assert all(one.seconds > 0 or one.dropped for one in found)
    assert all(one.presence is Presence.DOWN for one in found if one.dropped)
    drops = sum(one.dropped for one in found)
    assert drops == sum(one.kind == GONE and NOW - DAY <= one.happened_at <= NOW for one in events)
    day = window_of(found, NOW, DAY)
    assert day.flap_count == drops
    assert 0 <= day.covered_seconds <= DAY
    assert stretches(events, connected, NOW, NOW) == ()
