"""What `revops doctor` reads of the machine: the socket, node_exporter and its folder, disks, locks, the clock.

Nothing is opened for writing and no lock is tried: who looks must not be in the way of who works. That a lock is held
is what the kernel's own list says.
"""

from __future__ import annotations

import ctypes
import grp
import os
import stat
from calendar import timegm
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import strptime
from typing import Final

from revops import config as configuration
from revops.cycle.processes import PROC, running, user_name
from revops.domain.health import (
    ClockFacts,
    DiskFacts,
    ExporterFacts,
    FolderStep,
    LockFacts,
    SocketFacts,
    TextfileFacts,
)
from revops.domain.policy import Config
from revops.lock import holder
from revops.store.url import is_sqlite, parse_url, sqlite_path

EXPORTERS: Final = frozenset({"node_exporter", "prometheus-node-exporter"})
TEXTFILE_OPTION: Final = "collector.textfile.directory"
#: `adjtimex` answers so where nobody keeps the clock (TIME_ERROR).
_TIME_ERROR: Final = 5
#: More than any kernel's `struct timex`; all zero, it asks and changes nothing.
_TIMEX_BYTES: Final = 512


def socket_facts(path: Path) -> SocketFacts:
    """Given where the socket should be, return what is there."""
    try:
        found = path.stat()
    except PermissionError:
        return SocketFacts(str(path), "forbidden", owner=_owner_above(path))
    except OSError:
        return SocketFacts(str(path), "missing")
    try:
        group = grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        group = str(found.st_gid)
    return SocketFacts(
        path=str(path),
        kind="socket" if stat.S_ISSOCK(found.st_mode) else "other",
        may_open=os.access(path, os.R_OK | os.W_OK),
        owner=user_name(found.st_uid),
        group=group,
        mode=stat.S_IMODE(found.st_mode),
    )


def _owner_above(path: Path) -> str:
    """Whose the first folder on the way is that can be looked at from below: lightningd's user, most likely."""
    for folder in path.parents:
        try:
            return user_name(folder.stat().st_uid)
        except OSError:
            continue
    return ""


def exporters() -> tuple[ExporterFacts, ...]:
    """Return the node_exporters that run here."""
    return tuple(ExporterFacts(one.user, one.uid, one.gids, one.option(TEXTFILE_OPTION)) for one in running(EXPORTERS))


def textfile_facts(config: Config) -> TextfileFacts:
    """Given the configuration, return what is known of node_exporter's folder."""
    folder = config.metrics.textfile_dir
    path = Path(folder)
    if not folder or not path.is_dir():
        return TextfileFacts(folder, exists=False, exporters=exporters())
    files = []
    newest_at = None
    for file in sorted(path.glob("revops_*.prom")) if os.access(path, os.R_OK | os.X_OK) else ():
        try:
            found = file.stat()
        except OSError:
            if file.is_symlink():  # one that leads nowhere: nobody can read it
                files.append((file.name, 0))
            continue
        files.append((file.name, stat.S_IMODE(found.st_mode)))
        newest_at = max(newest_at or 0.0, found.st_mtime)
    return TextfileFacts(
        folder=folder,
        exists=True,
        writable=os.access(path, os.R_OK | os.W_OK | os.X_OK),
        steps=tuple(_steps(path.resolve())),
        files=tuple(files),
        newest_at=newest_at,
        exporters=exporters(),
    )


def _steps(path: Path) -> Iterator[FolderStep]:
    for folder in (*reversed(path.parents), path):
        found = folder.stat()
        yield FolderStep(str(folder), found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))


def disk_facts(config: Config) -> tuple[DiskFacts, ...]:
    """Given the configuration, return the file systems that hold something of ours, each once."""
    url = parse_url(configuration.database_url(config))
    places = [("the database", sqlite_path(url).parent)] if is_sqlite(url) else []
    places.append(("the locks", configuration.state_dir(config)))
    if config.metrics.textfile_dir:
        places.append(("the .prom files", Path(config.metrics.textfile_dir)))
    return tuple(_disks(places))


def _disks(places: Iterable[tuple[str, Path]]) -> Iterator[DiskFacts]:
    seen: set[int] = set()
    for what, wanted in places:
        path = next((one for one in (wanted, *wanted.parents) if one.exists()), Path("/"))
        device = path.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        found = os.statvfs(path)
        yield DiskFacts(
            what=what,
            path=str(path),
            free_bytes=found.f_bavail * found.f_frsize,
            total_bytes=found.f_blocks * found.f_frsize,
            free_inodes=found.f_favail,
            total_inodes=found.f_files,
            read_only=bool(found.f_flag & os.ST_RDONLY),
        )


def lock_facts(config: Config) -> tuple[LockFacts, ...]:
    """Given the configuration, return the locks' files, and who holds them."""
    folder = configuration.state_dir(config)
    if not folder.is_dir():
        return ()
    held = _held_inodes()
    return tuple(_lock(path, held) for path in sorted(folder.glob("revops-*.lock")))


def _lock(path: Path, held: frozenset[int]) -> LockFacts:
    usable = os.access(path, os.R_OK | os.W_OK)
    if not usable or path.stat().st_ino not in held:
        return LockFacts(str(path), usable)
    pid, started, command = holder(path.read_text(encoding="utf-8", errors="replace"))
    since_at = None if started is None else float(timegm(strptime(started, "%Y-%m-%dT%H:%M:%SZ")))
    return LockFacts(str(path), usable, pid, command, since_at)


def _held_inodes() -> frozenset[int]:
    """The inodes of all files that somebody holds a flock on. The device isn't compared: some file systems show another
    one there than to `stat`.
    """
    try:
        rows = (PROC / "locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return frozenset()
    words = [row.split() for row in rows if " FLOCK " in row and "->" not in row]
    return frozenset(int(row[5].rpartition(":")[2]) for row in words if len(row) > 5)  # proc(5)


def clock_facts(now: float) -> ClockFacts:
    """Given the time, return it with what the kernel says of the clock."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return ClockFacts(now, None)
    return ClockFacts(now, None if state < 0 else state != _TIME_ERROR)
