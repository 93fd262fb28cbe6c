"""When a peer was connected, where it is known that lightningd itself was away."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.stability import PeerPast, stabilities, window_of
from revops.decide.uptime import stretches
from revops.domain.node import NodeEvent
from revops.domain.recorder import Outage
from revops.domain.stability import Presence
from tests.builders import DAY, HOUR, NOW, node_id

HERE, GONE, FAILED = "connect", "disconnect", "connect_fail"


def event(kind: str, hours_ago: float, connected_hours: float | None = None) -> NodeEvent:
    duration = None if connected_hours is None else connected_hours * HOUR
    return NodeEvent(1, node_id(1), kind, int(NOW - hours_ago * HOUR), duration)


def away(from_hours_ago: float, until_hours_ago: float) -> Outage:
    return Outage(NOW - from_hours_ago * HOUR, NOW - until_hours_ago * HOUR)


@pytest.mark.parametrize(
    ("events", "outages", "connected", "up_down_drops"),
    [
        # It was there before and after: of our absence nothing is known. Without the recorder it counts as connected.
        ((event(HERE, 400), event(HERE, 6)), (), True, (24, 0, 0)),
        ((event(HERE, 400), event(HERE, 6)), (away(8, 6.1),), True, (22, 0, 0)),
        # Who was away before still is, until it comes back.
        ((event(GONE, 10, 400), event(HERE, 4)), (away(8, 6),), True, (18, 4, 1)),
        ((event(GONE, 10, 400),), (away(8, 6),), False, (14, 8, 1)),
        # It didn't come back after our start: since when it is away isn't known until an attempt fails.
        ((event(HERE, 400),), (away(8, 6),), False, (16, 0, 0)),
        ((event(HERE, 400), event(FAILED, 5)), (away(8, 6),), False, (16, 5, 0)),
        # The recorder was away before the node was: what rows tell of that time holds.
        ((event(HERE, 400), event(GONE, 7, 400), event(HERE, 5)), (away(8, 6),), True, (22, 2, 1)),
        ((event(HERE, 400), event(HERE, 7), event(HERE, 5)), (away(8, 6),), True, (22, 0, 0)),
        # Outside the window.
        ((event(HERE, 400),), (away(30, 25),), True, (24, 0, 0)),
        ((event(HERE, 400), event(HERE, 23)), (away(30, 23.5),), True, (23, 0, 0)),
        # A peer of which there was never a row is connected: when it came isn't known.
        ((), (away(8, 6),), True, (0, 0, 0)),
    ],
)
def test_of_our_own_absence_nothing_is_known(
    events: tuple[NodeEvent, ...],
    outages: tuple[Outage, ...],
    connected: bool,
    up_down_drops: tuple[float, float, int],
) -> None:
    found = stretches(events, connected, NOW - DAY, NOW, outages=outages)
    day = window_of(found, NOW, DAY)
    hours = round(day.up_seconds / HOUR, 2), round(day.down_seconds / HOUR, 2)
    assert pytest.approx(up_down_drops[:2], abs=0.11) == hours
    assert day.flap_count == up_down_drops[2]


def test_a_row_of_the_second_of_the_start_comes_after_it() -> None:
    started = NOW - HOUR + 0.9
    back = NodeEvent(2, node_id(1), HERE, int(NOW - HOUR), None)
    found = stretches((event(HERE, 400), back), True, NOW - DAY, NOW, outages=(Outage(NOW - 2 * HOUR, started),))
    assert found[-1].presence is Presence.UP
    assert found[-1].until_at == NOW


def test_a_drop_just_before_an_outage_stays_a_drop() -> None:
    left = NodeEvent(2, node_id(1), GONE, int(NOW - 2 * HOUR), 100.0)
    found = stretches((event(HERE, 400), left), True, NOW - DAY, NOW, outages=(Outage(NOW - 2 * HOUR, NOW - HOUR),))
    assert window_of(found, NOW, DAY).flap_count == 1


def test_outages_reach_every_peer_s_figures() -> None:
    past = PeerPast((event(HERE, 400), event(HERE, 6)), True, NOW - 30 * DAY)
    without = stabilities({node_id(1): past}, NOW)[node_id(1)]
    with_it = stabilities({node_id(1): past}, NOW, (away(10, 6.1),))[node_id(1)]
    assert without.day.up_seconds - with_it.day.up_seconds == pytest.approx(4 * HOUR, abs=0.11 * HOUR)
    assert without.week.up_seconds - with_it.week.up_seconds == pytest.approx(4 * HOUR, abs=0.11 * HOUR)


_KINDS = st.tuples(st.sampled_from([HERE, GONE, FAILED, "ping"]), st.floats(0, 30), st.none() | st.floats(0, 30))
_SPANS = st.lists(st.floats(0, 30), max_size=6)


@given(st.lists(_KINDS, max_size=12), _SPANS, st.booleans())
def test_each_second_counts_once_and_none_of_an_outage_without_a_row_counts(
    rows: list[tuple[str, float, float | None]], edges: list[float], connected: bool
) -> None:
    events = [event(*row) for row in sorted(rows, key=lambda row: -row[1])]
    edges = sorted(edges, reverse=True)
    outages = [away(first, last) for first, last in zip(edges[::2], edges[1::2], strict=False)]
    found = stretches(events, connected, NOW - DAY, NOW, outages=outages)
    assert found[0].from_at == NOW - DAY
    assert found[-1].until_at == NOW
    assert all(before.until_at == after.from_at for before, after in pairwise(found))
    for outage in outages:
        told = any(
            outage.from_at <= one.happened_at + 1 and one.happened_at - (one.duration_seconds or 0) <= outage.until_at
            for one in events
        )
        if told:
            continue
        for one in found:
            if one.from_at < outage.until_at and outage.from_at < one.until_at and one.seconds:
                assert one.presence is Presence.UNKNOWN
