"""The simulated node's ledger can be reconciled to the msat, whatever happens on the chain."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revops.sim.world import SimConfig, SimulatedNode
from tests.sim.driving import channels, quiet_node, rebalance
from tests.sim.happenings import EVENTS, happen
from tests.sim.ledgers import (
    balances_msat,
    chain_rows,
    channel_rows,
    check_accounts,
    check_ledger,
    check_routed,
    check_transactions,
    fees_msat,
    unresolved,
)


@given(
    seed=st.integers(0, 10**6),
    steps=st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 100_000)), min_size=4, max_size=24),
)
@settings(max_examples=20, deadline=None, derandomize=True)
def test_the_ledger_balances_whatever_happens(seed: int, steps: list[tuple[str, int]]) -> None:
    node = SimulatedNode(
        SimConfig(seed=seed, channel_count=9, forwards_per_day=900.0, stuck_ratio=0.05, history_days=0.3)
    )
    check_ledger(node)
    cleaned = False
    for event, number in steps:
        happen(node, event, number)
        cleaned |= event == "autoclean"
        check_ledger(node, cleaned=cleaned)
    node.hold_payments(False)
    node.advance_by(3 * 86_400.0)
    node.sweep_all()
    check_ledger(node, cleaned=cleaned)
    assert not unresolved(node)


@pytest.mark.parametrize("seed", range(6))
def test_a_past_of_days_balances(seed: int) -> None:
    node = SimulatedNode(SimConfig(seed=seed, history_days=3.0, stuck_ratio=0.02, route_failure_ratio=0.0))
    rebalance(node)
    check_ledger(node)
    moves = channel_rows(node)
    assert {row["primary_tag"] for row in moves} >= {"routed", "pushed", "invoice"}


def test_the_checks_see_a_wrong_msat() -> None:
    node = SimulatedNode(SimConfig(history_days=0.5))
    routed = next(row for row in node.world.channelmoves if row.primary_tag == "routed" and row.debit_msat)
    routed.debit_msat += 1
    for check in (check_accounts, check_routed):
        with pytest.raises(AssertionError):
            check(node)
    routed.debit_msat -= 1
    check_ledger(node)
    for row in (next(iter(node.world.chainmoves)), next(r for r in node.world.chainmoves if r.account_id != "wallet")):
        row.credit_msat += 1
        with pytest.raises(AssertionError):
            check_accounts(node)
        row.credit_msat -= 1
    spent = next(row for row in node.world.chainmoves if row.primary_tag == "withdrawal")
    spent.debit_msat -= 500_000
    with pytest.raises(AssertionError):
        check_transactions(node)


def row_of(node: SimulatedNode, opener: str) -> dict[str, Any]:
    """Return a channel that one side opened, with money of ours."""
    rows = [row for row in channels(node) if row["opener"] == opener and row["to_us_msat"] > 100_000_000]
    return next(row for row in rows if row["state"] == "CHANNELD_NORMAL" and "short_channel_id" in row)


def new_rows(node: SimulatedNode, before: int) -> list[dict[str, Any]]:
    """Return the chain's rows after the first `before`, with what a fee is made from alone."""
    names = ("account_id", "credit_msat", "debit_msat", "primary_tag", "extra_tags")
    return [{name: row[name] for name in names} for row in chain_rows(node)[before:]]


def told(account: str, credit_msat: int, debit_msat: int, tag: str, *extra: str) -> dict[str, Any]:
    """Return a row as `new_rows` has it."""
    values = (account, credit_msat, debit_msat, tag, list(extra))
    return dict(zip(("account_id", "credit_msat", "debit_msat", "primary_tag", "extra_tags"), values, strict=True))


def test_a_splice_in_costs_the_wallet_its_fee() -> None:
    node = quiet_node()
    node.world.feerate_perkw = 253
    row, before = row_of(node, "local"), len(chain_rows(node))
    node.splice_channel(row["channel_id"], 500_000)
    channel, ours_msat = row["channel_id"], row["to_us_msat"]
    # The recorded node paid 258 sat for one at 258 sat per 1000 weight units.
    assert new_rows(node, before) == [
        told("wallet", 0, 5_000_000_000, "withdrawal"),
        told("wallet", 4_499_742_000, 0, "deposit"),
        told(channel, 0, ours_msat, "channel_close", "splice"),
        told(channel, ours_msat + 500_000_000, 0, "channel_open", "opener"),
    ]
    assert chain_rows(node)[-2]["output_count"] == 2
    assert fees_msat(node)[chain_rows(node)[-2]["spending_txid"]] == 258_000


