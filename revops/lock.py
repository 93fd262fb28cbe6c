"""One writer a node and domain at a time, on this machine: `flock` on a file that is never removed.

The kernel frees the lock with the process, however it ends. The file is never unlinked: between an unlink and the next
open two processes could hold locks on two files of the same name. Its content is for people only.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from revops.errors import DiskError, PermissionDenied, RevopsError, TemporaryError

Domain = Literal["sync", "fees", "rebalance", "capital", "clboss"]

_POLL_SECONDS: Final = 0.2
_MAX_CONTENT_BYTES: Final = 500


class LockHeld(TemporaryError):
    """Another run holds the lock. Silent off a terminal: cron jobs overlap now and then, and the next one runs."""


def lock_path(state_dir: Path, name: str, domain: Domain) -> Path:
    """Given the state directory, what names the node and the domain, return the lock's file."""
    return state_dir / f"revops-{re.sub(r'[^A-Za-z0-9._-]', '_', name)}-{domain}.lock"


@contextmanager
def hold(
    state_dir: Path,
    name: str,
    domain: Domain,
    *,
    command: str,
    wait_seconds: float,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold the lock of (`name`, `domain`) for the body.

    Raise LockHeld when another process has it for longer than `wait_seconds`, PermissionDenied or DiskError when the
    file can't be opened or written. A lock is not re-entrant.
    """
    path = lock_path(state_dir, name, domain)
    descriptor = _open(path)
    try:
        _acquire(descriptor, path, wait_seconds, monotonic, sleep)
        _describe(descriptor, path, command)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _explained(error, path) from error


def _acquire(
    descriptor: int,
    path: Path,
    wait_seconds: float,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    deadline = monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left_seconds = deadline - monotonic()
            if not left_seconds > 0:  # also where it is not a number: never wait without end
                raise LockHeld(_held_message(descriptor, path)) from None
            sleep(min(_POLL_SECONDS, left_seconds))
        except OSError as error:
            raise _explained(error, path) from error
        else:
            return


def _describe(descriptor: int, path: Path, command: str) -> None:
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {started} {command}\n".encode()[:_MAX_CONTENT_BYTES], 0)
    except OSError as error:
        raise _explained(error, path) from error


def _held_message(descriptor: int, path: Path) -> str:
    pid, started, command = holder(os.pread(descriptor, _MAX_CONTENT_BYTES, 0).decode(errors="replace"))
    if started is None:
        return f"{path.name} is held by another run; the next run tries again"
    return f"{path.name} is held by {pid} ({command}, since {started}); the next run tries again"


def holder(content: str) -> tuple[int | None, str | None, str]:
    """Given what a lock's file holds, return who wrote it: process, when (UTC), and command; None, None and "" where
    nobody has yet.
    """
    match content.strip().split(" ", 2):
        case [pid, started, command] if pid.isdigit():
            return int(pid), started, command
        case _:
            return None, None, ""


def _explained(error: OSError, path: Path) -> RevopsError:
    message = f"lock {path}: {error.strerror or error}"
    if error.errno in {errno.EACCES, errno.EPERM, errno.ELOOP}:
        return PermissionDenied(f"{message}; it belongs to another user? database.state_dir says where locks live")
    return DiskError(message)
