"""What the lines of the companion plugin say together: when it was there, and when lightningd was not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from revops.domain.recorder import (
    EVENT_KINDS,
    GAP_SECONDS,
    Folded,
    LineKind,
    Outage,
    RecorderSpan,
    SpoolLine,
    SpoolPage,
)
from revops.domain.values import replace

#: Forwards are only counted: listforwards is the record of them.
_KEPT: Final = frozenset({LineKind.CONNECT, LineKind.DISCONNECT, LineKind.STATE})


def fold(page: SpoolPage, last: RecorderSpan | None) -> Folded:
    """Given a page and the last span of its run (None: nothing of it was read before), return what it brings.

    Lines that were read before bring nothing. A silence, or events that were dropped, end a span; numbers that are
    missing are lines that were removed before they were read.
    """
    walk = _Walk(last)
    for line in page.lines:
        walk.take(page.run_id, line)
    walk.counts["malformed_count"] = page.malformed_count
    return Folded(tuple(walk.spans), last is not None and bool(walk.spans), tuple(walk.events), walk.counts)


class _Walk:
    """A walk through lines. The first of the spans is the one that was there before."""

    def __init__(self, last: RecorderSpan | None) -> None:
        self.spans: list[RecorderSpan] = [] if last is None else [last]
        self.events: list[tuple[int, SpoolLine]] = []
        self.counts = dict.fromkeys([f"{kind}_count" for kind in EVENT_KINDS], 0)
        self.counts |= {"dropped_count": 0, "removed_count": 0}

    def take(self, run_id: str, line: SpoolLine) -> None:
        """Go on to a line."""
        read_to = self.spans[-1].last_sequence if self.spans else 0
        if line.sequence <= read_to:
            return
        self.counts["removed_count"] += line.sequence - read_to - 1
        missing = line.sequence > read_to + 1
        if line.kind is LineKind.DROP:
            self.counts["dropped_count"] += line.dropped_count
            missing = True
        self._go_on(run_id, line, missing=missing)
        if line.kind in EVENT_KINDS:
            self.counts[f"{line.kind}_count"] += 1
        if line.kind in _KEPT:
            self.events.append((len(self.spans) - 1, line))

    def _go_on(self, run_id: str, line: SpoolLine, *, missing: bool) -> None:
        if not self.spans:
            self.spans.append(RecorderSpan(run_id, line.at, line.at, line.node_started_at, line.sequence))
            return
        span = self.spans[-1]
        if not missing and line.at - span.until_at <= GAP_SECONDS:
            self.spans[-1] = replace(span, until_at=max(span.until_at, line.at), last_sequence=line.sequence)
            return
        if line.since_at is not None:  # what was dropped had come until then
            self.spans[-1] = replace(span, until_at=max(span.until_at, min(line.since_at, line.at)))
        self.spans.append(RecorderSpan(run_id, line.at, line.at, span.node_started_at, line.sequence))


def outages(spans: Iterable[RecorderSpan]) -> tuple[Outage, ...]:
    """Given spans, return when lightningd was away: from the last sign of life of one that ran before another's start,
    to that start. A recorder that was away by itself tells of no outage: the node's own record has no hole then.
    """
    found: list[Outage] = []
    alive_at: float | None = None
    for span in sorted(spans, key=lambda one: one.from_at):
        started_at = span.node_started_at
        if alive_at is not None and started_at is not None and started_at > alive_at:
            found.append(Outage(alive_at, started_at))
        alive_at = span.until_at if alive_at is None else max(alive_at, span.until_at)
    return tuple(found)


def gap_seconds(spans: Sequence[RecorderSpan], now: float, window_seconds: float) -> float:
    """Given the spans that reach into a window before now, and the one before them if there is any, return how much of
    it went unrecorded, from the first span on. The time since the last line is a gap only once a heartbeat is missing.
    """
    if not spans:
        return 0.0
    since_at = max(now - window_seconds, min(span.from_at for span in spans))
    gap, covered_to_at = 0.0, since_at
    for span in sorted(spans, key=lambda one: one.from_at):
        gap += max(0.0, min(span.from_at, now) - covered_to_at)
        covered_to_at = max(covered_to_at, min(span.until_at, now))
    silent_seconds = now - covered_to_at
    return gap + (silent_seconds if silent_seconds > GAP_SECONDS else 0.0)