def test_a_splice_out_costs_the_channel_its_fee() -> None:
    node = quiet_node()
    node.world.feerate_perkw = 253
    row, before = row_of(node, "local"), len(chain_rows(node))
    node.splice_channel(row["channel_id"], -50_000, lock_in=False)
    inflight = next(one for one in channels(node) if one["channel_id"] == row["channel_id"])["inflight"][0]
    assert inflight["splice_amount"] == -50_199
    assert inflight["total_funding_msat"] == row["total_msat"] - 50_199_000
    node.lock_in_splice(row["channel_id"])
    channel, ours_msat = row["channel_id"], row["to_us_msat"]
    assert new_rows(node, before) == [
        told("wallet", 50_000_000, 0, "deposit"),
        told(channel, 0, ours_msat, "channel_close", "splice"),
        told(channel, ours_msat - 50_199_000, 0, "channel_open", "opener"),
    ]
    deposit, _, opened = chain_rows(node)[before:]
    assert (deposit["utxo"][-2:], opened["utxo"][-2:]) == (":0", ":1")


def test_a_splice_of_the_peers_costs_us_nothing() -> None:
    node = quiet_node()
    row, before = row_of(node, "remote"), len(chain_rows(node))
    for delta_sat in (300_000, -40_000):
        node.splice_channel(row["channel_id"], delta_sat, initiator="remote")
    kinds = [(one["primary_tag"], one["credit_msat"] + one["debit_msat"]) for one in new_rows(node, before)]
    assert kinds == [("channel_close", row["to_us_msat"]), ("channel_open", row["to_us_msat"])] * 2
    after = node.channel(row["channel_id"])
    assert row["total_msat"] + 259_000_000 < after.capacity_msat < row["total_msat"] + 260_000_000
    assert {fees_msat(node)[one["spending_txid"]] for one in chain_rows(node)[before::2]} == {0}


def test_a_pending_splice_holds_its_inputs_until_it_comes_to_nothing() -> None:
    node = quiet_node()
    row = row_of(node, "local")
    node.splice_channel(row["channel_id"], 500_000, lock_in=False)
    assert sum(one["reserved"] for one in node.handle("listfunds")["outputs"]) == 2
    with pytest.raises(ValueError, match="can't be spliced"):
        node.splice_channel(row["channel_id"], 500_000)
    node.force_close(row["channel_id"])
    assert sum(one["reserved"] for one in node.handle("listfunds")["outputs"]) == 1
    node.advance_by(86_400.0)
    assert channels(node)
    check_ledger(node)


