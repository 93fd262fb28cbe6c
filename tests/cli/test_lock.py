"""The lock: one holder, bounded waits, freed by the kernel, and a message that names the holder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from revops.errors import DiskError, PermissionDenied, TemporaryError
from revops.lock import Domain, LockHeld, hold, lock_path

HOLDER = """
import sys
from pathlib import Path
from revops.lock import hold
with hold(Path(sys.argv[1]), "node", "fees", command="fees adjust", wait_seconds=0):
    print("held", flush=True)
    sys.stdin.read()
"""


class Clock:
    """A monotonic clock that moves only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def holder(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def take(folder: Path, domain: Domain = "fees", wait_seconds: float = 0.0, **more: Any) -> AbstractContextManager[None]:
    return hold(folder, "node", domain, command="fees adjust", wait_seconds=wait_seconds, **more)


def test_the_file_says_who_holds_it_and_stays(tmp_path):
    path = lock_path(tmp_path / "new" / "folder", "node", "fees")
    with take(path.parent):
        pid, started, command = path.read_text().rstrip("\n").split(" ", 2)
        assert int(pid) == os.getpid()
        assert started.endswith("Z")
        assert command == "fees adjust"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o077 == 0
    assert path.read_text() == ""
    with take(path.parent):
        pass


def test_a_held_lock_is_a_temporary_error_that_names_the_holder(tmp_path, holder):
    with pytest.raises(LockHeld, match=rf"held by {holder.pid} \(fees adjust, since 20") as caught, take(tmp_path):
        pytest.fail("two holders")
    assert isinstance(caught.value, TemporaryError)
    assert caught.value.exit_code == 75


def test_other_domains_and_names_are_free(tmp_path, holder):
    with take(tmp_path, domain="rebalance"), hold(tmp_path, "other", "fees", command="x", wait_seconds=0):
        assert holder.poll() is None


def test_a_killed_holder_frees_it(tmp_path, holder):
    holder.kill()
    holder.wait()
    with take(tmp_path):
        assert str(os.getpid()) in lock_path(tmp_path, "node", "fees").read_text()


def test_the_wait_is_bounded_and_polled(tmp_path, holder):
    clock = Clock()
    with pytest.raises(LockHeld), take(tmp_path, wait_seconds=1.0, monotonic=clock, sleep=clock.sleep):
        pytest.fail("two holders")
    assert sum(clock.slept) == pytest.approx(1.0)
    assert max(clock.slept) <= 0.2


@pytest.mark.parametrize("wait_seconds", [0.0, -5.0, float("nan")])
def test_no_wait_means_no_sleep(tmp_path, holder, wait_seconds):
    clock = Clock()
    with pytest.raises(LockHeld), take(tmp_path, wait_seconds=wait_seconds, monotonic=clock, sleep=clock.sleep):
        pytest.fail("two holders")
    assert clock.slept == []


def test_waiting_ends_when_the_holder_does(tmp_path, holder):
    def end_it(_seconds: float) -> None:
        holder.kill()
        holder.wait()

    with take(tmp_path, wait_seconds=60, sleep=end_it, monotonic=time.monotonic):
        assert holder.returncode is not None


def test_the_lock_is_freed_when_the_body_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), take(tmp_path):
        raise ZeroDivisionError
    with take(tmp_path):
        pass


def test_names_can_not_leave_the_folder(tmp_path):
    assert lock_path(tmp_path, "../../etc/x y", "sync") == tmp_path / "revops-.._.._etc_x_y-sync.lock"


def test_a_link_in_the_lock_s_place_is_refused(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    lock_path(tmp_path, "node", "fees").symlink_to(victim)
    with pytest.raises(PermissionDenied), take(tmp_path):
        pytest.fail("followed a link")
    assert victim.read_text() == "precious"


def test_a_folder_that_is_none_is_a_disk_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="lock "), take(tmp_path / "file" / "deeper"):
        pytest.fail("locked nothing")
