"""For how long a channel could have forwarded: connected, with something to send; what isn't known doesn't count."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.open_time import open_seconds, shut_days, times
from revops.domain.profit_class import OpenChannel
from revops.domain.stability import Presence, Stretch
from tests.builders import DAY, SAT, channel_id, node_id

UP, DOWN, UNKNOWN = Presence.UP, Presence.DOWN, Presence.UNKNOWN


def channel(balances_msat: Mapping[int, int], local_msat: int = 0, capacity_sat: int = 1_000_000) -> OpenChannel:
    return OpenChannel(
        channel_id(1), "1x1x0", node_id(1), None, "local", True, capacity_sat * SAT, local_msat, 10_000 * SAT, None,
        None, 0.0, None, balances_msat,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("balances_sat", "now_sat", "shut"),
    [
        ({}, 0, (10, 11, 12, 13)),
        ({}, 500_000, ()),
        ({12: 500_000}, 0, ()),  # what is on record first was so before
        ({12: 0}, 500_000, (10, 11, 12, 13)),
        ({9: 0, 12: 500_000}, 0, (10, 11)),  # carried on until the next
        ({10: 500_000, 11: 0, 12: 34_999, 13: 35_000}, 0, (11, 12)),  # 25,000 beyond the reserve is typical
    ],
)
def test_a_day_on_which_nothing_could_leave_is_shut(
    balances_sat: dict[int, int], now_sat: int, shut: tuple[int, ...]
) -> None:
    balances = {day: sat * SAT for day, sat in balances_sat.items()}
    assert shut_days(channel(balances, now_sat * SAT), 10, 14) == shut


def test_a_small_channel_needs_less() -> None:
    assert shut_days(channel({1: 14_999 * SAT, 2: 15_000 * SAT}, capacity_sat=100_000), 1, 3) == (1,)


def test_only_what_is_known_to_be_up_and_could_send_is_open() -> None:
    found = (
        Stretch(0.0, 1 * DAY, UP),
        Stretch(1 * DAY, 1.5 * DAY, DOWN, dropped=True),
        Stretch(1.5 * DAY, 1.5 * DAY, UP),
        Stretch(1.5 * DAY, 2 * DAY, UNKNOWN),
        Stretch(2 * DAY, 4 * DAY, UP),
    )
    up, down = times(found, UP), times(found, DOWN)
    assert up.between(-DAY, 0.5 * DAY) == 0.5 * DAY
    assert up.between(0.5 * DAY, 3 * DAY) == 1.5 * DAY
    assert up.between(3 * DAY, DAY) == 0.0
    assert up.between(1.2 * DAY, 1.8 * DAY) == 0.0
    assert down.between(0.0, 9 * DAY) == 0.5 * DAY
    assert open_seconds(up, (), 0.0, 9 * DAY) == 3 * DAY
    assert open_seconds(up, (0, 1, 3), 0.25 * DAY, 3.5 * DAY) == 1 * DAY
    assert open_seconds(times((), UP), (0, 1), 0.0, 9 * DAY) == 0.0


@given(
    st.lists(st.tuples(st.integers(0, 3 * 86_400), st.sampled_from(list(Presence))), max_size=12),
    st.sets(st.integers(0, 9)),
    st.integers(0, 10 * 86_400),
    st.integers(0, 10 * 86_400),
)
def test_open_time_is_what_counting_finds(
    parts: list[tuple[int, Presence]], shut: set[int], since: int, until: int
) -> None:
    """Against a count of what lies in stretches that are up, outside of shut days, piece by piece."""
    found, at = [], 0.0
    for seconds, presence in parts:
        found.append(Stretch(at, at + seconds, presence))
        at += seconds
    counted = 0.0
    for one in found:
        for day in range(60):
            low = max(one.from_at, since, day * DAY)
            high = min(one.until_at, until, (day + 1) * DAY)
            if one.presence is UP and day not in shut and high > low:
                counted += high - low
    assert open_seconds(times(found, UP), sorted(shut), float(since), float(until)) == pytest.approx(counted)
