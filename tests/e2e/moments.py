"""The moments at which a run can be killed: before and after each commit, each call to the node, each metrics file.

"Before a call" is before anything is sent. "After a call" is when the node has executed it and nothing of ours has
looked at the reply. Between two moments a run only computes and reads, so to be killed there is to be killed at the
moment before.

`killed_here` stands in for SIGKILL inside the test's own process, which is a hundred times faster than a process of its
own. A real kill gives no chance to clean up; here an exception unwinds the stack, and all that unwinding does has no
effect that a kill wouldn't have: a transaction is rolled back (by SQLite itself after a kill), locks are let go (by the
kernel), sockets are closed. The one exception is the frame's `OwnRun.fail`, which records how a run ended: it is left
out. tests/e2e/test_e2e_kill_process.py kills real processes at the same moments and compares what is left, row by row.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn
from unittest.mock import patch

import sqlalchemy.engine.default

import revops.cycle.passes
import revops.metrics.textfile
import revops.node.attempt
from revops.cycle.own_run import OwnRun
from revops.store.engine import Database


class Killed(BaseException):
    """What SIGKILL does to a process, done to a run inside the test's process."""


def killed_here() -> NoReturn:
    """Die as a run."""
    raise Killed


def killed_for_good() -> NoReturn:
    """Die as a process."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a process survived SIGKILL")


@dataclass
class Moments:
    """Counts the moments that a run passes, from 1. At number `at` the `end` comes, or whatever else it may do."""

    at: int | None = None
    end: Callable[[], object] = killed_here
    names: list[str] = field(default_factory=list)
    writing: bool = False

    def pass_one(self, name: str) -> None:
        """A moment has come."""
        self.names.append(name)
        if len(self.names) == self.at:
            self.end()


@contextmanager
def watched(moments: Moments, page_size: int | None = None) -> Iterator[Moments]:
    """Let every run in the body pass its moments. A small `page_size` makes many pages of a short history."""
    with ExitStack() as stack:
        stack.enter_context(_calls(moments))
        stack.enter_context(_commits(moments))
        stack.enter_context(_files(moments))
        stack.enter_context(_silent_death())
        if page_size is not None:
            stack.enter_context(patch.object(revops.cycle.passes, "PAGE_SIZE", page_size))
        yield moments


@contextmanager
def _calls(moments: Moments) -> Iterator[None]:
    real = revops.node.attempt.attempt

    def attempt(path: str, method: str, *arguments: Any, **options: Any) -> Any:
        moments.pass_one(f"before {method}")
        outcome = real(path, method, *arguments, **options)
        moments.pass_one(f"after {method}")
        return outcome

    with patch.object(revops.node.attempt, "attempt", attempt):
        yield


@contextmanager
def _commits(moments: Moments) -> Iterator[None]:
    """Only of what writes: the end of a transaction that reads changes nothing."""
    dialect = sqlalchemy.engine.default.DefaultDialect
    real_commit: Callable[[Any, Any], None] = dialect.do_commit
    real_transaction = Database.transaction

    def do_commit(self: Any, connection: Any) -> None:
        if not moments.writing:
            real_commit(self, connection)
            return
        moments.pass_one("before commit")
        real_commit(self, connection)
        moments.pass_one("after commit")

    @contextmanager
    def transaction(self: Database, node_key: int) -> Iterator[Any]:
        moments.writing = True
        try:
            with real_transaction(self, node_key) as tx:
                yield tx
        finally:
            moments.writing = False

    with patch.object(dialect, "do_commit", do_commit), patch.object(Database, "transaction", transaction):
        yield


@contextmanager
def _files(moments: Moments) -> Iterator[None]:
    real = revops.metrics.textfile._replace

    def replace(*arguments: Any) -> None:
        moments.pass_one("before .prom")
        real(*arguments)
        moments.pass_one("after .prom")

    with patch.object(revops.metrics.textfile, "_replace", replace):
        yield


@contextmanager
def _silent_death() -> Iterator[None]:
    real = OwnRun.fail

    def fail(self: OwnRun, error: BaseException) -> None:
        if not isinstance(error, Killed):
            real(self, error)

    with patch.object(OwnRun, "fail", fail):
        yield
