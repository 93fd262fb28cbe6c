"""A lightningd as its plugins see it: a process that is spoken to over standard input and output."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import revops
from revops.domain.recorder import LineKind, SpoolLine
from revops.recorder.lines import decode
from revops.recorder.segments import name_of, numbers_in

PEER = "02" + "ab" * 32
CHANNEL = "cd" * 32
DEADLINE_SECONDS = 60.0


def until(what: str, look: Callable[[], Any], seconds: float = DEADLINE_SECONDS) -> Any:
    """Given a look, return its first answer that is true; fail at the deadline."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"after {seconds:g} s there is still no {what}"
        time.sleep(0.01)
    return seen


class Node:
    """One plugin process, and the half of lightningd that talks to it."""

    def __init__(self, folder: Path, *, options: dict[str, Any] | None = None, limit_bytes: int | None = None) -> None:
        self.folder = folder
        self.options = {"revops-recorder-spool": "", "revops-recorder-sync": ""} | (options or {})
        arguments = [sys.executable, "-m", "revops.recorder"]
        if limit_bytes is not None:
            code = (
                "import resource, runpy; "
                f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, resource.RLIM_INFINITY)); "
                "runpy.run_module('revops.recorder', run_name='__main__')"
            )
            arguments = [sys.executable, "-c", code]
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LIGHTNINGD_PLUGIN": "1",
            "LIGHTNINGD_VERSION": "v26.06.6",
            "PYTHONPATH": str(Path(revops.__file__).parents[1]),
        }
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        self.logs: list[str] = []
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for part in iter(stream.readline, b""):
                if not part.strip():
                    continue
                message = json.loads(part)
                if message.get("method") == "log":
                    self.logs.append(message["params"]["message"])
                else:
                    self._answers.put(message)

    def send(self, *messages: dict[str, Any]) -> None:
        """Write messages as lightningd does, each with an empty line after it."""
        assert self.process.stdin is not None
        data = b"".join(json.dumps({"jsonrpc": "2.0", **one}).encode() + b"\n\n" for one in messages)
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        """Call a method and wait for what it returns."""
        self.send({"id": f"{method}#1", "method": method, "params": params})
        answer = self._answers.get(timeout=DEADLINE_SECONDS)
        assert "error" not in answer, answer
        return answer["result"]

    def start(self, *, startup: bool = True) -> Any:
        """What lightningd does with a plugin; return its manifest."""
        manifest = self.ask("getmanifest", {"allow-deprecated-apis": False})
        configuration = {
            "lightning-dir": str(self.folder), "rpc-file": "lightning-rpc", "startup": startup, "network": "regtest",
            "feature_set": {},
        }  # fmt: skip
        assert self.ask("init", {"options": self.options, "configuration": configuration}) is None
        return manifest

    def tell(self, topic: str, *payloads: dict[str, Any]) -> None:
        """Send notifications of one topic."""
        self.send(*({"method": topic, "params": {topic: payload}} for payload in payloads))

    def connect(self, peer_id: str = PEER) -> None:
        self.tell("connect", {"id": peer_id, "direction": "in", "address": {"type": "ipv4", "address": "1.2.3.4"}})

    def close(self) -> int:
        """End as a lightningd that crashed: the pipe is closed."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        return self._ended()

    def shut_down(self) -> int:
        """End as a lightningd that is stopped."""
        self.tell("shutdown", {})
        return self._ended()

    def kill(self) -> int:
        """End it without a word."""
        self.process.send_signal(signal.SIGKILL)
        return self._ended()

    def _ended(self) -> int:
        code = self.process.wait(DEADLINE_SECONDS)
        self._listener.join(DEADLINE_SECONDS)
        if self.process.stdin is not None:
            with suppress(BrokenPipeError):
                self.process.stdin.close()
        return code

    @property
    def spool(self) -> Path:
        given = self.options["revops-recorder-spool"]
        return Path(given) if given else self.folder / "revops-recorder"


@contextmanager
def running(folder: Path, **more: Any) -> Iterator[Node]:
    """A plugin that has been started, and is ended with the body at the latest."""
    startup = more.pop("startup", True)
    node = Node(folder, **more)
    try:
        node.start(startup=startup)
        yield node
    finally:
        if node.process.poll() is None:
            node.kill()


def lines_of(spool: Path) -> list[SpoolLine]:
    """All whole lines of a spool, in order."""
    if not spool.is_dir():
        return []
    found = []
    for number in numbers_in(path.name for path in spool.iterdir()):
        raws = (spool / name_of(number)).read_bytes().split(b"\n")[:-1]
        found += [line for raw in raws if (line := decode(raw)) is not None]
    return found


def count(spool: Path, kind: LineKind) -> int:
    return sum(line.kind is kind for line in lines_of(spool))
