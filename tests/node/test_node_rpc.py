"""The wrapper around pyln-client: every way in which a call goes wrong is one clear NodeError, and none hangs."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from revops.errors import BugError
from revops.node.errors import NodeError, one_line
from revops.node.rpc import Rpc
from tests.node.fake_node import (
    Act,
    FakeNode,
    body,
    chatter,
    drop,
    endless,
    error,
    raw,
    result,
    silence,
    trickle,
)

SECRET = "5e" * 32


def rpc_to(path: Path, *, command: str = "rebalance run", seconds: float = 10, size: int = 1_000_000) -> Rpc:
    return Rpc(path, command=command, timeout_seconds=seconds, writes_allowed=True, max_reply_bytes=size)


def fault(act: Act, method: str = "getinfo", *, seconds: float = 10, size: int = 1_000_000) -> NodeError:
    """Given one act, return the error of a call that meets it."""
    with FakeNode(act) as node, pytest.raises(NodeError) as caught:
        rpc_to(node.path, seconds=seconds, size=size).call(method)
    assert caught.value.method == method
    assert str(caught.value).startswith(f"{method}: ")
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_call_returns_the_result_and_sends_what_was_asked() -> None:
    with FakeNode(result({"subsystem": "forwards", "created": 7})) as node:
        params = {"subsystem": "forwards", "indexname": "created", "nextvalue": 0}
        assert rpc_to(node.path).call("wait", params) == {"subsystem": "forwards", "created": 7}
        assert (node.requests[0]["method"], node.requests[0]["params"]) == ("wait", params)


def test_a_reply_in_many_packets_is_one_reply() -> None:
    rows = [{"created_index": index} for index in range(20_000)]

    def in_pieces(_node: FakeNode, connection: socket.socket, request: dict[str, object]) -> None:
        text = json.dumps({"id": request["id"], "result": {"forwards": rows}}).encode() + b"\n\n"
        for start in range(0, len(text) - 1, 50_000):
            connection.sendall(text[start : min(start + 50_000, len(text) - 1)])
        connection.sendall(b"\n")  # the end of the reply, torn in two

    with FakeNode(in_pieces) as node:
        assert rpc_to(node.path).call("listforwards") == {"forwards": rows}


def test_what_is_not_the_reply_is_skipped() -> None:
    def notify_first(_node: FakeNode, connection: socket.socket, request: dict[str, object]) -> None:
        connection.sendall(b'{"method":"message","id":"other","params":{}}\n\n')
        connection.sendall(json.dumps({"id": request["id"], "result": {"a": 1}}).encode() + b"\n\n")

    with FakeNode(notify_first) as node:
        assert rpc_to(node.path).call("getinfo") == {"a": 1}


def test_nobody_there() -> None:
    folder = Path(tempfile.mkdtemp(prefix="fn"))
    with pytest.raises(NodeError, match=r"no socket at .*rpc_path") as caught:
        rpc_to(folder / "rpc").call("getinfo")
    assert (caught.value.exit_code, caught.value.outcome_unknown) == (69, False)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(folder / "rpc"))
    listener.close()
    with pytest.raises(NodeError, match="nobody listens") as caught:
        rpc_to(folder / "rpc").call("invoice")
    assert (caught.value.exit_code, caught.value.outcome_unknown) == (69, False)
    (folder / "rpc").unlink()
    folder.rmdir()


def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NodeError, match="no socket at"):
        rpc_to(tmp_path / "file" / "rpc").call("getinfo")


def test_a_path_longer_than_a_socket_address(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="no socket at"):
        rpc_to(tmp_path / ("x" * 120) / "lightning-rpc").call("getinfo")


def test_no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with FakeNode(result({})) as node:
        # Tests may run as root, whom no file mode stops.
        with monkeypatch.context() as patch:
            patch.setattr("pyln.client.lightning.UnixSocket.connect", refuse)
            with pytest.raises(NodeError, match="rpc-file-mode=0660") as caught:
                rpc_to(node.path).call("getinfo")
        assert caught.value.exit_code == 77


def test_another_fault_of_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("pyln.client.lightning.UnixSocket.connect", fail)
        with pytest.raises(NodeError, match="Too many open files") as caught:
            rpc_to(Path("nowhere")).call("getinfo")
    assert caught.value.exit_code == 69


@pytest.mark.parametrize("act", [drop, raw(b'{"jsonrpc":"2.0","id":"revops:getinfo#1","resu')])
def test_a_dropped_read_is_repeated_once(act: Act) -> None:
    with FakeNode(act, result({"a": 1})) as node:
        assert rpc_to(node.path).call("getinfo") == {"a": 1}
        assert node.connection_count == 2
    with FakeNode(act) as node:
        with pytest.raises(NodeError, match="closed the connection") as caught:
            rpc_to(node.path).call("getinfo")
        assert node.connection_count == 2
    assert (caught.value.exit_code, caught.value.outcome_unknown) == (69, False)


@pytest.mark.parametrize("act", [drop, raw(b'{"jsonrpc":'), body(error="Connection to RPC server lost.")])
def test_a_dropped_write_is_never_repeated(act: Act) -> None:
    with FakeNode(act) as node:
        with pytest.raises(NodeError, match="not known") as caught:
            rpc_to(node.path).call("sendpay", {"route": []})
        assert node.connection_count == 1
    assert (caught.value.exit_code, caught.value.outcome_unknown) == (69, True)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (raw(b"HTTP/1.1 400 Bad Request\r\n\r\nno\n\n"), "is not JSON"),
        (raw(b'{"id": "\xff\xfe"}\n\n'), "is not UTF-8"),
        (raw(b"[1, 2]\n\n"), "is not a JSON object"),
        (raw(b"null\n\n"), "is not a JSON object"),
        (raw(b"\n\n"), "is not JSON"),
        (raw(b'{"id": "x", "result": NaN}\n\n'), "is not JSON"),
        (raw(b'{"result": {}}\n\n'), "has no id"),
        (raw(b'{"id": null, "error": {"code": -32700, "message": "Invalid token"}}\n\n'), "has no id"),
        (raw(b'{"id": "another", "result": {}}\n\n'), "belongs to another request"),
        (raw(b"[" * 100_000 + b"\n\n"), "is nested too deeply"),
        (body(), "has neither result nor error"),
        (body(result=[]), "result is not a JSON object"),
        (body(result="yes"), "result is not a JSON object"),
        (body(error=None), "error that is no object"),
        (body(error=[1]), "error that is no object"),
        (body(error={"code": "7", "message": "x"}), "without code or message"),
        (body(error={"code": True, "message": "x"}), "without code or message"),
        (body(error={"code": 7}), "without code or message"),
    ],
)
def test_garbage(act: Act, says: str) -> None:
    assert says in str(found := fault(act))
    assert (found.exit_code, found.outcome_unknown) == (65, False)


def test_garbage_after_a_write_leaves_its_outcome_open() -> None:
    found = fault(raw(b"garbage\n\n"), "invoice")
    assert (found.exit_code, found.outcome_unknown) == (65, True)


@pytest.mark.parametrize("act", [endless, chatter])
def test_a_reply_without_an_end_is_cut_by_its_size(act: Act) -> None:
    found = fault(act, size=300_000, seconds=30)
    assert "larger than any reply" in str(found)
    assert found.exit_code == 65


@pytest.mark.parametrize("act", [silence, trickle])
@pytest.mark.parametrize("method", ["getinfo", "sendpay"])
def test_the_deadline_is_total(act: Act, method: str) -> None:
    started = time.monotonic()
    found = fault(act, method, seconds=0.3)
    assert time.monotonic() - started < 5
    assert "within 0.3 s" in str(found)
    assert "rpc_timeout_seconds" in str(found)
    assert (found.exit_code, found.outcome_unknown) == (69, method == "sendpay")


def test_a_call_may_have_a_deadline_of_its_own() -> None:
    with FakeNode(silence) as node, pytest.raises(NodeError, match=r"within 0.2 s"):
        rpc_to(node.path, seconds=60).call("waitsendpay", {}, timeout_seconds=0.2)


def test_the_repeated_read_has_no_second_deadline() -> None:
    started = time.monotonic()
    with FakeNode(drop, silence) as node, pytest.raises(NodeError, match=r"within 0.4 s"):
        rpc_to(node.path, seconds=0.4).call("getinfo")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("act", [silence, trickle])
def test_the_deadline_holds_in_another_thread(act: Act) -> None:
    found: list[NodeError] = []

    def ask() -> None:
        try:
            rpc_to(node.path, seconds=0.3).call("getinfo")
        except NodeError as fault_:
            found.append(fault_)

    with FakeNode(act) as node:
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
    assert "within 0.3 s" in str(found[0])


def test_a_deadline_that_has_passed_sends_nothing() -> None:
    with FakeNode(result({})) as node:
        with pytest.raises(NodeError, match="within 0 s") as caught:
            rpc_to(node.path).call("sendpay", {}, timeout_seconds=0)
        assert (node.requests, caught.value.outcome_unknown) == ([], False)


def test_a_fault_of_pyln_itself_is_named_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise TypeError(SECRET)

    with monkeypatch.context() as patch:
        patch.setattr("pyln.client.lightning.UnixSocket.connect", fail)
        with pytest.raises(NodeError, match=r"can't be read \(TypeError\)") as caught:
            rpc_to(Path("nowhere")).call("getinfo")
    assert SECRET not in str(caught.value)


def test_the_deadline_covers_connecting() -> None:
    """A stopped lightningd's queue of connections fills up with those of earlier runs, and then connecting blocks."""
    folder = Path(tempfile.mkdtemp(prefix="fn"))
    waiting: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(folder / "rpc"))
        listener.listen(0)
        for _ in range(10):
            waiting.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
            full = waiting[-1].connect_ex(str(folder / "rpc")) == errno.EAGAIN
        assert full
        with pytest.raises(NodeError, match=r"within 0.3 s") as caught:
            rpc_to(folder / "rpc", seconds=0.3).call("invoice")
        assert caught.value.outcome_unknown is False
        for one in waiting:
            one.close()
    (folder / "rpc").unlink()
    folder.rmdir()


