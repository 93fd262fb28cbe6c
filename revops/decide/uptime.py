"""When a peer was connected, by the node's own record of comings and goings.

A disconnect says how long the peer had been connected (`listnetworkevents`), so each stretch is known by its end. But
lightningd records none when it stops itself: it lets go of connectd first (lightningd/subd.c, subd_shutdown), and after
a restart each peer connects anew. So a connect that follows a connect tells of our absence, not of the peer's, and the
stretch before it runs on to it. A failed attempt to connect says that the peer is away; one that follows a connect is
made at our start, so that the peer left while we were away; if it is there all the same, and no row says that it came
back, the attempt was crossed by its own connection, and it never left.

What no row tells is not known: neither connected nor away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from revops.domain.node import NodeEvent
from revops.domain.stability import Presence, Stretch

#: `last_stable_connection` is set when a channel has been reestablished for so long (lightningd/channel_gossip.c).
STABLE_AFTER_SECONDS: Final = 60.0


def stretches(
    events: Sequence[NodeEvent],
    connected: bool,
    since_at: float,
    now: float,
    last_stable_at: float | None = None,
) -> tuple[Stretch, ...]:
    """Given a peer's events in order (those of a window, and the last one before it), whether it is connected now, the
    window, and when a channel with it was last known to be stable, return the window in stretches, without gaps.

    Nothing must be missing from the record since `since_at`: a peer without a row that is connected now was so all the
    time. Each second counts once, whatever the rows say.
    """
    if now <= since_at:
        return ()
    walk = _Walk(since_at, now)
    for event in events:
        walk.take(event)
    walk.end(connected, last_stable_at)
    return tuple(walk.found)


@dataclass(slots=True)
class _Walk:
    """A walk through the rows. `counted_to_at` is how far it has come, `presence` what holds from there on."""

    since_at: float
    now: float
    found: list[Stretch] = field(default_factory=list)
    counted_to_at: float = field(init=False)
    presence: Presence = Presence.UNKNOWN
    dropped: bool = False
    seen: bool = False
    crossed: bool = False

    def __post_init__(self) -> None:
        self.counted_to_at = self.since_at

    def take(self, event: NodeEvent) -> None:
        """Go on to an event. A kind that we don't know says nothing."""
        at = float(event.happened_at)
        was = self.presence
        if event.kind == "connect":
            self._go_to(at)
            self._turn(Presence.UP)
        elif event.kind == "disconnect":
            if event.duration_seconds is not None:
                if self.presence is not Presence.UP:
                    self._go_to(at - event.duration_seconds)
                self._turn(Presence.UP)
            self._go_to(at)
            self._turn(Presence.DOWN, dropped=self.since_at <= at <= self.now)
        elif event.kind == "connect_fail" and self.presence is not Presence.DOWN:
            self._go_to(at)
            self._turn(Presence.DOWN)
            self.crossed = was is Presence.UP

    def end(self, connected: bool, last_stable_at: float | None) -> None:
        """Go on to the end of the window, with what the channel list says of it."""
        stable_at = self.counted_to_at if last_stable_at is None else last_stable_at
        if connected and (not self.seen or self.crossed):
            self._turn(Presence.UP)
        elif connected and self.presence is not Presence.UP:
            # It is back, and no row says since when.
            self._turn(Presence.UNKNOWN)
            if stable_at - STABLE_AFTER_SECONDS > self.counted_to_at:
                self._go_to(stable_at - STABLE_AFTER_SECONDS)
                self._turn(Presence.UP)
        elif not connected and self.presence is Presence.UP:
            # It left while we were away ourselves.
            self._go_to(max(stable_at, self.counted_to_at))
            self._turn(Presence.UNKNOWN)
        elif not connected and self.presence is Presence.DOWN and stable_at > self.counted_to_at:
            # It has been here since it left, and no row says when.
            self._turn(Presence.UNKNOWN)
        self._go_to(self.now)
        self._close()

    def _go_to(self, at: float) -> None:
        until_at = min(max(at, self.counted_to_at), self.now)
        if until_at > self.counted_to_at:
            self.found.append(Stretch(self.counted_to_at, until_at, self.presence, self.dropped))
            self.counted_to_at, self.dropped = until_at, False

    def _turn(self, presence: Presence, *, dropped: bool = False) -> None:
        if presence is not self.presence or dropped:
            self._close()
        self.presence, self.seen, self.crossed = presence, True, False
        self.dropped = self.dropped or dropped

    def _close(self) -> None:
        """A connection that ended and was back at once is a stretch, too."""
        if self.dropped:
            self.found.append(Stretch(self.counted_to_at, self.counted_to_at, Presence.DOWN, dropped=True))
            self.dropped = False
