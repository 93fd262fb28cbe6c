"""The fault injector does what it says, and only when it says so."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from pyln.client import RpcError

from revops.sim.faults import Fault, FaultKind, FaultPlan, parse_rule, without_member
from revops.sim.server import SimServer
from revops.sim.world import SimConfig, SimulatedNode


@pytest.fixture
def node() -> SimulatedNode:
    return SimulatedNode(SimConfig(channel_count=3))


def calls(node: SimulatedNode) -> int:
    """Return how many getinfo reached the node."""
    return node.call_log.methods().count("getinfo")


@pytest.mark.parametrize(
    ("kind", "executed"),
    [(FaultKind.DROP_BEFORE, False), (FaultKind.REPLY_LOST, True), (FaultKind.DROP_MIDWAY, True)],
)
def test_a_connection_is_lost(
    node: SimulatedNode, socket_path: Path, pyln: Any, kind: FaultKind, executed: bool
) -> None:
    with SimServer(node, socket_path, faults=FaultPlan().on("getinfo", kind, nth=2)):
        pyln.getinfo()
        with pytest.raises(RpcError) as lost:
            pyln.getinfo()
        assert lost.value.error == "Connection to RPC server lost."
        assert calls(node) == 1 + executed
        pyln.getinfo()


def test_half_a_reply_arrives(node: SimulatedNode, socket_path: Path) -> None:
    with (
        SimServer(node, socket_path, faults=FaultPlan().on("getinfo", FaultKind.DROP_MIDWAY)),
        socket.socket(socket.AF_UNIX) as client,
    ):
        client.settimeout(10.0)
        client.connect(str(socket_path))
        client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"getinfo","params":{}}')
        received = b""
        while data := client.recv(4096):
            received += data
    assert received.startswith(b'{"jsonrpc":"2.0","id":1,"result":{"id":"')
    assert b"\n\n" not in received


def test_garbage_isnt_json(node: SimulatedNode, socket_path: Path, pyln: Any) -> None:
    with (
        SimServer(node, socket_path, faults=FaultPlan().on("getinfo", FaultKind.GARBAGE)),
        pytest.raises(json.JSONDecodeError),
    ):
        pyln.getinfo()


def test_a_member_is_missing(node: SimulatedNode, socket_path: Path, pyln: Any) -> None:
    plan = FaultPlan().on("getinfo", Fault(FaultKind.MISSING_FIELD, path="address.0.port"))
    plan.on("listpeerchannels", Fault(FaultKind.MISSING_FIELD, path="channels.*.to_us_msat"))
    with SimServer(node, socket_path, faults=plan):
        assert pyln.getinfo()["address"] == [{"type": "ipv4", "address": "192.0.2.1"}]
        assert all("to_us_msat" not in row for row in pyln.listpeerchannels()["channels"])
        assert "to_us_msat" in pyln.listpeerchannels()["channels"][0]


def test_an_error_replaces_the_call(node: SimulatedNode, socket_path: Path, pyln: Any) -> None:
    plan = FaultPlan().on("getinfo", Fault(FaultKind.ERROR, code=-32_000, message="no"), nth=1, times=2)
    with SimServer(node, socket_path, faults=plan):
        for _ in range(2):
            with pytest.raises(RpcError) as failed:
                pyln.getinfo()
            assert failed.value.error == {"code": -32_000, "message": "no"}
        assert calls(node) == 0
        pyln.getinfo()


def test_a_reply_is_late(node: SimulatedNode, socket_path: Path, pyln: Any) -> None:
    with SimServer(node, socket_path, faults=FaultPlan().on("getinfo", Fault(FaultKind.DELAY, seconds=0.3))):
        begun = time.monotonic()
        pyln.getinfo()
        assert time.monotonic() - begun >= 0.3


def test_an_endless_reply_ends_after_all(node: SimulatedNode, socket_path: Path) -> None:
    plan = FaultPlan().on("getinfo", Fault(FaultKind.ENDLESS, seconds=0.3))
    with SimServer(node, socket_path, faults=plan), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10.0)
        client.connect(str(socket_path))
        client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"getinfo","params":{}}')
        begun, size = time.monotonic(), 0
        while data := client.recv(65_536):
            assert b"\n\n" not in data
            size += len(data)
        assert time.monotonic() - begun >= 0.25
        assert size > 10_000


def test_stop_cuts_a_late_reply_short(node: SimulatedNode, socket_path: Path) -> None:
    server = SimServer(node, socket_path, faults=FaultPlan().on("*", Fault(FaultKind.DELAY, seconds=60.0))).start()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(socket_path))
        client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"getinfo","params":{}}')
        begun = time.monotonic()
        while not server.faults.counts["getinfo"] and time.monotonic() < begun + 10.0:
            time.sleep(0.01)
        server.stop()
        assert time.monotonic() - begun < 20.0


def test_any_method_counts_for_the_star() -> None:
    plan = FaultPlan().on("*", FaultKind.GARBAGE, nth=3)
    assert [plan.take(name) for name in ("a", "b", "c", "d")] == [None, None, Fault(FaultKind.GARBAGE), None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sendpay:2:reply_lost", ("sendpay", Fault(FaultKind.REPLY_LOST), 2)),
        (
            "getinfo:1:missing_field:address.0.port",
            ("getinfo", Fault(FaultKind.MISSING_FIELD, path="address.0.port"), 1),
        ),
        ("x:1:delay:1.5", ("x", Fault(FaultKind.DELAY, seconds=1.5), 1)),
        ("x:1:error:205", ("x", Fault(FaultKind.ERROR, code=205), 1)),
    ],
)
def test_rules_are_read_from_text(text: str, expected: tuple[str, Fault, int]) -> None:
    assert parse_rule(text) == expected


@pytest.mark.parametrize("text", ["sendpay", "sendpay:x:garbage", "sendpay:1:nonsense"])
def test_rules_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_rule(text)


def test_a_path_that_isnt_there_changes_nothing() -> None:
    value = {"a": [{"b": 1}, 5], "c": None}
    for path in ("x.y", "a.7.b", "c.d", "a.1.b"):
        without_member(value, path)
    assert value == {"a": [{"b": 1}, 5], "c": None}
