"""The books of a node to which everything happens: after each step all agree with the node, to the msat; at the end the
costs are what its bookkeeper says, and a new database knows all of it.

What each transaction was for is known here since the test made it; what it cost is asked of lightningd's bookkeeper,
and of bitcoind.
"""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from contextlib import ExitStack
from pathlib import Path

import pytest

from revops.actuate.sling import STOPPED_SECONDS
from tests.regtest.bookkeeping import circles
from tests.regtest.life import (
    CAPACITY_SAT,
    DELAY_BLOCKS,
    LATE_DEPTH,
    PUSHED_MSAT,
    Life,
    agree,
    booked,
    delete,
    lines,
    new_operator,
    new_street,
    profit,
)
from tests.regtest.network import ANNOUNCE_BLOCKS, Lightningd
from tests.regtest.processes import wait_until
from tests.regtest.street import ALICE_BASE_MSAT, ALICE_PPM, bookkeepers_fees_msat, chain_moves, channel_moves

pytestmark = [pytest.mark.regtest, pytest.mark.timeout(600)]

PLUGIN = os.environ.get("REVOPS_SLING_PLUGIN", "")
PAYMENT_MSAT = 100_000_000
REBALANCE_SAT = 100_000
#: alice's part of the channel to carol, once paid forwards have used it up.
DRAINED_MSAT = 160_000_000
#: A closed channel is forgotten so many blocks later.
FORGET_BLOCKS = 101
#: By what the report calls each of them.
FIELDS = {"open": "open_msat", "splice": "splice_msat", "closing": "close_msat", "sweep": "close_msat",
          "wallet": "wallet_msat"}  # fmt: skip


def test_the_books_agree_after_whatever_happens(stack: ExitStack, tmp_path: Path) -> None:
    late = (f"--funding-confirms={LATE_DEPTH}",)
    street = new_street(stack, {"bob": (), "carol": (), "dave": (), "erin": (), "frank": late})
    life = Life(street, new_operator(street, tmp_path / "first"))
    life.agree()
    funds(life)
    channels_one_by_one(life)
    payments(life)
    native_rebalance(life)
    stopped_at = sling_rebalance(life) if PLUGIN else None
    channels_in_a_batch(life)
    splices(life)
    closes(life)
    withdrawal(life)
    if stopped_at is not None:
        sling_closed(life, stopped_at)
    assert_costs_are_the_nodes(life)
    assert_income_is_the_nodes(life)
    assert_rebalances_are_the_moves(life)
    assert_a_new_database_knows_all(life, tmp_path)


def funds(life: Life) -> None:
    street = life.street
    bob, carol, *_ = street.neighbours.values()
    street.fund(life.alice, 3_000_000, 4_000_000)
    street.fund(bob, 3_000_000)
    street.fund(carol, 3_000_000)
    life.confirm(set())


def channels_one_by_one(life: Life) -> None:
    """One by alice, one by a peer who gives her a part of it, and one between the peers."""
    street, alice = life.street, life.alice
    bob, carol, *_ = street.neighbours.values()
    life.opens(bob, push_msat=PUSHED_MSAT)
    for opener, peer in ((carol, alice), (bob, carol)):
        street.connect(opener, peer)
        opener.call("fundchannel", id=peer.node_id, amount=CAPACITY_SAT, push_msat=PUSHED_MSAT)
    life.confirm(set())
    street.mine(ANNOUNCE_BLOCKS)
    street.usable((alice, bob), (alice, carol), (bob, carol))


def payments(life: Life) -> None:
    """Forwards both ways, alice's own payment and invoice, and a circle by hand."""
    street, alice = life.street, life.alice
    bob, carol, *_ = street.neighbours.values()
    street.send(carol, alice, bob, amount_msat=20_000_001)
    street.send(bob, alice, carol, amount_msat=PAYMENT_MSAT + 777)
    street.send(alice, bob, amount_msat=7_000_003)
    street.send(carol, alice, amount_msat=5_000_777)
    life.agree()
    street.send(alice, bob, carol, alice, amount_msat=30_000_002)
    life.agree()
    drain(life)
    payer_who_is_away(life)


def payer_who_is_away(life: Life) -> None:
    """A forward is settled when the payee has it. The ledger has its other half when the payer lets go of it."""
    street, alice = life.street, life.alice
    bob, carol, *_ = street.neighbours.values()
    payment_hash = street.send_to_end_later(bob, carol, 4_000_001)
    try:
        found = life.operator.json("reconcile")
        channel_id = street.channel(alice, bob)["channel_id"]
        fee_msat = ALICE_BASE_MSAT + 4_000_001 * ALICE_PPM // 1_000_000
        shown = {(one["figure"], one["subject"], one["difference_msat"], one["cause"]) for one in found["differences"]}
        assert shown == {
            ("forwarded_in", channel_id, -4_000_001 - fee_msat, "under_way"),
            ("sourced", channel_id, -fee_msat, "under_way"),
        }
        assert (found["unexplained_msat"], found["still"]) == (0, True)
    finally:
        bob.daemon.resume()
    bob.call("waitsendpay", payment_hash=payment_hash)
    life.agree()


