"""What must hold between the node and the records, read with sqlite3, past all of our own code."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from revops.sim.payrows import Payment
from tests.e2e.operator_place import Machine

#: What decisions and money write to: a dry run leaves these alone.
DECISION_TABLES: Final = (
    "decision", "decision_tally", "action", "fee_state", "fee_change", "run", "rebalance_plan", "rebalance_job",
    "spend_ledger", "ledger_head", "forward_day",
)  # fmt: skip
#: A killed run leaves a row, and one more run follows it: these differ from an undisturbed history as they should.
RUN_TABLES: Final = frozenset({"run", "serial"})
OPEN: Final = frozenset({"reserved", "sending", "in_flight"})
STATUS: Final = {"offered": 0, "settled": 1, "local_failed": 2, "failed": 3}

Rows = list[tuple[Any, ...]]


def rows(database: Path, query: str, *arguments: Any) -> list[dict[str, Any]]:
    """Given SQL, return the rows of the database."""
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query, arguments)]


def dump(database: Path, tables: Sequence[str] | None = None) -> dict[str, Rows]:
    """Return all rows of all tables, or of some."""
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        names = [name for (name,) in connection.execute(query)]
        wanted = names if tables is None else list(tables)
        assert set(wanted) <= set(names)
        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in wanted}


def history(database: Path) -> dict[str, Rows]:
    """Return everything but the rows that tell one run from two."""
    return {name: found for name, found in dump(database).items() if name not in RUN_TABLES}


def forwards_on_node(machine: Machine) -> dict[int, tuple[Any, ...]]:
    """Return each forward of the node's list by its created index."""
    return {
        row.created_index: (
            row.updated_index, row.in_channel, row.out_channel, row.in_msat, row.out_msat, row.fee_msat,
            row.status, row.received_at, row.resolved_at, row.failcode,
        )
        for row in machine.node.world.forwards
    }  # fmt: skip


def forwards_on_record(machine: Machine) -> dict[int, tuple[Any, ...]]:
    """Return each recorded forward in the same form. Its channels are found by every scid that they ever had."""
    scids: dict[int, set[str]] = {}
    for row in rows(machine.database, "SELECT channel_key, scid FROM channel_scid"):
        scids.setdefault(row["channel_key"], set()).add(row["scid"])
    names = {number: name for name, number in STATUS.items()}
    node = {row.created_index: row for row in machine.node.world.forwards}

    def scid_of(key: int | None, expected: str | None) -> str | None:
        return None if key is None else expected if expected in scids[key] else f"not {expected}: {scids[key]}"

    found = {}
    resolved = "CASE WHEN resolved_at IS NULL AND status IN (1, 3) THEN counted_at ELSE resolved_at END AS ended_at"
    for row in rows(machine.database, f"SELECT *, {resolved} FROM forward"):
        known = node.get(row["created_index"])
        found[row["created_index"]] = (
            row["updated_index"] or 0, scid_of(row["in_channel_key"], known.in_channel if known else None),
            scid_of(row["out_channel_key"], known.out_channel if known else None), row["in_msat"], row["out_msat"],
            row["fee_msat"], names[row["status"]], row["received_at"], row["ended_at"],
            row["failcode"],
        )  # fmt: skip
    return found


def check_forwards(machine: Machine) -> None:
    """The records hold the node's forwards exactly, and the books agree to the msat."""
    assert forwards_on_record(machine) == forwards_on_node(machine)
    (books,) = rows(machine.database, "SELECT opening_msat, node_fees_msat FROM books")
    recorded = sum(row[5] for row in forwards_on_record(machine).values() if row[6] == "settled")
    assert books == {"opening_msat": 0, "node_fees_msat": recorded}
    assert recorded == machine.node.books().fees_earned_msat
    query = "SELECT day >= 0, SUM(earned_msat), SUM(sourced_msat) FROM flow_sum GROUP BY day >= 0"
    sums = [tuple(row.values())[1:] for row in rows(machine.database, query)]  # of all time, and of days
    assert sums == ([(recorded, recorded)] * 2 if recorded else [])
    moves = rows(machine.database, "SELECT created_index, credit_msat, debit_msat FROM channel_move ORDER BY 1")
    assert [tuple(row.values()) for row in moves] == [
        (row.created_index, row.credit_msat, row.debit_msat)
        for row in machine.node.world.channelmoves
        if row.primary_tag != "routed"  # the forwards themselves say that
    ]


