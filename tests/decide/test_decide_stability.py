"""Which peers are too unsteady, and of which too little is known to say so."""

from __future__ import annotations

from typing import Any

import pytest

from revops.decide.stability import PeerPast, stabilities, unstable_reason
from revops.domain.node import NodeEvent
from revops.domain.policy import RebalanceConfig
from revops.domain.reason import ReasonCode
from revops.domain.stability import Stability, StabilityWindow
from tests.builders import DAY, HOUR, NOW, node_id

POLICY = RebalanceConfig(min_uptime_ratio=0.9, max_flaps_per_day=3)


def past(*rows: tuple[str, float], connected: bool = True, known_hours: float | None = 24 * 30) -> PeerPast:
    """A peer by its (kind, hours ago); a disconnect ends a connection that began with the row before it."""
    events: list[NodeEvent] = []
    for kind, hours_ago in rows:
        at = int(NOW - hours_ago * HOUR)
        duration = float(at - events[-1].happened_at) if kind == "disconnect" and events else None
        events.append(NodeEvent(len(events) + 1, node_id(1), kind, at, duration))
    return PeerPast(events, connected, None if known_hours is None else NOW - known_hours * HOUR)


def of(one: PeerPast, *others: PeerPast) -> Stability:
    pasts = {node_id(number): each for number, each in enumerate((one, *others), 1)}
    return stabilities(pasts, NOW)[node_id(1)]


def figures(window: StabilityWindow) -> tuple[float, float, int]:
    return (window.up_seconds / HOUR, window.down_seconds / HOUR, window.flap_count)


STEADY = past(("connect", 900.0))


def test_a_day_and_a_week_are_added_up_from_the_same_rows() -> None:
    found = of(past(("connect", 900), ("disconnect", 100), ("connect", 90), ("disconnect", 4), ("connect", 3)))
    assert figures(found.day) == pytest.approx((23, 1, 1))
    assert figures(found.week) == pytest.approx((157, 11, 2))
    assert found.day.uptime_ratio == pytest.approx(23 / 24)
    assert (found.day.covered_seconds, found.week.covered_seconds) == (DAY, 7 * DAY)


@pytest.mark.parametrize(
    ("one", "day_ratio", "week_ratio"),
    [
        # Seen once, 6 h ago: that is no 100 %.
        (past(("connect", 6)), None, None),
        (past(("connect", 13)), 1.0, None),
        (past(("connect", 90)), 1.0, 1.0),
        # No row at all: there all the time, for as long as there is a record, or a channel.
        (past(), 1.0, 1.0),
        (past(known_hours=80), 1.0, None),
        (past(known_hours=6), None, None),
        (past(known_hours=None), None, None),
        # Its rows were pruned but for the last one: it isn't dead.
        (past(("connect", 24 * 200)), 1.0, 1.0),
        (past(("disconnect", 24 * 200), ("connect", 24 * 199)), 1.0, 1.0),
        # A steady peer that leaves for a minute, of whose coming there is no row any more.
        (PeerPast([NodeEvent(1, node_id(1), "disconnect", int(NOW - 60), 90 * DAY)], False, NOW - 30 * DAY), 0.9993, 1),
    ],
)
def test_a_share_is_told_where_half_of_the_window_is_known(
    one: PeerPast, day_ratio: float | None, week_ratio: float | None
) -> None:
    found = of(one)
    for window, ratio in ((found.day, day_ratio), (found.week, week_ratio)):
        assert window.uptime_ratio == (None if ratio is None else pytest.approx(ratio, abs=1e-3))


def test_an_outage_of_our_own_is_held_against_nobody() -> None:
    """All are away for three hours. They left, and came back, within minutes of each other."""
    ours = [
        past(("connect", 900), ("disconnect", 10 + late), ("connect", 7 - late)) for late in (0.0, 0.05, 0.02, 0.03)
    ]
    found = of(*ours)
    assert figures(found.day) == pytest.approx((21, 0, 0), abs=0.2)
    assert found.day.uptime_ratio == pytest.approx(1.0, abs=0.01)
    # A dead peer is away all the time: it makes no outage of ours, and hides none.
    dead = past(("connect_fail", 900), connected=False)
    assert of(ours[0], *ours[1:], dead) == found
    assert figures(of(dead, *ours).day) == pytest.approx((0, 21, 0), abs=0.2)
    # One that stayed shows that it was theirs, and two can be away by chance.
    for others in ((*ours[1:], STEADY), ours[1:2], (ours[1], dead)):
        assert figures(of(ours[0], *others).day) == pytest.approx((21, 3, 1))


def test_own_outages_are_told_from_a_peers_own_absence_beside_them() -> None:
    ours = [past(("connect", 900), ("disconnect", 10), ("connect", 8)) for _ in range(3)]
    longer = past(("connect", 900), ("disconnect", 14), ("connect", 13), ("disconnect", 10), ("connect", 6))
    assert figures(of(longer, *ours).day) == pytest.approx((19, 3, 1))


def stability(**day: Any) -> Stability:
    fields = {"up_seconds": DAY, "down_seconds": 0.0, "flap_count": 0} | day
    window = StabilityWindow(DAY, **fields)
    return Stability(node_id(1), window, StabilityWindow(7 * DAY, 0.0, 0.0, 0))


@pytest.mark.parametrize(
    ("day", "unsteady"),
    [
        ({}, False),
        ({"up_seconds": 0.9 * DAY, "down_seconds": 0.1 * DAY}, False),
        ({"up_seconds": 0.89 * DAY, "down_seconds": 0.11 * DAY}, True),
        # Half is known, of which more than a tenth away; and less than half, which tells no share.
        ({"up_seconds": 0.44 * DAY, "down_seconds": 0.06 * DAY}, True),
        ({"up_seconds": 0.42 * DAY, "down_seconds": 0.06 * DAY}, False),
        # Away for more than a tenth of the day is too long, whatever the rest was.
        ({"up_seconds": 0.0, "down_seconds": 0.11 * DAY}, True),
        ({"up_seconds": 0.0, "down_seconds": 0.0}, False),
        ({"flap_count": 3}, False),
        ({"flap_count": 4}, True),
        ({"flap_count": 4, "up_seconds": 60.0}, True),
    ],
)
def test_what_was_seen_counts_and_what_is_not_known_doesn_t(day: dict[str, float], unsteady: bool) -> None:
    assert (unstable_reason(stability(**day), POLICY) is not None) == unsteady


def test_the_reason_has_its_figures() -> None:
    reason = unstable_reason(stability(up_seconds=15 * HOUR, down_seconds=5 * HOUR, flap_count=4), POLICY)
    assert reason is not None
    assert reason.code is ReasonCode.UNSTABLE
    assert reason.sentence == (
        "its peer is unsteady: connected 75.0 % of the 20.0 h known of the last 24, away for 300 min, dropped 4 times; "
        "asked for are 90.0 % and 3 times at most"
    )
    assert unstable_reason(None, POLICY) is None
    lax = RebalanceConfig(min_uptime_ratio=0.0, max_flaps_per_day=100_000)
    assert unstable_reason(stability(up_seconds=0.0, down_seconds=DAY, flap_count=99), lax) is None
