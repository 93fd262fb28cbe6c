"""The thread that writes: from the queue into the spool, a heartbeat between the events, and patience with a full disk.

While the spool can't be written the queue holds what comes, and counts what it has no room for. What was written is
numbered without holes, so that a reader sees what is missing.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from revops.domain.recorder import BEAT_SECONDS, LineKind
from revops.recorder.complaints import Complaints
from revops.recorder.intake import Dropped, Event, Intake
from revops.recorder.lines import FORMAT, encode
from revops.recorder.spool import Spool

#: Lines in one write: about 50 kB.
BATCH: Final = 500
#: How long a spool that could not be written is left alone, doubled with each further failure.
FIRST_RETRY_SECONDS: Final = 1.0
LAST_RETRY_SECONDS: Final = 60.0
_NO_ROOM: Final = "no room for a whole line"


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What the first line of each segment says: which run of the plugin wrote it, and since when lightningd runs."""

    run_id: str
    node_started_at: float | None
    version: str


class Writer:
    """The writing end. `clock` tells the time of lines, `steady` that of waits."""

    def __init__(
        self,
        intake: Intake,
        spool: Spool,
        info: RunInfo,
        complaints: Complaints,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._intake = intake
        self._spool = spool
        self._info = info
        self._complaints = complaints
        self._clock = clock
        self._steady = steady
        self._pending: deque[Event] = deque()
        self._dropped: Dropped | None = None
        self._sequence = 0
        self._beat_at = 0.0
        self._retry_at = 0.0
        self._retry_seconds = FIRST_RETRY_SECONDS

    def run(self) -> None:
        """Write until the queue is closed and empty; then say that this is the end. Raises nothing."""
        while not self._intake.closed:
            self._guarded(self.step)
        self._guarded(self._finish)
        self._spool.close()

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001  # whatever it is, the node must not notice
            self._complaints.say("bug", f"the writer failed and goes on: {type(error).__name__}: {error}")
            self._intake.wait_closed(FIRST_RETRY_SECONDS)

    def step(self) -> None:
        """Do what there is to do: wait for the time to try again, else write what is queued, or a heartbeat."""
        if not self._spool.writable:
            if self._steady() < self._retry_at:
                self._intake.wait_closed(self._retry_at - self._steady())
                return
            self._try(self._begin)
            return
        if not self._pending:
            self._pending.extend(self._intake.take(BATCH, max(0.0, self._beat_at - self._steady())))
        self._try(self._write)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as error:
            self._spool.leave()
            self._retry_at = self._steady() + self._retry_seconds
            self._retry_seconds = min(LAST_RETRY_SECONDS, 2 * self._retry_seconds)
            self._complaints.say("spool", f"{self._spool.folder} can't be written: {_cause(error)}; trying on")
        else:
            if self._spool.writable:
                self._retry_seconds = FIRST_RETRY_SECONDS

    def _begin(self) -> None:
        """Begin a segment: its first line says whose it is, and is a heartbeat, too."""
        now = self._clock()
        self._spool.open(now)
        fields: dict[str, Any] = {"k": LineKind.OPEN.value, "v": FORMAT, "run": self._info.run_id}
        if self._info.node_started_at is not None:
            fields["node_started"] = round(self._info.node_started_at, 3)
        self._put(now, {**fields, "revops": self._info.version})
        self._beat_at = self._steady() + BEAT_SECONDS

    def _write(self) -> None:
        if self._dropped is None:
            self._dropped = self._intake.take_dropped(self._pending[0].at if self._pending else None)
        if not self._pending and self._dropped is None and self._steady() < self._beat_at:
            return
        now = self._clock()
        if self._spool.is_full(now):
            self._begin()
        if self._dropped is not None:
            since_at = round(self._dropped.since_at, 3)
            self._put(now, {"k": LineKind.DROP.value, "n": self._dropped.count, "since": since_at})
            self._dropped = None
        if self._pending:
            self._put_pending()
        if self._steady() >= self._beat_at:
            self._put(now, {"k": LineKind.BEAT.value})
            self._beat_at = self._steady() + BEAT_SECONDS

    def _put_pending(self) -> None:
        """What doesn't stand there whole stays pending, for the next segment."""
        lines = [encode(self._sequence + place, one.at, one.fields) for place, one in enumerate(self._pending, 1)]
        count = self._spool.append(lines)
        self._sequence += count
        for _ in range(count):
            self._pending.popleft()
        if self._pending:
            raise OSError(_NO_ROOM)

    def _put(self, at: float, fields: dict[str, Any]) -> None:
        if not self._spool.append([encode(self._sequence + 1, at, fields)]):
            raise OSError(_NO_ROOM)
        self._sequence += 1

    def _finish(self) -> None:
        """Write what is left, and the end, if that can be done at once."""
        try:
            if not self._spool.writable:
                self._begin()
            while True:
                self._pending.extend(self._intake.take(BATCH, 0.0))
                if not self._pending:
                    break
                self._write()
            self._write()
            self._put(self._clock(), {"k": LineKind.STOP.value})
        except OSError as error:
            self._complaints.say("spool", f"{self._spool.folder} can't be written: {_cause(error)}; this run ends")


def _cause(error: OSError) -> str:
    if isinstance(error, BlockingIOError):
        return "another recorder writes there"
    return error.strerror or str(error)
