"""The lock between machines: on PostgreSQL two of them may share a database, and `flock` sees only one.

A session lock on a connection of its own. If that connection is lost the lock is gone without a word; that is why
money is guarded by the fence in `ledger_head` as well, and this lock only keeps runs from doing the same work twice.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, text

from revops.errors import TemporaryError
from revops.store.engine import Database

_POLL_SECONDS: Final = 0.25


@contextmanager
def advisory_lock(
    database: Database,
    node_key: int,
    domain: str,
    *,
    wait_seconds: float = 0.0,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold the database's lock of (`node_key`, `domain`) for the body; on SQLite do nothing: its file is on one
    machine.

    Raise TemporaryError when another session has it for longer than `wait_seconds`.
    """
    with database.session() as connection:
        if connection is not None:
            _acquire(connection, node_key, domain, monotonic() + wait_seconds, monotonic, sleep)
        yield  # the session ends with its connection, and the lock with the session


def _acquire(
    connection: Connection,
    node_key: int,
    domain: str,
    deadline: float,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    digest = hashlib.sha256(f"revops:{node_key}:{domain}".encode()).digest()
    number = int.from_bytes(digest[:8], signed=True)
    while not connection.execute(text("SELECT pg_try_advisory_lock(:number)"), {"number": number}).scalar_one():
        left_seconds = deadline - monotonic()
        if not left_seconds > 0:
            raise TemporaryError(f"{domain}: another machine holds the lock of this node; the next run tries again")
        sleep(min(_POLL_SECONDS, left_seconds))