def drain(life: Life) -> None:
    street, alice = life.street, life.alice
    bob, carol, *_ = street.neighbours.values()
    while street.channel(alice, carol)["to_us_msat"] > DRAINED_MSAT:
        street.send(bob, alice, carol, amount_msat=PAYMENT_MSAT)
        street.usable((bob, alice), (alice, carol))


def native_rebalance(life: Life) -> None:
    """Planned and paid by revops."""
    street, operator = life.street, life.operator
    wait_until("gossip", lambda: len(life.alice.call("listchannels")["channels"]) == 6)
    operator.settings |= {
        "rebalance.mode": "act",
        "rebalance.max_amount_sat": str(REBALANCE_SAT),
        "budget.daily_sat": "1000",
        "budget.weekly_sat": "1000",
    }
    operator.json("rebalance", "plan")
    operator.cron("rebalance", "run")
    (job,) = operator.rows("SELECT * FROM rebalance_job")
    assert job["status"] == "settled"
    street.usable(*((life.alice, street.neighbours[name]) for name in ("bob", "carol")))
    life.agree()


def sling_rebalance(life: Life) -> float:
    """Planned by revops, paid by sling. Return when it was told to stop."""
    operator, alice = life.operator, life.alice
    alice.call("plugin", subcommand="start", plugin=PLUGIN)
    operator.settings["rebalance.executor"] = "sling"
    drain(life)
    before = len(channel_moves(alice))
    operator.json("rebalance", "plan")
    operator.cron("rebalance", "run")
    wait_until("payment of sling's", lambda: len(channel_moves(alice)) > before, 180.0)
    life.agree()
    operator.cron("rebalance", "run")
    return time.monotonic()


def sling_closed(life: Life, stopped_at: float) -> None:
    """By the node's records, when none of its payments can be under way any more."""
    time.sleep(max(0.0, stopped_at + STOPPED_SECONDS + 1 - time.monotonic()))
    life.operator.cron("rebalance", "run")
    (job,) = life.operator.rows("SELECT * FROM rebalance_job WHERE executor = 'sling'")
    assert job["status"] == "settled"
    assert job["fee_msat"] > 0
    life.agree()


def channels_in_a_batch(life: Life) -> None:
    """Three channels by one transaction. One peer wants more blocks than the others: until then nothing is booked."""
    street, alice = life.street, life.alice
    peers = [street.neighbours[name] for name in ("dave", "erin", "frank")]
    for peer in peers:
        street.connect(alice, peer)
    wanted = [
        {"id": f"{peer.node_id}@127.0.0.1:{peer.port}", "amount": amount_sat, "push_msat": pushed_msat}
        for peer, amount_sat, pushed_msat in zip(peers, (700_000, 600_000, 500_000), (200_000_123, 0, 1), strict=True)
    ]
    made = alice.call("multifundchannel", destinations=wanted)
    life.agree()
    for _ in range(LATE_DEPTH - 1):
        street.mine()
        life.agree()
    opened = {move["account_id"] for move in chain_moves(alice) if move["utxo"].startswith(made["txid"])}
    assert len(opened - {"wallet"}) == len(peers) - 1
    life.confirm({(made["txid"], "open")})
    street.usable(*((alice, peer) for peer in peers))


def splices(life: Life) -> None:
    """In, out, and by the peer; with forwards between, under each name of the channel."""
    street, alice = life.street, life.alice
    bob, carol, *_ = street.neighbours.values()
    for by, peer, method, amount_sat in (
        (alice, bob, "splicein", 100_000),
        (alice, bob, "spliceout", 50_000),
        (bob, alice, "splicein", 200_000),
        (bob, alice, "spliceout", 30_000),
    ):
        life.splices(by, peer, method, amount_sat, ours=by is alice)
        street.send(carol, alice, bob, amount_msat=3_000_333)
        life.agree()


def closes(life: Life) -> None:
    """Both agree on two; the third is closed by alice alone, while the peer is away, and swept later."""
    street, alice = life.street, life.alice
    bob, carol, dave, erin, frank = street.neighbours.values()
    street.send(bob, alice, erin, amount_msat=11_000_321)
    street.send(dave, alice, bob, amount_msat=4_000_444)
    street.send(alice, frank, amount_msat=1_000_999)
    life.agree()
    life.closes(dave)
    life.closes(carol)
    street.stop(erin)
    channel_id = street.channel(alice, erin)["channel_id"]
    closed = alice.call("close", id=channel_id, unilateraltimeout=1)
    assert closed["type"] == "unilateral"
    (commitment,) = closed["txids"]
    life.agree()
    street.mine()
    life.agree(sweeping=1)
    street.mine(DELAY_BLOCKS)
    wait_until("sweep", street.bitcoind.mempool)
    life.agree(sweeping=1)
    street.mine()
    life.agree(booking={(commitment, "closing"), (sweep_of(alice, channel_id), "sweep")})
    for peer in (carol, dave):
        street.stop(peer)
    for _ in range(2):  # what is swept is watched once more
        street.mine(FORGET_BLOCKS)
    wait_until("closed channels", lambda: len(alice.call("listclosedchannels")["closedchannels"]) == 3)
    life.agree()


