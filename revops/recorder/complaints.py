"""What goes wrong is said in lightningd's log, each kind of it once in five minutes at most."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

SILENCE_SECONDS: Final = 300.0
_LONGEST: Final = 400


class Complaints:
    """A log that can't be flooded, and never fails. `send` takes a level of lightningd's and a line."""

    def __init__(self, send: Callable[[str, str], None], steady: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._steady = steady
        self._lock = threading.Lock()
        self._said: dict[str, tuple[float, int]] = {}

    def say(self, kind: str, text: str, level: str = "warn") -> None:
        """Given a kind of trouble and a sentence, say it, or count it where that kind was said a moment ago."""
        with self._lock:
            said_at, unsaid_count = self._said.get(kind, (None, 0))
            if said_at is not None and self._steady() - said_at < SILENCE_SECONDS:
                self._said[kind] = (said_at, unsaid_count + 1)
                return
            self._said[kind] = (self._steady(), 0)
        again = f" ({unsaid_count} more of this kind since the last time)" if unsaid_count else ""
        line = " ".join(text.split())[:_LONGEST] + again
        try:
            self._send(level, "".join(letter if letter.isprintable() else "?" for letter in line))
        except (OSError, ValueError):
            return  # nobody listens any more