@pytest.mark.parametrize(("opener", "fee_sat"), [("local", 195), ("remote", 0)])
def test_a_mutual_close_is_paid_by_the_opener(opener: str, fee_sat: int) -> None:
    node = quiet_node()
    node.world.feerate_perkw = 253
    row, before = row_of(node, opener), len(chain_rows(node))
    node.close_channel(row["channel_id"])
    ours_msat = row["to_us_msat"] // 1000 * 1000 - fee_sat * 1000
    rest_msat = row["total_msat"] - row["to_us_msat"] - (0 if opener == "local" else 195_000)
    assert new_rows(node, before) == [
        told("wallet", ours_msat, 0, "deposit"),
        told(row["channel_id"], 0, row["to_us_msat"], "channel_close"),
        told("external", rest_msat // 1000 * 1000, 0, "to_them"),
    ]
    deposit, closed, theirs = chain_rows(node)[before:]
    assert theirs["originating_account"] == row["channel_id"]
    assert closed["output_count"] == 2
    assert {deposit["utxo"], theirs["utxo"]} == {f"{closed['spending_txid']}:{place}" for place in (0, 1)}
    assert fees_msat(node)[closed["spending_txid"]] == row["to_us_msat"] - ours_msat


@pytest.mark.parametrize("opener", ["local", "remote"])
def test_a_force_close_waits_for_its_output(opener: str) -> None:
    node = quiet_node()
    row, before = row_of(node, opener), len(chain_rows(node))
    node.force_close(row["channel_id"])
    fee_msat = 1_411_000 if opener == "local" else 0
    assert [one["primary_tag"] for one in new_rows(node, before)] == ["channel_close", "to_them"]
    closed = chain_rows(node)[before]
    assert unresolved(node) == {closed["spending_txid"]}
    assert next(one for one in channels(node) if one["channel_id"] == row["channel_id"])["state"] == "ONCHAIN"
    with pytest.raises(ValueError, match="closed already"):
        node.close_channel(row["channel_id"])
    height = node.handle("getinfo")["blockheight"]
    while node.handle("getinfo")["blockheight"] < height + 144:
        assert len(chain_rows(node)) == before + 2
        node.advance_by(60.0)
    ours_msat = (row["to_us_msat"] - fee_msat) // 1000 * 1000
    deposit, delayed, swept = chain_rows(node)[before + 2 :]
    assert (deposit["account_id"], deposit["primary_tag"]) == ("wallet", "deposit")
    assert (delayed["primary_tag"], delayed["credit_msat"]) == ("delayed_to_us", ours_msat)
    assert (swept["primary_tag"], swept["debit_msat"]) == ("to_wallet", ours_msat)
    assert delayed["account_id"] == swept["account_id"] == row["channel_id"]
    assert delayed["utxo"] == swept["utxo"]
    assert delayed["utxo"].startswith(closed["spending_txid"])
    assert (delayed["blockheight"], swept["blockheight"]) == (height, height + 144)
    assert deposit["utxo"] == f"{swept['spending_txid']}:0"
    assert fees_msat(node)[closed["spending_txid"]] == row["to_us_msat"] - ours_msat
    assert fees_msat(node)[swept["spending_txid"]] == ours_msat - deposit["credit_msat"] > 0
    assert not unresolved(node)
    assert row["channel_id"] in {one["channel_id"] for one in node.handle("listclosedchannels")["closedchannels"]}
    check_ledger(node)


def test_a_force_close_of_the_peers_pays_at_once() -> None:
    node = quiet_node()
    row, before = row_of(node, "remote"), len(chain_rows(node))
    node.force_close(row["channel_id"], closer="remote")
    rows = {one["primary_tag"]: one for one in chain_rows(node)[before:]}
    assert set(rows) == {"channel_close", "to_them", "deposit"}
    assert rows["deposit"]["originating_account"] == row["channel_id"]
    assert rows["deposit"]["credit_msat"] == row["to_us_msat"] // 1000 * 1000
    assert not unresolved(node)
    check_ledger(node)


def test_a_batch_opens_channels_by_one_transaction() -> None:
    node = quiet_node()
    node.world.feerate_perkw = 253
    peers = [row["peer_id"] for row in channels(node)][:3]
    before = len(chain_rows(node))
    opened = node.open_channels(peers, 600_000, pushed_msat=200_000_123)
    rows = chain_rows(node)[before:]
    # The recorded node paid 242 sat for one of three channels.
    assert new_rows(node, before) == [
        told("wallet", 0, 5_000_000_000, "withdrawal"),
        told("wallet", 3_199_758_000, 0, "deposit"),
        *(told(channel_id, 600_000_000, 0, "channel_open", "opener") for channel_id in opened),
    ]
    txid = rows[0]["spending_txid"]
    assert [row["utxo"] for row in rows[1:]] == [f"{txid}:{place}" for place in (3, 0, 1, 2)]
    assert [row["peer_id"] for row in rows[2:]] == peers
    pushes = [row for row in channel_rows(node) if row["account_id"] in opened]
    assert [(row["primary_tag"], row["debit_msat"]) for row in pushes] == [("pushed", 200_000_123)] * 3
    for channel_id, peer_id in zip(opened, peers, strict=True):
        channel = node.channel(channel_id)
        assert (channel.peer_id, channel.to_us_msat) == (peer_id, 399_999_877)
        found = node.handle("listpeerchannels", {"short_channel_id": channel.scid})["channels"]
        assert [one["channel_id"] for one in found] == [channel_id]
    assert balances_msat(node)[opened[0]] == 399_999_877
    node.pause_market(False)
    node.days(2)
    check_ledger(node)


def test_a_channel_in_use_before_a_block_has_it_is_told_of_twice() -> None:
    """As a node (lightningd v26.06.6) has written it: the second amount is what the payments before the block left."""
    node = quiet_node()
    node.world.feerate_perkw = 253
    peer_id = row_of(node, "local")["peer_id"]
    before, free_msat = len(chain_rows(node)), wallet_msat(node)
    opened = node.open_at_once(peer_id, 600_000, pushed_msat=200_000_123)
    proposed = told(opened, 600_000_000, 0, "channel_proposed", "opener")
    assert new_rows(node, before) == [proposed]
    assert wallet_msat(node) == free_msat
    assert chain_rows(node)[-1]["blockheight"] == 0
    channel = node.channel(opened)
    row = next(one for one in channels(node) if one["channel_id"] == opened)
    assert (row["state"], "short_channel_id" in row) == ("CHANNELD_NORMAL", False)
    for refused in (partial(node.close_channel, opened), partial(node.splice_channel, opened, 50_000)):
        with pytest.raises(ValueError, match=opened):
            refused()
    channel.remove(channel.offer_out(7_000_003, node.world.height + 40, "aa" * 32), fulfilled=True)
    node.days(0.2)
    assert new_rows(node, before)[:4] == [
        proposed,
        told("wallet", 0, 5_000_000_000, "withdrawal"),
        told("wallet", 4_399_845_000, 0, "deposit"),
        told(opened, 592_999_997, 0, "channel_open", "opener"),
    ]
    assert fees_msat(node)[channel.funding_txid] == 155_000
    assert node.handle("listpeerchannels", {"short_channel_id": channel.scid})["channels"][0]["channel_id"] == opened


def wallet_msat(node: SimulatedNode) -> int:
    outputs = node.handle("listfunds")["outputs"]
    return sum(output["amount_msat"] for output in outputs if output["status"] == "confirmed")


def test_money_leaves_the_wallet() -> None:
    node = quiet_node()
    node.world.feerate_perkw = 253
    before = len(chain_rows(node))
    txid = node.withdraw(250_000)
    assert new_rows(node, before) == [
        told("external", 250_000_000, 0, "deposit"),
        told("wallet", 0, 5_000_000_000, "withdrawal"),
        told("wallet", 4_749_845_000, 0, "deposit"),
    ]
    sent, spent, _ = chain_rows(node)[before:]
    assert (sent["utxo"], sent["originating_account"], sent["blockheight"]) == (f"{txid}:0", "wallet", 0)
    assert spent["spending_txid"] == txid
    assert fees_msat(node)[txid] == 155_000
    for amount_sat in (100_000_000, 100):
        with pytest.raises(ValueError):
            node.withdraw(amount_sat)
    assert len(chain_rows(node)) == before + 3
    check_ledger(node)


def test_change_that_would_be_dust_is_fee() -> None:
    node = quiet_node()
    node.world.feerate_perkw = 253
    free_sat = 5_000_000
    txid = node.withdraw(free_sat - 155 - 545)
    assert fees_msat(node)[txid] == 700_000
    check_ledger(node)


def test_outputs_are_consolidated() -> None:
    node = quiet_node()
    reserved = [one for one in node.handle("listfunds")["outputs"] if one["reserved"]]
    free = [one for one in node.handle("listfunds")["outputs"] if not one["reserved"] and one["status"] == "confirmed"]
    before = len(chain_rows(node))
    txid = node.consolidate()
    tags = [row["primary_tag"] for row in chain_rows(node)[before:]]
    assert tags == ["withdrawal"] * len(free) + ["deposit"]
    outputs = [one for one in node.handle("listfunds")["outputs"] if one["status"] == "confirmed"]
    assert [one["txid"] for one in outputs] == [*(one["txid"] for one in reserved), txid]
    assert outputs[-1]["amount_msat"] == sum(one["amount_msat"] for one in free) - fees_msat(node)[txid]
    assert fees_msat(node)[txid] > 0
    check_ledger(node)


def test_autoclean_leaves_the_moves() -> None:
    node = SimulatedNode(SimConfig(history_days=2.0, stuck_ratio=0.05))
    moves, info = channel_rows(node), node.handle("getinfo")
    rows = node.handle("listforwards")["forwards"]
    limit_at = node.now_at - 86_400.0
    names = {"settled": "resolved_time", "failed": "received_time", "local_failed": "received_time"}
    kept = [row for row in rows if row["status"] == "offered" or row[names[row["status"]]] >= limit_at]
    assert node.autoclean(86_400.0) == len(rows) - len(kept) > 0
    assert node.handle("listforwards")["forwards"] == kept
    assert channel_rows(node) == moves
    assert node.handle("getinfo") == info
    last, cleaned_at = max(row["created_index"] for row in rows), node.now_at
    node.autoclean(0.0)
    check_ledger(node, cleaned=True)
    node.days(0.2)
    later = [row for row in node.handle("listforwards")["forwards"] if row["received_time"] > cleaned_at]
    assert min(row["created_index"] for row in later) == last + 1
    check_ledger(node, cleaned=True)
