"""Instants on record that lie ahead of the clock: one of the two clocks was wrong, the one that wrote or the one now.

They say nothing of how long ago something was. Taken at their word, they would stop whatever waits for time to pass
until the real time has caught up.
"""

from __future__ import annotations

from typing import Final

#: Machines' clocks differ by seconds or minutes, and a price begins ten minutes after it was sent: so much is no error.
AHEAD_SECONDS: Final = 3_600.0
#: Stands for a moment of which nothing is known but that it is over.
LONG_AGO: Final = 0.0


def is_ahead(at: float, now: float) -> bool:
    """Given an instant on record and the time, return whether a wrong clock must have written it."""
    return at > now + AHEAD_SECONDS


def not_ahead(at: float, now: float) -> float:
    """Given an instant on record and the time, return it; the time where it lies ahead."""
    return now if is_ahead(at, now) else at


def known_past(at: float, now: float) -> float:
    """Given when something last happened by the records, and the time, return it; long ago where it lies ahead, since
    waiting for time to pass since then would never end.
    """
    return LONG_AGO if is_ahead(at, now) else at


def span(seconds: float) -> str:
    """Given a span, return it in the largest unit that leaves at least two of it."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"