@pytest.fixture
def outer_alarm() -> Iterator[list[float]]:
    """An alarm of somebody else, and when it rang."""
    rang: list[float] = []

    def ring(_number: int, _frame: FrameType | None) -> None:
        rang.append(time.monotonic())

    before_timer = signal.getitimer(signal.ITIMER_REAL)
    before = signal.signal(signal.SIGALRM, ring)
    yield rang
    signal.signal(signal.SIGALRM, before)
    signal.setitimer(signal.ITIMER_REAL, *before_timer)


def test_somebody_elses_alarm_is_put_back(outer_alarm: list[float]) -> None:
    signal.setitimer(signal.ITIMER_REAL, 100)
    handler = signal.getsignal(signal.SIGALRM)
    with FakeNode(result({}), silence) as node:
        rpc_to(node.path).call("getinfo")
        with pytest.raises(NodeError):
            rpc_to(node.path, seconds=0.2).call("getinfo")
    assert signal.getsignal(signal.SIGALRM) is handler
    assert 80 < signal.getitimer(signal.ITIMER_REAL)[0] < 99.9
    assert not outer_alarm


def test_somebody_elses_alarm_rings_when_it_is_due(outer_alarm: list[float]) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    started = time.monotonic()
    with FakeNode(silence) as node, pytest.raises(NodeError):
        rpc_to(node.path, seconds=15).call("getinfo")
    assert time.monotonic() - started < 10
    patience = time.monotonic() + 5
    while not outer_alarm and time.monotonic() < patience:
        time.sleep(0.001)
    assert outer_alarm


