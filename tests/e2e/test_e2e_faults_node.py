"""Every way in which a node can fail a command: one clear line, the exit code of the README, and nothing half done.

Afterwards the node is well again, one more run follows, and the books are those of a machine that never saw the fault.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from revops.errors import EXIT_CODES
from revops.sim.faults import Fault, FaultKind, FaultPlan
from tests.e2e.conftest import Start
from tests.e2e.ledgers import (
    check_fees,
    check_forwards,
    check_money_at_rest,
    check_money_meanwhile,
    check_sound,
    fee_changes,
    fees_on_node,
    history,
    rows,
)
from tests.e2e.operator_place import Machine, Ran
from tests.e2e.test_e2e_kill import run_until_quiet

COMMANDS: Final = ("sync", "fees adjust", "rebalance run")
ALWAYS: Final = 1_000
HALF: Final = FaultKind.DROP_MIDWAY
#: A reply that never ends outlasts the deadline of the call.
ENDLESS: Final = Fault(FaultKind.ENDLESS, seconds=20.0)


def missing(path: str) -> Fault:
    """A reply without a member."""
    return Fault(FaultKind.MISSING_FIELD, path=path)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A call that meets a fault. Reading calls are asked once more when the connection drops, so the fault lasts."""

    method: str
    fault: Fault | FaultKind
    code: int
    words: str
    commands: tuple[str, ...] = COMMANDS
    settings: dict[str, str] = field(default_factory=dict)


SLOW: Final = {"REVOPS_NODE_RPC_TIMEOUT_SECONDS": "1"}
FEES: Final = ("fees adjust",)
RUN: Final = ("rebalance run",)
UNSURE: Final = "Whether it was carried out is not known"

TROUBLES: Final[dict[str, Trouble]] = {
    "drops at hello": Trouble("getinfo", FaultKind.DROP_BEFORE, 69, "closed the connection"),
    "drops midway": Trouble("listpeerchannels", HALF, 69, "closed the connection"),
    "drops midway, late": Trouble("listchainmoves", HALF, 69, "closed the connection", ("sync",)),
    "drops midway, setting": Trouble("setchannel", HALF, 69, UNSURE, FEES),
    "drops midway, inviting": Trouble("invoice", HALF, 69, UNSURE, RUN),
    "drops midway, paying": Trouble("sendpay", HALF, 69, UNSURE, RUN),
    "drops unread, paying": Trouble("sendpay", FaultKind.DROP_BEFORE, 69, UNSURE, RUN),
    "drops midway, waiting": Trouble("waitsendpay", HALF, 69, "closed the connection", RUN),
    "garbage": Trouble("getinfo", FaultKind.GARBAGE, 65, "is not JSON"),
    "garbage, late": Trouble("listforwards", FaultKind.GARBAGE, 65, "is not JSON", ("sync",)),
    "garbage, setting": Trouble("setchannel", FaultKind.GARBAGE, 65, UNSURE, FEES),
    "garbage, paying": Trouble("sendpay", FaultKind.GARBAGE, 65, UNSURE, RUN),
    "no fees collected": Trouble("getinfo", missing("fees_collected_msat"), 65, "fees_collected_msat"),
    "no balance": Trouble("listpeerchannels", missing("channels.*.to_us_msat"), 65, "to_us_msat"),
    "no status": Trouble("listforwards", missing("forwards.*.status"), 65, "status", ("sync",)),
    "no fee in force": Trouble("setchannel", missing("channels.0.fee_proportional_millionths"), 65, "", FEES),
    "no secret": Trouble("invoice", missing("payment_secret"), 65, "payment_secret", RUN),
    "no payment status": Trouble("sendpay", missing("status"), 65, "status", RUN),
    "no amount sent": Trouble("listsendpays", missing("payments.*.amount_sent_msat"), 65, "amount_sent_msat", RUN),
    "endless": Trouble("getinfo", ENDLESS, 69, "no complete reply within 1 s", settings=SLOW),
    "endless, setting": Trouble("setchannel", ENDLESS, 69, UNSURE, FEES, SLOW),
    "endless, paying": Trouble("sendpay", ENDLESS, 69, UNSURE, RUN, SLOW),
    "shutting down": Trouble("listfunds", Fault(FaultKind.ERROR, code=-5, message="Daemon"), 69, "shutting down"),
    "refuses to set": Trouble("setchannel", Fault(FaultKind.ERROR, code=-1, message="Peer is busy"), 69, "busy", FEES),
}
CASES: Final = [(command, name) for name, trouble in TROUBLES.items() for command in trouble.commands]


def state_of(command: str) -> str:
    """A sync has most to lose where nothing was copied yet."""
    return "empty" if command == "sync" else "stocked"


def one_line(ran: Ran, code: int, *words: str) -> str:
    """Return what a failed command said, which must be one clear line; its code must be the one, and documented."""
    assert ran.code == code, ran
    assert code in EXIT_CODES
    assert ran.out == ""
    (line,) = ran.err.splitlines()
    assert line.startswith("revops: "), line
    assert "Traceback" not in line
    assert not re.search(r"\b[A-Z]\w*(Error|Exception)\b", line), line
    for word in words:
        assert word in line, line
    return line


@pytest.fixture(scope="module")
def undisturbed(start: Start) -> dict[str, object]:
    """What each command leaves where nothing goes wrong."""
    machine, left = start.machine, {}
    for command in COMMANDS:
        machine.restore(getattr(start, state_of(command)))
        machine.write_config()
        recover(machine, command)
        left[command] = books_of(machine, command)
    return left


