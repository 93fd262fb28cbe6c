"""What the thread that listens to lightningd hands to the thread that writes: a queue with an end.

Whoever puts never waits. What finds no room is counted, and the count becomes a line of its own.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import Any, Final

#: Some seconds of the busiest node; about 8 MB.
CAPACITY: Final = 20_000


@dataclass(frozen=True, slots=True)
class Event:
    """What is kept of a notification, and when it came."""

    at: float
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Dropped:
    """Events that found no room: how many, and when the first one came."""

    count: int
    since_at: float


class Intake:
    """The queue. `put` is for one thread, the rest for another."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._queue: queue.Queue[Event | None] = queue.Queue(capacity)
        self._lock = threading.Lock()
        self._dropped: Dropped | None = None
        self._closed = threading.Event()

    def put(self, event: Event) -> None:
        """Given an event, queue it, or count it as dropped."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            with self._lock:
                was = self._dropped
                self._dropped = Dropped(1, event.at) if was is None else Dropped(was.count + 1, was.since_at)

    def close(self) -> None:
        """Nothing more comes: who waits is woken."""
        self._closed.set()
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return  # who takes isn't waiting

    @property
    def closed(self) -> bool:
        """Whether nothing more comes."""
        return self._closed.is_set()

    def wait_closed(self, seconds: float) -> None:
        """Given a span, return after it, or as soon as nothing more comes."""
        self._closed.wait(max(0.0, seconds))

    def take(self, most: int, wait_seconds: float) -> list[Event]:
        """Given how many at most, return what is queued; wait for the first one for so long."""
        found: list[Event] = []
        try:
            first = self._queue.get(timeout=wait_seconds) if wait_seconds > 0 else self._queue.get_nowait()
            while True:
                if first is not None:
                    found.append(first)
                if len(found) >= most:
                    return found
                first = self._queue.get_nowait()
        except queue.Empty:
            return found

    def take_dropped(self, before_at: float | None) -> Dropped | None:
        """Given the time of the next event (None: nothing is queued), return what was dropped before it, once."""
        with self._lock:
            found = self._dropped
            if found is None or (before_at is not None and found.since_at > before_at):
                return None
            self._dropped = None
            return found
