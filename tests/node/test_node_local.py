"""A node in this process is spoken to as one behind a socket is: the same bytes, bounds and errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from revops.node.errors import NodeError
from revops.node.local import answer_at, served
from revops.node.reader import NodeReader
from revops.node.rpc import Rpc
from revops.sim.config import SimConfig
from revops.sim.server import SimServer
from revops.sim.world import SimulatedNode


def ask(path: Path, answer: Callable[[bytes], bytes], **bounds: Any) -> dict[str, object]:
    """Call `getinfo` of what answers."""
    rpc = Rpc(path, command="sync", timeout_seconds=5, writes_allowed=False, **bounds)
    with served(path, answer):
        return rpc.call("getinfo")


def replying(**members: object) -> Callable[[bytes], bytes]:
    """Something that answers each request so, under its id unless another is given."""

    def answer(request: bytes) -> bytes:
        reply = {"jsonrpc": "2.0", "id": json.loads(request)["id"], **members}
        return json.dumps(reply).encode() + b"\n\n"

    return answer


def test_it_answers_as_it_does_behind_its_socket(tmp_path: Path) -> None:
    node = SimulatedNode(SimConfig(seed=3, channel_count=4))
    path = tmp_path / "rpc"
    server = SimServer(node, path)
    rpc = Rpc(path, command="sync", timeout_seconds=5, writes_allowed=False)
    with served(path, server.answer):
        here = NodeReader(rpc).info(), NodeReader(rpc).channels(), NodeReader(rpc).feerates(0.0)
    with server:
        assert here == (NodeReader(rpc).info(), NodeReader(rpc).channels(), NodeReader(rpc).feerates(0.0))


def test_a_path_is_served_only_as_long_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "rpc"
    assert ask(path, replying(result={"a": 1})) == {"a": 1}
    assert answer_at(str(path)) is None
    rpc = Rpc(path, command="sync", timeout_seconds=5, writes_allowed=False)
    with pytest.raises(NodeError, match="there is no socket"):
        rpc.call("getinfo")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (replying(error={"code": -32601, "message": "Unknown command"}), "lightningd refuses: Unknown command"),
        (replying(result={}, id="of another"), "belongs to another request"),
        (replying(), "neither result nor error"),
        (replying(result=[1]), "not a JSON object"),
        (lambda _request: b"<html>", "is not JSON"),
    ],
)
def test_what_is_no_answer_is_an_error(tmp_path: Path, answer: Callable[[bytes], bytes], message: str) -> None:
    with pytest.raises(NodeError, match=message):
        ask(tmp_path / "rpc", answer)


def test_a_reply_has_a_limit(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="larger than any reply"):
        ask(tmp_path / "rpc", replying(result={"a": "b" * 100}), max_reply_bytes=100)
