"""How far apart a command's runs are expected."""

from __future__ import annotations

import pytest

from revops.cycle.schedule import expected_interval_seconds

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
def test_interval(command: str, gaps: tuple[float, ...], expected: float | None) -> None:
    assert expected_interval_seconds(command, gaps) == expected
