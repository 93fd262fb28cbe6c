"""Liquidity ads of the simulated node: lessees who compare, and a funder that lends as lightningd's does."""

from __future__ import annotations

from typing import Any

import pytest

from revops.sim.config import SimConfig
from revops.sim.errors import SimRpcError
from revops.sim.graph import LeaseRates
from revops.sim.world import SimulatedNode

OFFER: dict[str, Any] = {
    "policy": "match",
    "policy_mod": 100,
    "leases_only": True,
    "per_channel_max_msat": 2_000_000_000,
    "reserve_tank_msat": "1000000sat",
}


def make_node(**fields: Any) -> SimulatedNode:
    node = SimulatedNode(SimConfig(**{"channel_count": 4, "dual_fund": True, **fields}))
    node.pause_market()
    return node


def balances_msat(node: SimulatedNode) -> int:
    """The wallet and all channels."""
    funds = node.handle("listfunds")
    parts = [one["amount_msat"] for one in funds["outputs"]] + [one["our_amount_msat"] for one in funds["channels"]]
    return sum(parts)


def test_what_is_not_named_stays_and_the_first_rate_brings_the_others() -> None:
    node = make_node()
    assert "lease_fee_basis" not in node.handle("funderupdate")
    told = node.handle("funderupdate", OFFER | {"lease_fee_basis": 20})
    assert (told["policy"], told["policy_mod"], told["reserve_tank_msat"]) == ("match", 100, 1_000_000_000)
    assert (told["lease_fee_basis"], told["lease_fee_base_msat"], told["funding_weight"]) == (20, 2_000_000, 666)
    assert node.handle("funderupdate", {"policy": "fixed", "policy_mod": "7sat"}) == told | {
        "policy": "fixed", "policy_mod": 7, "summary": "fixed (7sat)",
    }  # fmt: skip


@pytest.mark.parametrize(
    "params",
    [
        {"compact_lease": "00"},
        {"policy": "all"},
        {"policy": "match", "policy_mod": 201},
        {"fund_probability": 101},
        {"lease_fee_basis": 65_536},
        {"lease_fee_base_msat": 2**32 * 1_000},
    ],
)
def test_what_lightningd_refuses_changes_nothing(params: dict[str, Any]) -> None:
    node = make_node()
    before = node.handle("funderupdate")
    with pytest.raises(SimRpcError):
        node.handle("funderupdate", params)
    assert node.handle("funderupdate") == before


def test_a_lease_is_paid_for_and_told_as_lightningd_does() -> None:
    node = make_node()
    node.world.feerate_perkw = 1_000
    node.handle("funderupdate", OFFER | {"lease_fee_basis": 100, "lease_fee_base_msat": 1_000_000})
    peer_id, before_msat = next(iter(node.world.peers)), balances_msat(node)
    channel_id = node.lease(peer_id, 1_000_000)
    assert channel_id is not None
    fee_msat = (1_000 + 10_000 + 666) * 1_000
    row = next(one for one in node.handle("listpeerchannels")["channels"] if one["channel_id"] == channel_id)
    assert row["opener"] == "remote"
    assert row["funding"]["local_funds_msat"] == 1_000_000_000
    assert row["funding"]["fee_rcvd_msat"] == fee_msat
    assert row["to_us_msat"] == 1_000_000_000 + fee_msat
    # What our part of the transaction cost is all that is missing.
    assert 0 <= before_msat + fee_msat - balances_msat(node) <= 700_000
    moves = node.handle("listchannelmoves")["channelmoves"]
    assert [(one["primary_tag"], one["credit_msat"]) for one in moves if one["account_id"] == channel_id] == [
        ("lease_fee", fee_msat)
    ]
    node.close_channel(channel_id)
    assert node.handle("listclosedchannels")["closedchannels"][-1]["funding_fee_rcvd_msat"] == fee_msat


@pytest.mark.parametrize(
    ("changes", "amount_sat"),
    [
        ({"policy": "fixed", "policy_mod": 0}, 1_000_000),
        ({}, 2_000_001),
        ({"per_channel_min_msat": 1_500_000_000}, 1_000_000),
        ({"reserve_tank_msat": 6_000_000_000}, 1_000_000),
        ({"reserve_tank_msat": 2**40}, 1_000_000),
    ],
)
def test_funder_lends_within_its_limits(changes: dict[str, Any], amount_sat: int) -> None:
    node = make_node()
    node.handle("funderupdate", OFFER | {"lease_fee_basis": 20} | changes)
    assert node.lease(next(iter(node.world.peers)), amount_sat) is None


def test_without_rates_or_dual_funding_nobody_leases() -> None:
    node = make_node()
    node.handle("funderupdate", OFFER)
    assert node.lease(next(iter(node.world.peers)), 1_000_000) is None
    plain = make_node(dual_fund=False)
    plain.handle("funderupdate", OFFER | {"lease_fee_basis": 20})
    assert plain.lease(next(iter(plain.world.peers)), 1_000_000) is None


def leases(node: SimulatedNode) -> int:
    return sum(one.leased for one in (*node.world.channels.values(), *node.world.closed))


def test_lessees_take_the_cheapest_that_they_are_ready_to_pay() -> None:
    counts = {}
    for basis in (5, 60_000):
        node = make_node(lessor_count=8, leases_per_day=4.0)
        node.handle("funderupdate", OFFER | {"lease_fee_basis": basis, "lease_fee_base_msat": 1_000})
        node.advance_by(5 * 86_400)
        counts[basis] = leases(node)
    assert counts[60_000] == 0
    assert counts[5] >= 1


def test_others_announce_and_some_of_it_cannot_be_meant() -> None:
    node = make_node(lessor_count=10)
    offers = [one["option_will_fund"] for one in node.handle("listnodes")["nodes"] if "option_will_fund" in one]
    assert len(offers) == 10
    assert sum(one["lease_fee_basis"] == 65_535 for one in offers) == 1
    assert sum(one["lease_fee_basis"] == 0 for one in offers) == 1
    assert all(len(one["compact_lease"]) == 28 for one in offers)
    assert LeaseRates(0, 0, 0, 0, 0).empty
