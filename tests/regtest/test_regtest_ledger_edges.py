"""The books where the node's ledger is late, or has a forward's half on the chain, or where no bookkeeper runs."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.regtest.life import (
    CAPACITY_SAT,
    DELAY_BLOCKS,
    LATE_DEPTH,
    PUSHED_MSAT,
    Life,
    booked,
    causes,
    delete,
    lines,
    new_operator,
    new_street,
    profit,
)
from tests.regtest.network import ANNOUNCE_BLOCKS, RpcRefused
from tests.regtest.processes import wait_until
from tests.regtest.street import ALICE_BASE_MSAT, ALICE_PPM, bookkeepers_fees_msat, chain_moves

pytestmark = [pytest.mark.regtest, pytest.mark.timeout(600)]


def test_without_bookkeeper_and_before_lock_in_nothing_is_missing(stack: ExitStack, tmp_path: Path) -> None:
    """The ledger is the node's own. Until a channel, or its splice, is locked in, nobody knows what it cost."""
    street = new_street(stack, {"bob": (f"--funding-confirms={LATE_DEPTH}",)}, "--disable-plugin=bookkeeper")
    alice, (bob,) = street.alice, street.neighbours.values()
    with pytest.raises(RpcRefused, match="Unknown command"):
        alice.call("bkpr-listaccountevents")
    life = Life(street, new_operator(street, tmp_path / "home"))
    street.fund(alice, 3_000_000)
    life.confirm(set())
    street.connect(alice, bob)
    opened = alice.call("fundchannel", id=bob.node_id, amount=CAPACITY_SAT, push_msat=PUSHED_MSAT + 123)["txid"]
    assert_booked_at_last(life, opened, "open")
    street.usable((alice, bob))
    street.send(alice, bob, amount_msat=7_000_003)
    spliced = alice.call("splicein", channel=street.channel(alice, bob)["channel_id"], amount="100000")["txid"]
    assert_booked_at_last(life, spliced, "splice")
    sent = alice.call("withdraw", destination=street.bitcoind.call("getnewaddress"), satoshi=250_000)["txid"]
    life.confirm({(sent, "wallet")})
    miners = street.miners_fees_msat()
    assert {(txid, kind): msat for (txid, _, kind), msat in booked(life.operator).items()} == {
        (opened, "open"): miners[opened], (spliced, "splice"): miners[spliced], (sent, "wallet"): miners[sent],
    }  # fmt: skip
    assert lines(profit(life.operator))[""]["net_msat"] == -sum(miners[txid] for txid in (opened, spliced, sent))


def assert_booked_at_last(life: Life, txid: str, kind: str) -> None:
    for _ in range(LATE_DEPTH - 1):
        life.agree()
        life.street.mine()
    life.agree()
    assert any(txid in (move["utxo"].partition(":")[0], move.get("spending_txid")) for move in chain_moves(life.alice))
    life.street.mine()
    life.agree(booking={(txid, kind)})


def test_a_forward_that_ends_on_the_chain(stack: ExitStack, tmp_path: Path) -> None:
    """The payer goes while alice owes him nothing but the preimage: she closes alone, and claims by it. Whole sat of it
    come, and the ledger of the chain has them.
    """
    street = new_street(stack, {"bob": (), "carol": ()})
    alice, (bob, carol) = street.alice, street.neighbours.values()
    life = Life(street, new_operator(street, tmp_path / "home"))
    street.fund(alice, 3_000_000, 3_000_000)
    life.confirm(set())
    for peer in (bob, carol):
        life.opens(peer, push_msat=PUSHED_MSAT)
    street.mine(ANNOUNCE_BLOCKS)
    street.usable((alice, bob), (alice, carol))
    street.send(bob, alice, carol, amount_msat=20_000_001)
    channel_id = street.channel(alice, bob)["channel_id"]
    street.send_to_end_later(bob, carol, 50_000_007)
    waiting = {("forwarded_in", channel_id): "under_way", ("sourced", channel_id): "under_way"}
    assert causes(life.operator) == waiting
    street.running.remove(bob)  # he stays paused
    (commitment,) = alice.call("close", id=channel_id, unilateraltimeout=1)["txids"]
    assert causes(life.operator) == waiting
    street.mine()
    wait_until("claim", street.bitcoind.mempool)
    assert causes(life.operator) == waiting
    street.mine()
    wait_until("claimed HTLC", lambda: "htlc_fulfill" in {move["primary_tag"] for move in chain_moves(alice)})
    claimed = dict.fromkeys(waiting, "on_chain")
    assert causes(life.operator) == claimed
    for _ in range(2 * DELAY_BLOCKS):
        street.mine()
    wait_until("sweeps", lambda: [move["primary_tag"] for move in chain_moves(alice)].count("to_wallet") == 2)
    late = new_operator(street, tmp_path / "late")
    for operator in (life.operator, late):
        assert causes(operator) == claimed
        costs = booked(operator)
        assert {(txid, account): msat for (txid, account, _), msat in costs.items()} == bookkeepers_fees_msat(alice)
        kinds = [kind for txid, account, kind in costs if account == channel_id]
        assert sorted(kinds) == ["closing", "open", "sweep", "sweep", "sweep"]
        assert (commitment, channel_id, "closing") in costs
    assert lines(profit(late)) == lines(profit(life.operator))
    for forward in alice.forwards():
        delete(alice, forward)
    # Of a forward that is deleted its two moves tell, and this one has only one. The opening has what it earned.
    last = new_operator(street, tmp_path / "last")
    leaving = street.channel(alice, carol)["channel_id"]
    assert causes(last) == {("forwarded_out", leaving): "deleted", ("earned", leaving): "deleted"}
    earned_msat = [lines(profit(operator))[""]["earned_msat"] for operator in (life.operator, last)]
    opening_msat = last.json("reconcile")["books"]["opening_msat"]
    assert opening_msat == earned_msat[0] - earned_msat[1] == ALICE_BASE_MSAT + 50_000_007 * ALICE_PPM // 1_000_000
