"""How often a command is run, judged by when it was; and whether it is late. cron's table is nobody's business here:
what counts is what really ran.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Final

#: Of fewer runs nobody can say how often they come.
LEAST_RUNS: Final = 3
#: A job that was moved to other minutes is judged by its new ones after so many runs.
RUNS: Final = 20
#: A run may start late and take its time; two missed runs are none of that.
MISSED_RUNS: Final = 2
_SLACK_SECONDS: Final = 300.0


def every_seconds(starts: Sequence[float]) -> float | None:
    """Given when a command was started, in any order, return the median time between two starts of the latest; None
    where there are too few. Runs by hand in between don't move a median.
    """
    latest = sorted(starts)[-RUNS:]
    if len(latest) < LEAST_RUNS:
        return None
    return median(later - earlier for earlier, later in pairwise(latest))


def is_late(last_at: float, every: float | None, now: float) -> bool:
    """Given when a command last did what it should, how often it is run, and the time, return whether it has missed two
    runs. Never where nobody knows how often it is run.
    """
    return every is not None and now - last_at > MISSED_RUNS * every + _SLACK_SECONDS
