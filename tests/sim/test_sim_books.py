"""What goes in comes out: balances, ledger, rows and books tell the same story for any seed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from revops.sim.errors import SimRpcError
from revops.sim.world import SimConfig, SimulatedNode
from tests.sim.driving import channels, prepare, rebalance


def check_books(node: SimulatedNode) -> None:
    """Assert that every invariant of the node's books holds."""
    world, books = node.world, node.books()
    rows = node.handle("listforwards")["forwards"]
    settled = [row for row in rows if row["status"] == "settled"]
    assert sum(row["fee_msat"] for row in settled) == books.fees_earned_msat
    assert node.handle("getinfo")["fees_collected_msat"] == books.fees_earned_msat
    counts = (books.forwards_settled_count, books.forwards_failed_count, books.forwards_local_failed_count)
    statuses = ("settled", "failed", "local_failed")
    assert counts == tuple(sum(row["status"] == status for row in rows) for status in statuses)
    assert sum(one.earned_msat for one in books.per_channel.values()) == books.fees_earned_msat
    every = [*world.channels.values(), *world.closed]
    begun = sum(channel.local_funds_msat + channel.pushed_msat for channel in every)
    held = sum(channel.to_us_msat for channel in every)
    assert held - begun == books.fees_earned_msat - books.rebalance_fees_msat
    ledger = ledger_of(node)
    for channel in world.channels.values():
        assert ledger[channel.channel_id] == channel.to_us_msat
        assert 0 <= channel.min_to_us_msat <= channel.to_us_msat <= channel.max_to_us_msat <= channel.capacity_msat
        assert channel.out_pending_msat == sum(htlc.amount_msat for htlc in channel.htlcs_out.values())
        assert channel.in_pending_msat == sum(htlc.amount_msat for htlc in channel.htlcs_in.values())
        assert channel.to_us_msat - channel.out_pending_msat >= 0
        assert channel.capacity_msat - channel.to_us_msat - channel.in_pending_msat >= 0
        if channel.htlcs_out:
            assert channel.to_us_msat - channel.out_pending_msat >= channel.our_reserve_msat


def ledger_of(node: SimulatedNode) -> dict[str, int]:
    """Return each account's balance by the node's own ledger."""
    balances: dict[str, int] = {}
    moves: list[dict[str, Any]] = [
        *node.handle("listchannelmoves")["channelmoves"],
        *node.handle("listchainmoves")["chainmoves"],
    ]
    for move in moves:
        balances.setdefault(move["account_id"], 0)
        balances[move["account_id"]] += move["credit_msat"] - move["debit_msat"]
    return balances


@given(seed=st.integers(0, 10**6), count=st.integers(2, 30), hours=st.floats(1.0, 30.0))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_books_balance_for_any_seed(seed: int, count: int, hours: float) -> None:
    node = SimulatedNode(SimConfig(seed=seed, channel_count=count, forwards_per_day=800.0, stuck_ratio=0.02))
    check_books(node)
    node.advance_by(hours * 3600.0)
    check_books(node)


OPERATIONS = (
    "hours",
    "rebalance",
    "hold",
    "release",
    "splice",
    "pending splice",
    "close",
    "down",
    "up",
    "fees",
    "clean",
)


def operate(node: SimulatedNode, operation: str, number: int) -> int:
    """Do one thing to a node; return by how much it changed the sum of our balances, in msat."""
    rows = [row for row in channels(node) if "short_channel_id" in row]
    row = rows[number % len(rows)]
    match operation:
        case "hours":
            node.advance_by(3600.0 * (1 + number % 5))
        case "rebalance":
            for label in (f"{number}", f"{number}"):
                try_rebalance(node, label)
        case "hold" | "release":
            node.hold_payments(operation == "hold")
        case "splice" | "pending splice":
            if row["state"] == "CHANNELD_NORMAL":
                node.splice_channel(row["channel_id"], 100_000, lock_in=operation == "splice")
                return 100_000_000
        case "close":
            if len(rows) > 4:
                node.close_channel(row["channel_id"])
        case "down":
            node.disconnect_peer(row["peer_id"])
        case "up":
            node.connect_peer(row["peer_id"])
        case "fees":
            node.handle("setchannel", {"id": row["channel_id"], "feeppm": number % 900, "enforcedelay": number % 700})
        case "clean":
            node.autoclean(86_400.0)
    return 0


def try_rebalance(node: SimulatedNode, label: str) -> None:
    """Send a circular payment if one is possible, and don't wait for it."""
    with suppress(AssertionError, SimRpcError):
        prepared = prepare(node, 5_000_000, label=label)
        node.handle("sendpay", prepared.params())


