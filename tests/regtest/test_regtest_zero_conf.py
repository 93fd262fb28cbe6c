"""The books of a node with channels that are in use before a block has their funding: one of its own, and a peer's."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.regtest.hooks import TRUSTING, plugin_flag
from tests.regtest.life import CAPACITY_SAT, PUSHED_MSAT, Life, agree, booked, lines, new_operator, new_street, profit
from tests.regtest.network import Lightningd
from tests.regtest.street import ALICE_BASE_MSAT, ALICE_PPM, bookkeepers_fees_msat, chain_moves

pytestmark = [pytest.mark.regtest, pytest.mark.timeout(600)]

PAID_MSAT, RECEIVED_MSAT, FORWARDED_MSAT = 7_000_003, 5_000_777, 20_000_001
FEE_MSAT = ALICE_BASE_MSAT + FORWARDED_MSAT * ALICE_PPM // 1_000_000


def test_channels_that_are_used_before_they_confirm(stack: ExitStack, tmp_path: Path) -> None:
    trusting = plugin_flag(tmp_path, "trusting", TRUSTING)
    street = new_street(stack, {"bob": (trusting,), "carol": ()}, trusting)
    alice, (bob, carol) = street.alice, street.neighbours.values()
    life = Life(street, new_operator(street, tmp_path / "home"))
    street.fund(alice, 3_000_000)
    street.fund(carol, 3_000_000)
    life.confirm(set())
    street.connect(alice, bob)
    street.connect(carol, alice)
    made = alice.call("fundchannel", id=bob.node_id, amount=CAPACITY_SAT, push_msat=PUSHED_MSAT, mindepth=0)
    carol.call("fundchannel", id=alice.node_id, amount=CAPACITY_SAT, mindepth=0)
    street.usable((alice, bob), (alice, carol))
    street.send(alice, bob, amount_msat=PAID_MSAT)
    street.send(carol, alice, amount_msat=RECEIVED_MSAT)
    street.send(carol, alice, bob, amount_msat=FORWARDED_MSAT)
    life.agree()
    proposed = openings(alice, "channel_proposed")
    assert sorted(proposed.values()) == [0, CAPACITY_SAT * 1_000]
    life.confirm({(made["txid"], "open")})
    # The node tells both openings once more, with an amount again: what it had been told of as paid isn't in it.
    assert openings(alice, "channel_open") == {
        street.channel(alice, bob)["channel_id"]: CAPACITY_SAT * 1_000 - PAID_MSAT - FORWARDED_MSAT,
        street.channel(alice, carol)["channel_id"]: RECEIVED_MSAT + FORWARDED_MSAT + FEE_MSAT,
    }
    street.send(carol, alice, bob, amount_msat=FORWARDED_MSAT)
    life.closes(bob)
    late = new_operator(street, tmp_path / "late")
    for operator in (life.operator, late):
        agree(operator)
        costs = booked(operator)
        assert {(txid, account): msat for (txid, account, _), msat in costs.items()} == bookkeepers_fees_msat(alice)
        assert costs[made["txid"], made["channel_id"], "open"] == street.miners_fees_msat()[made["txid"]]
        report = profit(operator)
        told = {name: report["balance"][name] for name in ("unbooked_msat", "paid_msat", "received_msat")}
        assert told == {"unbooked_msat": 0, "paid_msat": PAID_MSAT, "received_msat": RECEIVED_MSAT}
        assert report["total"]["earned_msat"] == 2 * FEE_MSAT
    assert lines(profit(late)) == lines(profit(life.operator))


def openings(node: Lightningd, tag: str) -> dict[str, int]:
    """The amount of each row with that tag, by channel."""
    return {move["account_id"]: move["credit_msat"] for move in chain_moves(node) if move["primary_tag"] == tag}
