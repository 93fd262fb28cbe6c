"""The real pyln-client talks to the server as to lightningd; what the server starts, it ends."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pyln.client import RpcError

from revops.sim.server import SimServer
from revops.sim.world import SimConfig, SimulatedNode
from tests.sim.driving import prepare, quiet_node


def raw(path: Path, *pieces: bytes, replies: int = 1) -> list[Any]:
    """Send bytes and return the responses."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10.0)
        client.connect(str(path))
        for piece in pieces:
            client.sendall(piece)
        received = b""
        while received.count(b"\n\n") < replies:
            data = client.recv(65_536)
            if not data:
                break
            received += data
    return [json.loads(part) for part in received.split(b"\n\n") if part]


def test_pyln_reads_what_the_node_says(socket_path: Path, pyln: Any) -> None:
    node = SimulatedNode(SimConfig(history_days=1.0))
    with SimServer(node, socket_path):
        assert pyln.getinfo() == node.handle("getinfo")
        assert pyln.listpeerchannels() == node.handle("listpeerchannels")
        assert pyln.call("listforwards", {"index": "created", "start": 1, "limit": 10}) == node.handle(
            "listforwards", {"index": "created", "start": 1, "limit": 10}
        )
        assert len(pyln.call("listforwards")["forwards"]) == len(node.handle("listforwards")["forwards"])
    assert not socket_path.exists()


def test_pyln_sees_errors_as_lightningd_gives_them(socket_path: Path, pyln: Any) -> None:
    with SimServer(SimulatedNode(SimConfig(channel_count=3)), socket_path):
        with pytest.raises(RpcError) as unknown:
            pyln.call("bkpr-listbalances")
        assert unknown.value.error == {"code": -32601, "message": "Unknown command 'bkpr-listbalances'"}
        with pytest.raises(RpcError) as wrong:
            pyln.call("delinvoice", {"label": "x", "status": "unpaid"})
        assert wrong.value.error["code"] == 905


def test_a_circular_payment_through_pyln(socket_path: Path, pyln: Any) -> None:
    node = quiet_node()
    with SimServer(node, socket_path):
        prepared = prepare(node)
        pyln.call("sendpay", prepared.params())
        done = pyln.call("waitsendpay", {"payment_hash": prepared.payment_hash, "timeout": 60})
    assert done["status"] == "complete"
    assert node.books().rebalance_count == 1


def test_a_filter_gives_the_members_asked_for(socket_path: Path, pyln: Any) -> None:
    with SimServer(SimulatedNode(SimConfig(channel_count=3)), socket_path):
        rows = pyln.call("listpeerchannels", {}, filter={"channels": [{"channel_id": True, "to_us_msat": True}]})
        assert {tuple(row) for row in rows["channels"]} == {("channel_id", "to_us_msat")}


def test_framing_is_lightningds(socket_path: Path) -> None:
    asked = json.dumps({"jsonrpc": "2.0", "id": "a", "method": "getinfo", "params": {}}).encode()
    with SimServer(SimulatedNode(SimConfig(channel_count=3)), socket_path):
        assert [one["id"] for one in raw(socket_path, asked + b" \n" + asked, replies=2)] == ["a", "a"]
        assert raw(socket_path, asked[:20], asked[20:])[0]["result"]["network"] == "signet"
        bad = raw(socket_path, b"nonsense")
        assert bad == [
            {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Invalid token in json input"}}
        ]
        for broken in ({"id": 1, "method": "getinfo", "params": {}}, {"jsonrpc": "2.0", "id": 1, "method": "getinfo"}):
            assert raw(socket_path, json.dumps(broken).encode())[0]["error"]["code"] == -32600
        snowman = json.dumps(
            {"jsonrpc": "2.0", "id": "☃", "method": "listconfigs", "params": {"config": "☃"}}, ensure_ascii=False
        ).encode()
        assert raw(socket_path, snowman[:26], snowman[26:])[0]["id"] == "☃"


def test_the_socket_is_private_and_a_second_server_is_refused(socket_path: Path) -> None:
    node = SimulatedNode(SimConfig(channel_count=3))
    with SimServer(node, socket_path):
        assert socket_path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(OSError, match="in use"):
            SimServer(node, socket_path).start()
        assert socket_path.exists()


def test_many_clients_at_once(socket_path: Path) -> None:
    node = SimulatedNode(SimConfig(history_days=0.2))
    asked = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "listforwards", "params": {}}).encode()
    answers: list[int] = []
    with SimServer(node, socket_path):
        threads = [
            threading.Thread(target=lambda: answers.append(len(raw(socket_path, asked)[0]["result"]["forwards"])))
            for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [len(node.handle("listforwards")["forwards"])] * 12


def test_stop_ends_idle_connections_and_all_threads(socket_path: Path) -> None:
    before = set(threading.enumerate())
    server = SimServer(SimulatedNode(SimConfig(channel_count=3)), socket_path).start()
    with socket.socket(socket.AF_UNIX) as idle:
        idle.settimeout(10.0)
        idle.connect(str(socket_path))
        idle.sendall(b'{"jsonrpc":"2.0","id":1,"method":"getinfo","params":[]}{"jsonrpc"')
        assert idle.recv(100_000).endswith(b"\n\n")
        server.stop()
        assert idle.recv(10) == b""
    server.stop()
    assert set(threading.enumerate()) == before
    with server:
        assert raw(socket_path, b'{"jsonrpc":"2.0","id":1,"method":"getinfo","params":[]}')[0]["id"] == 1


def test_a_server_that_follows_the_clock_lives_in_real_time(socket_path: Path, pyln: Any) -> None:
    node = SimulatedNode(SimConfig(start_at=int(time.time()) - 3_600, route_failure_ratio=0.0, outages_per_day=0.0))
    with SimServer(node, socket_path, follow_wall_clock=True):
        pyln.getinfo()
        assert abs(node.now_at - time.time()) < 5.0
        assert pyln.call("listforwards")["forwards"]
        prepared = prepare(node, 10_000_000)
        pyln.call("sendpay", prepared.params())
        begun = time.monotonic()
        done = pyln.call("waitsendpay", {"payment_hash": prepared.payment_hash, "timeout": 60})
        waited = time.monotonic() - begun
        assert done["status"] == "complete"
        assert 0.3 < waited < 30.0
        node.hold_payments()
        held = prepare(node, 10_000_000, label="held")
        pyln.call("sendpay", held.params())
        with pytest.raises(RpcError) as pending:
            pyln.call("waitsendpay", [held.payment_hash, 1])
        assert pending.value.error["code"] == 200
        assert node.call_log.methods().count("waitsendpay") == 2
