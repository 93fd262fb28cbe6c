"""SQLite's write-ahead log: readers don't wait for a writer, nor it for them."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.engine import URL

from revops.store import url as urls
from revops.store.faults import explained_sqlite

_PAUSE_SECONDS: Final = 0.05
_LIMIT_SECONDS: Final = urls.LOCK_TIMEOUT_SECONDS


def use_wal(url: URL, engine: Engine) -> None:
    """Given a database of ours, keep a write-ahead log from now on. The file remembers it, so it is not for a database
    of somebody else to which our URL points.
    """
    if not urls.is_sqlite(url):
        return
    deadline = time.monotonic() + _LIMIT_SECONDS
    while True:
        try:
            with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
                cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.Error as error:  # past SQLAlchemy: a journal can't be changed inside a transaction
            # SQLite doesn't wait by itself for who else has the file open here, whatever busy_timeout says.
            busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= deadline:
                raise explained_sqlite(url, error) from error
        time.sleep(_PAUSE_SECONDS)
