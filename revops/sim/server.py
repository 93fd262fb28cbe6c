"""The simulated node behind a unix socket, spoken to as lightningd is. Also a program: `python -m revops.sim.server`.

One thread accepts, one thread serves each connection; the node's lock makes calls one at a time, as lightningd's loop
does. With `follow_wall_clock` the node lives in real time: it is advanced before each request.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from revops.sim.errors import INVALID_PARAMS, INVALID_REQUEST, PAY_IN_PROGRESS, SimRpcError, UnansweredError
from revops.sim.faults import Fault, FaultKind, FaultPlan, without_member
from revops.sim.hooks import HOOKS
from revops.sim.wire import RequestReader, encode, failure, filtered, response
from revops.sim.world import SimulatedNode

__all__ = ["Fault", "FaultKind", "FaultPlan", "SimServer"]

POLL_SECONDS = 0.05
CHUNK = b" " * 4096


class SimServer:
    """Serves a node until `stop`. Use it as a context manager."""

    def __init__(
        self,
        node: SimulatedNode,
        socket_path: str | Path,
        *,
        follow_wall_clock: bool = False,
        faults: FaultPlan | None = None,
        control: bool = False,
    ) -> None:
        self.node = node
        self.socket_path = Path(socket_path)
        self.follow_wall_clock = follow_wall_clock
        self.faults = faults if faults is not None else FaultPlan()
        self.control = control
        self._stopping = threading.Event()
        self._listener: socket.socket | None = None
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._thread: threading.Thread | None = None
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._guard = threading.Lock()

    def start(self) -> SimServer:
        """Bind the socket (mode 0600) and serve. Raise OSError if the path can't be bound (108 bytes at most)."""
        if self.follow_wall_clock:
            self.node.waiting_takes_time(False)
        self._stopping.clear()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            remove_stale(self.socket_path)
            listener.bind(str(self.socket_path))
            self.socket_path.chmod(0o600)
            listener.listen(64)
        except OSError:
            listener.close()
            raise
        self._listener, self._wake = listener, socket.socketpair()
        self._thread = threading.Thread(target=self._accept, args=(listener, self._wake[1]), name="sim-server")
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every connection, end every thread, remove the socket. May be called twice."""
        if self._thread is None or self._wake is None or self._listener is None:
            return
        self._stopping.set()
        self._wake[0].send(b"x")
        self._thread.join()
        with self._guard:
            open_now = list(self._connections.items())
        for connection, thread in open_now:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()
        for one in (*self._wake, self._listener):
            one.close()
        self.socket_path.unlink(missing_ok=True)
        self._thread = None

    def __enter__(self) -> SimServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _accept(self, listener: socket.socket, waker: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(waker, selectors.EVENT_READ)
            while not self._stopping.is_set():
                ready = [key.fileobj for key, _ in selector.select()]
                if listener in ready and not self._stopping.is_set():
                    connection, _ = listener.accept()
                    thread = threading.Thread(target=self._serve, args=(connection,), name="sim-connection")
                    with self._guard:
                        self._connections[connection] = thread
                    thread.start()

    def _serve(self, connection: socket.socket) -> None:
        reader = RequestReader()
        try:
            while data := connection.recv(65_536):
                for request in reader.feed(data):
                    if not self._reply(connection, request):
                        return
        except SimRpcError as error:
            with contextlib.suppress(OSError):
                connection.sendall(encode(failure(None, error)))
        except OSError:
            # The client went away in the middle; lightningd shrugs as well.
            return
        finally:
            with self._guard:
                self._connections.pop(connection, None)
            connection.close()

    def _reply(self, connection: socket.socket, request: dict[str, Any]) -> bool:
        """Answer one request; False when the connection must close."""
        method = request.get("method")
        fault = self.faults.take(method) if isinstance(method, str) else None
        kind = fault.kind if fault else None
        if kind is FaultKind.DROP_BEFORE:
            return False
        if fault and kind is FaultKind.DELAY:
            self._stopping.wait(fault.seconds)
        if fault and kind is FaultKind.ERROR:
            connection.sendall(encode(failure(request.get("id"), SimRpcError(fault.code, fault.message, fault.data))))
            return True
        try:
            message = self._answer(request)
        except UnansweredError:
            self._stopping.wait()
            return False
        if fault and kind is FaultKind.MISSING_FIELD:
            without_member(message.get("result"), fault.path)
        if kind is FaultKind.REPLY_LOST:
            return False
        reply = encode(message)
        if kind is FaultKind.DROP_MIDWAY:
            connection.sendall(reply[: len(reply) // 2])
            return False
        if kind is FaultKind.GARBAGE:
            reply = b"<html>502 Bad Gateway</html>\n\n"
        if fault and kind is FaultKind.ENDLESS:
            return self._stream(connection, reply.rstrip(), fault.seconds)
        connection.sendall(reply)
        return True

    def _stream(self, connection: socket.socket, start: bytes, seconds: float) -> bool:
        """Send a reply that never ends, for `seconds` of real time."""
        connection.sendall(start[:-1])
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at and not self._stopping.wait(POLL_SECONDS / 5):
            connection.sendall(CHUNK)
        return False

    def answer(self, request: bytes) -> bytes:
        """Given the bytes of one request, return those of its reply: for a client in this process."""
        (only,) = RequestReader().feed(request)
        return encode(self._answer(only))

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the response to a request, an error among them."""
        request_id, method, params = request.get("id"), request.get("method"), request.get("params")
        try:
            if request.get("jsonrpc") != "2.0":
                raise SimRpcError(INVALID_REQUEST, 'jsonrpc: "2.0" must be specified in the request')
            if method is None or params is None:
                raise SimRpcError(INVALID_REQUEST, "No params" if method is not None else "No method")
            if not isinstance(method, str):
                raise SimRpcError(INVALID_REQUEST, "Expected string for method")
            result = self._control(params) if self.control and method == "sim-hook" else self._call(method, params)
        except SimRpcError as error:
            return failure(request_id, error)
        wanted = request.get("filter")
        return response(request_id, filtered(result, wanted) if wanted else result)

    def _call(self, method: str, params: Any) -> dict[str, Any]:
        """Ask the node; in real time a waitsendpay waits really, with the node living on meanwhile."""
        if not self.follow_wall_clock:
            return self.node.handle(method, params)
        self.node.advance_to(time.time())
        if method != "waitsendpay":
            return self.node.handle(method, params)
        timeout = params.get("timeout") if isinstance(params, dict) else next(iter(params[1:2]), None)
        ends_at = time.monotonic() + (float(timeout) if timeout is not None else float("inf"))
        ask: Callable[[str, Any], dict[str, Any]] = self.node.handle
        while True:
            try:
                return ask(method, params)
            except SimRpcError as error:
                if error.code != PAY_IN_PROGRESS or time.monotonic() >= ends_at or self._stopping.is_set():
                    raise
            self._stopping.wait(POLL_SECONDS)
            self.node.advance_to(time.time())
            ask = self.node.answer

    def _control(self, params: dict[str, Any]) -> dict[str, Any]:
        """Call a hook of the node: {"name": "hold_payments", "arguments": {"hold": true}}."""
        name = params.get("name")
        if name not in HOOKS:
            raise SimRpcError(INVALID_PARAMS, f"no such hook: {name}")
        value = getattr(self.node, name)(**params.get("arguments", {}))
        return {"value": value, "now_at": self.node.now_at}


def remove_stale(path: Path) -> None:
    """Remove a socket that a killed server left behind, as lightningd does at its start; a living one stays."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()


if __name__ == "__main__":
    from revops.sim.program import main

    main()