def payments_by_job(machine: Machine) -> dict[int, list[Payment]]:
    """Return the node's payments of ours by the job that their label names: revops-NODE-JOB-RUN."""
    found: dict[int, list[Payment]] = {}
    for payment in machine.node.world.payments:
        assert payment.label is not None
        found.setdefault(int(payment.label.split("-")[2]), []).append(payment)
    return found


@dataclass(frozen=True, slots=True)
class Reservation:
    """An entry that reserves, with what closed it."""

    job_key: int
    amount_msat: int
    closed_by: tuple[tuple[str, int], ...]


def reservations(machine: Machine) -> list[Reservation]:
    """Return the spend ledger, paired; its head must have counted it."""
    entries = rows(machine.database, "SELECT * FROM spend_ledger ORDER BY entry_key")
    heads = rows(machine.database, "SELECT entry_count FROM ledger_head")
    assert sum(head["entry_count"] for head in heads) == len(entries)
    closings: dict[int, list[tuple[str, int]]] = {}
    for entry in entries:
        if entry["kind"] != "reserve":
            closings.setdefault(entry["reserve_key"], []).append((entry["kind"], entry["amount_msat"]))
    made = {entry["entry_key"]: entry for entry in entries if entry["kind"] == "reserve"}
    assert closings.keys() <= made.keys()
    return [
        Reservation(entry["job_key"], entry["amount_msat"], tuple(closings.get(key, ()))) for key, entry in made.items()
    ]


def check_money_meanwhile(machine: Machine) -> None:
    """At any moment: what may still cost money is reserved, each job was sent once, and nothing is closed twice."""
    ledger = reservations(machine)
    assert all(len(reservation.closed_by) <= 1 for reservation in ledger)
    still_reserved: Counter[int] = Counter()
    for reservation in ledger:
        if not reservation.closed_by:
            still_reserved[reservation.job_key] += reservation.amount_msat
    for job_key, payments in payments_by_job(machine).items():
        assert len(payments) <= 1, f"job {job_key} was sent {len(payments)} times"
        for payment in payments:
            cost_msat = payment.amount_sent_msat - payment.amount_msat
            if payment.status == "pending":
                assert still_reserved[job_key] >= cost_msat, f"job {job_key} is under way, and nothing is reserved"
    # A payment that the database calls closed is final on the node.
    for job in rows(machine.database, "SELECT job_key, status FROM rebalance_job"):
        if job["status"] not in OPEN:
            assert all(payment.status != "pending" for payment in payments_by_job(machine).get(job["job_key"], ()))


def check_money_at_rest(machine: Machine) -> None:
    """When all payments are final: nothing is open, and each msat that left is in the ledger once."""
    check_money_meanwhile(machine)
    assert not machine.node.world.flights
    ledger = reservations(machine)
    assert all(len(reservation.closed_by) == 1 for reservation in ledger)
    settled = [amount for one in ledger for kind, amount in one.closed_by if kind == "settle"]
    paid = [payment for payments in payments_by_job(machine).values() for payment in payments]
    complete = [payment for payment in paid if payment.status == "complete"]
    costs = sorted(payment.amount_sent_msat - payment.amount_msat for payment in complete)
    assert sorted(settled) == costs
    books = machine.node.books()
    assert (sum(settled), len(settled)) == (books.rebalance_fees_msat, books.rebalance_count)
    jobs = {row["job_key"]: row for row in rows(machine.database, "SELECT * FROM rebalance_job")}
    assert not [job for job in jobs.values() if job["status"] in OPEN]
    by_job = payments_by_job(machine)
    for job_key, job in jobs.items():
        done = [payment for payment in by_job.get(job_key, ()) if payment.status == "complete"]
        assert (job["status"] == "settled") == bool(done), (job, done)
        assert sum(payment.amount_sent_msat - payment.amount_msat for payment in done) == (job["fee_msat"] or 0)


#: Each status, and those that may follow it.
STEPS: Final = {
    "planned": {"reserved", "failed", "expired"},
    "reserved": {"sending", "failed"},
    "sending": {"in_flight", "settled", "failed"},
    "in_flight": {"settled", "failed"},
}


