"""Who wants to pay through the node, what they would pay, and when: drawn per seed before any policy is looked at, so
that two policies on one seed meet the same customers.

Customers come as a Poisson process whose rate follows the hour, the day of the week and bursts (by thinning: Lewis &
Shedler, Naval Research Logistics 26, 1979).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final, NamedTuple

from revops.sim.arena.families import DAY_SECONDS, MAX_WILLINGNESS_PPM, Stream
from revops.sim.arena.setting import Setting

SPAM_MSAT: Final = 2_000
#: lightningd's default for max-concurrent-htlcs; what a jammer fills.
SLOT_COUNT: Final = 30
JAM_MSAT: Final = 1_000_000
BURST_GAP_SECONDS: Final = 2.0 * DAY_SECONDS
BURST_SECONDS: Final = 5_400.0
#: The sender whose gossip comes from nodes that pass on one update a day (`Market.set_fee`).
LIMITED: Final = math.inf
LONG_LAG_SECONDS: Final = 7_200.0


class Customer(NamedTuple):
    """One who wants to send `amount_msat` out by channel `out`, entering by `first`, or else by `second`, for at most
    `willing_ppm`. `lag_seconds` is how old its gossip is. A jammer sends `slot_count` such payments and holds them.
    """

    at: float
    out: int
    first: int
    second: int
    amount_msat: int
    willing_ppm: float
    fails: bool
    lag_seconds: float
    hold_seconds: float = 0.0
    slot_count: int = 1


def draw_customers(streams: Sequence[Stream], setting: Setting, days: float, rng: Random) -> list[Customer]:
    """Given the streams, draw all customers of so many days, in order of time."""
    customers: list[Customer] = []
    weights = [stream.entry_weight for stream in streams]
    for out, stream in enumerate(streams):
        others = [weight if number != out else 0.0 for number, weight in enumerate(weights)]
        if not any(others):
            continue  # Payments enter by no other channel, so nobody gets as far as this one.
        # A spammer or jammer has one way in.
        way = max(range(len(others)), key=others.__getitem__)
        customers += [
            _draw_honest(at, out, stream, others, setting, rng)
            for at in _moments(stream.per_day, _rhythm(stream, setting, days, rng), days, rng)
        ]
        for at in _moments(stream.tiny_per_day, None, days, rng):
            customers.append(Customer(at, out, way, way, SPAM_MSAT, MAX_WILLINGNESS_PPM, False, 0.0))
        for at in _moments(stream.failing_per_day, None, days, rng):
            amount_msat = _draw_msat(setting, rng)
            customers.append(Customer(at, out, way, way, amount_msat, MAX_WILLINGNESS_PPM, True, 0.0))
        for at in _moments(stream.jams_per_day, None, days, rng):
            hold_seconds = rng.expovariate(1 / setting.jam_seconds)
            jam = Customer(at, out, way, way, JAM_MSAT, MAX_WILLINGNESS_PPM, True, 0.0, hold_seconds, SLOT_COUNT)
            customers.append(jam)
    customers.sort()
    return customers


def _draw_honest(at: float, out: int, stream: Stream, others: list[float], setting: Setting, rng: Random) -> Customer:
    first, second = rng.choices(range(len(others)), others, k=2)
    amount_msat = _draw_msat(setting, rng)
    willing_ppm = stream.willingness(at, rng)
    fails = rng.random() < setting.failure_ratio
    draw, lag_seconds, long_lag_seconds = (
        rng.random(), rng.expovariate(1 / setting.lag_seconds), rng.expovariate(1 / LONG_LAG_SECONDS)
    )  # fmt: skip
    if draw < setting.limited_ratio:
        lag_seconds = LIMITED
    elif draw < setting.limited_ratio + setting.laggard_ratio:
        lag_seconds = long_lag_seconds
    return Customer(at, out, first, second, amount_msat, willing_ppm, fails, lag_seconds)


def _draw_msat(setting: Setting, rng: Random) -> int:
    return max(int(setting.median_payment_msat * math.exp(rng.gauss(0.0, setting.payment_spread))), 1_000)


class _Rhythm(NamedTuple):
    """How a stream's rate moves: `factor` at a moment, never above `most`; 1 on average but for shifts of volume."""

    factor: Callable[[float], float]
    most: float


def _moments(per_day: float, rhythm: _Rhythm | None, days: float, rng: Random) -> Iterator[float]:
    """When they come, in seconds."""
    if per_day <= 0:
        return
    most = 1.0 if rhythm is None else rhythm.most
    at = 0.0
    while True:
        at += rng.expovariate(per_day * most / DAY_SECONDS)
        if at >= days * DAY_SECONDS:
            return
        if rhythm is None or rng.random() * most < rhythm.factor(at):
            yield at


def _rhythm(stream: Stream, setting: Setting, days: float, rng: Random) -> _Rhythm:
    daily, weekly = rng.uniform(0, 2 * math.pi), rng.uniform(0, 2 * math.pi)
    bursts = _draw_bursts(days, rng)
    usual = 1.0 + (setting.burst_factor - 1.0) * BURST_SECONDS / (BURST_GAP_SECONDS + BURST_SECONDS)
    highest = (1 + setting.daily_swing) * (1 + setting.weekly_swing) * setting.burst_factor / usual
    greatest = max((stream.volume(at) for at, _factor in stream.shifts), default=1.0)
    waiting = iter(bursts)
    current = [next(waiting)]

    def factor(at: float) -> float:
        # Moments are asked for in order.
        while current[0][1] <= at:
            current[0] = next(waiting)
        day = at / DAY_SECONDS
        wave = 1.0 + setting.daily_swing * math.sin(2 * math.pi * day + daily)
        wave *= 1.0 + setting.weekly_swing * math.sin(2 * math.pi * day / 7 + weekly)
        burst = setting.burst_factor if current[0][0] <= at else 1.0
        return wave * burst / usual * stream.volume(at)

    return _Rhythm(factor, highest * max(greatest, 1.0))


def _draw_bursts(days: float, rng: Random) -> list[tuple[float, float]]:
    """Begin and end of each burst; the last is beyond the world's end."""
    at, bursts = 0.0, []
    while at < days * DAY_SECONDS:
        start_at = at + rng.expovariate(1 / BURST_GAP_SECONDS)
        at = start_at + rng.expovariate(1 / BURST_SECONDS)
        bursts.append((start_at, at))
    return [*bursts, (math.inf, math.inf)]
