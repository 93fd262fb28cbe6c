"""Databases as they were at each schema that ever was, with rows of two nodes in every table that existed then.

Rows are given as the newest schema has them. What a table didn't have at the time is left out; what isn't given here,
in tables that hold no money, is filled in by the type of the column.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import alembic.command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, insert, inspect, table, text

from revops.domain.decision import FeeState
from revops.store import codec, tables, upgrade
from revops.store.days import day_of
from revops.store.engine import make_engine
from revops.store.files import create_file
from revops.store.url import is_sqlite, parse_url, sqlite_path
from tests.builders import DAY, HOUR, NOW, channel_id, node_id
from tests.store.sums import added_up

Row = dict[str, Any]
NODES = (1, 2)
#: The third is closed; of the fourth only forwards tell.
CHANNELS = (1, 2, 3, 4)
TODAY = int(NOW // DAY)
MIDNIGHT = TODAY * DAY
PAYMENT_HASH = bytes.fromhex("ab" * 32)
REFILL_FEE_MSAT, REFILL_MSAT = 700, 2_000_000
REASONS = [["first_fee_anchor", {"anchor_ppm": 300, "match_ratio": 0.8}], ["fixed", {"fixed_ppm": 240}]]


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(upgrade.migrations_directory()))
    return ScriptDirectory.from_config(config)


def revisions() -> list[str]:
    return sorted(script.revision for script in scripts().walk_revisions())


# ---- migrations that stood in another form on the main branch for some commits


def _index(connection: Connection, name: str, table: str, columns: str, condition: str = "") -> None:
    connection.execute(text(f"DROP INDEX IF EXISTS {name}"))
    connection.execute(text(f"CREATE INDEX {name} ON {table} ({columns}) {condition}"))


def _first_0001(connection: Connection) -> None:
    """Its indexes of settled forwards didn't have the status."""
    earned = "node_key, out_channel_key, received_at, fee_msat, counted_at"
    settled = "node_key, counted_at, in_channel_key, out_channel_key, in_msat, out_msat, fee_msat"
    _index(connection, "ix_forward_earned", "forward", earned, "WHERE status = 1")
    _index(connection, "ix_forward_settled", "forward", settled, "WHERE status = 1")


def _0003_after_0001(connection: Connection) -> None:
    """0002 came to stand before it later."""
    with Operations.context(MigrationContext.configure(connection)):
        scripts().get_revision("0003").module.upgrade()
    connection.execute(text("UPDATE alembic_version SET version_num = '0003'"))


def _first_0006(connection: Connection) -> None:
    """Its index of what was earned didn't have the amount."""
    earned = "node_key, out_channel_key, received_at, fee_msat, counted_at, status, score_msat"
    _index(connection, "ix_forward_earned", "forward", earned, "WHERE status = 1")


def _second_0011(connection: Connection) -> None:
    """It had no index of a peer's events."""
    connection.execute(text("DROP INDEX ix_peer_event_node_key_peer_key_created_index"))


def _first_0011(connection: Connection) -> None:
    """Nor one of payment hashes; and sources had no rank."""
    _second_0011(connection)
    connection.execute(text("DROP INDEX ix_channel_move_node_key_payment_hash"))
    connection.execute(text("ALTER TABLE rebalance_source DROP COLUMN rank"))


#: By name: the revision that is made as it is now, what the other form did otherwise, and the one it is called.
FORMS: dict[str, tuple[str, Callable[[Connection], None], str]] = {
    "first 0001": ("0001", _first_0001, "0001"),
    "0003 after 0001": ("0001", _0003_after_0001, "0003"),
    "first 0006": ("0006", _first_0006, "0006"),
    "first 0011": ("0011", _first_0011, "0011"),
    "second 0011": ("0011", _second_0011, "0011"),
}


# ---- rows


