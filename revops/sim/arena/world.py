"""One world: a node with its channels, its customers, and the spans in which a policy is judged on it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Final

from revops.domain.forward import TYPICAL_PAYMENT_MSAT
from revops.sim.arena.demand import Customer, draw_customers
from revops.sim.arena.families import DAY_SECONDS, Absences, draw_streams
from revops.sim.arena.feerates import draw_feerates
from revops.sim.arena.market import Market
from revops.sim.arena.policies import START_PPM, Policy
from revops.sim.arena.records import Records
from revops.sim.arena.setting import TUNING, Setting

CYCLE_SECONDS: Final = 1_800.0
#: The balances that a policy leaves are worth what they earn in the week after, at the same prices for everybody.
AFTER_DAYS: Final = 7.0
#: A policy learns in the first month, and is judged apart for what comes after it.
LEARNING_DAYS: Final = 30.0
#: Opening (140 vB) and closing (200 vB) a channel that lives two years, as an earlier tool reckoned.
CHANNEL_LIFE_WEIGHT: Final = 4 * 340
CHANNEL_LIFE_DAYS: Final = 730.0
GRID_PPM: Final = tuple(round(10 * 1.25**power) for power in range(25))


@dataclass(frozen=True, slots=True)
class World:
    """Everything about a market that no policy changes. `bounds_days` are where spans begin and end; at each of them
    `later_ppm` are the fees at which the balances there are valued.
    """

    setting: Setting
    family: str
    seed: int
    bounds_days: tuple[float, ...]
    capacity_msat: tuple[int, ...]
    local_msat: tuple[int, ...]
    customers: tuple[Customer, ...]
    later_ppm: tuple[tuple[int, ...], ...]
    absences: tuple[Absences, ...]
    others_ppm: tuple[tuple[int, ...] | None, ...]
    size_rank_ratio: tuple[float, ...]
    peer_channel_count: tuple[int, ...]
    #: On-chain feerate of each hour, sat per 1000 weight units.
    feerates_perkw: tuple[int, ...]
    start_ppm: tuple[int, ...]

    @property
    def days(self) -> float:
        """How long it lasts."""
        return self.bounds_days[-1]

    def between(self, from_days: float, to_days: float) -> Sequence[Customer]:
        """The customers of a stretch of time."""
        return _between(self.customers, from_days, to_days)

    def market(self, fee_ppm: Sequence[int], local_msat: Sequence[int] | None = None) -> Market:
        """A market at its start, or with other balances."""
        return Market(
            list(self.capacity_msat),
            list(self.local_msat if local_msat is None else local_msat),
            list(fee_ppm),
            self.absences,
            self.others_on(0),
            self.size_rank_ratio,
            self.peer_channel_count,
        )

    def others_on(self, day: int) -> list[int | None]:
        """What others charge into each peer on a day."""
        return [None if by_day is None else by_day[min(day, len(by_day) - 1)] for by_day in self.others_ppm]

    def worth_msat(self, bound: int, local_msat: Sequence[int]) -> int:
        """What balances at the so-manieth bound earn in the week after it."""
        market = self.market(self.later_ppm[bound], local_msat)
        at_days = self.bounds_days[bound]
        market.trade(_week_after(self.customers, at_days), (at_days + AFTER_DAYS) * DAY_SECONDS)
        return market.earned_msat

    def chain_msat(self, span: int) -> int:
        """What the channels cost on the chain in a span: opening and closing each, spread over its life."""
        days = self.bounds_days[span + 1] - self.bounds_days[span]
        perkw = sum(self.feerates_perkw) / len(self.feerates_perkw)
        each_msat = perkw * CHANNEL_LIFE_WEIGHT / CHANNEL_LIFE_DAYS * days
        return round(each_msat) * len(self.capacity_msat)


@dataclass(frozen=True, slots=True)
class SpanResult:
    """What came of one span. `net_msat` is income, less costs, and what the change of balances is worth."""

    net_msat: int
    earned_msat: int
    rebalance_msat: int
    chain_msat: int
    updates_per_day: float
    depleted_ratio: float
    local_msat: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What a policy made of a world; `earned_by_day_msat` is the sum up to the end of each day."""

    spans: tuple[SpanResult, ...]
    final_ppm: tuple[int, ...]
    earned_by_day_msat: tuple[int, ...]

    @property
    def net_msat(self) -> int:
        """All spans' together."""
        return sum(span.net_msat for span in self.spans)


def make_world(family: str, seed: int, days: float, setting: Setting = TUNING) -> World:
    """Given a family, a seed, a length and the market's parameters, draw a world. The same arguments give the same
    world.
    """
    rng = Random(f"{setting.name} {family} {seed}")
    bounds_days = (0.0, *([LEARNING_DAYS] if days > LEARNING_DAYS else []), days)
    streams = draw_streams(family, setting, days + AFTER_DAYS, rng)
    capacity_msat = tuple(rng.choice(setting.capacities_sat) * 1_000 for _stream in streams)
    local_msat = tuple(int(capacity * rng.uniform(0.2, 0.8)) for capacity in capacity_msat)
    customers = tuple(draw_customers(streams, setting, days + AFTER_DAYS, rng))
    return World(
        setting=setting,
        family=family,
        seed=seed,
        bounds_days=bounds_days,
        capacity_msat=capacity_msat,
        local_msat=local_msat,
        customers=customers,
        later_ppm=later_fees(customers, bounds_days, len(streams)),
        absences=tuple(stream.absences for stream in streams),
        others_ppm=tuple(stream.others_ppm for stream in streams),
        # Customers don't go by size, so that a rank drawn from 0 to 1 would only lead astray who does: CLBOSS, of whose
        # income it took a third. A node of middle size gives it its fair chance.
        size_rank_ratio=tuple(rng.uniform(0.4, 0.6) for _stream in streams),
        peer_channel_count=tuple(max(int(rng.lognormvariate(3.0, 1.0)), 2) for _stream in streams),
        feerates_perkw=draw_feerates(setting, days, rng),
        start_ppm=(START_PPM,) * len(streams),
    )