def recover(machine: Machine, command: str) -> None:
    """The node is well: two more runs, which leave nothing to do."""
    machine.server.faults = FaultPlan()
    machine.node.set_syncing(False)
    if command == "rebalance run":
        check_money_meanwhile(machine)
        machine.here(command)
        machine.node.advance_by(600)
        run_until_quiet(machine)
        machine.here("sync")
        check_money_at_rest(machine)
    else:
        machine.here(command)
        machine.here(command)
    check_forwards(machine)
    check_sound(machine)


def books_of(machine: Machine, command: str) -> object:
    """What must not depend on a fault that is over."""
    if command == "sync":
        return history(machine.database)
    if command == "fees adjust":
        check_fees(machine)
        return fees_on_node(machine), sorted(map(repr, fee_changes(machine)))
    # Which payments succeed depends on their hashes; that they are booked as they ended was checked.
    return sorted(row["job_key"] for row in rows(machine.database, "SELECT job_key FROM rebalance_job"))


def check_metrics(machine: Machine, command: str, code: int) -> None:
    """A failed run, too, shows how it ended."""
    text = (machine.metrics / f"revops_sim_{command.replace(' ', '_')}.prom").read_text(encoding="utf-8")
    assert re.search(rf"(?m)^revops_command_last_exit_code{{.*}} {code}(\.0)?$", text), text


@pytest.mark.parametrize(("command", "name"), CASES, ids=[f"{name}-{command}" for command, name in CASES])
def test_a_call_fails(start: Start, undisturbed: dict[str, object], command: str, name: str) -> None:
    machine, trouble = start.machine, TROUBLES[name]
    machine.restore(getattr(start, state_of(command)))
    machine.server.faults = FaultPlan().on(trouble.method, trouble.fault, times=ALWAYS)
    ran = machine.command(*command.split(), **trouble.settings)
    assert machine.server.faults.counts[trouble.method] >= 1
    one_line(ran, trouble.code, trouble.method, trouble.words)
    check_metrics(machine, command, trouble.code)
    recover(machine, command)
    assert books_of(machine, command) == undisturbed[command]


@contextmanager
def _no_socket(machine: Machine) -> Iterator[None]:
    aside = machine.folder / "aside"
    shutil.move(machine.rpc, aside)
    yield
    shutil.move(aside, machine.rpc)


@contextmanager
def _nobody_listens(machine: Machine) -> Iterator[None]:
    """As after lightningd was killed: the file is there."""
    machine.server.stop()
    _leave_stale_socket(machine.rpc)
    yield
    machine.server.start()


def _leave_stale_socket(path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))


@contextmanager
def _forbidden(machine: Machine) -> Iterator[None]:
    machine.rpc.chmod(0)
    yield
    machine.rpc.chmod(0o600)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("state", "code", "words"),
    [
        (_no_socket, 69, ("there is no socket at", "is lightningd running")),
        (_nobody_listens, 69, ("nobody listens at", "lightningd is stopped")),
        (_forbidden, 77, ("may not open", "rpc-file-mode=0660")),
    ],
    ids=["absent", "stale", "forbidden"],
)
def test_a_socket_is_of_no_use(
    start: Start, undisturbed: dict[str, object], command: str, state: object, code: int, words: tuple[str, ...]
) -> None:
    machine = start.machine
    machine.restore(getattr(start, state_of(command)))
    with state(machine):  # type: ignore[operator]
        ran = machine.confined(["--no-override"], *command.split())
    one_line(ran, code, "getinfo: ", str(machine.rpc), *words)
    check_metrics(machine, command, code)
    assert machine.node.call_log == []
    recover(machine, command)
    assert books_of(machine, command) == undisturbed[command]


@pytest.mark.parametrize("command", ["fees adjust", "rebalance run"])
def test_a_node_that_syncs_is_sent_nothing(start: Start, undisturbed: dict[str, object], command: str) -> None:
    machine = start.machine
    machine.restore(start.stocked)
    machine.node.set_syncing()
    ran = machine.command(*command.split())
    one_line(ran, 75, "getinfo: the node is syncing", "the next run tries again")
    check_metrics(machine, command, 75)
    assert machine.node.call_log.writing_calls() == []
    recover(machine, command)
    if command == "rebalance run":
        assert machine.node.books().rebalance_count > 0
    assert books_of(machine, command) == undisturbed[command]


def test_a_node_that_syncs_can_be_copied(start: Start, undisturbed: dict[str, object]) -> None:
    """Its forwards are what they are; the metrics say why spending is suspended."""
    machine = start.machine
    machine.restore(start.empty)
    machine.node.set_syncing()
    ran = machine.command("sync")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    check_forwards(machine)
    recover(machine, "sync")
    assert books_of(machine, "sync") == undisturbed["sync"]


def test_a_syncing_node_still_settles_what_is_under_way(start: Start) -> None:
    """The cure is never suspended."""
    machine = start.machine
    machine.restore(start.stocked)
    machine.node.waiting_takes_time(False)
    machine.here("rebalance run")
    machine.node.advance_by(600)
    machine.node.set_syncing()
    one_line(machine.command("rebalance", "run"), 75, "the node is syncing")
    check_money_at_rest(machine)
