"""The plugin as a process of its own, spoken to as lightningd speaks: it survives what a node's disk and peers do."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import signal
import stat
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from revops.domain.recorder import LineKind
from revops.recorder.complaints import Complaints
from revops.recorder.debounce import sync_ended
from revops.recorder.intake import CAPACITY
from revops.recorder.segments import LOCK_NAME
from revops.recorder.starter import Starter
from tests.recorder.node import CHANNEL, DEADLINE_SECONDS, PEER, Node, count, lines_of, running, until

FORWARD = {
    "payment_hash": "aa" * 32, "in_channel": "1x1x1", "out_channel": "2x2x2", "in_msat": 1001, "out_msat": 1000,
    "fee_msat": 1, "status": "settled", "received_time": 1.5, "resolved_time": 2.5, "preimage": "bb" * 32,
}  # fmt: skip
STATE = {
    "peer_id": PEER, "channel_id": CHANNEL, "short_channel_id": "1x1x1", "timestamp": "2026-09-01T00:00:00.000Z",
    "old_state": "CHANNELD_AWAITING_LOCKIN", "new_state": "CHANNELD_NORMAL", "cause": "remote",
    "message": "a text that \x1b[31m a stranger chose",
}  # fmt: skip


def test_manifest_asks_for_notifications_only(tmp_path: Path) -> None:
    node = Node(tmp_path)
    try:
        manifest = node.start()
    finally:
        node.kill()
    assert manifest["hooks"] == manifest["rpcmethods"] == manifest["notifications"] == []
    assert manifest["dynamic"] is True
    assert set(manifest["subscriptions"]) == {
        "connect", "disconnect", "forward_event", "channel_state_changed", "shutdown",
    }  # fmt: skip
    assert {option["name"] for option in manifest["options"]} == {
        "revops-recorder-spool", "revops-recorder-sync", "revops-recorder-sync-seconds",
    }  # fmt: skip


def test_what_happens_is_written_at_once_without_what_strangers_say(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        before_at = time.time()
        node.connect()
        node.tell("forward_event", FORWARD, {**FORWARD, "status": "offered", "a_field": {"of": ["tomorrow"]}})
        node.tell("channel_state_changed", STATE)
        node.tell("disconnect", {"id": PEER, "news": 1})
        until("line of the end", lambda: count(node.spool, LineKind.DISCONNECT))
        after_at = time.time()
        assert node.shut_down() == 0
    lines = lines_of(node.spool)
    assert [line.kind for line in lines] == [
        LineKind.OPEN, LineKind.CONNECT, LineKind.FORWARD, LineKind.FORWARD, LineKind.STATE, LineKind.DISCONNECT,
        LineKind.STOP,
    ]  # fmt: skip
    assert [line.sequence for line in lines] == list(range(1, 8))
    assert all(before_at - 0.001 <= line.at <= after_at + 0.001 for line in lines[1:-1])
    assert lines[0].node_started_at == pytest.approx(before_at, abs=20)
    state = lines[4]
    assert (state.peer_id, state.channel_id, state.new_state) == (PEER, CHANNEL, "CHANNELD_NORMAL")
    text = "".join(path.read_text() for path in node.spool.iterdir())
    for word in ("stranger", "aaaa", "bbbb", "1.2.3.4", "tomorrow", "1x1x1"):
        assert word not in text


def written(spool: Path, connects: int) -> bool:
    """Whether the spool has this many connects."""
    return count(spool, LineKind.CONNECT) == connects


@pytest.mark.parametrize("end", ["close", "shut_down", "kill"])
def test_each_start_is_a_run_of_its_own_in_a_segment_of_its_own(tmp_path: Path, end: str) -> None:
    for runs in (1, 2):
        with running(tmp_path) as node:
            node.connect()
            # The run of before has left a line there: only one more says that this one has opened its segment.
            until("line", partial(written, node.spool, runs))
            getattr(node, end)()
    lines = lines_of(node.spool)
    starts = [line for line in lines if line.kind is LineKind.OPEN]
    assert len({line.run_id for line in starts}) == 2
    assert [line.sequence for line in starts] == [1, 1]
    assert sum(line.kind is LineKind.STOP for line in lines) == (0 if end == "kill" else 2)
    assert len([path for path in node.spool.iterdir() if path.name != LOCK_NAME]) == 2


def test_files_are_for_the_group_and_nobody_else_whatever_the_umask(tmp_path: Path) -> None:
    was = os.umask(0)
    try:
        with running(tmp_path) as node:
            until("line", lambda: count(node.spool, LineKind.OPEN))
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in node.spool.iterdir()}
            assert stat.S_IMODE(node.spool.stat().st_mode) == 0o750
    finally:
        os.umask(was)
    assert set(modes.values()) == {0o640}


def test_ten_thousand_events_in_a_second_are_all_there_or_counted(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        node.tell("forward_event", *([FORWARD] * 10_000))
        node.connect()
        until("line after the flood", lambda: count(node.spool, LineKind.CONNECT))
        assert node.shut_down() == 0
    lines = lines_of(node.spool)
    dropped = sum(line.dropped_count for line in lines)
    assert sum(line.kind is LineKind.FORWARD for line in lines) + dropped == 10_000
    assert [line.sequence for line in lines] == list(range(1, len(lines) + 1))


def test_a_locked_spool_is_waited_for_and_what_came_meanwhile_is_kept(tmp_path: Path) -> None:
    spool = tmp_path / "revops-recorder"
    spool.mkdir()
    fd = os.open(spool / LOCK_NAME, os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with running(tmp_path) as node:
        node.connect()
        until("complaint", lambda: node.logs)
        assert "another recorder" in node.logs[0]
        assert lines_of(spool) == []
        os.close(fd)
        until("line", lambda: count(spool, LineKind.CONNECT))
        assert len(node.logs) == 1


def test_a_spool_that_cannot_be_written_is_tried_again_and_drops_are_counted(tmp_path: Path) -> None:
    """A folder in place of the next segment's parent: root isn't stopped by modes."""
    spool = tmp_path / "away" / "spool"
    with running(tmp_path, options={"revops-recorder-spool": str(spool)}) as node:
        surplus = 500
        node.tell("forward_event", *([FORWARD] * (CAPACITY + surplus)))
        node.connect()
        until("complaint", lambda: node.logs)
        node.ask("getmanifest", {})  # all notifications before it were taken
        spool.parent.mkdir()
        until("line", lambda: count(spool, LineKind.DROP), 150)
        assert node.shut_down() == 0
    lines = lines_of(spool)
    assert sum(line.kind is LineKind.FORWARD for line in lines) == CAPACITY
    (drop,) = [line for line in lines if line.kind is LineKind.DROP]
    assert drop.dropped_count == surplus + 1
    assert drop.since_at is not None
    assert drop.since_at <= drop.at


def test_a_full_disk_is_no_end_and_no_line_is_written_twice(tmp_path: Path) -> None:
    """A file may not grow beyond some bytes: the next segment has room again."""
    with running(tmp_path, limit_bytes=2_000) as node:
        for number in range(100):
            node.tell("forward_event", FORWARD)
            if number == 60:
                until("complaint", lambda: node.logs)
        until("all lines", lambda: count(node.spool, LineKind.FORWARD) == 100)
        assert node.shut_down() == 0
    lines = lines_of(node.spool)
    assert sorted(line.sequence for line in lines) == list(range(1, len(lines) + 1))
    assert sum(line.kind is LineKind.FORWARD for line in lines) == 100


def test_garbage_from_the_node_ends_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        for params in ({}, {"connect": None}, {"connect": {"id": 7}}, {"connect": {"id": "0" * 66}}):
            node.send({"method": "connect", "params": params})
        node.send({"method": "connect", "params": None}, {"method": "unheard_of", "params": {}})
        assert node.process.stdin is not None
        node.process.stdin.write(b"no json\n\n")
        node.process.stdin.flush()
        until("complaints", lambda: len(node.logs) >= 2)
        node.connect()
        until("line", lambda: count(node.spool, LineKind.CONNECT) == 1)


def test_bad_options_keep_no_node_from_starting(tmp_path: Path) -> None:
    options = {
        "revops-recorder-spool": "relative/path", "revops-recorder-sync": "'open quote",
        "revops-recorder-sync-seconds": "soon",
    }  # fmt: skip
    with running(tmp_path, options=options) as node:
        node.connect()
        until("complaints", lambda: len(node.logs) == 3)
        default = tmp_path / "revops-recorder"
        until("line", lambda: count(default, LineKind.CONNECT))


def test_syncs_start_after_events_one_at_a_time_and_with_low_priority(tmp_path: Path) -> None:
    told, script = tmp_path / "told", tmp_path / "sync.py"
    script.write_text(
        "import json, os, time\n"
        f"with open({str(told)!r}, 'a') as stream:\n"
        "    stream.write(json.dumps([os.nice(0), os.environ['REVOPS_PING_URL'], time.time()]) + '\\n')\n"
        "print('x' * 100_000)\n"
    )
    options: dict[str, Any] = {
        "revops-recorder-sync": shlex.join([sys.executable, str(script)]), "revops-recorder-sync-seconds": "1",
    }  # fmt: skip

    def starts() -> list[list[Any]]:
        return [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []

    with running(tmp_path, options=options) as node:
        node.connect()
        until("first sync", lambda: len(starts()) == 1)
        node.tell("forward_event", *([FORWARD] * 50))
        until("second sync", lambda: len(starts()) == 2)
        assert node.shut_down() == 0
        assert node.logs == []
    (first, second) = starts()
    assert first[0] == min(os.nice(0) + 10, 19)
    assert first[1] == ""  # no ping
    assert second[2] - first[2] >= 0.9


def test_a_sync_that_fails_is_told_once(tmp_path: Path) -> None:
    code = "import sys; sys.exit('no \\x1b[31m config')"
    options = {
        "revops-recorder-sync": shlex.join([sys.executable, "-c", code]), "revops-recorder-sync-seconds": "1",
    }  # fmt: skip
    with running(tmp_path, options=options) as node:
        node.connect()
        until("complaint", lambda: node.logs)
        assert "ended with 1: no ?[31m config" in node.logs[0]
        node.options["revops-recorder-sync"] = ""
        node.connect()
        until("line", lambda: count(node.spool, LineKind.CONNECT) == 2)
        assert len(node.logs) == 1


@pytest.mark.parametrize(
    "script",
    [
        "trap '' TERM; echo $$ >> {told}; exec sleep 600",
        "echo $$ >> {told}; setsid sleep 600 & echo $! >> {told}.left; exit 3",
    ],
    ids=["deaf", "leaves a child that keeps its standard error"],
)
def test_a_sync_that_nothing_ends_keeps_no_later_one_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr("revops.recorder.starter.LONGEST_SYNC_SECONDS", 0.1)
    monkeypatch.setattr("revops.recorder.starter.GRACE_SECONDS", 0.1)
    monkeypatch.setattr("revops.recorder.starter.sync_ended", lambda pace, now, _code: sync_ended(pace, now, 0))
    monkeypatch.setattr("revops.recorder.debounce.REST_RATIO", 0.0)
    monkeypatch.setattr("revops.recorder.debounce.SETTLE_SECONDS", 0.0)
    told, left = tmp_path / "told", tmp_path / "told.left"
    said: list[str] = []
    starter = Starter(["sh", "-c", script.format(told=told)], 0.0, Complaints(lambda _level, text: said.append(text)))

    def begun(number: int) -> bool:
        return told.exists() and len(told.read_text().split()) >= number

    thread = threading.Thread(target=starter.run, daemon=True)
    thread.start()
    try:
        for number in (1, 2):
            starter.event()
            until("start", partial(begun, number))
        until("complaint", lambda: said)
    finally:
        starter.stop()
        thread.join(DEADLINE_SECONDS)
        for pid in left.read_text().split() if left.exists() else ():
            os.kill(int(pid), signal.SIGKILL)
    assert not thread.is_alive()
    assert len(said) == 1


def test_a_sync_that_runs_is_ended_with_the_node(tmp_path: Path) -> None:
    pid_path = tmp_path / "pid"
    code = f"import os, pathlib, time; pathlib.Path({str(pid_path)!r}).write_text(str(os.getpid())); time.sleep(600)"
    options = {"revops-recorder-sync": shlex.join([sys.executable, "-c", code])}
    with running(tmp_path, options=options) as node:
        node.connect()
        pid = int(until("sync", lambda: pid_path.exists() and pid_path.read_text()))
        began = time.monotonic()
        assert node.shut_down() == 0
        assert time.monotonic() - began < 20
    until("end of the sync", lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text())


def test_called_by_hand_it_says_what_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    import subprocess

    ran = subprocess.run(
        [sys.executable, "-m", "revops.recorder"], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0
    assert "plugin=" in ran.stdout
