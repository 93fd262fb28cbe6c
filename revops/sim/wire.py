"""lightningd's framing: requests are JSON objects one after the other, responses compact JSON and two newlines.

A request needs no terminator (pyln-client sends none), so the reader tries to decode what it has after each read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from revops.sim.errors import INVALID_REQUEST, SimRpcError

TERMINATOR = b"\n\n"
#: `json.dumps` makes an encoder for each message.
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))


class RequestReader:
    """Collects bytes and gives whole requests."""

    def __init__(self) -> None:
        self._text = ""
        self._bytes = b""
        self._decoder = json.JSONDecoder()

    def feed(self, data: bytes) -> Iterator[Any]:
        """Add bytes and yield each complete JSON value. Raise SimRpcError (-32600) for text that can't become JSON."""
        self._bytes += data
        try:
            self._text += self._bytes.decode()
            self._bytes = b""
        except UnicodeDecodeError as error:
            self._text += self._bytes[: error.start].decode()
            self._bytes = self._bytes[error.start :]
        while True:
            self._text = self._text.lstrip()
            if not self._text:
                return
            if self._text[0] != "{":
                raise SimRpcError(INVALID_REQUEST, "Invalid token in json input")
            try:
                value, end = self._decoder.raw_decode(self._text)
            except json.JSONDecodeError:
                return
            self._text = self._text[end:]
            yield value


def encode(message: dict[str, Any]) -> bytes:
    """Return a response as lightningd writes it."""
    return _ENCODER.encode(message).encode() + TERMINATOR


def response(request_id: Any, result: dict[str, Any]) -> dict[str, Any]:
    """Return a success."""
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def failure(request_id: Any, error: SimRpcError) -> dict[str, Any]:
    """Return an error."""
    return {"jsonrpc": "2.0", "id": request_id, "error": error.as_json()}


def filtered(value: Any, wanted: Any) -> Any:
    """Given a result and a request's `filter`, return the members asked for (lightningd-rpc(7) "FIELD FILTERING")."""
    if isinstance(wanted, dict) and isinstance(value, dict):
        return {name: filtered(value[name], part) for name, part in wanted.items() if part and name in value}
    if isinstance(wanted, list) and isinstance(value, list) and wanted:
        return [filtered(element, wanted[0]) for element in value]
    return value
