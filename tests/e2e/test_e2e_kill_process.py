"""SIGKILL for a real process, at moments spread over each command; then real processes take up what it left.

What such a death leaves behind is compared with a death inside the test's process at the same moment: the same rows in
every table, the same calls on the node. That is what lets tests/e2e/test_e2e_kill.py die so often so cheaply.
"""

from __future__ import annotations

import signal
from typing import Any, Final

import pytest

from tests.e2e.conftest import Start
from tests.e2e.ledgers import (
    check_fees,
    check_forwards,
    check_money_at_rest,
    check_money_meanwhile,
    check_sound,
    dump,
)
from tests.e2e.operator_place import HELPERS, Machine
from tests.e2e.test_e2e_kill import FATES, PAGE_SIZE, count_moments, kill, open_jobs

CHILD: Final = (str(HELPERS / "child.py"),)
COMMANDS: Final = {"sync": "empty", "fees adjust": "stocked", "rebalance run": "stocked"}
#: Deaths of real processes for each command; each costs a second.
DEATHS: Final = 3
#: What a method that decides what the moment is like is named.
SHARPEST: Final = {"sync": "after commit", "fees adjust": "after setchannel", "rebalance run": "after sendpay"}


def chosen_moments(names: list[str], sharpest: str, count: int) -> list[int]:
    """Return the moments at which to die: spread evenly, and the sharpest one among them."""
    spread = {1 + step * (len(names) - 1) // (count - 2) for step in range(count - 1)}
    return sorted(spread | {names.index(sharpest) + 1})


def kill_process(machine: Machine, command: str, at: int) -> None:
    """Run a command as a process that dies at a moment."""
    ran = machine.command(*command.split(), program=CHILD, E2E_KILL_AT=str(at), E2E_PAGE_SIZE=str(PAGE_SIZE))
    assert (ran.code, ran.out, ran.err) == (-signal.SIGKILL, "", "")


def state_of(machine: Machine) -> tuple[Any, ...]:
    """Everything that a run leaves: rows, calls, and who holds what on the node."""
    return dump(machine.database), list(machine.node.call_log), machine.node.books()


def cron(machine: Machine, command: str) -> None:
    """Run a command as cron does."""
    ran = machine.command(*command.split(), "--lock-wait", "0")
    assert (ran.code, ran.out, ran.err) == (0, "", ""), ran


@pytest.mark.parametrize("command", COMMANDS)
def test_a_killed_process_leaves_what_a_killed_run_leaves(start: Start, command: str) -> None:
    _die_as_processes(start, command, DEATHS)


@pytest.mark.campaign
@pytest.mark.parametrize("command", COMMANDS)
def test_a_killed_process_leaves_what_a_killed_run_leaves_at_each_moment(start: Start, command: str) -> None:
    _die_as_processes(start, command, 10_000)


def _die_as_processes(start: Start, command: str, count: int) -> None:
    machine, saved = start.machine, getattr(start, COMMANDS[command])
    machine.restore(saved)
    names = count_moments(machine, command, PAGE_SIZE).names
    now = machine.node.config.start_at
    for at in chosen_moments(names, SHARPEST[command], min(count, len(names))):
        machine.restore(saved)
        with_moments_here(machine, command, at, float(now))
        expected = state_of(machine)
        machine.restore(saved)
        kill_process(machine, command, at)
        assert state_of(machine) == expected, names[at - 1]
        # Its locks are free at once, without waiting.
        cron(machine, command)
        recover(machine, command)


def with_moments_here(machine: Machine, command: str, at: int, now: float) -> None:
    """Die inside the test, with the clock of a process, which stands still while the node waits."""
    assert machine.node.now_at == now
    kill(machine, command, at, PAGE_SIZE, now)


def recover(machine: Machine, command: str) -> None:
    """Run on until nothing is left to do, then compare."""
    machine.node.advance_by(600)
    machine.here(command)
    machine.here("sync")
    check_forwards(machine)
    check_sound(machine)
    if command == "rebalance run":
        check_money_at_rest(machine)
    if command == "fees adjust":
        check_fees(machine)


@pytest.mark.parametrize("fate", ["held, then paid", "held, then failed"])
def test_processes_settle_what_a_killed_process_left_pending(start: Start, fate: str) -> None:
    """Each step is a process: the death, the run that finds the payment pending, and the one that finds it final."""
    machine = start.machine
    machine.restore(start.stocked)
    FATES[fate].before(machine.node)
    at = count_moments(machine, "rebalance run").names.index("after sendpay") + 1
    machine.restore(start.stocked)
    FATES[fate].before(machine.node)
    kill_process(machine, "rebalance run", at)
    cron(machine, "rebalance run")
    check_money_meanwhile(machine)
    assert open_jobs(machine) == 3
    sent = [payment.label for payment in machine.node.world.payments]
    FATES[fate].after(machine.node)
    cron(machine, "rebalance run")
    check_money_at_rest(machine)
    assert [payment.label for payment in machine.node.world.payments] == sent
    completed = {payment.status for payment in machine.node.world.payments if payment.label == sent[0]}
    assert completed == {"complete" if fate.endswith("paid") else "failed"}
    ran = machine.command("db", "check")
    assert (ran.code, ran.err) == (0, "")
