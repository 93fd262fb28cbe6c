"""One call to lightningd: permitted, bounded in time and size, and never half understood.

pyln-client does the talking (`wire.py`). It is imported with the first call, since it brings a cryptography stack
along that `--help` has no use for.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, Protocol

from revops.node.errors import NodeError
from revops.node.methods import permitted

Params = Mapping[str, object] | Sequence[object] | None

#: Pages are a few MB, and 500 channels with every slot taken some 70; beyond this somebody is feeding us.
MAX_REPLY_BYTES: Final = 256 * 1024 * 1024

_log = logging.getLogger(__name__)


class Caller(Protocol):
    """What the reader and the writer need: one call."""

    def call(self, method: str, params: Params = None, timeout_seconds: float | None = None) -> dict[str, object]:
        """Given a method and its parameters, return the result object. Raise NodeError if there is none."""


class Rpc:
    """lightningd's socket, as one command may use it."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        command: str,
        timeout_seconds: float,
        writes_allowed: bool,
        max_reply_bytes: int = MAX_REPLY_BYTES,
    ) -> None:
        self._path = os.fspath(path)
        self._command = command
        self._timeout_seconds = timeout_seconds
        self._writes_allowed = writes_allowed
        self._max_reply_bytes = max_reply_bytes
        #: How many calls were made, and how long the slowest took (seconds, method), answered or not.
        self.call_count = 0
        self.slowest: tuple[float, str] = (0.0, "")

    @property
    def timeout_seconds(self) -> float:
        """The deadline of a call that names none."""
        return self._timeout_seconds

    def call(self, method: str, params: Params = None, timeout_seconds: float | None = None) -> dict[str, object]:
        """Given a method and its parameters, return the result object.

        Raise BugError, before the socket is touched, for a method that this command may not call; NodeError for
        anything else. A call that only reads is made once more if the connection drops, within the same deadline; one
        that writes never is.
        """
        entry = permitted(method, self._command, writes_allowed=self._writes_allowed)
        from revops.node.attempt import attempt

        started = time.monotonic()
        seconds = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        once = partial(
            attempt,
            self._path,
            method,
            params,
            seconds=seconds,
            expires_at=started + seconds,
            max_reply_bytes=self._max_reply_bytes,
            writes=entry.writes,
            lists=entry.lists,
        )
        outcome = once()
        if isinstance(outcome, NodeError) and outcome.dropped and not entry.writes:
            _log.debug("%s: connection dropped, asking once more", method)
            outcome = once()
        took_seconds = time.monotonic() - started
        self.call_count += 1
        self.slowest = max(self.slowest, (took_seconds, method))
        _log.debug("%s: %d ms", method, round(took_seconds * 1_000))
        if isinstance(outcome, NodeError):
            raise outcome
        return outcome