def test_no_alarm_is_left_behind(outer_alarm: list[float]) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
    with FakeNode(result({})) as node:
        rpc_to(node.path).call("getinfo")
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_refusal_carries_code_message_and_data() -> None:
    found = fault(error(-32602, "Channel in state\n CLOSINGD_COMPLETE", {"x": 1}), "invoice")
    assert str(found) == "invoice: lightningd refuses: Channel in state CLOSINGD_COMPLETE (code -32602)"
    assert (found.code, found.data, found.exit_code, found.outcome_unknown) == (-32602, {"x": 1}, 69, False)
    assert found.answer == "Channel in state CLOSINGD_COMPLETE"


def test_a_missing_method_gets_a_hint() -> None:
    assert "lacks the method" in str(fault(error(-32601, "Unknown command 'getroutes'"), "getroutes"))


@pytest.mark.parametrize(("code", "unknown"), [(-4, True), (-5, True), (-1, False), (203, False)])
def test_a_plugin_that_died_may_have_done_it(code: int, unknown: bool) -> None:
    assert fault(error(code, "gone"), "invoice").outcome_unknown is unknown
    assert fault(error(code, "gone"), "getinfo").outcome_unknown is False


def test_a_refusal_is_not_repeated() -> None:
    with FakeNode(error(-1, "no")) as node:
        with pytest.raises(NodeError):
            rpc_to(node.path).call("getinfo")
        assert node.connection_count == 1


