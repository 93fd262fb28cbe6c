"""What a node's ledger must tell of its money, to the msat, at any moment. `check_ledger` raises AssertionError."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from revops.sim.world import SimulatedNode

Row = dict[str, Any]
#: Outputs of a closing transaction that the peer has: what it got doesn't come out of our account.
THEIRS = ("to_them", "anchor")


def chain_rows(node: SimulatedNode) -> list[Row]:
    """Return listchainmoves."""
    rows: list[Row] = node.handle("listchainmoves")["chainmoves"]
    return rows


def amounts(node: SimulatedNode) -> list[Row]:
    """Return listchainmoves with no amount where it has been told before, of a channel's opening."""
    rows = chain_rows(node)
    proposed = {row["utxo"] for row in rows if row["primary_tag"] == "channel_proposed"}
    return [
        row | {"credit_msat": 0} if row["primary_tag"] == "channel_open" and row["utxo"] in proposed else row
        for row in rows
    ]


def channel_rows(node: SimulatedNode) -> list[Row]:
    """Return listchannelmoves."""
    rows: list[Row] = node.handle("listchannelmoves")["channelmoves"]
    return rows


def balances_msat(node: SimulatedNode) -> dict[str, int]:
    """Return each account's credits less its debits."""
    balances: dict[str, int] = defaultdict(int)
    for row in (*amounts(node), *channel_rows(node)):
        balances[row["account_id"]] += row["credit_msat"] - row["debit_msat"]
    return balances


def fees_msat(node: SimulatedNode) -> dict[str, int]:
    """Return what each transaction that spent money of ours has cost us: what went in less what came out, and of what
    came out all but the peer's part of a closed channel.
    """
    rows = amounts(node)
    fees: dict[str, int] = defaultdict(int)
    for row in rows:
        if "spending_txid" in row:
            fees[row["spending_txid"]] += row["debit_msat"]
    for row in rows:
        txid = row["utxo"].split(":")[0]
        if txid in fees and row["primary_tag"] not in THEIRS:
            fees[txid] -= row["credit_msat"]
    return fees


def unresolved(node: SimulatedNode) -> set[str]:
    """Return the closing transactions of which the ledger doesn't yet tell every output."""
    rows = chain_rows(node)
    seen = {row["utxo"] for row in rows}
    outputs = Counter(utxo.split(":")[0] for utxo in seen)
    closes = [row for row in rows if row["primary_tag"] == "channel_close" and "splice" not in row["extra_tags"]]
    return {row["spending_txid"] for row in closes if outputs[row["spending_txid"]] < row["output_count"]}


def check_ledger(node: SimulatedNode, *, cleaned: bool = False) -> None:
    """Assert all of it. `cleaned`: forwards have been deleted, so that moves have no rows to be compared with."""
    check_accounts(node)
    check_transactions(node)
    check_routed(node, cleaned=cleaned)


def check_accounts(node: SimulatedNode) -> None:
    """Channels hold their settled balance, closed ones nothing, the wallet its confirmed outputs."""
    balances = balances_msat(node)
    for row in node.handle("listpeerchannels")["channels"]:
        expected_msat = 0 if row["state"] == "ONCHAIN" else row["to_us_msat"]
        assert balances.pop(row["channel_id"]) == expected_msat
    outputs = node.handle("listfunds")["outputs"]
    confirmed_msat = sum(row["amount_msat"] for row in outputs if row["status"] == "confirmed")
    assert balances.pop("wallet") == confirmed_msat
    balances.pop("external", None)
    closed = {row["channel_id"] for row in node.handle("listclosedchannels")["closedchannels"]}
    assert set(balances) == closed
    assert set(balances.values()) <= {0}


def check_transactions(node: SimulatedNode) -> None:
    """Every transaction costs us a fee that isn't negative, a close whose channel the peer opened less than a sat."""
    rows, fees, waiting = chain_rows(node), fees_msat(node), unresolved(node)
    assert [row["created_index"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["timestamp"] for row in rows] == sorted(row["timestamp"] for row in rows)
    commitments = {one.txid: one.amount_msat for one in node.world.sweeps if one.amount_msat}
    assert waiting == set(commitments)
    openers = {channel.channel_id: channel.opener for channel in (*node.world.channels.values(), *node.world.closed)}
    closes = {
        row["spending_txid"]: row["account_id"]
        for row in rows
        if row["primary_tag"] == "channel_close" and "splice" not in row["extra_tags"]
    }
    for txid, fee_msat in fees.items():
        own_msat = fee_msat - commitments.get(txid, 0)
        if txid in closes and openers[closes[txid]] == "remote":
            assert 0 <= own_msat < 1_000
        else:
            assert 0 <= own_msat <= 500_000_000
    for row in rows:
        assert row["output_msat"] % 1_000 == 0
        assert (row["credit_msat"] == 0) or (row["debit_msat"] == 0)
        assert ("spending_txid" in row) == (row["primary_tag"] in ("withdrawal", "channel_close", "to_wallet"))
        assert ("output_count" in row) == (row["primary_tag"] == "channel_close")
        assert ("peer_id" in row) == (row["primary_tag"] in ("channel_open", "channel_proposed"))
        if row["account_id"] == "external":
            assert row["originating_account"]


def check_routed(node: SimulatedNode, *, cleaned: bool = False) -> None:
    """Each settled forward has two moves, credit on its entry and debit on its exit, and each such move a forward."""
    routed = [row for row in channel_rows(node) if row["primary_tag"] == "routed"]
    debits = [row for row in routed if row["debit_msat"]]
    assert node.handle("getinfo")["fees_collected_msat"] == sum(row["fees_msat"] for row in debits)
    pairs: dict[str, list[Row]] = defaultdict(list)
    for row in routed:
        pairs[row["payment_hash"]].append(row)
    for one, other in pairs.values():
        assert one["fees_msat"] == other["fees_msat"] == other["credit_msat"] - one["debit_msat"] >= 0
    names = scids(node)
    settled = [row for row in node.handle("listforwards")["forwards"] if row["status"] == "settled"]
    told = Counter(
        (names[row["in_channel"]], row["in_msat"], names[row["out_channel"]], row["out_msat"], row["fee_msat"])
        for row in settled
    )
    moved = Counter(
        (credit["account_id"], credit["credit_msat"], debit["account_id"], debit["debit_msat"], debit["fees_msat"])
        for debit, credit in pairs.values()
    )
    assert told <= moved if cleaned else told == moved


def scids(node: SimulatedNode) -> dict[str, str]:
    """Return the channel_id behind each scid or alias that a forward may carry."""
    every = (*node.world.channels.values(), *node.world.closed)
    return {
        scid: channel.channel_id
        for channel in every
        for scid in (channel.scid, channel.alias_local, *channel.previous_scids)
        if scid is not None
    }