@given(steps=st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 10_000)), min_size=3, max_size=14))
@settings(max_examples=12, deadline=None, derandomize=True)
def test_books_balance_whatever_happens(steps: list[tuple[str, int]]) -> None:
    node = SimulatedNode(SimConfig(seed=6, channel_count=10, forwards_per_day=900.0, stuck_ratio=0.05))
    spliced_msat = 0
    for operation, number in steps:
        spliced_msat += operate(node, operation, number)
    node.hold_payments(False)
    # Pending splices lock in, HTLCs that were stuck end.
    node.advance_by(2 * 86_400.0)
    world, books = node.world, node.books()
    every = [*world.channels.values(), *world.closed]
    begun = sum(channel.local_funds_msat + channel.pushed_msat for channel in every)
    pending = sum(channel.splice.delta_sat * 1000 for channel in every if channel.splice is not None)
    held = sum(channel.to_us_msat for channel in every)
    assert held - begun - spliced_msat + pending == books.fees_earned_msat - books.rebalance_fees_msat
    assert node.handle("getinfo")["fees_collected_msat"] == books.fees_earned_msat
    ledger = ledger_of(node)
    for channel in world.channels.values():
        assert ledger[channel.channel_id] == channel.to_us_msat
        assert channel.out_pending_msat == sum(htlc.amount_msat for htlc in channel.htlcs_out.values())
        assert channel.in_pending_msat == sum(htlc.amount_msat for htlc in channel.htlcs_in.values())
    for channel in world.closed:
        assert ledger[channel.channel_id] == 0
        assert not channel.htlcs_in
        assert not channel.htlcs_out
    pays = node.handle("listsendpays")["payments"]
    assert sum(row["status"] == "complete" for row in pays) == books.rebalance_count


def test_a_rebalance_moves_balances_and_costs_its_fee() -> None:
    node = SimulatedNode(SimConfig(history_days=1.0))
    node.pause_market()
    node.advance_by(7 * 86_400.0)
    before = {row["channel_id"]: row["to_us_msat"] for row in channels(node)}
    done = rebalance(node)
    payment = node.handle("listsendpays")["payments"][0]
    after = {row["channel_id"]: row["to_us_msat"] for row in channels(node)}
    assert after[done.source] - before[done.source] == -payment["amount_sent_msat"]
    assert after[done.target] - before[done.target] == payment["amount_msat"] == 50_000_000
    assert payment["destination"] == node.node_id
    books = node.books()
    assert books.rebalance_fees_msat == payment["amount_sent_msat"] - payment["amount_msat"] > 0
    assert (books.rebalance_count, books.rebalance_amount_msat) == (1, 50_000_000)
    assert books.per_channel[done.target].rebalanced_in_msat == 50_000_000
    moves = [row for row in node.handle("listchannelmoves")["channelmoves"] if row["primary_tag"] == "invoice"]
    credit, debit = moves
    assert credit["payment_hash"] == debit["payment_hash"] == payment["payment_hash"]
    assert (credit["account_id"], credit["credit_msat"], credit["fees_msat"]) == (done.target, 50_000_000, 0)
    assert (debit["account_id"], debit["debit_msat"]) == (done.source, payment["amount_sent_msat"])
    assert debit["fees_msat"] == books.rebalance_fees_msat
    assert (debit["part_id"], debit["group_id"]) == (0, 1)
    assert "part_id" not in credit
    check_books(node)


def test_a_forward_writes_two_moves_with_one_fee() -> None:
    node = SimulatedNode(SimConfig(history_days=0.5))
    moves = [row for row in node.handle("listchannelmoves")["channelmoves"] if row["primary_tag"] == "routed"]
    by_hash: dict[str, list[dict[str, Any]]] = {}
    for move in moves:
        by_hash.setdefault(move["payment_hash"], []).append(move)
    assert by_hash
    for pair in by_hash.values():
        debit, credit = pair
        assert debit["fees_msat"] == credit["fees_msat"] == credit["credit_msat"] - debit["debit_msat"]
        assert "part_id" not in debit


def test_autoclean_keeps_the_fees() -> None:
    node = SimulatedNode(SimConfig(history_days=2.0))
    fees = node.handle("getinfo")["fees_collected_msat"]
    rows = node.handle("listforwards")["forwards"]
    deleted = node.autoclean(86_400.0)
    left = node.handle("listforwards")["forwards"]
    assert deleted == len(rows) - len(left) > 0
    assert node.handle("getinfo")["fees_collected_msat"] == fees > sum(row.get("fee_msat", 0) for row in left)
    counters = {"subsystem": "forwards", "indexname": "deleted", "nextvalue": 0}
    assert node.handle("wait", counters)["deleted"] == deleted
    assert left[0]["created_index"] > 1


