"""SQLite's file: made by us, never by the driver, so that nobody else can read what a node earns."""

from __future__ import annotations

import os
from pathlib import Path

from revops.store.faults import refused_file


def has_content(path: Path) -> bool:
    """Given a database's file, return whether there is anything in it. Raise where it can't even be looked at."""
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError as error:
        raise refused_file(path, error) from error


def create_file(path: Path) -> None:
    """Given a database's file, make it, for its owner alone whatever the umask, and its directory likewise.

    SQLite gives the write-ahead log the same mode. Do nothing where the file exists.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise refused_file(path, error) from error
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