@pytest.mark.parametrize(
    "act",
    [
        result({"payment_preimage": SECRET}),
        error(-32602, f"payment_secret: invalid token '{SECRET}'"),
        raw(b'{"id": "another", "result": "' + SECRET.encode() + b'"}\n\n'),
        raw(b'{"result": "' + SECRET.encode()),
        raw(SECRET.encode() + b"\n\n"),
    ],
)
def test_secrets_reach_neither_log_nor_error(act: Act, caplog: pytest.LogCaptureFixture) -> None:
    handlers = list(logging.getLogger().handlers)
    found: NodeError | None = None
    levels = (caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="revops"))
    with levels[0], levels[1], FakeNode(act) as node:
        try:
            rpc_to(node.path).call("sendpay", {"payment_secret": SECRET, "route": []})
        except NodeError as raised:
            found = raised
    if found is not None:
        assert SECRET not in "".join(traceback.format_exception(found))
        assert (found.__cause__, found.__context__) == (None, None)
    assert SECRET not in caplog.text
    assert "sendpay: " in caplog.text
    assert logging.getLogger().handlers == handlers


@pytest.mark.parametrize(
    ("method", "command", "writes"),
    [
        ("bkpr-listbalances", "sync", True),
        ("setconfig", "fees adjust", True),
        ("autoclean-once", "rollup", True),
        ("autoclean-status", "doctor", True),
        ("close", "rebalance run", True),
        ("setchannel", "sync", True),
        ("sendpay", "fees adjust", True),
        ("setchannel", "fees adjust", False),
        ("getinfo", "report", True),
    ],
)
def test_what_is_not_listed_never_reaches_the_socket(method: str, command: str, writes: bool) -> None:
    with FakeNode(result({})) as node:
        rpc = Rpc(node.path, command=command, timeout_seconds=5, writes_allowed=writes)
        with pytest.raises(BugError, match=method):
            rpc.call(method)
        assert node.connection_count == 0


def test_importing_the_layer_leaves_pyln_alone() -> None:
    code = "import sys, revops.node.reader, revops.node.writer, revops.node.version; print('pyln' in str(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert shown.stdout.strip() == "False"


def test_one_line_has_no_control_characters_and_an_end() -> None:
    assert one_line("a\x1b[31mb\r\n\u202ec\td") == "a [31mb c d"
    assert len(one_line("x" * 10_000)) == 400
