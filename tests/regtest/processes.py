"""Programs that a test starts: awaited with deadlines, and ended by their process id whatever happens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: Tests can be killed, too: on Linux the kernel then ends (SIGKILL) what they started, if asked (PR_SET_PDEATHSIG).
LAUNCH = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execv(sys.argv[1], sys.argv[1:])"

#: Generous: a busy machine is no reason to fail, and nothing waits longer than it has to.
DEADLINE_SECONDS = 60.0
POLL_SECONDS = 0.05
#: What a program gets to end by itself.
GRACE_SECONDS = 20.0
TAIL_BYTES = 3_000


def wait_until(what: str, look: Callable[[], T | None], seconds: float = DEADLINE_SECONDS) -> T:
    """Given what is waited for and a look at it, return the first answer that is true. Fail at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s there is still no {what}; last seen: {seen!r}")
        time.sleep(POLL_SECONDS)


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback that nobody listens on, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


class Daemon:
    """One running program. It leads a group of its own, so that Ctrl-C in a terminal leaves its end to `stop`."""

    def __init__(self, name: str, arguments: Sequence[str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.output = folder / "output"
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LC_ALL": "C"}
        launch = [sys.executable, "-S", "-c", LAUNCH] if sys.platform == "linux" else []
        with self.output.open("ab") as stream:
            self._process = subprocess.Popen(
                [*launch, *arguments], cwd=folder, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def check(self) -> None:
        """Fail with the end of its output if it has ended by itself."""
        code = self._process.poll()
        assert code is None, f"{self.name} ended with {code}: {tail(self.output)}"

    def pause(self) -> None:
        """Stop it where it stands: it keeps its sockets and answers nobody."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it and wait for that; with its whole group if it doesn't want to. May be called again."""
        if self._process.poll() is not None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait(GRACE_SECONDS)


def tail(path: Path) -> str:
    """Given a log, return its end; nothing where there is none yet."""
    if not path.exists():
        return ""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return stream.read().decode(errors="replace")
