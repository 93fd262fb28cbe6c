"""Twenty commands at once on one database and one node; and what a command does whose lock is held."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import AbstractContextManager, ExitStack
from typing import Final

import pytest

from revops.lock import Domain, hold
from tests.e2e.conftest import Start
from tests.e2e.ledgers import (
    check_fees,
    check_forwards,
    check_money_at_rest,
    check_money_meanwhile,
    check_sound,
    rows,
)
from tests.e2e.operator_place import COMMAND_SECONDS, HELPERS, Machine
from tests.e2e.test_e2e_kill import run_until_quiet

TOGETHER: Final = (
    *["sync"] * 4,
    *["fees adjust"] * 4,
    *["rebalance run"] * 4,
    *["rebalance plan --lock-wait 60"] * 2,
    *["rollup"] * 2,
    *["budget check --json"] * 2,
    "report --json",
    "report",
)
#: Time for twenty interpreters to start on two cores, then for one command after the other.
WAIT: Final = ("--lock-wait", "90")


def start_together(machine: Machine, lines: tuple[str, ...], *extra: str) -> list[tuple[str, int, str, str]]:
    """Start a process for each line, let all begin at one instant, and return how each ended."""
    waits, goes = os.pipe()
    with ExitStack() as stack:
        processes = []
        try:
            for line in lines:
                command = [sys.executable, str(HELPERS / "child.py"), *line.split(), *extra]
                environment = {"E2E_START_FD": str(waits), "E2E_LOCK_TRACE": str(machine.folder / "trace")}
                started = machine.start(command, pass_fds=(waits,), extra=environment)
                processes.append(stack.enter_context(started))
        finally:
            os.close(goes)
            os.close(waits)
        said = [process.communicate(timeout=COMMAND_SECONDS) for process in processes]
        return [
            (line, process.returncode, out, err)
            for line, process, (out, err) in zip(lines, processes, said, strict=True)
        ]


def check_one_at_a_time(machine: Machine) -> dict[str, int]:
    """Between a lock's taking and its release no other process has it. Return how often each was held."""
    held: dict[str, str] = {}
    count: dict[str, int] = {}
    trace = (machine.folder / "trace").read_text(encoding="ascii").splitlines()
    for line in sorted(trace, key=lambda line: int(line.split()[0])):
        _, pid, what, domain = line.split()
        if what == "enters":
            assert domain not in held, f"{pid} and {held[domain]} hold {domain} together"
            held[domain] = pid
            count[domain] = count.get(domain, 0) + 1
        else:
            assert held.pop(domain) == pid
    assert held == {}
    (machine.folder / "trace").unlink()
    return count


def check_all(machine: Machine) -> None:
    """Nothing is corrupt, and every book agrees."""
    check_sound(machine)
    ran = machine.command("db", "check")
    assert (ran.code, ran.err) == (0, "")
    check_money_meanwhile(machine)
    machine.node.advance_by(600)
    run_until_quiet(machine)
    machine.here("sync")
    machine.here("fees adjust")
    check_forwards(machine)
    check_money_at_rest(machine)
    check_fees(machine)
    assert rows(machine.database, "SELECT command, message FROM run WHERE exit_code NOT IN (0, 75)") == []


def test_twenty_commands_at_once(start: Start) -> None:
    """Each waits for its turn, as long as it takes."""
    machine = start.machine
    machine.restore(start.stocked)
    machine.node.pause_market(False)
    machine.node.advance_by(3_600)
    machine.node.pause_market()
    ended = start_together(machine, TOGETHER, *WAIT)
    assert len(ended) == 20
    for line, code, out, err in ended:
        assert (code, err) == (0, ""), (line, code, err)
        assert bool(out) == line.startswith(("report", "rebalance plan", "budget check --json")), (line, out)
    count = check_one_at_a_time(machine)
    # Each of the four runs that has settled something reads the moves of it afterwards.
    assert count.pop("sync") - (4 + 4 + 6 + 2) in range(4 + 1)
    assert count == {"fees": 4, "rebalance": 6}
    assert len(machine.node.call_log.writing_calls()) > 0
    check_all(machine)


def test_twenty_impatient_commands_at_once(start: Start) -> None:
    """Some don't get their turn: they say nothing and do nothing."""
    machine = start.machine
    machine.restore(start.stocked)
    ended = start_together(machine, TOGETHER, "--lock-wait", "0")
    codes = [code for _, code, _, _ in ended]
    assert set(codes) <= {0, 75}, ended
    assert 0 in codes
    for line, code, out, err in ended:
        assert err == "", (line, err)
        assert code == 0 or out == "", (line, out)
    check_one_at_a_time(machine)
    check_all(machine)


def test_twenty_first_syncs_at_once(start: Start) -> None:
    """They find an empty database, and one node in the end."""
    machine = start.machine
    machine.restore(start.empty)
    ended = start_together(machine, ("sync",) * 8, *WAIT)
    assert {(code, out, err) for _, code, out, err in ended} == {(0, "", "")}
    check_one_at_a_time(machine)
    assert len(rows(machine.database, "SELECT * FROM node")) == 1
    check_forwards(machine)
    check_sound(machine)


# ---- a lock that is held


LOCKED: Final[dict[str, Domain]] = {
    "sync": "sync",
    "fees adjust": "fees",
    "rebalance plan": "rebalance",
    "rebalance run": "rebalance",
}


@pytest.mark.parametrize("command", LOCKED)
def test_a_held_lock_is_silent_off_a_terminal(start: Start, command: str) -> None:
    machine = start.machine
    machine.restore(start.stocked)
    with locked(machine, command):
        ran = machine.command(*command.split(), "--lock-wait", "0.3")
        told = machine.command(*command.split(), "--lock-wait", "0", "-v")
    assert (ran.code, ran.out, ran.err) == (75, "", "")
    assert (told.code, told.out) == (75, "")
    assert f"is held by {os.getpid()} (a test, since " in told.err
    assert machine.node.call_log.writing_calls() == []
    assert (machine.command(*command.split(), "-q", "--lock-wait", "0")).code == 0


def test_a_held_lock_is_told_on_a_terminal(start: Start) -> None:
    machine = start.machine
    machine.restore(start.stocked)
    leader, follower = pty.openpty()
    line = [sys.executable, "-m", "revops", "fees", "adjust", "--lock-wait", "0"]
    with locked(machine, "fees adjust"), os.fdopen(leader, "rb", buffering=0) as screen:
        done = subprocess.run(
            line, env=machine.command_environment(TERM="dumb"), stdin=subprocess.DEVNULL, stdout=follower,
            stderr=follower, timeout=COMMAND_SECONDS, check=False,
        )  # fmt: skip
        shown = screen.read(10_000).decode()
        os.close(follower)
    assert done.returncode == 75
    assert "revops: " in shown
    assert f"is held by {os.getpid()} (a test, since " in shown


def locked(machine: Machine, command: str) -> AbstractContextManager[None]:
    """Hold the command's lock, by the name that the session gives it."""
    domain = LOCKED[command]
    return hold(machine.state, machine.node.node_id[:16], domain, command="a test", wait_seconds=0)