def check_steps(machine: Machine) -> None:
    """Every job went through states that may follow each other, one row each, and is where the last of them says."""
    steps: dict[int, list[str]] = {}
    for row in rows(machine.database, "SELECT * FROM rebalance_step ORDER BY job_key, step"):
        before = steps.setdefault(row["job_key"], [])
        assert row["step"] == len(before) + 1
        assert (row["status"] == "planned") if not before else (row["status"] in STEPS[before[-1]]), (row, before)
        before.append(row["status"])
    jobs = rows(machine.database, "SELECT * FROM rebalance_job")
    assert {job["job_key"]: job["status"] for job in jobs} == {key: passed[-1] for key, passed in steps.items()}
    by_key = {job["job_key"]: job for job in jobs}
    for job in jobs:
        if job["retry_of_key"] is not None:
            first = by_key[job["retry_of_key"]]
            assert (first["status"], job["attempt"]) == ("failed", first["attempt"] + 1)
            assert job["target_channel_key"] == first["target_channel_key"]


def check_moves(machine: Machine) -> None:
    """Each circular payment is recorded as the node's ledger of moves has it, once, and belongs to the job that sent
    it; the costs of a job by its payments and by the ledger of spending agree.
    """
    query = """SELECT hex(p.payment_hash) AS hash, p.job_key, p.amount_msat, p.fee_msat, s.channel_id AS source,
               t.channel_id AS target FROM rebalance_payment AS p
               JOIN channel AS s ON s.node_key = p.node_key AND s.channel_key = p.source_channel_key
               JOIN channel AS t ON t.node_key = p.node_key AND t.channel_key = p.target_channel_key"""
    recorded = {row["hash"].lower(): row for row in rows(machine.database, query)}
    moves = [row for row in machine.node.world.channelmoves if row.primary_tag == "invoice"]
    for payment_hash, row in recorded.items():
        (credit,) = (move for move in moves if move.payment_hash == payment_hash and move.credit_msat > 0)
        (debit,) = (move for move in moves if move.payment_hash == payment_hash and move.debit_msat > 0)
        assert (row["source"], row["target"]) == (debit.account_id, credit.account_id)
        fee_msat = debit.debit_msat - credit.credit_msat
        assert (row["amount_msat"], row["fee_msat"]) == (credit.credit_msat, fee_msat)
    complete = {
        payment.payment_hash: job_key
        for job_key, payments in payments_by_job(machine).items()
        for payment in payments
        if payment.status == "complete"
    }
    assert {payment_hash: row["job_key"] for payment_hash, row in recorded.items()} == complete
    booked = rows(machine.database, "SELECT job_key, amount_msat FROM spend_ledger WHERE kind = 'settle'")
    assert {row["job_key"]: row["amount_msat"] for row in booked} == {
        row["job_key"]: row["fee_msat"] for row in recorded.values()
    }


def check_sound(machine: Machine) -> None:
    """SQLite finds nothing wrong with its file."""
    with closing(sqlite3.connect(machine.database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def fees_on_node(machine: Machine) -> dict[str, tuple[int, int]]:
    """Return base and rate in force of each channel."""
    channels = machine.node.world.channels.items()
    return {name: (channel.local.fee_base_msat, channel.local.fee_ppm) for name, channel in channels}


def fee_changes(machine: Machine) -> list[tuple[Any, ...]]:
    """Return each recorded change: channel, old, new, by whom."""
    query = """SELECT channel_id, old_ppm, new_ppm, source FROM fee_change JOIN channel USING (node_key, channel_key)
               ORDER BY channel_id, change_key"""
    return [tuple(row.values()) for row in rows(machine.database, query)]


def check_fees(machine: Machine) -> None:
    """Each change in force is recorded as ours, once; none is taken for somebody else's, and none is left open."""
    assert rows(machine.database, "SELECT * FROM action WHERE status IN ('pending', 'unknown')") == []
    changes = fee_changes(machine)
    assert [change for change in changes if change[3] == "external" and change[1] is not None] == []
    in_force = {name: ppm for name, (_, ppm) in fees_on_node(machine).items()}
    last: dict[str, int] = {}
    for name, old_ppm, new_ppm, source in changes:
        assert source == "external" or (old_ppm, new_ppm) == (last[name], new_ppm), (name, old_ppm, new_ppm)
        last[name] = new_ppm
    assert last == in_force
    ours = Counter((change[0], change[2]) for change in changes if change[3] == "revops")
    sent = Counter((call["id"], call["feeppm"]) for method, call in machine.node.call_log if method == "setchannel")
    assert ours == sent
