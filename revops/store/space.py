"""Room on the disk that an SQLite file no longer needs. PostgreSQL needs none of this: its autovacuum makes the room of
deleted rows usable again.

A file that was made with `auto_vacuum = INCREMENTAL` knows where each of its pages is referred to, so that the last
ones can be moved into free ones and be cut off, a few at a time. VACUUM would do it at once, but nobody could write
meanwhile, and for a while it needs the file's size twice more.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.engine import URL

from revops.domain.measures import DatabaseSize
from revops.store.engine import NODE, Database, Tx
from revops.store.faults import explained_sqlite
from revops.store.metadata import metadata
from revops.store.url import is_sqlite, sqlite_path

_NONE: Final = 0
_INCREMENTAL: Final = 2
#: Pages (usually of 4 KiB) that a step gives back at most: some 20 ms on an SSD.
PAGES_AT_ONCE: Final = 1_000
#: A step that took longer is followed by half of one, as on a slow disk, one of less than a quarter by a larger one
#: again; after one that took longest, none follows.
_STEP_SECONDS: Final = 0.1
_LONGEST_STEP_SECONDS: Final = 2.0
#: Longer than SQLite sleeps between two looks at a lock (0.1 s), so that who waits gets it before the next step.
PAUSE_SECONDS: Final = 0.15
#: A GB with whole steps, in less than a minute. What is left then is given back by later runs.
STEPS_A_RUN: Final = 250
#: VACUUM writes the file anew, and then copies it over the old one by way of the write-ahead log.
_ROOM_RATIO: Final = 2


def give_back(
    database: Database,
    *,
    pages_at_once: int = PAGES_AT_ONCE,
    steps: int = STEPS_A_RUN,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Give free pages of the file back to the disk, in at most `steps` short transactions with pauses between them;
    return how many bytes shorter it is.

    Stop early where others write for longer than the lock's timeout, or a step takes so long that they would wait for
    it. 0 on PostgreSQL, and for a file from before that `revops db upgrade` could not switch. Raise DiskError where the
    disk is full or failing. The file itself gets shorter when the write-ahead log is folded into it: here, unless
    somebody reads just then, else when they have read.
    """
    with database.file() as connection:
        if connection is None or _number(connection, "auto_vacuum") != _INCREMENTAL:
            return 0
        before = _number(connection, "page_count")
        _in_steps(connection, pages_at_once, steps, monotonic, sleep)
        given_back = before - _number(connection, "page_count")
        if given_back > 0:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return max(0, given_back) * _number(connection, "page_size")


def _in_steps(
    connection: sqlite3.Connection,
    pages_at_once: int,
    steps: int,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    pages = pages_at_once
    for step in range(steps):
        if _number(connection, "freelist_count") == 0:
            return
        if step:
            sleep(PAUSE_SECONDS)
        begun_at = monotonic()
        try:
            # As a script: a mere `execute` stops after the first page.
            connection.executescript(f"PRAGMA incremental_vacuum({pages})")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:  # others write: they come first
                return
            raise
        took_seconds = monotonic() - begun_at
        if took_seconds > _LONGEST_STEP_SECONDS:
            return
        if took_seconds > _STEP_SECONDS:
            pages = max(1, pages // 2)
        elif took_seconds < _STEP_SECONDS / 4:
            pages = min(pages_at_once, pages * 2)


def _number(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def begin_new(connection: Connection) -> None:
    """Given the transaction in which a new SQLite file gets its first table, let its free pages be given back later.

    It must have begun by a mere BEGIN: with its first lock the file is laid out.
    """
    connection.exec_driver_sql("PRAGMA auto_vacuum = INCREMENTAL")


def switch(url: URL, engine: Engine) -> str | None:
    """Given a database of ours that nobody has in a transaction here, let its free pages be given back from now on.

    This writes an SQLite file from before anew, once; all of it or nothing, and nobody can write meanwhile. Return why
    it could not be done, for a person; None when it is done, or was. Never raises for it: the database is as good as
    before.
    """
    if not is_sqlite(url):
        return None
    try:
        with closing(engine.raw_connection()) as pooled:
            connection = pooled.driver_connection
            if not isinstance(connection, sqlite3.Connection) or not (wanted_bytes := switch_bytes(connection)):
                return None
            lacking = _lacking_room(sqlite_path(url), wanted_bytes)
            if lacking is None:
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                connection.execute("VACUUM")
                return None
    except sqlite3.Error as error:
        lacking = str(explained_sqlite(url, error))
    return f"{lacking}; so what a rollup prunes is not given back to the disk yet: `revops db upgrade` tries it again"


def switch_bytes(connection: sqlite3.Connection) -> int:
    """Given a connection to an SQLite file, return how much of the disk `switch` takes for a while; 0 where there is
    nothing left for it to do.
    """
    if _number(connection, "auto_vacuum") != _NONE:
        return 0
    used = _number(connection, "page_count") - _number(connection, "freelist_count")
    return used * _number(connection, "page_size") * _ROOM_RATIO


def _lacking_room(path: Path, wanted_bytes: int) -> str | None:
    """Never fill the disk, not even for a moment: the node may be on it."""
    try:
        free_bytes = shutil.disk_usage(path.parent).free
    except OSError as error:
        return f"database {path}: {error.strerror or error}"
    if free_bytes >= wanted_bytes:
        return None
    return f"database {path}: writing it anew takes {wanted_bytes:,} bytes of disk for a while, {free_bytes:,} are free"


def database_size(tx: Tx) -> DatabaseSize:
    """Return how large the database is by its own account: SQLite keeps that in its header; PostgreSQL looks at the
    sizes of its files.
    """
    if tx.connection.dialect.name != "sqlite":
        return DatabaseSize(int(tx.connection.execute(_PG_SIZE).scalar_one()), None)
    pages, free, page_bytes = (
        int(tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return DatabaseSize(pages * page_bytes, free * page_bytes)


_PG_SIZE: Final = text("SELECT pg_database_size(current_database())")


def row_counts(tx: Tx) -> dict[str, int]:
    """Return how many rows of the node each table holds. Each is counted, which takes as long as to read an index."""
    return {
        table.name: int(tx.execute(select(func.count()).where(table.c.node_key == NODE)).scalar_one())
        for table in metadata.sorted_tables
        if "node_key" in table.c
    }
