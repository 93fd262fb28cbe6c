"""When a peer was away, by the node's own record of comings and goings (`uptime.py` tells how to read it)."""

from __future__ import annotations

from collections.abc import Sequence

from revops.decide.uptime import stretches
from revops.domain.node import NodeEvent
from revops.domain.node_traffic import Absence
from revops.domain.stability import Presence


def absences_of(events: Sequence[NodeEvent], connected: bool, since_at: float, now: float) -> tuple[Absence, ...]:
    """Given a peer's events in order (those of a window, and the last one before it), whether it is connected now, and
    the window, return when it was away as far as that is known, the first absence first.
    """
    found: list[Absence] = []
    for one in stretches(events, connected, since_at, now):
        if one.presence is not Presence.DOWN or not one.seconds:
            continue
        if found and found[-1].until_at == one.from_at:
            found[-1] = Absence(found[-1].from_at, one.until_at)
        else:
            found.append(Absence(one.from_at, one.until_at))
    return tuple(found)
