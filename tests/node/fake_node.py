"""A socket that answers as it is told, badly above all. It knows nothing of Lightning: the simulated node does.

Each connection is served by the next act of the script; the last act serves all that follow. What it starts, `close`
ends.
"""

from __future__ import annotations

import json
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

Request = dict[str, Any]
Act = Callable[["FakeNode", socket.socket, Request], None]


class FakeNode:
    """A listening unix socket with a script."""

    def __init__(self, *script: Act) -> None:
        self.script = list(script)
        self.requests: list[Request] = []
        self.connection_count = 0
        self.stopping = threading.Event()
        self._folder = Path(tempfile.mkdtemp(prefix="fn"))
        self.path = self._folder / "rpc"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.path))
        self._listener.listen(8)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def __enter__(self) -> FakeNode:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.stopping.set()
        # Closing a listener doesn't wake up its accept on every system; a last connection does.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waker:
            waker.connect(str(self.path))
        self._thread.join(10)
        assert not self._thread.is_alive(), "the fake node hangs"
        self._listener.close()
        shutil.rmtree(self._folder)

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                if self.stopping.is_set():
                    return
                act = self.script[min(self.connection_count, len(self.script) - 1)]
                self.connection_count += 1
                try:
                    act(self, connection, self._request(connection))
                except (ConnectionError, TimeoutError):
                    continue  # the client has had enough, which is what many tests are about

    def _request(self, connection: socket.socket) -> Request:
        """pyln sends one object and waits; it ends nothing with a newline, so parse until it is whole."""
        connection.settimeout(10)
        received = b""
        while True:
            chunk = connection.recv(65_536)
            if not chunk:
                raise ConnectionResetError
            received += chunk
            try:
                request = json.loads(received)
            except ValueError:
                continue
            self.requests.append(request)
            return dict(request)


def raw(text: bytes) -> Act:
    """Answer with these bytes and hang up."""

    def act(_node: FakeNode, connection: socket.socket, _request: Request) -> None:
        connection.sendall(text)

    return act


def body(**members: Any) -> Act:
    """Answer with these members beside the right id."""

    def act(_node: FakeNode, connection: socket.socket, request: Request) -> None:
        connection.sendall(json.dumps({"jsonrpc": "2.0", "id": request["id"], **members}).encode() + b"\n\n")

    return act


def result(value: Any) -> Act:
    return body(result=value)


def error(code: int, message: str, data: Any = None) -> Act:
    return body(error={"code": code, "message": message} | ({} if data is None else {"data": data}))


def drop(_node: FakeNode, _connection: socket.socket, _request: Request) -> None:
    """Hang up without a word."""


def silence(node: FakeNode, _connection: socket.socket, _request: Request) -> None:
    """Say nothing until the test is over."""
    node.stopping.wait(20)


def trickle(node: FakeNode, connection: socket.socket, _request: Request) -> None:
    """One harmless byte after the other, each well within any timeout of a single read."""
    while not node.stopping.wait(0.01):
        connection.sendall(b" ")


def endless(node: FakeNode, connection: socket.socket, _request: Request) -> None:
    """A reply without an end, as fast as it goes."""
    while not node.stopping.is_set():
        connection.sendall(b"[" + b" " * 65_536)


def chatter(node: FakeNode, connection: socket.socket, _request: Request) -> None:
    """Whole objects without an end, none of them the reply."""
    while not node.stopping.is_set():
        connection.sendall(b'{"method":"message","id":"x","params":{}}\n\n')
