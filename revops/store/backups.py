"""A folder of copies of the database: named by their time, the oldest removed once a newer one is whole."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

#: Only what has a name of this form is ever removed.
_NAME: Final = re.compile(r"revops-\d{8}T\d{6}Z\.sqlite3")


def default_folder(state_dir: Path) -> Path:
    """Given the state directory, return where copies go when nobody says."""
    return state_dir / "backups"


def dated_name(at: float) -> str:
    """Given the time, return a copy's name: they sort by their age."""
    return datetime.fromtimestamp(at, UTC).strftime("revops-%Y%m%dT%H%M%SZ.sqlite3")


def copies(folder: Path) -> tuple[Path, ...]:
    """Given the folder, return the copies in it, the oldest first; none where there is no such folder."""
    try:
        return tuple(sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name)))
    except OSError:
        return ()


def newest_at(folder: Path) -> float | None:
    """Given the folder, return when the newest copy in it was made; None where there is none."""
    times = []
    for path in copies(folder):
        with suppress(FileNotFoundError):
            times.append(path.stat().st_mtime)
    return max(times, default=None)


def keep(folder: Path, count: int) -> tuple[Path, ...]:
    """Given the folder and how many copies to keep, remove the oldest of the others; return what was removed."""
    old = copies(folder)[:-count]
    for path in old:
        path.unlink(missing_ok=True)
    return old
