"""When a peer was away, by the node's own record of comings and goings (`uptime.py` tells how to read it)."""

from __future__ import annotations

from collections.abc import Sequence

from revops.domain.node import NodeEvent
from revops.domain.node_traffic import Absence


def absences_of(events: Sequence[NodeEvent], connected: bool, since_at: float, now: float) -> tuple[Absence, ...]:
    """Given a peer's connects and disconnects in order (those of a window, and the last one before it), whether it is
    connected now, and the window, return when it was away.

    A connect that follows a connect tells of our absence, not of the peer's. A peer that is away and whose last event
    is a connect left while we were: since when isn't known.
    """
    found: list[Absence] = []
    gone_at: float | None = None
    for event in events:
        if event.kind == "disconnect":
            gone_at = float(event.happened_at) if gone_at is None else gone_at
        elif event.kind == "connect" and gone_at is not None:
            found.append(Absence(max(gone_at, since_at), min(float(event.happened_at), now)))
            gone_at = None
    if gone_at is not None and not connected:
        found.append(Absence(max(gone_at, since_at), now))
    return tuple(absence for absence in found if absence.until_at > absence.from_at)