def later_fees(
    customers: Sequence[Customer], bounds_days: Sequence[float], channel_count: int
) -> tuple[tuple[int, ...], ...]:
    """Given a world's customers, where its spans begin and end, and how many channels there are, return for each bound
    the fees at which the balances there are valued.
    """
    return tuple(_best_alone_ppm(_week_after(customers, bound), channel_count) for bound in bounds_days)


def _between(customers: Sequence[Customer], from_days: float, to_days: float) -> Sequence[Customer]:
    start, end = (
        bisect_left(customers, days * DAY_SECONDS, key=lambda customer: customer.at) for days in (from_days, to_days)
    )
    return customers[start:end]


def _week_after(customers: Sequence[Customer], days: float) -> Sequence[Customer]:
    """By whose trade the balances of a moment are valued."""
    return _between(customers, days, days + AFTER_DAYS)


def run_policy(world: World, policy: Policy, make_records: Callable[[int], Records] = Records) -> Result:
    """Given a world, a fresh policy and what keeps its records, live through it and return what came of it."""
    count = len(world.capacity_msat)
    market = world.market(world.start_ppm)
    records = make_records(count)
    spans, by_day, now = [], [0], 0.0
    for span, (from_days, to_days) in enumerate(pairwise(world.bounds_days)):
        before = _Before(market, world.worth_msat(span, market.local_msat))
        start, customers = 0, world.between(from_days, to_days)
        depleted_count = cycle_count = 0
        while now < to_days * DAY_SECONDS:
            market.others_ppm = world.others_on(int(now / DAY_SECONDS))
            market.feerate_perkw = world.feerates_perkw[int(now / 3_600)]
            policy(market, records, now)
            depleted_count += sum(market.spendable_msat(number) < TYPICAL_PAYMENT_MSAT for number in range(count))
            cycle_count += count
            now += CYCLE_SECONDS
            end = bisect_left(customers, now, start, key=lambda customer: customer.at)
            market.trade(customers[start:end], now, records)
            records.fold(now)
            start = end
            if now % DAY_SECONDS == 0:
                by_day.append(market.earned_msat)
        spans.append(before.result(world, span, market, depleted_count / max(cycle_count, 1)))
    return Result(tuple(spans), tuple(market.fee_ppm), tuple(by_day))


class _Before:
    """How a market stood when a span began."""

    def __init__(self, market: Market, worth_msat: int) -> None:
        self.worth_msat = worth_msat
        self.earned_msat, self.rebalance_msat = market.earned_msat, market.rebalance_msat
        self.update_count = sum(market.update_count)

    def result(self, world: World, span: int, market: Market, depleted_ratio: float) -> SpanResult:
        """What has come of the span at its end."""
        earned_msat = market.earned_msat - self.earned_msat
        rebalance_msat = market.rebalance_msat - self.rebalance_msat
        chain_msat = world.chain_msat(span)
        worth_msat = world.worth_msat(span + 1, market.local_msat)
        days = world.bounds_days[span + 1] - world.bounds_days[span]
        updates_count = sum(market.update_count) - self.update_count
        return SpanResult(
            net_msat=earned_msat - rebalance_msat - chain_msat + worth_msat - self.worth_msat,
            earned_msat=earned_msat,
            rebalance_msat=rebalance_msat,
            chain_msat=chain_msat,
            updates_per_day=updates_count / len(world.capacity_msat) / days,
            depleted_ratio=depleted_ratio,
            local_msat=tuple(market.local_msat),
        )


def run_constant(world: World, span: int, fee_ppm: Sequence[int], local_msat: Sequence[int]) -> SpanResult:
    """Given a world, one of its spans, a fee for each channel and the balances at the span's start, return what comes
    of it, nobody ever touching them. No cycle looks at it: `depleted_ratio` is 0.
    """
    market = world.market(fee_ppm, local_msat)
    before = _Before(market, 0)
    from_days, to_days = world.bounds_days[span : span + 2]
    market.trade(world.between(from_days, to_days), to_days * DAY_SECONDS)
    return before.result(world, span, market, 0.0)


def _best_alone_ppm(customers: Sequence[Customer], channel_count: int) -> tuple[int, ...]:
    """For each channel the fee that would earn most of these customers if liquidity were no matter; the start's if
    there are none.
    """
    willing: list[list[tuple[float, int]]] = [[] for _number in range(channel_count)]
    for customer in customers:
        if not customer.fails:
            willing[customer.out].append((customer.willing_ppm, customer.amount_msat))
    return tuple(
        max(GRID_PPM, key=lambda ppm: ppm * sum(amount for most_ppm, amount in one if most_ppm >= ppm))
        if one
        else START_PPM
        for one in willing
    )
