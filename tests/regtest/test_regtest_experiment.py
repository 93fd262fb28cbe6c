"""`demand` and a switch-back experiment on a real node: what they learn, decide and record comes from real payments."""

from __future__ import annotations

import pytest

from tests.regtest.operator_home import Operator
from tests.regtest.ring import Ring

pytestmark = pytest.mark.regtest

PAYMENT_SAT = 30_000


def test_demand_prices_a_new_channel_and_counts_what_was_paid(ring: Ring, operator: Operator) -> None:
    operator.settings |= {"fees.strategy": "demand", "fees.mode": "act", "fees.chain_floor": "false"}
    operator.cron("fees", "adjust")
    known_count = len(operator.rows("SELECT * FROM forward"))
    for payer, payee in ((ring.carol, ring.bob), (ring.bob, ring.carol)):
        ring.pay(payer, payee, PAYMENT_SAT)

    decided = operator.json("fees", "adjust")

    assert {decision["strategy"] for decision in decided["decisions"]} == {"demand"}
    paid = operator.rows("SELECT * FROM forward ORDER BY created_index")[known_count:]
    assert [(one["out_msat"], one["interest_permille"]) for one in paid] == [(PAYMENT_SAT * 1_000, 1_000)] * 2
    assert all(one["fee_msat"] > 0 and one["score_msat"] is not None for one in paid)
    for peer in (ring.bob, ring.carol):
        channel = ring.alice.channel_with(peer)
        (explained,) = operator.json("explain", channel["short_channel_id"])["channels"]
        assert explained["decision"]["details"]["strategy"] == "demand"
        assert explained["spells"][0]["ppm"] == channel["updates"]["local"]["fee_proportional_millionths"]
        assert explained["spells"][0]["flow"]["out_count"] == 1


def test_an_experiment_takes_turns_and_keeps_to_the_bounds(ring: Ring, operator: Operator) -> None:
    bounds = {"fees.min_ppm": "300", "fees.max_ppm": "1500"}
    operator.settings |= {"fees.mode": "act", "fees.chain_floor": "false", **bounds}

    began = operator.json("experiment", "start", "--a", "hill_climb", "--b", "demand", "--seed", "7")
    again = operator.run("experiment", "start", "--a", "hill_climb", "--b", "demand")
    decided = operator.json("fees", "adjust")
    ring.pay(ring.carol, ring.bob, PAYMENT_SAT)
    operator.cron("fees", "adjust")

    assert again.code != 0
    assert again.err.count("\n") == 1, "a refusal in one line"
    assert began["experiment"]["seed"] == 7
    turns = {channel_id: turn["strategy"] for channel_id, turn in began["turns"].items()}
    assert {decision["channel_id"]: decision["strategy"] for decision in decided["decisions"]} == turns
    assert set(turns.values()) <= {"hill_climb", "demand"}
    charged = [channel["updates"]["local"]["fee_proportional_millionths"] for channel in ring.alice.channels()]
    assert all(300 <= ppm <= 1_500 for ppm in charged)

    shown = operator.run("report", "experiment")
    assert shown.code == 0
    operator.json("experiment", "stop")
    after = operator.json("fees", "adjust")
    assert len({decision["strategy"] for decision in after["decisions"]}) == 1
