"""A folder of copies of databases: named by their database and time, the oldest removed once a newer one is whole."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from revops.store.url import parse_url, sqlite_path

#: Behind a database's name. Only what is named like this is ever removed.
_ENDING: Final = r"-\d{8}T\d{6}Z\.sqlite3"


def default_folder(state_dir: Path) -> Path:
    """Given the state directory, return where copies go when nobody says."""
    return state_dir / "backups"


def copied_name(url: str) -> str:
    """Given a database's URL, return what its copies' names begin with: nodes may share a folder, and cron starts
    their backups in the same second.
    """
    return sqlite_path(parse_url(url)).stem


def dated_name(name: str, at: float) -> str:
    """Given a database's name and the time, return a copy's: they sort by their age."""
    return f"{name}-{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%SZ}.sqlite3"


def copies(folder: Path, name: str) -> tuple[Path, ...]:
    """Given the folder and a database's name, return the copies of it there, the oldest first; none where there is no
    such folder.
    """
    form = re.compile(re.escape(name) + _ENDING)
    try:
        return tuple(sorted(path for path in folder.iterdir() if form.fullmatch(path.name)))
    except OSError:
        return ()


def newest_at(folder: Path, name: str) -> float | None:
    """Given the folder and a database's name, return when the newest copy there was made; None where there is none."""
    times = []
    for path in copies(folder, name):
        with suppress(FileNotFoundError):
            times.append(path.stat().st_mtime)
    return max(times, default=None)


def keep(made: Path, name: str, count: int) -> tuple[Path, ...]:
    """Given the copy just made, its database's name and how many copies to keep, remove the oldest of the others;
    return what was removed. The new one stays, also where a clock that was wrong has dated others later.
    """
    others = [path for path in copies(made.parent, name) if path != made]
    old = tuple(others[: max(0, len(others) - (count - 1))])
    for path in old:
        path.unlink(missing_ok=True)
    return old
