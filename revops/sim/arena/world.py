"""One world: a node with its channels, a month of customers, and the week after it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from revops.sim.arena.demand import DAY_SECONDS, Customer, draw_customers, draw_streams
from revops.sim.arena.market import Market
from revops.sim.arena.policies import START_PPM, Policy
from revops.sim.arena.records import Records

CHANNEL_COUNT: Final = 10
CYCLE_SECONDS: Final = 1_800.0
#: The balances that a policy leaves are worth what they earn in the week after, at the same prices for everybody.
AFTER_DAYS: Final = 7.0
GRID_PPM: Final = tuple(round(10 * 1.25**power) for power in range(25))


@dataclass(frozen=True, slots=True)
class World:
    """Everything about a market that no policy changes."""

    family: str
    days: float
    capacity_msat: tuple[int, ...]
    local_msat: tuple[int, ...]
    customers: tuple[Customer, ...]
    later: tuple[Customer, ...]
    later_ppm: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What a policy made of a world. `net_msat` is income and what the change of balances is worth."""

    net_msat: int
    earned_msat: int
    updates_per_day: float
    final_ppm: tuple[int, ...]


def make_world(family: str, seed: int, days: float) -> World:
    """Given a family, a seed and a length, draw a world. The same arguments give the same world."""
    rng = Random(f"{family} {seed}")
    streams = draw_streams(family, CHANNEL_COUNT, days, rng)
    capacity_msat = tuple(int(rng.choice((2, 5, 5, 10)) * 1e9) for _stream in streams)
    local_msat = tuple(int(capacity * rng.uniform(0.2, 0.8)) for capacity in capacity_msat)
    drawn = draw_customers(streams, days + AFTER_DAYS, rng)
    end = bisect_left(drawn, days * DAY_SECONDS, key=lambda customer: customer[0])
    customers, later = tuple(drawn[:end]), tuple(drawn[end:])
    later_ppm = tuple(_best_alone_ppm(number, later) for number in range(CHANNEL_COUNT))
    return World(family, days, capacity_msat, local_msat, customers, later, later_ppm)


def run_policy(world: World, policy: Policy, make_records: Callable[[int], Records] = Records) -> Result:
    """Given a world, a fresh policy and what keeps its records, live through the month and return what came of it."""
    market = Market(list(world.capacity_msat), list(world.local_msat), [START_PPM] * len(world.capacity_msat))
    records = make_records(len(world.capacity_msat))
    start, now = 0, 0.0
    while now < world.days * DAY_SECONDS:
        policy(market, records, now)
        now += CYCLE_SECONDS
        end = bisect_left(world.customers, now, start, key=lambda customer: customer[0])
        market.trade(world.customers[start:end], records)
        records.fold(now)
        start = end
    updates = sum(market.update_count) / len(world.capacity_msat) / world.days
    return Result(_net_msat(world, market), market.earned_msat, updates, tuple(market.fee_ppm))


def run_constant(world: World, fee_ppm: list[int]) -> int:
    """Given a world and a fee for each channel, return what they make, nobody ever touching them."""
    market = Market(list(world.capacity_msat), list(world.local_msat), list(fee_ppm))
    market.trade(world.customers)
    return _net_msat(world, market)


def _net_msat(world: World, market: Market) -> int:
    """Income, and what the balances earn afterwards more or less than those at the start would have."""
    return market.earned_msat + _worth_msat(world, market.local_msat) - _worth_msat(world, list(world.local_msat))


def _worth_msat(world: World, local_msat: list[int]) -> int:
    market = Market(list(world.capacity_msat), list(local_msat), list(world.later_ppm))
    market.trade(world.later)
    return market.earned_msat


def _best_alone_ppm(number: int, customers: tuple[Customer, ...]) -> int:
    """The fee that would earn most of these customers if liquidity were no matter; the start's if there are none."""
    willing = [(customer[5], customer[4]) for customer in customers if customer[1] == number and not customer[6]]
    if not willing:
        return START_PPM
    return max(GRID_PPM, key=lambda ppm: ppm * sum(amount for most_ppm, amount in willing if most_ppm >= ppm))
