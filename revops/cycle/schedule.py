"""When the lines of crontab.example that act are run, and so how far apart runs of a command are expected."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Final

DAY_MINUTES: Final = 24 * 60
#: Of so many runs the gaps tell how often the operator's own crontab has a command.
LAST_RUNS: Final = 9


def hourly(*minutes: int, every_hours: int = 1) -> tuple[int, ...]:
    """Given minutes of the hour, return them as minutes of the day."""
    return tuple(hour * 60 + minute for hour in range(0, 24, every_hours) for minute in minutes)


#: The lines of crontab.example that act, by the minutes of the day at which they run; a test holds the two together.
SCHEDULE: Final[dict[str, tuple[int, ...]]] = {
    "sync": hourly(2, 32),
    "fees adjust": hourly(12, 42),
    "rebalance plan": hourly(21),
    "rebalance run": (*hourly(25, 55), *hourly(37, every_hours=6)),
    "rollup": (3 * 60 + 7,),
    "reconcile": (4 * 60 + 47,),
}


def expected_interval_seconds(command: str, gaps_seconds: Sequence[float]) -> float | None:
    """Given a command and the gaps between its last runs, return how far apart its runs are expected.

    No less than in crontab.example, so that a few runs by hand make no alarm of what follows; more where it was run
    more seldom. None for a command that isn't for cron, or was run once only: somebody tried it.
    """
    minutes = sorted(SCHEDULE.get(command, ()))
    if not minutes or not gaps_seconds:
        return None
    longest = max(later - earlier for earlier, later in pairwise((*minutes, minutes[0] + DAY_MINUTES)))
    return max(longest * 60.0, float(median(gaps_seconds)))
