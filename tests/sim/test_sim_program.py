"""`python -m revops.sim.server` as a child process: it says when it is ready, obeys, and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyln.client import RpcError


@contextmanager
def program(path: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run the program until the block ends; it is stopped by its own pid."""
    command = [sys.executable, "-m", "revops.sim.server", "--socket", str(path), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == f"ready {path}\n"
            yield child
        finally:
            child.terminate()
            child.wait(timeout=30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal(socket_path: Path, pyln: Any, number: signal.Signals) -> None:
    with program(socket_path, "--seed", "5", "--channels", "4", "--node-version", "v26.04.1") as child:
        info = pyln.getinfo()
        assert (info["version"], info["num_active_channels"]) == ("v26.04.1", 4)
        child.send_signal(number)
        assert child.wait(timeout=30) == 0
        assert child.stderr is not None
        assert child.stderr.read() == ""
    assert not socket_path.exists()


def test_a_killed_one_is_replaced(socket_path: Path, pyln: Any) -> None:
    with program(socket_path, "--channels", "3") as child:
        child.kill()
        child.wait(timeout=30)
    assert socket_path.exists()
    with program(socket_path, "--channels", "4"):
        assert pyln.getinfo()["num_active_channels"] == 4


def test_hooks_and_faults_reach_it(socket_path: Path, pyln: Any) -> None:
    with program(socket_path, "--control", "--fault", "feerates:1:error:77"):
        with pytest.raises(RpcError) as failed:
            pyln.call("feerates", ["perkb"])
        assert failed.value.error["code"] == 77
        before = pyln.call("wait", ["forwards", "created", 0])["created"]
        answer = pyln.call("sim-hook", {"name": "advance_by", "arguments": {"seconds": 86_400}})
        assert answer["value"] is None
        assert pyln.call("wait", ["forwards", "created", 0])["created"] > before + 100
        with pytest.raises(RpcError):
            pyln.call("sim-hook", {"name": "__init__"})


def test_without_control_there_are_no_hooks(socket_path: Path, pyln: Any) -> None:
    with program(socket_path, "--history-days", "0.1"), pytest.raises(RpcError) as refused:
        pyln.call("sim-hook", {"name": "advance_by", "arguments": {"seconds": 5}})
    assert refused.value.error["code"] == -32601


def test_the_same_seed_is_the_same_node(socket_path: Path, pyln: Any) -> None:
    answers = []
    for _ in range(2):
        with program(socket_path, "--seed", "8", "--history-days", "1"):
            answers.append(pyln.call("listforwards"))
    assert answers[0] == answers[1]
    assert answers[0]["forwards"]
