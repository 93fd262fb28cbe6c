"""`revops`, told by its environment to do what a test wants to see: `python child.py COMMAND…`.

E2E_KILL_AT      the number of the moment (tests/e2e/moments.py) at which SIGKILL comes
E2E_PAGE_SIZE    rows of a page of forwards
E2E_START_FD     a descriptor: the command starts when its other end is closed
E2E_LOCK_TRACE   a file to which a line is added when a lock was got, and one before it is let go
E2E_DB_WAIT      seconds to wait for a locked database
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import revops.cycle.session
import revops.lock
import revops.store.url
from revops.__main__ import main
from tests.e2e.moments import Moments, killed_for_good, watched

#: Imported before the start: what a command loads on its way would let twenty of them begin one by one.
HEAVY = (
    "revops.cli.main", "revops.cli.report", "revops.cycle.fees", "revops.cycle.rebalance",
    "revops.cycle.rebalance_plan", "revops.cycle.report",
    "revops.node.wire",
)  # fmt: skip


def _trace(path: str, what: str, domain: str) -> None:
    """One line in one write: lines of several processes don't mix. The clock is the machine's, not the process's."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{time.monotonic_ns()} {os.getpid()} {what} {domain}\n".encode())
    os.close(descriptor)


def _trace_locks(path: str) -> None:
    real = revops.lock.hold

    @contextmanager
    def hold(state_dir: Path, name: str, domain: Any, **options: Any) -> Iterator[None]:
        with real(state_dir, name, domain, **options):
            _trace(path, "enters", domain)
            try:
                yield
            finally:
                _trace(path, "leaves", domain)

    setattr(revops.cycle.session, "hold", hold)  # noqa: B010  # the name under which the session imported it


def run() -> int:
    """Do as the environment says, then run the command."""
    environment = os.environ
    if "E2E_LOCK_TRACE" in environment:
        _trace_locks(environment["E2E_LOCK_TRACE"])
    if "E2E_DB_WAIT" in environment:
        revops.store.url.LOCK_TIMEOUT_SECONDS = float(environment["E2E_DB_WAIT"])  # type: ignore[misc]
    if "E2E_START_FD" in environment:
        for name in HEAVY:
            importlib.import_module(name)
        os.read(int(environment["E2E_START_FD"]), 1)
    if "E2E_KILL_AT" not in environment:
        return main()
    page_size = int(environment["E2E_PAGE_SIZE"]) if "E2E_PAGE_SIZE" in environment else None
    with watched(Moments(int(environment["E2E_KILL_AT"]), killed_for_good), page_size):
        return main()


if __name__ == "__main__":
    sys.exit(run())