def sweep_of(node: Lightningd, channel_id: str) -> str:
    (swept,) = (
        move for move in chain_moves(node) if (move["account_id"], move["primary_tag"]) == (channel_id, "to_wallet")
    )
    return str(swept["spending_txid"])


def withdrawal(life: Life) -> None:
    """To somebody outside."""
    outside = life.street.bitcoind.call("getnewaddress")
    sent = life.alice.call("withdraw", destination=outside, satoshi=250_000)
    life.agree()
    life.confirm({(sent["txid"], "wallet")})


def assert_costs_are_the_nodes(life: Life) -> None:
    """Per transaction and account as bookkeeper has them; the report adds up no other; and what we alone have paid is
    the whole of the miners' fee.
    """
    costs = booked(life.operator)
    fees = bookkeepers_fees_msat(life.alice)
    assert {(txid, account): msat for (txid, account, _), msat in costs.items()} == fees
    kinds = dict(life.expected)
    assert set(kinds.values()) == set(FIELDS)
    wanted: dict[str, Counter[str]] = defaultdict(Counter)
    for (txid, account), msat in fees.items():
        wanted[account][FIELDS[kinds[txid]]] += msat
    report = profit(life.operator)
    shown = lines(report)
    for channel_id in {*wanted, *shown} - {"wallet", ""}:
        line = shown[channel_id]
        assert {field: line[field] for field in FIELDS.values() if line[field]} == dict(wanted[channel_id]), channel_id
    assert shown[""]["wallet_msat"] == wanted["wallet"]["wallet_msat"] > 0
    assert shown[""]["chain_msat"] == sum(fees.values())
    assert report["untold_msat"] == 0
    miners = life.street.miners_fees_msat()
    for txid, kind in kinds.items():
        if kind != "closing":
            assert sum(msat for (one, _), msat in fees.items() if one == txid) == miners[txid]


def assert_income_is_the_nodes(life: Life) -> None:
    """By the forwards that the node lists, under whatever name."""
    shown = lines(profit(life.operator))
    settled = [forward for forward in life.alice.forwards() if forward["status"] == "settled"]
    names = {row["scid"]: row["channel_id"] for row in life.operator.rows(
        "SELECT scid.scid, channel_id FROM channel_scid AS scid JOIN channel USING (channel_key)"
    )}  # fmt: skip
    wanted: dict[str, Counter[str]] = defaultdict(Counter)
    for forward in settled:
        entry, leave = wanted[names[forward["in_channel"]]], wanted[names[forward["out_channel"]]]
        entry.update(in_msat=forward["in_msat"], sourced_msat=forward["fee_msat"], in_count=1)
        leave.update(out_msat=forward["out_msat"], earned_msat=forward["fee_msat"], out_count=1)
    for channel_id, sums in wanted.items():
        assert {field: shown[channel_id][field] for field in sums} == dict(sums), channel_id
    assert shown[""]["earned_msat"] == life.alice.call("getinfo")["fees_collected_msat"]
    assert len(wanted) == 4


def assert_rebalances_are_the_moves(life: Life) -> None:
    """What the node has paid more than it got in circles, by the channel where it arrived."""
    payments = circles(life.alice)
    wanted: Counter[str] = Counter()
    for moves in payments.values():
        (target,) = {move["account_id"] for move in moves if move["credit_msat"]}
        wanted[target] += sum(move["debit_msat"] - move["credit_msat"] for move in moves)
    shown = lines(profit(life.operator))
    assert {name: line["rebalance_msat"] for name, line in shown.items() if name and line["rebalance_msat"]} == wanted
    assert shown[""]["rebalance_msat"] == sum(wanted.values()) > 0
    assert shown[""]["rebalance_count"] == len(payments) >= 2 + bool(PLUGIN)


def assert_a_new_database_knows_all(life: Life, tmp_path: Path) -> None:
    """Also of forwards that the node no longer has: half of them first, then all."""
    alice, street, operators = life.alice, life.street, [life.operator]
    bob, *_, frank = street.neighbours.values()
    wanted = lines(profit(life.operator))
    settled = [forward for forward in alice.forwards() if forward["status"] == "settled"]
    for name, count in (("again", 0), ("half", len(settled) // 2), ("all", len(settled))):
        for forward in settled[:count]:
            delete(alice, forward)
        settled = settled[count:]
        operators.append(new_operator(street, tmp_path / name))
        agree(operators[-1])
        assert lines(profit(operators[-1])) == wanted, name
    assert alice.forwards() == []
    street.send(bob, alice, frank, amount_msat=2_000_222)
    street.settle()
    for operator in operators:
        agree(operator)
    shown = [lines(profit(operator)) for operator in operators]
    assert shown[0][""]["earned_msat"] == alice.call("getinfo")["fees_collected_msat"] > wanted[""]["earned_msat"]
    assert all(one == shown[0] for one in shown)
