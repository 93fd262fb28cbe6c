"""A dry run says what would be done: it makes no writing call, records no decision, and leaves no metrics."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from tests.e2e.conftest import Start
from tests.e2e.ledgers import DECISION_TABLES, dump, fees_on_node, rows
from tests.e2e.operator_place import Machine

#: A command, and the calls that it makes when it is meant.
LINES = {
    "fees adjust": "setchannel",
    "rebalance run": "sendpay",
    "rebalance plan": None,
    "rollup": None,
    "sync": None,
}


def old_history(machine: Machine) -> None:
    """Let everything be old enough for a rollup, while the node goes on."""
    machine.node.advance_by(200 * 86_400)


@pytest.mark.parametrize("command", LINES)
def test_a_dry_run_changes_nothing(start: Start, command: str) -> None:
    machine = start.machine
    machine.restore(start.stocked)
    if command == "rollup":
        old_history(machine)
    before, fees = dump(machine.database, DECISION_TABLES), fees_on_node(machine)
    assert any(before.values())
    ran = machine.command(*command.split(), "--dry-run")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out
    assert machine.node.call_log != []
    assert machine.node.call_log.writing_calls() == []
    assert dump(machine.database, DECISION_TABLES) == before
    assert fees_on_node(machine) == fees
    assert list(machine.metrics.iterdir()) == []
    _meant(machine, command)


def _meant(machine: Machine, command: str) -> None:
    """The same line without --dry-run does all that: the test above could have failed."""
    before = dump(machine.database, DECISION_TABLES)
    assert machine.command(*command.split()).code == 0
    after = dump(machine.database, DECISION_TABLES)
    changed = {name for name in DECISION_TABLES if after[name] != before[name]}
    wanted = {
        "fees adjust": {"run", "decision", "decision_tally", "action", "fee_state", "fee_change"},
        "rebalance run": {"run", "rebalance_job", "spend_ledger", "ledger_head"},
        "rebalance plan": {"run", "decision", "decision_tally", "rebalance_plan"},
        "rollup": {"run", "forward_day"},
        "sync": {"run"},
    }
    assert changed >= wanted[command]
    method = LINES[command]
    assert method is None or method in machine.node.call_log.methods()
    assert list(machine.metrics.iterdir()) != []


def test_a_dry_run_of_fees_shows_what_would_be_set(start: Start) -> None:
    """What it announces is what the run that follows does."""
    machine = start.machine
    machine.restore(start.stocked)
    announced = json.loads(machine.command("fees", "adjust", "--dry-run", "--json").out)
    changes = {one["channel_id"]: one["new_ppm"] for one in announced["decisions"] if one["outcome"] == "change"}
    assert changes
    assert machine.command("fees", "adjust").code == 0
    sent = {call["id"]: call["feeppm"] for method, call in machine.node.call_log if method == "setchannel"}
    assert sent == changes


def test_a_dry_run_of_rebalances_prices_each_job(start: Start) -> None:
    machine = start.machine
    machine.restore(start.stocked)
    ran = machine.command("rebalance", "run", "--dry-run", "--json")
    document = json.loads(ran.out)
    planned = rows(machine.database, "SELECT job_key FROM rebalance_job WHERE status = 'planned'")
    assert [job["job_key"] for job in document["jobs"]] == [row["job_key"] for row in planned]
    assert {job["status"] for job in document["jobs"]} == {"planned"}
    assert all(0 < job["fee_msat"] <= job["max_fee_msat"] for job in document["jobs"])


def test_a_dry_run_waits_for_nobody(start: Start) -> None:
    """It acts on nothing, so the locks of those who act don't hold it up."""
    from tests.e2e.test_e2e_together import locked

    machine = start.machine
    machine.restore(start.stocked)
    with locked(machine, "fees adjust"):
        ran = machine.command("fees", "adjust", "--dry-run", "--lock-wait", "0")
    assert (ran.code, ran.err) == (0, "")


def test_a_dry_run_of_a_rollup_gives_no_room_back(start: Start) -> None:
    machine = start.machine
    machine.restore(start.stocked)
    old_history(machine)
    # What a rollup leaves free: here more than enough to be seen.
    with closing(sqlite3.connect(machine.database)) as raw:
        raw.execute("CREATE TABLE heap (content BLOB)")
        raw.execute("INSERT INTO heap VALUES (zeroblob(2000000))")
        raw.execute("DROP TABLE heap")
        raw.commit()
    dry = machine.command("rollup", "--dry-run", "--json")
    assert (dry.code, json.loads(dry.out)["given_back_bytes"]) == (0, 0)
    meant = machine.command("rollup", "-v", "--json")
    assert (meant.code, json.loads(meant.out)["given_back_bytes"] > 1_500_000) == (0, True)
    assert "given back to the disk" not in machine.command("rollup", "-v").out
