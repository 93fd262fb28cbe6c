"""What the drivers raise, in our own errors: one line that says where, what, and what to do.

The exit code tells cron and people whether to wait (75), to look at the disk (74), at permissions (77), at the
network (69), at the configuration (78), or at the data (65).
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError

from revops.errors import (
    BugError,
    ConfigError,
    DataError,
    DiskError,
    PermissionDenied,
    RevopsError,
    TemporaryError,
    UnavailableError,
)
from revops.store.url import is_sqlite, redacted, shown, sqlite_path

#: The fix that belongs to a schema that isn't there or isn't ours.
UPGRADE: Final = "run `revops db upgrade`"

#: What has to be known before that is done: the budget is counted from the records of this very database.
UNSPENT: Final = "a new one knows of earlier spending what the node tells of it, which isn't all"

# SQLite: primary result codes (sqlite.org/rescode.html); the extended ones carry them in their low byte.
_SQLITE: Final[dict[int, tuple[type[RevopsError], str]]] = {
    sqlite3.SQLITE_BUSY: (TemporaryError, "another run is writing; the next run tries again"),
    sqlite3.SQLITE_LOCKED: (TemporaryError, "another run is writing; the next run tries again"),
    sqlite3.SQLITE_NOMEM: (TemporaryError, "out of memory"),
    sqlite3.SQLITE_FULL: (DiskError, "the disk is full"),
    sqlite3.SQLITE_IOERR: (DiskError, "reading or writing failed; is the disk full or failing?"),
    sqlite3.SQLITE_NOLFS: (DiskError, "the file system can't hold so large a file"),
    sqlite3.SQLITE_PERM: (PermissionDenied, "permission denied"),
    sqlite3.SQLITE_AUTH: (PermissionDenied, "permission denied"),
    sqlite3.SQLITE_NOTADB: (DataError, "this is not an SQLite database"),
    sqlite3.SQLITE_CORRUPT: (DataError, "the file is damaged: restore a backup"),
    sqlite3.SQLITE_FORMAT: (DataError, "this is not an SQLite database"),
}

# PostgreSQL: whole codes first, then classes (postgresql.org/docs/current/errcodes-appendix.html).
_POSTGRESQL: Final[dict[str, tuple[type[RevopsError], str]]] = {
    "55P03": (TemporaryError, "another run holds a lock; the next run tries again"),
    "57014": (TemporaryError, "a statement took too long; is the server overloaded?"),
    "25P03": (TemporaryError, "a transaction idled for too long"),
    "57P01": (UnavailableError, "the server is shutting down"),
    "57P02": (UnavailableError, "the server crashed"),
    "57P03": (UnavailableError, "the server can't take connections now"),
    "53100": (DiskError, "the server's disk is full"),
    "58030": (DiskError, "the server's disk is failing"),
    "22003": (DataError, "a number is larger than a column can hold"),
    "25006": (DiskError, "the server takes no writes (a standby, or read-only)"),
    "42501": (PermissionDenied, "the database user may not do this"),
    "3D000": (ConfigError, "there is no such database: create it, then run `revops db upgrade`"),
    "42P01": (ConfigError, f"a table is missing: {UPGRADE}"),
    "42703": (ConfigError, f"a column is missing: {UPGRADE}"),
    "40": (TemporaryError, "another run was in the way; the next run tries again"),
    "53": (TemporaryError, "the server is out of resources"),
    "08": (UnavailableError, "the connection is lost"),
    "57": (UnavailableError, "the server ended the connection"),
    "28": (ConfigError, "the server refuses this user: look at [database] url"),
    "XX": (DataError, "the server found damaged data"),
}
# libpq gives no code for a failed connection, only the server's words.
_REFUSALS: Final = (
    ("password authentication failed", ConfigError, "the server refuses this user: look at [database] url"),
    ("no password supplied", ConfigError, "the server wants a password: look at [database] url"),
    ("no pg_hba.conf entry", ConfigError, "the server refuses this user or host"),
    ("role \"", ConfigError, "the server doesn't know this user: look at [database] url"),
    ("database \"", ConfigError, "there is no such database: create it, then run `revops db upgrade`"),
    ("invalid connection option", ConfigError, "look at [database] url"),
    ("remaining connection slots", TemporaryError, "the server has no connection left"),
    ("too many clients", TemporaryError, "the server has no connection left"),
)  # fmt: skip


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Turn what the driver raises in the body into one of our errors. Ours pass through."""
    try:
        yield
    except DBAPIError as error:
        raise explained(url, error) from error
    except OverflowError as error:
        raise DataError(f"database {shown(url)}: a number is larger than a column can hold") from error


