"""A splice that waits for its depth: what the node lists as spendable, and lets through, is what was before it. What
revops records, decides and sets is what fits before and after.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.regtest.life import CAPACITY_SAT, LATE_DEPTH, Life, new_operator, new_street
from tests.regtest.network import Lightningd, RpcRefused
from tests.regtest.operator_home import Operator
from tests.regtest.processes import wait_until
from tests.regtest.street import Street

pytestmark = [pytest.mark.regtest, pytest.mark.timeout(600)]

OUT_SAT = 600_000


def test_while_a_splice_waits_nothing_is_sold_that_leaves_by_it(stack: ExitStack, tmp_path: Path) -> None:
    street = new_street(stack, {"bob": (f"--funding-confirms={LATE_DEPTH}",)})
    alice, (bob,) = street.alice, street.neighbours.values()
    life = Life(street, new_operator(street, tmp_path / "home"))
    life.operator.settings["fees.mode"] = "act"
    street.fund(alice, 3_000_000)
    life.confirm(set())
    street.connect(alice, bob)
    opened = alice.call("fundchannel", id=bob.node_id, amount=CAPACITY_SAT)["txid"]
    street.mine(LATE_DEPTH)
    street.usable((alice, bob))
    street.send(alice, bob, amount_msat=7_000_003)
    life.agree(booking={(opened, "open")})
    before = street.channel(alice, bob)

    spliced = alice.call("spliceout", channel=before["channel_id"], amount=str(OUT_SAT))["txid"]
    wait_until("splice", lambda: street.channel(alice, bob)["state"] == "CHANNELD_AWAITING_SPLICE")
    listed = street.channel(alice, bob)
    (inflight,) = listed["inflight"]
    assert inflight["funding_txid"] == spliced
    assert listed["spendable_msat"] == before["spendable_msat"], "as if there were none"
    fits_msat = before["spendable_msat"] + inflight["splice_amount"] * 1_000
    life.agree()
    assert life.operator.rows("SELECT spendable_msat, local_msat FROM channel") == [
        {"spendable_msat": fits_msat, "local_msat": before["to_us_msat"]}
    ]
    assert life.operator.json("status")["channels"]["splicing"] == 1
    with pytest.raises(RpcRefused, match="Outgoing subdaemon died"):
        street.send(alice, bob, amount_msat=fits_msat + 12_000_000)
    wait_until("connection", lambda: street.channel(alice, bob).get("reestablished"))

    # The node advertises more than the channel will hold: put right in any case. The valve cuts it to what fits.
    size_msat = inflight["total_funding_msat"]
    assert before["updates"]["local"]["htlc_maximum_msat"] > size_msat
    assert adjusted(life.operator) >= {"splice_leaving", "htlc_max_oversized"}
    assert largest_msat(street, alice, bob) == size_msat - before["our_reserve_msat"]
    life.operator.settings["fees.htlc_max"] = "valve"
    assert adjusted(life.operator) >= {"splice_leaving", "htlc_max_unfit"}
    assert largest_msat(street, alice, bob) == fits_msat * 3 // 4 // 1_000 * 1_000

    for _ in range(LATE_DEPTH - 1):
        street.mine()
        life.agree()
    street.mine()
    wait_until("new scid", lambda: street.channel(alice, bob)["short_channel_id"] != before["short_channel_id"])
    street.usable((alice, bob))
    life.agree(booking={(spliced, "splice")})
    after = street.channel(alice, bob)
    assert after["spendable_msat"] >= fits_msat, "the reserve is smaller by now"
    assert life.operator.rows("SELECT spendable_msat, local_msat FROM channel") == [
        {"spendable_msat": after["spendable_msat"], "local_msat": after["to_us_msat"]}
    ]
    assert life.operator.json("status")["channels"]["splicing"] == 0
    assert not adjusted(life.operator) & {"splice_leaving", "htlc_max_unfit", "htlc_max_oversized"}


def adjusted(operator: Operator) -> set[str]:
    """What the fee decision on the only channel gives for reasons."""
    (decision,) = operator.json("fees", "adjust")["decisions"]
    return {reason["code"] for reason in decision["reasons"]}


def largest_msat(street: Street, node: Lightningd, peer: Lightningd) -> int:
    local: dict[str, Any] = street.channel(node, peer)["updates"]["local"]
    return int(local["htlc_maximum_msat"])
