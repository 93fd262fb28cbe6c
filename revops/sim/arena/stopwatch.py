"""Where the time of full cycles goes: a stopwatch that runs for one part at a time.

A part that is entered from within another stops that one's watch until it is left. For as long as it is watched, the
functions that a part begins with are wrapped; nothing of the product knows of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import wraps
from typing import Any, Final

from revops.cycle import fees, own_run, passes, session
from revops.node.rpc import Rpc
from revops.sim.arena.market import Market
from revops.sim.server import SimServer
from revops.store.engine import Database

#: What is timed of a run: `rpc` is our side of a call, `node` the node's; `store` is what happens within transactions;
#: `rest` is configuration, locks and whatever else is nobody's.
PARTS: Final = ("market", "node", "rpc", "sync", "decide", "store", "metrics", "rest")

#: Where each function is looked up by who calls it, and the part that it begins.
_FUNCTIONS: Final[tuple[tuple[Any, str, str], ...]] = (
    (Market, "trade", "market"),
    (SimServer, "answer", "node"),
    (Rpc, "call", "rpc"),
    (session, "sync_node", "sync"),
    (passes, "score_forwards", "decide"),
    (fees, "decide_fees", "decide"),
    (session, "export_node", "metrics"),
    (own_run, "export_command", "metrics"),
)
_CONTEXTS: Final = ("transaction", "read")


@contextmanager
def _wrapped(owner: Any, name: str, wrapper: Callable[..., Any]) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, wrapper)
    try:
        yield
    finally:
        setattr(owner, name, original)


class Stopwatch:
    """Seconds by part."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(PARTS, 0.0)
        self._running = ["rest"]
        self._since = time.perf_counter()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Time what happens in the body."""
        with ExitStack() as stack:
            for owner, name, part in _FUNCTIONS:
                stack.enter_context(_wrapped(owner, name, self._timed(part, getattr(owner, name))))
            for name in _CONTEXTS:
                stack.enter_context(_wrapped(Database, name, self._timed_context(getattr(Database, name))))
            self._since = time.perf_counter()
            yield
            self._turn()

    def seconds_by_part(self) -> Mapping[str, float]:
        """What was timed."""
        return dict(self._seconds)

    def _turn(self) -> None:
        """Give the time since the last turn to the part that is running."""
        now = time.perf_counter()
        self._seconds[self._running[-1]] += now - self._since
        self._since = now

    @contextmanager
    def _part(self, part: str) -> Iterator[None]:
        self._turn()
        self._running.append(part)
        try:
            yield
        finally:
            self._turn()
            self._running.pop()

    def _timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            with self._part(part):
                return function(*arguments, **named)

        return timed

    def _timed_context(self, function: Callable[..., AbstractContextManager[Any]]) -> Callable[..., Any]:
        @wraps(function)
        @contextmanager
        def timed(*arguments: Any, **named: Any) -> Iterator[Any]:
            with self._part("store"), function(*arguments, **named) as given:
                yield given

        return timed
