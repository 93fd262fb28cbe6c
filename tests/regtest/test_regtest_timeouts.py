"""The books where HTLCs time out on the chain: one that we had offered, and one that was offered to us."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.regtest.hooks import HOLDING, plugin_flag
from tests.regtest.life import (
    CAPACITY_SAT,
    DELAY_BLOCKS,
    PUSHED_MSAT,
    Life,
    agree,
    booked,
    lines,
    new_operator,
    new_street,
    profit,
)
from tests.regtest.network import RpcRefused
from tests.regtest.processes import wait_until
from tests.regtest.street import CLTV_FINAL_BLOCKS, Street, bookkeepers_fees_msat, chain_moves

pytestmark = [pytest.mark.regtest, pytest.mark.timeout(600)]

FORWARDED_MSAT, OFFERED_MSAT = 50_000_007, 30_000_005
#: A node closes one block after an HTLC of its own has expired.
EXPIRED_BLOCKS = CLTV_FINAL_BLOCKS + 2
#: So deep, what an HTLC came to is taken as final.
FINAL_BLOCKS = 3
#: So long after all of a closed channel is resolved, lightningd forgets it.
FORGET_BLOCKS = 101


def test_htlcs_that_time_out(stack: ExitStack, tmp_path: Path) -> None:
    """carol doesn't take a forward, so alice closes, and has it back by a second transaction. alice doesn't take what
    dave pays her, so dave does the same, and alice's ledger never tells of that output.
    """
    holding = plugin_flag(tmp_path, "holding", HOLDING)
    street = new_street(stack, {"bob": (), "carol": (holding,), "dave": ()}, holding)
    alice, (bob, carol, dave) = street.alice, street.neighbours.values()
    life = Life(street, new_operator(street, tmp_path / "home"))
    made = open_all(life)
    to_carol, to_dave = (street.channel(alice, peer)["channel_id"] for peer in (carol, dave))
    paid = street.offer(bob, alice, carol, amount_msat=FORWARDED_MSAT)
    street.offer(dave, alice, amount_msat=OFFERED_MSAT)
    wait_until("HTLCs that are held", lambda: len(alice.call("listhtlcs")["htlcs"]) == 3)
    agree(life.operator)
    street.mine(EXPIRED_BLOCKS)
    wait_until("both commitments", lambda: len(street.bitcoind.mempool()) >= 2)
    street.mine()
    agree(life.operator)
    wait_until("what alice takes back", street.bitcoind.mempool)  # dave may take his at another height
    street.mine()
    agree(life.operator)
    for _ in range(FINAL_BLOCKS):
        street.mine()
    with pytest.raises(RpcRefused, match="WIRE_PERMANENT_CHANNEL_FAILURE"):
        bob.call("waitsendpay", payment_hash=paid)
    street.mine(DELAY_BLOCKS)
    wait_until("sweeps", partial(swept_with_one_more_block, street))
    assert agree(life.operator)["to_sweep"] == [to_dave]
    for _ in range(2):
        street.mine(FORGET_BLOCKS)
    wait_until("closed channels", lambda: len(alice.call("listclosedchannels")["closedchannels"]) == 2)
    assert "htlc_timeout" in {move["primary_tag"] for move in chain_moves(dave)}
    late = new_operator(street, tmp_path / "late")
    fees = bookkeepers_fees_msat(alice)
    for operator in (life.operator, late):
        assert agree(operator)["to_sweep"] == []
        costs = booked(operator)
        ((dave_closed, cost_msat),) = ((one, msat) for one, msat in costs.items() if one[1:] == (to_dave, "closing"))
        assert cost_msat == CAPACITY_SAT * 1_000 - PUSHED_MSAT - home_msat(street, dave_closed[0])
        del costs[dave_closed]  # lightningd's bookkeeper waits for that output for ever, and books nothing
        assert {(txid, account): msat for (txid, account, _), msat in costs.items()} == fees
        assert sorted(kind for _, account, kind in costs if account == to_carol) == ["closing", "open", *["sweep"] * 3]
        assert sum(msat for (txid, _, _), msat in costs.items() if txid == made) == street.miners_fees_msat()[made]
        report = profit(operator)
        assert report["balance"]["unbooked_msat"] == 0
        assert report["total"]["net_msat"] == -sum(costs.values()) - cost_msat
        assert [one["unswept_msat"] for one in report["channels"]] == [None] * 3
    assert lines(profit(late)) == lines(profit(life.operator))


def open_all(life: Life) -> str:
    """alice opens channels to all by one transaction; return it."""
    street, alice = life.street, life.alice
    peers = street.neighbours.values()
    street.fund(alice, 4_000_000, 3_000_000)
    street.mine()
    for peer in peers:
        street.connect(alice, peer)
    wanted = [
        {"id": f"{peer.node_id}@127.0.0.1:{peer.port}", "amount": CAPACITY_SAT, "push_msat": PUSHED_MSAT}
        for peer in peers
    ]
    made = str(alice.call("multifundchannel", destinations=wanted)["txid"])
    life.confirm({(made, "open")})
    street.usable(*((alice, peer) for peer in peers))
    return made


def swept_with_one_more_block(street: Street) -> bool:
    """Whether both outputs of alice's own close have come home: she says when she has seen it in a block."""
    street.mine()
    return [move["primary_tag"] for move in chain_moves(street.alice)].count("to_wallet") == 2


def home_msat(street: Street, txid: str) -> int:
    """What of a transaction's outputs came into alice's wallet."""
    outputs = street.alice.call("listfunds", spent=True)["outputs"]
    return sum(output["amount_msat"] for output in outputs if output["txid"] == txid)
