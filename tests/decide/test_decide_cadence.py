"""How often a command is run, and whether it is late."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.cadence import every_seconds, expected_seconds, is_late
from revops.domain.schedule import EVERY_SECONDS

MINUTE = 60.0
HALF_HOUR = 30 * MINUTE


@pytest.mark.parametrize(
    ("starts", "every"),
    [
        ((), None),
        ((1.0, 2.0), None),
        ((0.0, 1_800.0, 3_600.0), 1_800.0),
        ((3_600.0, 0.0, 1_800.0), 1_800.0),
        # somebody ran it by hand, and one was missed
        ((0.0, 1_800.0, 1_900.0, 3_600.0, 5_400.0, 9_000.0, 10_800.0), 1_800.0),
        # since yesterday it comes every five minutes
        ((*range(-40 * 1_800, 0, 1_800), *range(0, 21 * 300, 300)), 300.0),
    ],
)
def test_every_seconds(starts: tuple[float, ...], every: float | None) -> None:
    assert every_seconds(starts) == every


HALF, HOUR, DAY = 1_800.0, 3_600.0, 86_400.0


@pytest.mark.parametrize(
    ("command", "gaps", "expected"),
    [
        ("sync", (HALF,), HALF),
        # A few runs by hand make no alarm of the crontab's own.
        ("sync", (5.0, 9.0, 12.0, HALF), HALF),
        # Who syncs every two hours is asked every two hours; one long absence changes nothing.
        ("sync", (2 * HOUR, 2 * HOUR, 9 * DAY), 2 * HOUR),
        ("rebalance run", (720.0, 1_080.0), HALF),
        ("rebalance plan", (60.0,), HOUR),
        ("rollup", (1.0,), DAY),
        ("reconcile", (7 * DAY, 7 * DAY), 7 * DAY),
        # Somebody tried it once; or it isn't for cron.
        ("sync", (), None),
        ("fees set", (HALF, HALF), None),
    ],
)
def test_what_is_expected(command: str, gaps: tuple[float, ...], expected: float | None) -> None:
    starts = tuple(accumulate((1e9, *gaps)))
    assert expected_seconds(EVERY_SECONDS.get(command), starts) == expected


@pytest.mark.parametrize(
    ("ago", "every", "late"),
    [
        (10 * 365 * 86_400, None, False),
        (2 * HALF_HOUR, HALF_HOUR, False),
        (2 * HALF_HOUR + 300, HALF_HOUR, False),
        (2 * HALF_HOUR + 301, HALF_HOUR, True),
        (-60, HALF_HOUR, False),
    ],
)
def test_is_late(ago: float, every: float | None, late: bool) -> None:
    assert is_late(1e9 - ago, every, 1e9) is late


@given(start=st.integers(0, 10**9), every=st.integers(60, 86_400), count=st.integers(3, 40), more=st.integers(0, 10**6))
def test_a_regular_job_is_never_late_before_it_has_missed_two_runs(
    start: int, every: int, count: int, more: int
) -> None:
    starts = [start + number * every for number in range(count)]
    assert every_seconds(starts) == every
    late = is_late(starts[-1], every_seconds(starts), starts[-1] + more)
    assert late is (more > 2 * every + 300)