def explained(url: URL, error: DBAPIError) -> RevopsError:
    """Given what the driver raised, return our error for it."""
    if isinstance(error, IntegrityError):
        return BugError(f"database {shown(url)}: {redacted(url, str(error.orig))}; please report this")
    if is_sqlite(url):
        return explained_sqlite(url, error.orig)
    return _from_postgresql(url, error)


def explained_sqlite(url: URL, error: BaseException | None) -> RevopsError:
    """Given what SQLite itself raised, return our error for it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    said = redacted(url, str(error))
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}:
        return unusable_file(sqlite_path(url), said)
    if code == sqlite3.SQLITE_ERROR and said.startswith(("no such table", "no such column")):
        return ConfigError(f"database {shown(url)}: {said}: {UPGRADE}")
    if code == sqlite3.SQLITE_ERROR and said == "integer overflow":
        return DataError(f"database {shown(url)}: a sum is larger than can be counted: what it holds can't be true")
    if code not in _SQLITE:
        return BugError(f"database {shown(url)}: {said}; please report this")
    kind, meaning = _SQLITE[code]
    return kind(f"database {shown(url)}: {meaning} ({said})")


def unusable_file(path: Path, said: str) -> RevopsError:
    """Given a file that SQLite couldn't open or write, return why: missing, not ours, or on a read-only file system."""
    directory = path.parent
    if os.access(directory, os.X_OK) and not path.exists():
        return ConfigError(no_database(path))
    if path.is_dir():
        return ConfigError(f"database {path}: this is a directory: look at [database] url")
    left_over = _unwritable_companion(path)
    if left_over is not None:
        return PermissionDenied(
            f"database {path}: {said}: {left_over} isn't writable, as from a time when the database wasn't; "
            f"chmod u+w it, and don't remove it: it may hold what was recorded last"
        )
    if not _read_only_mount(directory) and not (
        os.access(directory, os.W_OK | os.X_OK) and os.access(path, os.R_OK | os.W_OK)
    ):
        return PermissionDenied(f"database {path}: {said}: this user may not write it or its directory")
    return DiskError(f"database {path}: {said}")


def _unwritable_companion(path: Path) -> Path | None:
    """SQLite makes the write-ahead log and its index with the mode that the database has at that time."""
    if not os.access(path, os.W_OK) or _read_only_mount(path.parent):
        return None
    companions = (path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm"))
    return next((one for one in companions if one.exists() and not os.access(one, os.W_OK)), None)


def no_database(path: Path) -> str:
    """Given a file that isn't there or holds nothing, return what may have happened and what making a new one means."""
    found = (
        "the file is empty: never filled, or cut short"
        if path.exists()
        else "there is no such file: not mounted, or moved"
    )
    return f"database {path}: {found}? {UPGRADE} to make one, but {UNSPENT}"


def _read_only_mount(directory: Path) -> bool:
    try:
        return bool(os.statvfs(directory).f_flag & os.ST_RDONLY)
    except PermissionError:
        return False


def refused_file(path: Path, error: OSError) -> RevopsError:
    """Given what the operating system said of a database's file, return our error for it."""
    message = f"database {path}: {error.strerror or error}"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return PermissionDenied(message)
    if error.errno in {errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}:
        return ConfigError(f"{message}: look at [database] url")
    return DiskError(message)


def _from_postgresql(url: URL, error: DBAPIError) -> RevopsError:
    code = getattr(error.orig, "sqlstate", None) or ""
    said = redacted(url, str(error.orig))
    kind, meaning = _POSTGRESQL.get(code) or _POSTGRESQL.get(code[:2]) or _connection_fault(error, said)
    return kind(f"database {shown(url)}: {meaning} ({said})")


def _connection_fault(error: DBAPIError, said: str) -> tuple[type[RevopsError], str]:
    for words, kind, meaning in _REFUSALS:
        if words in said:
            return kind, meaning
    if error.connection_invalidated or getattr(error.orig, "sqlstate", None) is None:
        return UnavailableError, "the server can't be reached"
    return BugError, "the server refuses a statement; please report this"
