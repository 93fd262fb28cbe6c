"""Fees: what `revops fees adjust` sends is in force on the node, and its peers hear of it by gossip."""

from __future__ import annotations

from typing import Any

import pytest

from tests.regtest.operator_home import Operator
from tests.regtest.processes import wait_until
from tests.regtest.ring import Ring

pytestmark = pytest.mark.regtest


def highest_ppm(ring: Ring) -> int:
    return max(int(channel["fee_proportional_millionths"]) for channel in ring.alice.channels())


def heard_by_bob(ring: Ring) -> list[dict[str, Any]]:
    return list(ring.bob.call("listchannels", source=ring.alice.node_id)["channels"])


def charged(ring: Ring) -> set[tuple[int, int]]:
    """What alice's channels charge by bob's view of the network: base in msat, rate in ppm."""
    return {(half["base_fee_millisatoshi"], half["fee_per_millionth"]) for half in heard_by_bob(ring)}


def test_a_change_is_in_force_recorded_and_heard_by_the_peers(ring: Ring, operator: Operator) -> None:
    old_ppm = highest_ppm(ring)
    wanted_ppm = old_ppm + 50
    # A fee outside the bounds is corrected at once, and a new channel priced: the only changes of a first run.
    operator.settings |= {
        "fees.mode": "act", "fees.min_ppm": str(wanted_ppm), "fees.max_ppm": str(wanted_ppm + 1_000),
        "fees.start_ppm": str(wanted_ppm), "fees.chain_floor": "false",
    }  # fmt: skip

    operator.cron("fees", "adjust")

    wait_until("new fee in bob's gossip", lambda: charged(ring) == {(0, wanted_ppm)})
    for peer in (ring.bob, ring.carol):
        terms = ring.alice.channel_with(peer)["updates"]["local"]
        assert (terms["fee_base_msat"], terms["fee_proportional_millionths"]) == (0, wanted_ppm)
    actions = operator.rows("SELECT method, status FROM action")
    assert actions == [{"method": "setchannel", "status": "done"}] * 2
    sent = operator.rows("SELECT new_ppm FROM fee_change WHERE source = 'revops'")
    assert sent == [{"new_ppm": wanted_ppm}] * 2

    announced = {half["short_channel_id"]: half["last_update"] for half in heard_by_bob(ring)}
    operator.cron("fees", "adjust")
    assert len(operator.rows("SELECT * FROM action")) == 2, "a fee that is where it belongs was sent again"
    assert {half["short_channel_id"]: half["last_update"] for half in heard_by_bob(ring)} == announced


def test_a_fee_that_somebody_else_set_is_noticed_and_kept(ring: Ring, operator: Operator) -> None:
    before_ppm = highest_ppm(ring)
    # These channels are new; one that asks for what it should begin with is watched.
    operator.settings |= {
        "fees.mode": "act", "fees.max_ppm": str(before_ppm + 1_000), "fees.start_ppm": str(before_ppm),
        "fees.chain_floor": "false",
    }  # fmt: skip
    operator.cron("fees", "adjust")
    own_ppm = before_ppm + 17
    scid = ring.alice.channel_with(ring.bob)["short_channel_id"]
    ring.alice.call("setchannel", id=scid, feeppm=own_ppm)

    decided = operator.json("fees", "adjust")

    (decision,) = (decision for decision in decided["decisions"] if decision["name"] == scid)
    assert decision["outcome"] == "skip"
    assert "external_change" in {reason["code"] for reason in decision["reasons"]}
    assert ring.alice.channel_with(ring.bob)["fee_proportional_millionths"] == own_ppm
    changes = operator.rows("SELECT old_ppm, new_ppm FROM fee_change WHERE source = 'external' AND old_ppm IS NOT NULL")
    assert changes == [{"old_ppm": before_ppm, "new_ppm": own_ppm}]