def test_a_restored_node_stands_lower() -> None:
    node = SimulatedNode(SimConfig(history_days=1.0))
    total = node.handle("wait", {"subsystem": "forwards", "indexname": "created", "nextvalue": 0})["created"]
    node.restore_to_index(total - 100)
    assert (
        node.handle("wait", {"subsystem": "forwards", "indexname": "created", "nextvalue": 0})["created"] == total - 100
    )
    rows = node.handle("listforwards")["forwards"]
    assert rows[-1]["created_index"] == total - 100
    settled = sum(row["fee_msat"] for row in rows if row["status"] == "settled")
    assert node.handle("getinfo")["fees_collected_msat"] == settled
    assert all(
        move["timestamp"] <= rows[-1]["received_time"] + 60 for move in node.handle("listchannelmoves")["channelmoves"]
    )
    node.advance_by(3600.0)
    assert node.handle("listforwards")["forwards"][-1]["created_index"] > total - 100


def test_what_a_restore_forgot_never_comes_back() -> None:
    node = SimulatedNode(SimConfig(history_days=0.5, stuck_ratio=0.2))
    offered = node.handle("listforwards", {"status": "offered"})["forwards"]
    node.restore_to_index(offered[0]["created_index"] - 1)
    node.pause_market()
    node.advance_by(2 * 86_400.0)
    rows = node.handle("listforwards", {"index": "updated", "start": 1})["forwards"]
    assert not {row["created_index"] for row in rows} & {row["created_index"] for row in offered}


def test_a_closed_channel_returns_its_balance() -> None:
    node = SimulatedNode(SimConfig(history_days=1.0, stuck_ratio=0.2))
    row = max(channels(node), key=lambda row: len(row["htlcs"]))
    assert row["htlcs"]
    outputs = len(node.handle("listfunds")["outputs"])
    node.close_channel(row["channel_id"], closer="remote")
    assert row["channel_id"] not in [one["channel_id"] for one in channels(node)]
    closed = node.handle("listclosedchannels")["closedchannels"]
    assert [(one["channel_id"], one["final_to_us_msat"]) for one in closed] == [(row["channel_id"], row["to_us_msat"])]
    assert len(node.handle("listfunds")["outputs"]) == outputs + 1
    assert node.handle("listpeerchannels", {"short_channel_id": row["short_channel_id"]}) == {"channels": []}
    ledger = ledger_of(node)
    assert ledger[row["channel_id"]] == 0
    check_books(node)
    node.advance_by(86_400.0)
    check_books(node)


def test_a_payment_on_a_closing_channel_fails() -> None:
    node = SimulatedNode(SimConfig(history_days=1.0, route_failure_ratio=0.0))
    node.pause_market()
    node.advance_by(86_400.0)
    prepared = prepare(node)
    node.hold_payments()
    node.handle("sendpay", prepared.params())
    node.advance_by(20.0)
    node.close_channel(prepared.source)
    assert node.handle("listsendpays")["payments"][0]["status"] == "failed"
    node.hold_payments(False)
    assert node.books().rebalance_count == 0
    check_books(node)


def test_a_splice_keeps_the_books_and_the_old_scid() -> None:
    node = SimulatedNode(SimConfig(history_days=1.0, stuck_ratio=0.2))
    row = next(row for row in channels(node) if "short_channel_id" in row and row["htlcs"])
    node.splice_channel(row["channel_id"], 300_000)
    new = node.handle("listpeerchannels", {"short_channel_id": row["short_channel_id"]})["channels"][0]
    assert new["channel_id"] == row["channel_id"]
    assert new["short_channel_id"] != row["short_channel_id"]
    assert new["total_msat"] == row["total_msat"] + 300_000_000
    assert new["to_us_msat"] == row["to_us_msat"] + 300_000_000
    tags = [
        move["extra_tags"]
        for move in node.handle("listchainmoves")["chainmoves"]
        if move["primary_tag"] == "channel_close"
    ]
    assert tags == [["splice"]]
    assert ledger_of(node)[row["channel_id"]] == new["to_us_msat"]
    old = [one for one in node.handle("listforwards")["forwards"] if row["short_channel_id"] in one.values()]
    assert old
    node.advance_by(86_400.0)
    late = node.handle("listforwards", {"index": "created", "start": 1})["forwards"][-50:]
    assert row["short_channel_id"] not in {one["out_channel"] for one in late}
    assert ledger_of(node)[row["channel_id"]] == node.channel(row["channel_id"]).to_us_msat


def test_a_splice_locks_in_after_six_blocks() -> None:
    node = SimulatedNode(SimConfig(history_days=0.1))
    row = next(row for row in channels(node) if "short_channel_id" in row)
    node.splice_channel(row["channel_id"], -50_000, lock_in=False)
    height = node.handle("getinfo")["blockheight"]
    assert node.channel(row["channel_id"]).state == "CHANNELD_AWAITING_SPLICE"
    while node.handle("getinfo")["blockheight"] < height + 6:
        assert node.channel(row["channel_id"]).scid == row["short_channel_id"]
        node.advance_by(60.0)
    assert node.channel(row["channel_id"]).state == "CHANNELD_NORMAL"
    assert node.channel(row["channel_id"]).scid != row["short_channel_id"]
