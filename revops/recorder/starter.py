"""The thread that starts syncs: one at a time, with low priority, never in a hurry, never waited for."""

from __future__ import annotations

import os
import selectors
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

#: A sync that takes longer is asked to end: it may be the first one of a large node, and goes on where it was.
LONGEST_SYNC_SECONDS: Final = 900.0
#: What it gets to end by itself; then it is killed, and after as long again nobody waits for it any more.
GRACE_SECONDS: Final = 5.0
#: So much below the node's own priority, as far as it goes.
NICENESS: Final = 10
LOWEST_PRIORITY: Final = 19
#: A monitoring service watches cron's runs. Each event's run would flood it, and hide that cron has died.
NO_PINGS: Final = {"REVOPS_PING_URL": ""}
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
        # Without the lock: who tells of an event must not wait for a slow disk to start a program from.
        process = subprocess.Popen(  # noqa: S603  # the operator names the command
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=os.environ | NO_PINGS,
        )
        with self._changed:
            self._process = process
            if self._stopped:
                _signal(process, signal.SIGTERM)
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, min(os.nice(0) + NICENESS, LOWEST_PRIORITY))
        exit_code, said = _attended(process)
        with self._changed:
            self._process = None
        self._ended(exit_code)
        if exit_code not in {0, BUSY_EXIT_CODE} and not self._stopped:
            ending = "had to be given up" if exit_code is None else f"ended with {exit_code}"
            self._complaints.say("sync", f"{shlex.join(self._command)} {ending}: {said or 'no word'}")

    def _ended(self, exit_code: int | None) -> None:
        with self._changed:
            self._pace = sync_ended(self._pace, self._steady(), exit_code)


def _attended(process: subprocess.Popen[bytes]) -> tuple[int | None, str]:
    """Given a process, return its exit code and the end of what it said, once all that it has started let go of its
    standard error. One that takes too long is asked to end, then made to, then left alone: no exit code.
    """
    said = b""
    for seconds, number in (
        (LONGEST_SYNC_SECONDS, signal.SIGTERM),
        (GRACE_SECONDS, signal.SIGKILL),
        (GRACE_SECONDS, 0),
    ):
        until = time.monotonic() + seconds
        more, silent = _heard(process.stderr, until)
        said = (said + more)[-_TAIL_BYTES:]
        if silent:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
                break
        if number:
            _signal(process, number)
    if process.stderr is not None:
        process.stderr.close()
    return process.poll(), said.decode(errors="replace").strip()


def _heard(stream: IO[bytes] | None, until: float) -> tuple[bytes, bool]:
    """Given a stream and a moment, return the end of what is written until then, and whether nothing more comes."""
    if stream is None:
        return b"", True
    kept = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while (left_seconds := until - time.monotonic()) > 0 and selector.select(left_seconds):
            more = os.read(stream.fileno(), 4_096)
            if not more:
                return kept, True
            kept = (kept + more)[-_TAIL_BYTES:]
    return kept, False


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """To its whole group: a command may be a shell, or sudo, with the sync below it."""
    with suppress(OSError):
        os.killpg(process.pid, number)
