"""Uptime of a peer: the share of a window in which it was connected, by the node's own record of comings and goings.

A disconnect says how long the peer had been connected (`listnetworkevents`), so each stretch is known by its end. But
lightningd records none when it stops itself: it lets go of connectd first (lightningd/subd.c, subd_shutdown), and after
a restart each peer connects anew. So a connect that follows a connect tells of our absence, not of the peer's, and the
stretch before it runs on to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from revops.domain.node import NodeEvent


@dataclass(slots=True)
class _Connected:
    """Time being added up; each second counts once, none before the window."""

    counted_to_at: float
    seconds: float = 0.0

    def stretch(self, start_at: float, end_at: float) -> None:
        self.seconds += max(end_at - max(start_at, self.counted_to_at), 0.0)
        self.counted_to_at = max(self.counted_to_at, end_at)


def uptime_ratio(events: Sequence[NodeEvent], connected: bool, since_at: float, now: float) -> float | None:
    """Given a peer's connects and disconnects in order (those of a window, and the last one before it), whether it is
    connected now, and the window, return the share of the window in which it was connected. None for an empty window.

    A peer that is away and whose last event is a connect left while we were: since when isn't known, so that stretch
    counts for nothing until it is back.
    """
    if now <= since_at:
        return None
    known = _Connected(since_at)
    connected_at: float | None = None
    for event in events:
        if event.kind == "connect":
            if connected_at is not None:
                known.stretch(connected_at, event.happened_at)
            connected_at = event.happened_at
        elif event.kind == "disconnect" and event.duration_seconds is not None:
            known.stretch(event.happened_at - event.duration_seconds, event.happened_at)
            connected_at = None
    if connected:
        known.stretch(known.counted_to_at if connected_at is None else connected_at, now)
    return min(max(known.seconds / (now - since_at), 0.0), 1.0)
