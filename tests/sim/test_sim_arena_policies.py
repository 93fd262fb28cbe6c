"""Policies in the arena: the product's climb earns more than what it must beat, all meet the same customers, and the
spans and the oracle that they are judged by add up.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import pytest

from revops.sim.arena.families import DAY_SECONDS
from revops.sim.arena.market import Market
from revops.sim.arena.oracle import best_constants
from revops.sim.arena.policies import POLICIES, START_PPM
from revops.sim.arena.records import Records
from revops.sim.arena.world import Result, make_world, run_constant, run_policy
from tests.sim.arena_worlds import SEED, SMALL

TRIED = ("elasticity 1", "elasticity 4", "competitor", "dead", "mixture")
RULES = ("constant", "proportional", "hill_climb")

Payment = tuple[float, int, int]


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, Result]]:
    worlds = {family: make_world(family, SEED, 15.0, SMALL) for family in TRIED}
    return {family: {name: run_policy(world, POLICIES[name]()) for name in RULES} for family, world in worlds.items()}


def test_the_climb_earns_most(results: dict[str, dict[str, Result]]) -> None:
    earned = {name: sum(family[name].net_msat for family in results.values()) for name in RULES}
    assert earned["hill_climb"] > 1.15 * earned["proportional"] > 1.15 * earned["constant"]


def test_the_climb_does_not_flap(results: dict[str, dict[str, Result]]) -> None:
    updates = [span.updates_per_day for family in results.values() for span in family["hill_climb"].spans]
    assert 0 < fmean(updates) <= 2.0


def test_dead_channels_end_at_the_floor() -> None:
    """The first and last channel of that family never see a customer. The last step may be within the dead band.

    The chain is nearly free; where closing is dear, that is a floor of its own.
    """
    free = replace(SMALL, feerate_perkw=253, fee_spikes_per_month=0.0)
    cheap, dear = (
        run_policy(make_world("dead", SEED, 20.0, setting), POLICIES["hill_climb"]()).final_ppm[::3]
        for setting in (free, replace(free, feerate_perkw=10_000))
    )
    assert max(cheap) <= 12 < min(dear) <= max(dear) < START_PPM


class Heard(Records):
    """Remembers who came."""

    def __init__(self, channel_count: int) -> None:
        super().__init__(channel_count)
        self.payments: list[Payment] = []

    def __call__(
        self, at: float, entry: int, out: int, amount_msat: int, fee_msat: int, fate: int, hold_seconds: float = 0.0
    ) -> None:
        super().__call__(at, entry, out, amount_msat, fee_msat, fate, hold_seconds)
        self.payments.append((at, out, amount_msat))


@pytest.mark.parametrize("name", ["constant", "proportional", "hill_climb"])
def test_every_policy_meets_the_same_customers(name: str) -> None:
    """Where there is more liquidity than anybody needs, all come who would pay any of the fees, and none who would pay
    none, in whatever order the policies run.
    """
    world = make_world("logistic", SEED, 4.0, replace(SMALL, capacities_sat=(10**9,)))
    policy, fees, heard = POLICIES[name](), {START_PPM}, Heard(4)

    def watched(market: Market, records: Records, now: float) -> None:
        policy(market, records, now)
        fees.update(market.fee_ppm)

    run_policy(world, watched, lambda _count: heard)
    customers = world.between(0.0, 4.0)
    sure, possible = (
        {(one.at, one.out, one.amount_msat) for one in customers if one.willing_ppm >= ppm}
        for ppm in (max(fees), min(fees))
    )
    assert len(heard.payments) == len(set(heard.payments)) > 100
    assert sure <= set(heard.payments) <= possible
    assert (name == "constant") == (sure == possible)


def test_draining_the_node_at_the_end_is_no_gain() -> None:
    """Balances count for what they earn in the week after, so fees near nothing cost more than they bring."""
    world = make_world("logistic", SEED, 10.0, SMALL)
    given_away, sold = (
        run_constant(world, 0, fees, world.local_msat).net_msat - world.worth_msat(0, world.local_msat)
        for fees in ([1] * 4, world.later_ppm[0])
    )
    assert given_away < 0.1 * sold


def test_the_oracle_beats_its_starts() -> None:
    world = make_world("sink", SEED, 5.0, SMALL)
    ((best, fees),) = best_constants(world)
    worth_msat = world.worth_msat(0, world.local_msat)
    assert best.net_msat == run_constant(world, 0, fees, world.local_msat).net_msat - worth_msat
    assert best.net_msat >= run_constant(world, 0, world.later_ppm[0], world.local_msat).net_msat - worth_msat


def test_spans_add_up() -> None:
    world = make_world("logistic", SEED, 32.0, SMALL)
    result = run_policy(world, POLICIES["constant"]())
    first, second = result.spans
    assert result.earned_by_day_msat[-1] == first.earned_msat + second.earned_msat
    assert first == replace(
        run_constant(world, 0, [START_PPM] * 4, world.local_msat),
        net_msat=first.net_msat,
        depleted_ratio=first.depleted_ratio,
    )
    assert second.chain_msat == pytest.approx(first.chain_msat / 15, rel=1e-3)
    # What the first span's balances are worth at its end is what the second begins with.
    worth_msat = world.worth_msat(2, second.local_msat) - world.worth_msat(0, world.local_msat)
    costs_msat = first.chain_msat + second.chain_msat
    assert result.net_msat == first.earned_msat + second.earned_msat - costs_msat + worth_msat
    assert world.between(0.0, 32.0)[-1].at < 32 * DAY_SECONDS
