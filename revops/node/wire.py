"""pyln-client with bounds: the only module that imports pyln, loaded with the first call.

What pyln lacks is added where its two primitives read and write: a deadline, a limit on the size of a reply, and a
buffer that isn't copied and searched anew with each packet (its own is quadratic). Everything else is pyln's.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NoReturn

from pyln.client.lightning import LightningRpc, RpcError, UnixSocket

from revops.node.deadline import DeadlineError
from revops.node.local import Answer
from revops.node.typed import typed_reply

__all__ = ["BoundedClient", "LocalClient", "MalformedReplyError", "RpcError"]

_CHUNK_BYTES: Final = 1 << 18
_END_OF_REPLY: Final = b"\n\n"


class MalformedReplyError(Exception):
    """The bytes are not a reply. The message says how, and never quotes them: a reply may hold secrets."""


def _no_constant(_name: str) -> NoReturn:
    raise MalformedReplyError("is not JSON (NaN or Infinity)")


@cache  # setting a level makes all loggers forget what they know
def _quiet_logger() -> logging.Logger:
    """Return the logger for pyln: it dumps whole requests and replies at DEBUG, secrets included, so it stops above."""
    logger = logging.getLogger("revops.node.pyln")
    logger.setLevel(logging.WARNING)
    return logger


class BoundedClient(LightningRpc):  # type: ignore[misc]  # pyln ships no types
    """One call's client. `sent` tells whether the request may have reached the node."""

    def __init__(self, path: str, method: str, expires_at: float, max_reply_bytes: int) -> None:
        super().__init__(path, logger=_quiet_logger())
        self.caller_name = "revops"
        self.sent = False
        self._method = method
        self._expires_at = expires_at
        self._bytes_left = max_reply_bytes

    def _left_seconds(self) -> float:
        left = self._expires_at - time.monotonic()
        if left <= 0:
            raise DeadlineError
        return left

    def _writeobj(self, sock: UnixSocket, obj: dict[str, Any]) -> None:
        sock.sock.settimeout(self._left_seconds())
        self.sent = True
        super()._writeobj(sock, obj)

    def _readobj(self, sock: UnixSocket, buff: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """Given what is left of earlier packets, return the next JSON object and what follows it.

        Raise ConnectionResetError, DeadlineError or MalformedReplyError where there is none.
        """
        received, chunk = bytearray(buff), memoryview(bytearray(_CHUNK_BYTES))
        searched = 0
        while (end := received.find(_END_OF_REPLY, searched)) < 0:
            searched = max(0, len(received) - 1)
            sock.sock.settimeout(self._left_seconds())
            count = sock.sock.recv_into(chunk)
            if not count:
                raise ConnectionResetError
            self._bytes_left -= count
            if self._bytes_left < 0:
                raise MalformedReplyError("is larger than any reply should be")
            received += chunk[:count]
        rest = bytes(received[end + len(_END_OF_REPLY) :])
        del received[end:]
        return _decode(self._method, received), rest


class LocalClient(BoundedClient):
    """One call's client of a node in this process. pyln opens a socket within `call`, so that is written out here."""

    def __init__(self, answer: Answer, path: str, method: str, expires_at: float, max_reply_bytes: int) -> None:
        super().__init__(path, method, expires_at, max_reply_bytes)
        self._answer = answer

    def call(self, method: str, payload: Any = None) -> Any:
        """Given a method and its parameters, return the result. Raise as pyln's does, and as the bounds do."""
        self._left_seconds()
        given = {} if payload is None else payload
        if isinstance(given, Mapping):
            given = {name: value for name, value in given.items() if value is not None}
        request_id = self.get_json_id(method, None)
        request = {"jsonrpc": "2.0", "method": method, "params": given, "id": request_id}
        self.sent = True
        reply = self._answer(json.dumps(request, ensure_ascii=False).encode())
        if len(reply) > self._bytes_left:
            raise MalformedReplyError("is larger than any reply should be")
        response = _decode(self._method, reply.removesuffix(_END_OF_REPLY))
        if response["id"] != request_id:
            raise ValueError(f"Malformed response, id is not {request_id}")
        if "error" in response:
            raise RpcError(method, given, response["error"])
        if "result" not in response:
            raise ValueError('Malformed response, "result" missing.')
        return response["result"]


def _decode(method: str, reply: bytes | bytearray) -> dict[str, Any]:
    """Given a method and the bytes of a reply, return its object. Raise MalformedReplyError for anything else."""
    if (typed := typed_reply(method, reply)) is not None:
        return typed
    try:
        value = json.loads(reply.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise MalformedReplyError("is not UTF-8") from None
    except RecursionError:
        raise MalformedReplyError("is nested too deeply") from None
    except ValueError:
        raise MalformedReplyError("is not JSON") from None
    if not isinstance(value, dict):
        raise MalformedReplyError("is not a JSON object")
    if not isinstance(value.get("id"), str):
        raise MalformedReplyError("has no id")
    return value
