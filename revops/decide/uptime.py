"""Uptime of a peer: the share of a window in which it was connected, by the node's own record of comings and goings."""

from __future__ import annotations

from collections.abc import Sequence

from revops.domain.node import NodeEvent


def uptime_ratio(events: Sequence[NodeEvent], connected: bool, since_at: float, now: float) -> float | None:
    """Given a peer's connects and disconnects in a window, in order of time, whether it is connected now, and the
    window, return the share of the window in which it was connected. None for an empty window.

    A disconnect says how long the peer had been connected (`listnetworkevents`), so each stretch is known by its end;
    the last one runs on from its connect.
    """
    if now <= since_at:
        return None
    seconds = 0.0
    last_end_at = since_at
    last_connect_at: float | None = None
    for event in events:
        if event.kind == "connect":
            last_connect_at = event.happened_at
        elif event.kind == "disconnect" and event.duration_seconds is not None:
            start_at = max(event.happened_at - event.duration_seconds, last_end_at)
            seconds += max(event.happened_at - start_at, 0.0)
            last_end_at = max(event.happened_at, last_end_at)
            last_connect_at = None
    if connected:
        start_at = last_end_at if last_connect_at is None else max(last_connect_at, last_end_at)
        seconds += max(now - start_at, 0.0)
    return min(max(seconds / (now - since_at), 0.0), 1.0)
