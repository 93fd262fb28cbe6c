"""A database's file as `revops doctor` looks at it: cheaply, and without a trace."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import Executable, func, select

from revops.domain.health import DatabaseFacts, Fault
from revops.store.engine import NODE, Tx
from revops.store.tables import run
from revops.store.url import is_sqlite, parse_url, shown, sqlite_path

#: SQLite reads a GB in some seconds; `revops db check` reads all, however long that takes.
CHECK_SECONDS: Final = 1.0
_MOUNTS: Final = Path("/proc/self/mounts")


def database_facts(url: str, fault: Fault | None, check_seconds: float = CHECK_SECONDS) -> DatabaseFacts:
    """Given the URL, and why the commands couldn't open it (None: they can), return what there is to know of the
    database. Raise ConfigError where the URL is none.
    """
    parsed = parse_url(url)
    if not is_sqlite(parsed) or fault is not None:
        return DatabaseFacts(shown(parsed), fault)
    path = sqlite_path(parsed)
    found = path.stat()
    problems = _problems(path, check_seconds)
    return DatabaseFacts(
        shown_url=shown(parsed),
        path=str(path),
        size_bytes=found.st_size,
        mode=stat.S_IMODE(found.st_mode),
        writable=os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK),
        file_system=_file_system(path),
        problems=problems or (),
        complete=problems is not None,
    )


def _problems(path: Path, seconds: float) -> tuple[str, ...] | None:
    """What SQLite says of its pages; None where the time wasn't enough, or somebody was in the way."""
    try:
        uri = f"file:{quote(str(path))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=seconds, check_same_thread=False)) as connection:
            alarm = threading.Timer(seconds, connection.interrupt)
            alarm.start()
            try:
                answers = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
            finally:
                alarm.cancel()
                alarm.join()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            return (str(error),)
        return None
    return tuple(answer for answer in answers if answer != "ok")


def _file_system(path: Path) -> str:
    """What kind of file system a path is on, by the longest mount point above it; "" where that isn't known."""
    try:
        rows = [row.split() for row in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return ""
    real = path.resolve()
    above = [(len(row[1]), row[2]) for row in rows if len(row) > 2 and real.is_relative_to(row[1])]  # fstab(5)
    return max(above)[1] if above else ""


def oldest_run_at(tx: Tx) -> float | None:
    """Return when the first run on record was started; None where there is none."""
    at: float | None = tx.execute(_oldest_run_at()).scalar()
    return at


@cache
def _oldest_run_at() -> Executable:
    return select(func.min(run.c.started_at)).where(run.c.node_key == NODE)
