"""A total deadline for one call: however slowly the bytes arrive, it ends.

pyln-client has no timeout of its own. The socket's timeouts (`wire.py`) cover reading and writing in any thread; the
alarm here also covers connecting, which blocks while a stopped lightningd's queue of connections is full. Signals
only reach the main thread, so elsewhere the alarm does nothing.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

#: An alarm that was due while we used the timer is delivered at once; a timer of 0 would never ring.
_AT_ONCE_SECONDS: Final = 1e-6


class DeadlineError(Exception):
    """The call's time is up. Not an OSError: pyln's connect treats those itself."""


@contextmanager
def total_deadline(expires_at: float) -> Iterator[None]:
    """Given an instant of `time.monotonic`, raise DeadlineError in the body when it comes (main thread only).

    An alarm that somebody else has set keeps its handler and its time; if it is due first, it ends the body too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    started = time.monotonic()
    if expires_at <= started:
        raise DeadlineError
    armed = True

    def ring(_signal_number: int, _frame: FrameType | None) -> None:
        if armed:
            raise DeadlineError

    outer_left, outer_interval = signal.getitimer(signal.ITIMER_REAL)
    previous = signal.signal(signal.SIGALRM, ring)
    try:
        try:
            left = expires_at - started
            signal.setitimer(signal.ITIMER_REAL, min(left, outer_left) if outer_left else left)
            yield
        finally:
            armed = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if previous is None else previous)
        if outer_left:
            due = outer_left - (time.monotonic() - started)
            signal.setitimer(signal.ITIMER_REAL, max(due, _AT_ONCE_SECONDS), outer_interval)
