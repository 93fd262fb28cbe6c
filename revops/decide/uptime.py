"""When a peer was connected, by the node's own record of comings and goings.

A disconnect says how long the peer had been connected (`listnetworkevents`), so each stretch is known by its end. But
lightningd records none when it stops itself: it lets go of connectd first (lightningd/subd.c, subd_shutdown), and after
a restart each peer connects anew. So a connect that follows a connect tells of our absence, not of the peer's, and the
stretch before it runs on to it. A failed attempt to connect says that the peer is away; one that follows a connect is
made at our start, so that the peer left while we were away; if it is there all the same, and no row says that it came
back, the attempt was crossed by its own connection, and it never left.

What no row tells is not known: neither connected nor away. Where the companion plugin has recorded when lightningd was
away, that is such a time, and a peer that was connected before it isn't again until a row says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import floor
from typing import Final

from revops.domain.node import NodeEvent
from revops.domain.recorder import Outage
from revops.domain.stability import Presence, Stretch

#: `last_stable_connection` is set when a channel has been reestablished for so long (lightningd/channel_gossip.c).
STABLE_AFTER_SECONDS: Final = 60.0


def stretches(
    events: Sequence[NodeEvent],
    connected: bool,
    since_at: float,
    now: float,
    last_stable_at: float | None = None,
    outages: Sequence[Outage] = (),
) -> tuple[Stretch, ...]:
    """Given a peer's events in order (those of a window, and the last one before it), whether it is connected now, the
    window, when a channel with it was last known to be stable, and our own outages in order, as far as they are known,
    return the window in stretches, without gaps.

    Nothing must be missing from the record since `since_at`: a peer without a row that is connected now was so all the
    time. Each second counts once, whatever the rows say.
    """
    if now <= since_at:
        return ()
    walk = _Walk(since_at, now)
    edges = _edges(outages, since_at, now)
    at_edge = next(edges, None)
    for event in events:
        while at_edge is not None and at_edge.comes_before(event):
            walk.pass_edge(at_edge)
            at_edge = next(edges, None)
        walk.take(event)
    while at_edge is not None:
        walk.pass_edge(at_edge)
        at_edge = next(edges, None)
    walk.end(connected, last_stable_at)
    return tuple(walk.found)


@dataclass(frozen=True, slots=True)
class _Edge:
    """Where an outage of ours begins, at the last that was heard of lightningd, or ends, when it was started anew."""

    at: float
    ends: bool

    def comes_before(self, event: NodeEvent) -> bool:
        """Events are dated in whole seconds, rounded down: one of the second in which lightningd started came later."""
        return floor(self.at) <= event.happened_at if self.ends else self.at < event.happened_at


def _edges(outages: Sequence[Outage], since_at: float, now: float) -> Iterator[_Edge]:
    for outage in outages:
        if since_at < outage.until_at and outage.from_at < now:
            yield _Edge(outage.from_at, ends=False)
            yield _Edge(outage.until_at, ends=True)


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
    #: What held when lightningd was last heard of, while nothing else is known since.
    before: Presence = Presence.UNKNOWN

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

    def pass_edge(self, edge: _Edge) -> None:
        """Go on to where an outage of ours begins or ends. A start ends all connections: who was away still is, who was
        there may come back; when isn't the peer's doing.
        """
        self._go_to(edge.at)
        if not edge.ends:
            self.before = self.presence
            self._turn(Presence.UNKNOWN)
        elif self.presence is Presence.UP:
            self._turn(Presence.UNKNOWN)
        elif self.presence is Presence.UNKNOWN and self.before is Presence.DOWN:
            self._turn(Presence.DOWN)

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
