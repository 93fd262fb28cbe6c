"""The operator's hand, rules and the htlc_max valve on a real node: what is said is what is in force."""

from __future__ import annotations

import pytest

from tests.regtest.operator_home import Operator
from tests.regtest.ring import Ring

pytestmark = pytest.mark.regtest


def test_a_pin_a_rule_and_the_valve_are_in_force_and_explained(ring: Ring, operator: Operator) -> None:
    to_bob, to_carol = ring.alice.channel_with(ring.bob), ring.alice.channel_with(ring.carol)
    operator.settings |= {
        "fees.mode": "act", "fees.strategy": "demand", "fees.max_ppm": "5000", "fees.htlc_max": "valve",
    }  # fmt: skip
    with operator.config_path.open("a", encoding="utf-8") as config:
        config.write(
            f'\n[[rule]]\nname = "carol"\nmatch = {{ peer = "{ring.carol.node_id}" }}\n'
            'strategy = "static"\nfixed_ppm = 77\nmin_ppm = 70\nmax_ppm = 80\n'
        )

    pinned = operator.json("fees", "set", to_bob["short_channel_id"], "432", "--for", "7d", "--force")
    assert [decision["outcome"] for decision in pinned["decisions"]] == ["change"]
    operator.cron("fees", "adjust")

    terms = ring.alice.channel_with(ring.bob)["updates"]["local"]
    assert terms["fee_proportional_millionths"] == 432
    assert terms["htlc_maximum_msat"] <= to_bob["total_msat"]
    assert 70 <= ring.alice.channel_with(ring.carol)["updates"]["local"]["fee_proportional_millionths"] <= 80

    (shown,) = operator.json("policy", "show", to_carol["short_channel_id"])["channels"]
    assert shown["settings"]["fixed_ppm"] == {"value": 77, "origin": "carol"}
    (explained,) = operator.json("explain", to_bob["short_channel_id"])["channels"]
    assert explained["pin"]["ppm"] == 432
    assert explained["spells"][0]["ppm"] == 432
    assert explained["actions"][0]["status"] == "done"
    assert explained["actions"][0]["request"]["feeppm"] == 432

    released = operator.json("fees", "unset", to_bob["short_channel_id"])
    assert [decision["strategy"] for decision in released["decisions"]] == ["demand"]
    assert {peer["peer_id"] for peer in operator.json("report", "peers")["peers"]} >= {
        ring.bob.node_id,
        ring.carol.node_id,
    }