def forwards(node: int) -> list[Row]:
    """One of each status and of each kind of end; amounts differ by node. Days: today, at midnight exactly, and old.
    One was dated into the future when it was first seen.
    """

    def one(index: int, into: int, out: int | None, status: int, at: float, **more: Any) -> Row:
        settled = status in (1, 3)
        out_msat = None if out is None else 1_000_000 * index * node
        row = {
            "node_key": node,
            "created_index": index,
            "updated_index": index if status else None,
            "in_channel_key": into,
            "out_channel_key": out,
            "in_msat": 1_000_000 * index * node + 100 * index * node,
            "out_msat": out_msat,
            "fee_msat": None if out is None else 100 * index * node,
            "status": status,
            "received_at": at - 2 if settled else at,
            "resolved_at": None,
            "counted_at": at,
            "failcode": None,
            "score_msat": None,
            "interest_permille": None,
        }
        return row | more

    return [
        one(1, 1, 2, 1, NOW - HOUR),
        one(2, 2, 1, 1, MIDNIGHT),
        one(3, 3, 1, 1, MIDNIGHT - 0.25),
        one(4, 1, 3, 1, NOW - 40 * DAY, score_msat=90, interest_permille=700),
        one(5, 4, 2, 1, NOW - 3 * DAY, resolved_at=NOW - 2.5 * DAY),
        one(6, 1, 2, 3, NOW - 2 * HOUR, failcode=4103, interest_permille=1_000),
        one(7, 2, 4, 3, NOW - 9 * DAY),
        one(8, 1, 2, 2, NOW - 3 * HOUR, failcode=4103),
        one(9, 2, None, 2, NOW - 5 * DAY, failcode=16_394),
        one(10, 1, 2, 0, NOW - 30),
    ]


def forward_days(node: int) -> list[Row]:
    """What earlier rollups left: an amount of many typical payments, one of less, and failures only."""
    day = TODAY - 300

    def one(day: int, into: int, out: int, count: int, out_msat: int, fee_msat: int, last_at: float | None) -> Row:
        counts = {"settled_count": count, "settled_out_msat": out_msat, "settled_in_msat": out_msat + fee_msat}
        failed = {"failed_count": 2, "failed_in_msat": 4_000_001, "refused_count": 3, "refused_in_msat": 77}
        place = {"node_key": node, "day": day, "in_channel_key": into, "out_channel_key": out}
        interest = {"settled_interest_permille": interest_permille(count, out_msat), "failed_interest_permille": 0}
        return (
            place
            | counts
            | failed
            | interest
            | {"fee_msat": fee_msat, "score_msat": fee_msat, "last_settled_at": last_at}
        )

    return [
        one(day, 1, 2, 4, 900_000_000 * node, 5_000 * node, day * DAY + 7),
        one(day + 1, 3, 1, 9, 60_000_000 * node, 333, (day + 2) * DAY - 0.5),
        one(day + 1, 2, 0, 0, 0, 0, None),
    ]


