"""When the lines of crontab.example that act are run: what the demo lives by, and what is expected of a command that
has run too seldom to tell how often it comes. A test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Final

DAY_MINUTES: Final = 24 * 60


def hourly(*minutes: int, every_hours: int = 1) -> tuple[int, ...]:
    """Given minutes of the hour, return them as minutes of the day."""
    return tuple(hour * 60 + minute for hour in range(0, 24, every_hours) for minute in minutes)


#: By command, which leaves a run on record: the minutes of the day at which it runs.
SCHEDULE: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {
        "sync": hourly(2, 32),
        "fees adjust": hourly(12, 42),
        "rebalance plan": hourly(21),
        "rebalance run": hourly(21, 51),
        "rollup": (3 * 60 + 7,),
        "reconcile": (4 * 60 + 47,),
    }
)


def longest_seconds(minutes: tuple[int, ...]) -> float:
    """Given minutes of the day, return the longest time between two of them, over midnight too."""
    ordered = sorted(minutes)
    return 60.0 * max(later - earlier for earlier, later in pairwise((*ordered, ordered[0] + DAY_MINUTES)))


#: By command: the longest time between two of its runs.
EVERY_SECONDS: Final[Mapping[str, float]] = MappingProxyType(
    {command: longest_seconds(minutes) for command, minutes in SCHEDULE.items()}
)
