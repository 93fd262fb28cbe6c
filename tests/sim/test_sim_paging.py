"""Paging has lightningd's semantics: two indexes, limits that count accepted rows, and its refusals."""

from __future__ import annotations

import time
from typing import Any

import pytest

from revops.sim.rows import ForwardRow
from revops.sim.table import IndexedTable
from revops.sim.world import SimConfig, SimulatedNode
from tests.sim.driving import channels, quiet_node, refused


@pytest.fixture(scope="module")
def node() -> SimulatedNode:
    return SimulatedNode(SimConfig(seed=9, history_days=1.0, stuck_ratio=0.05))


def forwards(node: SimulatedNode, **params: Any) -> list[dict[str, Any]]:
    """Return listforwards."""
    rows: list[dict[str, Any]] = node.handle("listforwards", params)["forwards"]
    return rows


@pytest.mark.parametrize("index", ["created", "updated"])
@pytest.mark.parametrize("limit", [1, 7, 100, 5_000])
def test_pages_join_without_gap_or_overlap(node: SimulatedNode, index: str, limit: int) -> None:
    whole = forwards(node, index=index, start=1)
    pages: list[dict[str, Any]] = []
    start = 1
    while page := forwards(node, index=index, start=start, limit=limit):
        assert len(page) <= limit
        pages += page
        start = page[-1][f"{index}_index"] + 1
    assert pages == whole
    keys = [row[f"{index}_index"] for row in whole]
    assert keys == sorted(set(keys))


def test_updated_lists_only_rows_ever_changed(node: SimulatedNode) -> None:
    changed = forwards(node, index="updated", start=1)
    assert {row["status"] for row in changed} == {"settled", "failed"}
    never = [row for row in forwards(node) if "updated_index" not in row]
    assert {row["status"] for row in never} == {"local_failed", "offered"}
    assert len(changed) + len(never) == len(forwards(node))
    # From 0, SQL's `updated_index >= 0` lists the unchanged ones as well.
    assert len(forwards(node, index="updated", start=0)) == len(forwards(node))
    assert len(forwards(node, index="updated")) == len(forwards(node))


def test_a_change_moves_a_row_to_the_end_of_the_updated_order() -> None:
    node = quiet_node()
    last = node.handle("wait", {"subsystem": "forwards", "indexname": "updated", "nextvalue": 0})["updated"]
    node.pause_market(False)
    node.advance_by(3 * 3600.0)
    later = forwards(node, index="updated", start=last + 1)
    assert [row["updated_index"] for row in later] == list(range(last + 1, last + 1 + len(later)))
    assert [row["resolved_time"] for row in later] == sorted(row["resolved_time"] for row in later)


def test_a_limit_counts_rows_of_the_status_asked_for(node: SimulatedNode) -> None:
    page = forwards(node, status="local_failed", index="created", start=1, limit=3)
    assert [row["status"] for row in page] == ["local_failed"] * 3
    assert page[-1]["created_index"] > 3


def test_with_a_channel_filter_index_and_limit_are_ignored(node: SimulatedNode) -> None:
    scid = forwards(node, status="settled")[0]["out_channel"]
    rows = forwards(node, out_channel=scid, index="created", limit=1)
    assert len(rows) > 1
    assert {row["out_channel"] for row in rows} == {scid}
    assert {row["in_channel"] for row in forwards(node, in_channel=scid)} == {scid}
    error = refused(node, "listforwards", {"out_channel": scid, "index": "created", "start": 2})
    assert (error.code, error.message) == (-32602, "Cannot use start with in_channel or out_channel")


@pytest.mark.parametrize(
    "method", ["listforwards", "listsendpays", "listinvoices", "listchannelmoves", "listchainmoves"]
)
def test_start_and_limit_need_an_index(node: SimulatedNode, method: str) -> None:
    assert refused(node, method, {"start": 1}).message == "Can only specify {start} with {index}"
    assert refused(node, method, {"limit": 1}).message == "Can only specify {limit} with {index}"


@pytest.mark.parametrize("method", ["listchannelmoves", "listchainmoves", "listnetworkevents"])
def test_other_tables_page_by_creation(node: SimulatedNode, method: str) -> None:
    (whole,) = node.handle(method).values()
    (page,) = node.handle(method, {"index": "created", "start": 5, "limit": 3}).values()
    assert page == whole[4:7]
    assert [row["created_index"] for row in page] == [5, 6, 7]
    refused(node, method, {"index": "updated"})


def test_wait_answers_at_once_or_not_at_all(node: SimulatedNode) -> None:
    asked = {"subsystem": "forwards", "indexname": "created", "nextvalue": 0}
    now = node.handle("wait", asked)
    assert now == {"subsystem": "forwards", "created": len(forwards(node))}
    assert node.handle("wait", asked | {"nextvalue": now["created"]}) == now
    assert refused(node, "wait", asked | {"nextvalue": now["created"] + 1}).code == 2000
    for subsystem in ("channelmoves", "chainmoves", "networkevents", "htlcs"):
        assert node.handle("wait", asked | {"subsystem": subsystem})["created"] > 0


def test_injected_rows_are_listed_and_collected() -> None:
    node = quiet_node()
    fees = node.handle("getinfo")["fees_collected_msat"]
    row = node.add_forward(
        in_channel="1x1x1",
        in_htlc_id=5,
        in_msat=1_001_000,
        status="settled",
        received_at=node.now_at,
        out_channel="2x2x2",
        out_htlc_id=1,
        out_msat=1_000_000,
        fee_msat=1_000,
        resolved_at=node.now_at,
    )
    assert forwards(node)[-1] == row.as_json()
    assert row.updated_index == node.world.forwards.updated
    assert node.handle("getinfo")["fees_collected_msat"] == fees + 1_000
    pending = node.add_forward(in_channel="1x1x1", in_htlc_id=6, in_msat=5, status="offered", received_at=1.0)
    assert "updated_index" not in pending.as_json()


def test_a_table_gives_pages_by_bisection() -> None:
    table: IndexedTable[ForwardRow] = IndexedTable()
    for number in range(100_000):
        table.add(ForwardRow("1x1x1", number, 1, "offered", 0.0))
    begun = time.process_time()
    for start in range(1, 100_000, 100):
        assert [row.created_index for row in table.page("created", start, 2)] == [start, start + 1]
    assert time.process_time() - begun < 1.0


def test_a_row_touched_twice_is_listed_once() -> None:
    table: IndexedTable[ForwardRow] = IndexedTable()
    rows = [table.add(ForwardRow("1x1x1", number, 1, "offered", 0.0)) for number in range(3)]
    for row in (rows[0], rows[1], rows[0]):
        table.touch(row)
    assert [row.in_htlc_id for row in table.page("updated", 1, None)] == [1, 0]
    assert [row.in_htlc_id for row in table.delete(lambda row: row is rows[1])] == [1]
    assert (table.created, table.updated, table.deleted, len(table)) == (3, 3, 1, 2)
    assert [row.in_htlc_id for row in table.page("updated", 1, None)] == [0]


def test_moves_of_a_page_carry_what_the_channels_show(node: SimulatedNode) -> None:
    known = {row["channel_id"] for row in channels(node)}
    moves = node.handle("listchannelmoves", {"index": "created", "start": 1, "limit": 200})["channelmoves"]
    assert {move["account_id"] for move in moves} <= known