def interest_permille(count: int, out_msat: int) -> int:
    """By as many payments of 25,000 sat as the sum makes, or as there were."""
    return min(out_msat // 25_000, count * 1_000)


def fees_msat(node: int) -> int:
    """What all forwards have earned, raw and pruned."""
    raw = sum(int(row["fee_msat"]) for row in forwards(node) if row["status"] == 1)
    return raw + sum(int(row["fee_msat"]) for row in forward_days(node))


def flow_sums(node: int) -> list[Row]:
    raw, days = ([SimpleNamespace(**row) for row in rows] for rows in (forwards(node), forward_days(node)))
    sums = added_up(raw, days)
    return [{"node_key": node, "day": day, "channel_key": key, **one} for (day, key), one in sorted(sums.items())]


def failure_sums(node: int) -> list[Row]:
    sums: dict[tuple[int, int, int, int], list[int]] = {}

    def add(day: int, key: int, status: int, failcode: int, count: int, in_msat: int) -> None:
        entry = sums.setdefault((day, key, status, failcode), [0, 0])
        entry[0] += count
        entry[1] += in_msat

    for row in forwards(node):
        if row["status"] in (2, 3):
            kind = row["status"], row["failcode"] or 0
            add(day_of(row["counted_at"]), row["out_channel_key"] or 0, *kind, 1, row["in_msat"])
    for row in forward_days(node):
        place = row["day"], row["out_channel_key"]
        add(*place, 2, 0, row["refused_count"], row["refused_in_msat"])
        add(*place, 3, 0, row["failed_count"], row["failed_in_msat"])
    names = ("day", "channel_key", "status", "failcode")
    return [
        dict(zip(names, place, strict=True)) | {"node_key": node, "failure_count": count, "in_msat": in_msat}
        for place, (count, in_msat) in sorted(sums.items())
    ]


def jobs(node: int) -> list[Row]:
    """Settled, failed, in flight, and planned."""

    def one(job_key: int, status: str, **more: Any) -> Row:
        base = {
            "node_key": node, "job_key": job_key, "plan_key": 1, "source_channel_key": 1, "target_channel_key": 2,
            "amount_msat": REFILL_MSAT * node, "max_fee_msat": 1_000 * node, "expected_gain_msat": 400,
            "status": status, "created_at": NOW - 4 * DAY, "expires_at": NOW - 3 * DAY, "label": f"revops-{job_key}",
            "payment_hash": None, "reserve_key": None, "fee_msat": None, "finished_at": None, "reason_json": None,
            "executor": "native", "attempt": 1, "retry_of_key": None, "terms_json": None, "failure": None,
            "erring_scidd": None, "local_before_msat": None,
        }  # fmt: skip
        return base | more

    fee_msat = REFILL_FEE_MSAT * node
    settled = {"payment_hash": PAYMENT_HASH.hex(), "fee_msat": fee_msat, "finished_at": NOW - 3 * DAY}
    return [
        one(1, "settled", reserve_key=1, **settled),
        one(2, "failed", reserve_key=3, fee_msat=0, finished_at=NOW - HOUR),
        one(3, "in_flight", reserve_key=5, payment_hash="cd" * 32),
        one(4, "planned", label=None),
        one(5, "settled", reserve_key=6, fee_msat=50 * node, finished_at=NOW - HOUR),
        one(6, "settled", reserve_key=8, fee_msat=9_000, finished_at=NOW - 60 * DAY),
    ]


def ledger(node: int) -> list[Row]:
    """Settled 3 days, an hour and 60 days ago; released; and a reservation that is still open."""

    def one(key: int, kind: str, job_key: int, amount_msat: int, at: float, reserve_key: int | None = None) -> Row:
        height = 900_000 - round((NOW - at) / 600)
        return {
            "node_key": node, "entry_key": key, "kind": kind, "reserve_key": reserve_key, "amount_msat": amount_msat,
            "entered_at": at, "job_key": job_key, "category": "rebalance", "run_key": 1, "blockheight": height,
        }  # fmt: skip

    old = NOW - 60 * DAY
    return [
        one(1, "reserve", 1, 1_000 * node, NOW - 3 * DAY - 9),
        one(2, "settle", 1, REFILL_FEE_MSAT * node, NOW - 3 * DAY, 1),
        one(3, "reserve", 2, 1_000 * node, NOW - HOUR - 9),
        one(4, "release", 2, 0, NOW - HOUR, 3),
        one(5, "reserve", 3, 444 * node, NOW - 60),
        one(6, "reserve", 5, 1_000 * node, NOW - HOUR - 9),
        one(7, "settle", 5, 50 * node, NOW - HOUR, 6),
        one(8, "reserve", 6, 10_000, old - 9),
        one(9, "settle", 6, 9_000, old, 8),
    ]


#: What the ledger above says: spent in the last day, in the last week, and reserved.
def spent(node: int) -> tuple[int, int, int]:
    return 50 * node, (50 + REFILL_FEE_MSAT) * node, 444 * node


def moves(node: int) -> list[Row]:
    """The refill of the first job, as the node's ledger has it, and a lease."""

    def one(index: int, account: int, credit_msat: int, debit_msat: int, tag: str = "invoice") -> Row:
        payment_hash = PAYMENT_HASH if tag == "invoice" else None
        return {
            "node_key": node, "created_index": index, "account_key": account, "credit_msat": credit_msat,
            "debit_msat": debit_msat, "moved_at": int(NOW - 3 * DAY), "tag": tag, "payment_hash": payment_hash,
            "fees_msat": 0,
        }  # fmt: skip

    amount_msat = REFILL_MSAT * node
    return [
        one(1, 1, 0, amount_msat + REFILL_FEE_MSAT * node),
        one(2, 2, amount_msat, 0),
        one(3, 2, 0, 12_000, "lease_fee"),
    ]


def move_sums(node: int) -> list[Row]:
    sums: dict[tuple[int, int, str], Row] = {}
    for move in moves(node):
        for day in (-1, move["moved_at"] // 86_400):
            place = {"node_key": node, "day": day, "account_key": move["account_key"], "tag": move["tag"]}
            zeros = dict.fromkeys(("move_count", "credit_msat", "debit_msat", "fees_msat"), 0)
            entry = sums.setdefault((day, move["account_key"], move["tag"]), place | zeros)
            entry["move_count"] += 1
            for name in ("credit_msat", "debit_msat", "fees_msat"):
                entry[name] += move[name]
    return list(sums.values())


def _basic(node: int) -> dict[str, list[Row]]:
    of_node = {"node_key": node}
    state = codec.dump(
        {
            "fee_ppm": 240,
            "window_start_at": NOW - DAY,
            "counted_at": NOW - HOUR,
            "open_seconds": 8_000.0,
            "direction": -1,
        }
    )
    return {
        "node": [
            of_node | {"node_id": node_id(90 + node), "alias": f"node {node}", "network": "bitcoin",
                       "version": "v25.12", "blockheight": 900_000, "wallet_spendable_msat": 5_000_000_000,
                       "synced_at": NOW - 60}
        ],
        "peer": [of_node | {"peer_key": key, "peer_id": node_id(key), "alias": f"peer {key}"} for key in (1, 2, 3)],
        "channel": [
            of_node | {"channel_key": key, "channel_id": channel_id(key) if key < 4 else "unknown:9x9x9",
                       "peer_key": key if key < 4 else None, "scid": f"{key}x1x0", "direction": key % 2,
                       "state": "CHANNELD_NORMAL" if key < 3 else "unknown", "opener": "local", "connected": True,
                       "capacity_msat": 5_000_000_000, "local_msat": 2_000_000_000 * node, "spendable_msat": 1,
                       "receivable_msat": 1, "fee_ppm": 240, "fee_base_msat": 0, "htlc_count": 0, "first_seen_at": 1.0,
                       "last_seen_at": NOW, "closed_at": None if key < 3 else NOW - 30 * DAY}
            for key in CHANNELS
        ],
        "channel_scid": [of_node | {"channel_key": key, "scid": f"{key}x1x0"} for key in CHANNELS],
        "closed_channel": [
            of_node | {"channel_key": 3, "opener": "local", "closer": "remote", "close_cause": "remote",
                       "capacity_msat": 4_000_000_000, "final_local_msat": 123_456_000 * node}
        ],
        "books": [
            of_node | {"opening_msat": 777, "node_fees_msat": 777 + fees_msat(node), "checked_at": NOW - 60}
        ],
        "ledger_head": [of_node | {"fence_run_key": 1, "entry_count": len(ledger(node))}],
        "cursor": [
            of_node | {"name": name, "value": value}
            for name, value in (("forwards_created", 10), ("forwards_updated", 10), ("forwards_pruned", 0),
                                ("channelmoves_created", 3), ("chainmoves_created", 1))
        ],
        "serial": [
            of_node | {"name": name, "last_key": value}
            for name, value in (("spend_ledger", 9), ("rebalance_job", 6), ("run", 2), ("fee_change", 3))
        ],
        "run": [
            of_node | {"run_key": 1, "command": "rebalance run", "started_at": NOW - HOUR,
                       "finished_at": NOW - HOUR + 9, "exit_code": 0},
            of_node | {"run_key": 2, "command": "fees adjust", "started_at": NOW - 60},
        ],
        "fee_state": [
            of_node | {"channel_key": key, "strategy": "hill_climb", "state_json": state, "updated_at": NOW - HOUR}
            for key in (1, 2)
        ],
        "fee_change": [
            of_node | {"change_key": key, "channel_key": channel, "changed_at": NOW - ago, "old_ppm": old,
                       "new_ppm": new, "source": source}
            for key, channel, ago, old, new, source in (
                (1, 1, 3 * DAY, None, 200, "external"), (2, 1, DAY, 200, 240, "revops"),
                (3, 2, DAY, 100, 240, "revops"),
            )
        ],
        "decision": [
            of_node | {"decision_key": 1, "command": "fees adjust", "channel_key": 1, "source_channel_key": 0,
                       "name": "1x1x0", "outcome": "change", "old_ppm": 200, "new_ppm": 240,
                       "reasons_json": json.dumps(REASONS), "first_at": NOW - DAY, "last_at": NOW - DAY}
        ],
        "decision_tally": [of_node | {"command": "fees adjust", "outcome": "change", "decision_count": 12}],
        "action": [
            of_node | {"action_key": 1, "method": "setchannel", "channel_key": 1, "request_json": "{}",
                       "status": "pending", "created_at": NOW - 60},
            of_node | {"action_key": 2, "method": "setchannel", "channel_key": 1, "request_json": "{}",
                       "reply_json": "{}", "status": "done", "created_at": NOW - DAY, "settled_at": NOW - DAY},
        ],
        "fee_pin": [of_node | {"channel_key": 2, "pin_ppm": 321, "set_at": NOW - DAY, "forced": False}],
    }  # fmt: skip


def _later(node: int) -> dict[str, list[Row]]:
    """Of tables that came later, what a filler can't know."""
    of_node = {"node_key": node}
    paid = {"payment_hash": PAYMENT_HASH, "job_key": 1, "source_channel_key": 1, "target_channel_key": 2}
    return {
        "peer_signal": [
            of_node | {"peer_key": 1, "role": role, "success": 3.5, "settled_msat": settled_msat}
            for role, settled_msat in (("sender", 3.5 * 25_000_000), ("receiver", 0.0))
        ],
        "experiment": [of_node | {"started_at": NOW - DAY, "a_strategy": "demand", "b_strategy": "hill_climb"}],
        "experiment_block": [of_node | {"channel_key": 1, "block": 0, "arm": "A"}],
        "rebalance_source": [
            of_node | {"job_key": job["job_key"], "source_channel_key": 1, "rank": 1,
                       "max_fee_msat": job["max_fee_msat"]}
            for job in jobs(node)
        ],
        "rebalance_step": [of_node | {"job_key": 1, "step": 1, "status": "settled", "stepped_at": NOW - 3 * DAY}],
        "rebalance_payment": [
            of_node | paid | {"amount_msat": REFILL_MSAT * node, "fee_msat": REFILL_FEE_MSAT * node,
                              "moved_at": NOW - 3 * DAY}
        ],
        "splice_job": [
            of_node | {"plan_key": 1, "channel_key": 1, "direction": "in", "status": "planned", "terms_json": "{}"}
        ],
        "chain_cost": [
            of_node | {"txid": "ef" * 32, "account_key": 1, "kind": "open", "cost_msat": 15_000 * node,
                       "booked_at": int(NOW - 90 * DAY), "share_count": 1}
        ],
        "balance_day": [of_node | {"day": TODAY, "channel_key": 1, "local_msat": 5_000_000, "capacity_msat": 10**10}],
        "channel_class": [of_node | {"channel_key": 1, "class": "profitable", "evidence_json": "{}"}],
    }  # fmt: skip


def rows(node: int) -> dict[str, list[Row]]:
    """The rows of a node, by table; `None` in none that must not be."""
    money = {
        "forward": forwards(node), "forward_day": forward_days(node), "flow_sum": flow_sums(node),
        "failure_sum": failure_sums(node), "rebalance_job": jobs(node), "spend_ledger": ledger(node),
        "channel_move": moves(node), "move_sum": move_sums(node),
    }  # fmt: skip
    return _basic(node) | _later(node) | money


def as_before_0014(row: Row) -> Row:
    """The row with what 0014 leaves out."""
    ended_at = row["counted_at"] if row["status"] in (1, 3) and row["resolved_at"] is None else row["resolved_at"]
    return row | {"in_htlc_id": row["created_index"], "resolved_at": ended_at}


def _filled(columns: Sequence[Any], row: Row) -> Row:
    """The row as a table with these columns has it; what must be there and isn't given is made up."""
    made = {one["name"]: row.get(one["name"]) for one in columns}
    for one in columns:
        name, kind = one["name"], one["type"]
        if name not in row and not one["nullable"]:
            values = {int: 1, float: NOW - DAY, bool: False, bytes: b"\1" * 32, str: "{}" if "json" in name else "x"}
            made[name] = values[kind.python_type]
    return made


# ---- databases


def build(url: str, name: str) -> str:
    """Given an empty database and a revision or the name of another form of one, make it, with its rows; return its
    revision.
    """
    parsed = parse_url(url)
    if is_sqlite(parsed):
        create_file(Path(sqlite_path(parsed)))
    made, change, revision = FORMS.get(name, (name, None, name))
    engine = make_engine(parsed, migrating=True)
    try:
        with engine.begin() as connection:
            alembic.command.upgrade(upgrade._config(connection), made)
            if change is not None:
                change(connection)
            fill(connection)
            if name == "first 0011":  # nor did it make rows of the jobs from before
                connection.execute(text("DELETE FROM rebalance_source WHERE job_key > 1"))
    finally:
        engine.dispose()
    return revision


def fill(connection: Connection) -> None:
    """Every table gets rows of both nodes, as it is."""
    found = inspect(connection)
    there = set(found.get_table_names())
    given = {node: rows(node) for node in NODES}
    for name in (one.name for one in tables.metadata.sorted_tables if one.name in there):
        columns = found.get_columns(name)
        into = table(name, *(column(one["name"], one["type"]) for one in columns))
        if name == "forward" and "in_htlc_id" in {one["name"] for one in columns}:
            given = {
                node: found | {name: [as_before_0014(row) for row in found[name]]} for node, found in given.items()
            }
        made = [_filled(columns, row) for node in NODES for row in given[node].get(name, [{"node_key": node}])]
        connection.execute(insert(into), made)


def contents(connection: Connection) -> dict[str, tuple[tuple[str, ...], set[tuple[Any, ...]]]]:
    """The columns and the rows of each table, by plain SQL."""
    there = set(inspect(connection).get_table_names()) & tables.metadata.tables.keys()
    return {name: content(connection, name) for name in sorted(there)}


def content(connection: Connection, name: str) -> tuple[tuple[str, ...], set[tuple[Any, ...]]]:
    answer = connection.execute(text(f'SELECT * FROM "{name}"'))
    columns = tuple(answer.keys())
    return columns, {tuple(bytes(one) if isinstance(one, memoryview) else one for one in row) for row in answer}


def initial_state() -> FeeState:
    """What `fee_state` must be read as, whichever version has written it."""
    return FeeState(fee_ppm=240, window_start_at=NOW - DAY, counted_at=NOW - HOUR, open_seconds=8_000.0, direction=-1)
