"""What strangers can do to a price for nothing: call the way cheap in gossip, or leave a channel all but empty."""

from __future__ import annotations

from random import Random

import pytest

from revops.domain.policy import FeesConfig
from revops.sim.arena.demand import Customer
from revops.sim.arena.families import DAY_SECONDS
from revops.sim.arena.market import Market
from revops.sim.arena.policies import Product
from revops.sim.arena.records import Records
from tests.builders import SAT

CYCLE_SECONDS = 1_800.0


def buyers(days: float, per_day: float, median_sat: int, willing_ppm: float, seed: int) -> list[Customer]:
    """They want channel 0, and come by 1."""
    rng = Random(seed)
    at, found = 0.0, []
    while at < days * DAY_SECONDS:
        at += rng.expovariate(per_day / DAY_SECONDS)
        amount_msat = int(median_sat * SAT * rng.lognormvariate(0, 0.5))
        willing = willing_ppm * rng.lognormvariate(0, 0.3)
        found.append(Customer(at, 0, 1, 2, amount_msat, willing, False, 600.0))
    return found


class Node:
    """A channel of 6 M sat to a peer whom buyers want, and two large ones by which they come."""

    def __init__(self, customers: list[Customer], *, local_sat: int, fee_ppm: int, anchor_ppm: int | None) -> None:
        capacities = [6_000_000 * SAT, 20_000_000 * SAT, 20_000_000 * SAT]
        local = [local_sat * SAT, 8_000_000 * SAT, 8_000_000 * SAT]
        self.market = Market(capacities, local, [fee_ppm, 100, 100], others_ppm=[anchor_ppm, 100, 100])
        self.records, self.policy = Records(3), Product(FeesConfig(strategy="demand"))
        self.customers, self.now = customers, 0.0
        self.earned_msat = 0

    def live(self, until_day: float) -> None:
        """The product's runs and the buyers, to the end of that day."""
        while self.now < until_day * DAY_SECONDS:
            self.policy(self.market, self.records, self.now)
            self.now += CYCLE_SECONDS
            came = [one for one in self.customers if self.now - CYCLE_SECONDS <= one.at < self.now]
            self.market.trade(came, self.now, self._record)
            self.records.fold(self.now)

    def _record(
        self, at: float, entry: int, out: int, amount_msat: int, fee_msat: int, fate: int, hold_seconds: float = 0.0
    ) -> None:
        if fate == 0 and out == 0:
            self.earned_msat += fee_msat
        self.records(at, entry, out, amount_msat, fee_msat, fate, hold_seconds)

    def move(self, amount_sat: int) -> None:
        """Liquidity from channel 1 to the wanted one, or back."""
        self.market.local_msat[0] += amount_sat * SAT
        self.market.local_msat[1] -= amount_sat * SAT


@pytest.mark.parametrize("seed", [1, 2])
def test_gossip_that_says_cheap_does_not_give_the_stock_away(seed: int) -> None:
    """A first fee no lower than a quarter of start_ppm, and room to learn that the way is worth more."""
    customers = buyers(20, 8, 100_000, 700.0, seed)
    honest = Node(customers, local_sat=5_900_000, fee_ppm=200, anchor_ppm=None)
    lied_to = Node(customers, local_sat=5_900_000, fee_ppm=50, anchor_ppm=4)
    for node in (honest, lied_to):
        node.live(20)
    assert lied_to.earned_msat > 0.6 * honest.earned_msat


@pytest.mark.parametrize("left_sat", [40_000, 150_000])
def test_what_is_left_of_a_wanted_channel_does_not_drag_down_its_next_refill(left_sat: int) -> None:
    """Payments larger than what is left are refused, so that nothing is earned: that is not the price's fault."""
    node = Node(buyers(24, 8, 400_000, 900.0, 1), local_sat=4_000_000, fee_ppm=400, anchor_ppm=400)
    node.live(4)
    node.move(60_000 + left_sat - node.market.local_msat[0] // SAT)
    paid_ppm = min(node.market.fee_ppm[0], 900)
    node.live(14)
    assert node.market.fee_ppm[0] > 0.7 * paid_ppm
    before_msat = node.earned_msat
    node.move(3_000_000)
    node.live(24)
    assert node.earned_msat - before_msat > 1_000 * SAT
