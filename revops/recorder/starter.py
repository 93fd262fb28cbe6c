"""The thread that starts syncs: one at a time, with low priority, never in a hurry, never waited for."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, Final

from revops.recorder.complaints import Complaints
from revops.recorder.debounce import BUSY_EXIT_CODE, Pace, event_came, sync_ended, sync_started

#: A sync that takes longer is stopped: it may be the first one of a large node, and goes on where it was.
LONGEST_SYNC_SECONDS: Final = 900.0
#: What a stopped one gets to end by itself.
GRACE_SECONDS: Final = 5.0
#: So much below the node's own priority, as far as it goes.
NICENESS: Final = 10
LOWEST_PRIORITY: Final = 19
#: How much of what it says on standard error is kept.
_TAIL_BYTES: Final = 300


class Starter:
    """Starts a command some time after `event`."""

    def __init__(
        self,
        command: Sequence[str],
        least_seconds: float,
        complaints: Complaints,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command = list(command)
        self._complaints = complaints
        self._steady = steady
        self._pace = Pace(least_seconds)
        self._changed = threading.Condition()
        self._stopped = False
        self._process: subprocess.Popen[bytes] | None = None

    def event(self) -> None:
        """Something happened on the node: a sync is wanted. Returns at once."""
        if self._pace.wanted_at is not None:  # read without the lock: at worst this one is asked for with the next
            return
        with self._changed:
            self._pace = event_came(self._pace, self._steady())
            self._changed.notify()

    def stop(self) -> None:
        """Start none any more, and end the one that runs: it goes on with the next."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
            if self._process is not None:
                _signal(self._process, signal.SIGTERM)

    def run(self) -> None:
        """Start one whenever it is due, until `stop`. Raises nothing."""
        while self._wait_until_due():
            try:
                self._run_once()
            except Exception as error:  # noqa: BLE001  # whatever it is, the node must not notice
                self._complaints.say("starter", f"no sync could be run: {type(error).__name__}: {error}")
                self._ended(None)

    def _wait_until_due(self) -> bool:
        with self._changed:
            while not self._stopped:
                due_at, now = self._pace.due_at, self._steady()
                if due_at is not None and due_at <= now:
                    self._pace = sync_started(self._pace, now)
                    return True
                self._changed.wait(None if due_at is None else due_at - now)
            return False

    def _run_once(self) -> None:
        with self._changed:
            if self._stopped:
                return
            process = self._process = subprocess.Popen(  # noqa: S603  # the operator names the command
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, min(os.nice(0) + NICENESS, LOWEST_PRIORITY))
        alarm = threading.Timer(LONGEST_SYNC_SECONDS, _signal, (process, signal.SIGTERM))
        alarm.daemon = True
        alarm.start()
        try:
            said = _tail(process.stderr)
            exit_code = process.wait()
        finally:
            alarm.cancel()
        with self._changed:
            self._process = None
        self._ended(exit_code)
        if exit_code not in {0, BUSY_EXIT_CODE} and not self._stopped:
            self._complaints.say("sync", f"{shlex.join(self._command)} ended with {exit_code}: {said or 'no word'}")

    def _ended(self, exit_code: int | None) -> None:
        with self._changed:
            self._pace = sync_ended(self._pace, self._steady(), exit_code)


def _tail(stream: IO[bytes] | None) -> str:
    """The end of what is written, once all is written."""
    kept = b""
    if stream is not None:
        with stream:
            while more := stream.read(4_096):
                kept = (kept + more)[-_TAIL_BYTES:]
    return kept.decode(errors="replace").strip()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """To its whole group: a command may be a shell, or sudo, with the sync below it."""
    with suppress(OSError):
        os.killpg(process.pid, number)
