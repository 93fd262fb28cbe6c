"""The folder that is written to: one writer at a time, segments that only grow, the oldest ones removed.

Every call can raise OSError: then the segment in use is given up, and `open` begins a new one. So a line that was cut
short stands at the end of its segment, where a reader knows it for what it is. The folder is 0750 and files are 0640,
whatever the umask: another user reads them by way of the group.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from revops.recorder.segments import LOCK_NAME, Limits, Segment, is_full, name_of, numbers_in, too_many

FOLDER_MODE: Final = 0o750
FILE_MODE: Final = 0o640
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Spool:
    """A spool for writing. `write` is os.write, unless a test fills the disk."""

    def __init__(self, folder: Path, limits: Limits, write: Callable[[int, bytes], int] = os.write) -> None:
        self.folder = folder
        self.limits = limits
        self._write = write
        self._lock_fd: int | None = None
        self._fd: int | None = None
        self._number = 0
        self._size_bytes = 0
        self._began_at = 0.0

    @property
    def writable(self) -> bool:
        """Whether there is a segment in use."""
        return self._fd is not None

    def open(self, now: float) -> None:
        """Take the lock unless it is ours already, and begin a segment. Raise OSError where that can't be done,
        BlockingIOError where another recorder has the spool.
        """
        self.leave()
        self._take_lock()
        numbers = numbers_in(path.name for path in self.folder.iterdir())
        self._number = (numbers[-1] if numbers else 0) + 1
        path = self.folder / name_of(self._number)
        self._fd = os.open(path, _NEW, FILE_MODE)
        os.fchmod(self._fd, FILE_MODE)
        self._size_bytes, self._began_at = 0, now
        self._remove_old(numbers, now)

    def _take_lock(self) -> None:
        if self._lock_fd is not None:
            return
        with suppress(FileExistsError):
            self.folder.mkdir(FOLDER_MODE)
            self.folder.chmod(FOLDER_MODE)
        lock_fd = os.open(self.folder / LOCK_NAME, _LOCK, FILE_MODE)
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(lock_fd, FILE_MODE)
        except OSError:
            os.close(lock_fd)
            raise
        self._lock_fd = lock_fd

    def _remove_old(self, numbers: Sequence[int], now: float) -> None:
        """What can't be removed is no reason not to record."""
        found = []
        for number in numbers:
            with suppress(OSError):
                status = (self.folder / name_of(number)).lstat()
                found.append(Segment(number, status.st_size, status.st_mtime))
        for number in too_many([*found, Segment(self._number, 0, now)], now, self.limits):
            with suppress(OSError):
                (self.folder / name_of(number)).unlink()

    def is_full(self, now: float) -> bool:
        """Given the moment, return whether the segment in use has become too large or too old."""
        return is_full(self._size_bytes, self._began_at, now, self.limits)

    def append(self, lines: Sequence[bytes]) -> int:
        """Given lines with their ends, write them; return how many stand there whole. Where that isn't all of them the
        segment was given up. Raise OSError where none does; then it was given up, too.
        """
        if self._fd is None:
            raise OSError("no segment is open")
        data = b"".join(lines)
        try:
            written_bytes = self._write(self._fd, data)
        except OSError:
            self.leave()
            raise
        self._size_bytes += written_bytes
        if written_bytes == len(data):
            return len(lines)
        self.leave()
        return data[:written_bytes].count(b"\n")

    def leave(self) -> None:
        """Give up the segment in use, if any; the lock stays. One without a line doesn't stay: a full disk is tried
        again and again.
        """
        if self._fd is None:
            return
        fd, self._fd = self._fd, None
        with suppress(OSError):
            os.close(fd)
        if not self._size_bytes:
            with suppress(OSError):
                (self.folder / name_of(self._number)).unlink()

    def close(self) -> None:
        """Give up the segment and the lock."""
        self.leave()
        if self._lock_fd is not None:
            fd, self._lock_fd = self._lock_fd, None
            with suppress(OSError):
                os.close(fd)
