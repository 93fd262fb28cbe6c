"""Outages of ours and windows against plain addition: every edge of every peer, every stretch with every outage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from revops.decide.stability import LEAST_PEERS, Span, own_outages, window_of
from revops.decide.uptime import stretches
from revops.domain.node import NodeEvent
from revops.domain.stability import Presence, StabilityWindow, Stretch
from tests.builders import DAY, HOUR, NOW, node_id

WEEK = 7 * DAY


def plain_outages(weeks: Iterable[Sequence[Stretch]]) -> tuple[Span, ...]:
    edges: list[tuple[float, int, int]] = []
    for week in weeks:
        if not any(one.presence is Presence.UP for one in week):
            continue
        for one in week:
            up, down = int(one.presence is Presence.UP), int(one.presence is Presence.DOWN)
            if one.seconds and (up or down):
                edges += [(one.from_at, up, down), (one.until_at, -up, -down)]
    found: list[Span] = []
    up_count = down_count = 0
    began_at: float | None = None
    for at, up, down in sorted(edges):
        if began_at is not None and at > began_at and up_count == 0 and down_count >= LEAST_PEERS:
            found.append((began_at, at))
        up_count, down_count, began_at = up_count + up, down_count + down, at
    return tuple(found)


def plain_window(found: Iterable[Stretch], now: float, seconds: float, ours: Sequence[Span]) -> StabilityWindow:
    since_at, up_seconds, down_seconds, flap_count = now - seconds, 0.0, 0.0, 0
    for one in found:
        if one.presence is Presence.UNKNOWN or one.until_at < since_at:
            continue
        span = (max(one.from_at, since_at), one.until_at)
        if one.presence is Presence.UP:
            up_seconds += span[1] - span[0]
            continue
        shared = [max(min(span[1], other[1]) - max(span[0], other[0]), 0.0) for other in ours]
        down_seconds += span[1] - span[0] - sum(shared)
        flap_count += one.dropped and one.from_at >= since_at and not any(shared)
    return StabilityWindow(seconds, up_seconds, down_seconds, flap_count)


@st.composite
def a_peer(draw: st.DrawFn) -> tuple[Stretch, ...]:
    """A week of a peer. Hours are few, so that peers come and go at the same moments."""
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from([3, 5, 6, 7, 20, 23, 24, 25, 90, 100, 168, 200]),
                st.sampled_from(["connect", "disconnect", "disconnect", "connect_fail"]),
                st.sampled_from([None, 0.0, 1.0, 2.0, 400.0]),
            ),
            max_size=6,
        )
    )
    events = [
        NodeEvent(index, node_id(1), kind, int(NOW - hours * HOUR), None if up is None else up * HOUR)
        for index, (hours, kind, up) in enumerate(sorted(rows, key=lambda row: -row[0]), 1)
    ]
    known_at = NOW - draw(st.sampled_from([168, 168, 168, 30, 5])) * HOUR
    stable_at = draw(st.sampled_from([None, NOW - 4.0 * HOUR, NOW - 21.5 * HOUR]))
    return stretches(events, draw(st.booleans()), max(known_at, NOW - WEEK), NOW, stable_at)


def test_outages_and_windows_are_those_of_plain_addition() -> None:
    counts = {"outages": 0, "forgiven": 0}

    @settings(max_examples=600)
    @given(weeks=st.lists(a_peer(), max_size=7))
    def compare(weeks: list[tuple[Stretch, ...]]) -> None:
        ours = own_outages(weeks)
        assert ours == plain_outages(weeks)
        counts["outages"] += len(ours)
        for week in weeks:
            for seconds in (DAY, WEEK, 5.5 * HOUR):
                plain = plain_window(week, NOW, seconds, ours)
                assert window_of(week, NOW, seconds, ours) == plain
                counts["forgiven"] += plain != plain_window(week, NOW, seconds, ())

    compare()
    assert min(counts.values()) > 50, "else nothing was compared"
