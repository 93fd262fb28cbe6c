"""Who wants to pay through the node, what they would pay, and when: drawn per seed before any policy is looked at.

A family says how the willingness of a channel's customers is spread. The chance that a customer comes at price p is:

- elasticity e: (p / floor)^-e above the floor, with a greatest willingness, beyond which nobody pays;
- logistic: 1 / (1 + exp((p - middle) / width));
- competitor: a step at what another way costs, which drifts as a random walk;
- shift: logistic, until price scale and volume jump on a day in the middle of the month.

`dead`, `faucet`, `sink` and `spammer` are logistic markets in which some channels have no trade at all, only let
payments in, only let them out, or are plagued by thousands of tiny and of failing payments.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

DAY_SECONDS: Final = 86_400.0
MAX_WILLINGNESS_PPM: Final = 2_500.0
#: Customers per channel and day at price 0, before the channel's own size.
CUSTOMERS_PER_DAY: Final = 30.0
MEDIAN_PAYMENT_MSAT: Final = 50_000_000
PAYMENT_SPREAD: Final = 1.2
FAILURE_RATIO: Final = 0.25
SPAM_PER_DAY: Final = 300.0
SPAM_MSAT: Final = 2_000

FAMILIES: Final = (
    "elasticity 0.5",
    "elasticity 1",
    "elasticity 2",
    "elasticity 4",
    "logistic",
    "competitor",
    "shift",
    "dead",
    "faucet",
    "sink",
    "spammer",
    "mixture",
)

#: Given a moment and the generator, the most that one customer pays, in ppm.
Willingness = Callable[[float, Random], float]
#: (moment, out channel, two channels by which it may enter, amount, the most it pays, fails later, how old its gossip)
Customer = tuple[float, int, int, int, int, float, bool, float]


@dataclass(frozen=True, slots=True)
class Stream:
    """What wants to leave by one channel, and how often payments enter by it."""

    per_day: float
    entry_weight: float
    willingness: Willingness
    shift_at: float = math.inf
    shift_volume: float = 1.0
    tiny_per_day: float = 0.0
    failing_per_day: float = 0.0


def draw_streams(family: str, channel_count: int, days: float, rng: Random) -> list[Stream]:
    """Given a family's name, draw each channel's stream."""
    streams = []
    for number in range(channel_count):
        kind = rng.choice((*FAMILIES[:7], "dead", "faucet", "sink")) if family == "mixture" else family
        odd = family == "mixture" or number % 3 == 0
        streams.append(_draw_stream(kind, odd, days, rng))
    return streams


def draw_customers(streams: list[Stream], days: float, rng: Random) -> list[Customer]:
    """Given the streams, draw all customers of so many days, in order of time."""
    customers: list[Customer] = []
    weights = [stream.entry_weight for stream in streams]
    for out, stream in enumerate(streams):
        others = [weight if number != out else 0.0 for number, weight in enumerate(weights)]
        for per_day, kind in (
            (stream.per_day, "honest"),
            (stream.tiny_per_day, "tiny"),
            (stream.failing_per_day, "failing"),
        ):
            at = rng.expovariate(per_day) if per_day > 0 else math.inf
            while at < days:
                customers.append(_draw_customer(at * DAY_SECONDS, out, kind, stream, others, rng))
                late = at * DAY_SECONDS >= stream.shift_at
                at += rng.expovariate(per_day * (stream.shift_volume if late else 1.0))
    customers.sort()
    return customers


def _draw_customer(at: float, out: int, kind: str, stream: Stream, others: list[float], rng: Random) -> Customer:
    first, second = rng.choices(range(len(others)), others, k=2)
    amount_msat = max(int(MEDIAN_PAYMENT_MSAT * math.exp(rng.gauss(0.0, PAYMENT_SPREAD))), 1_000)
    willing_ppm = stream.willingness(at, rng)
    fails = rng.random() < FAILURE_RATIO
    lag_seconds = rng.expovariate(1 / 600.0)
    if kind != "honest":
        # A spammer has one way in, and any price is right.
        first = second = max(number for number, weight in enumerate(others) if weight > 0)
        amount_msat, willing_ppm, fails = (
            (SPAM_MSAT, MAX_WILLINGNESS_PPM, False) if kind == "tiny" else (amount_msat, MAX_WILLINGNESS_PPM, True)
        )
    return at, out, first, second, amount_msat, willing_ppm, fails, lag_seconds


def _draw_stream(kind: str, odd: bool, days: float, rng: Random) -> Stream:
    per_day = CUSTOMERS_PER_DAY * math.exp(rng.gauss(0.0, 0.6))
    entry_weight = math.exp(rng.gauss(0.0, 0.6))
    scale_ppm = 30.0 * 20.0 ** rng.random()
    shift_at = days * DAY_SECONDS * rng.uniform(0.35, 0.65)
    scale_jump, volume_jump = rng.choice((0.25, 4.0)), rng.choice((0.4, 2.5))
    walk = _draw_walk(days, rng)
    if kind.startswith("elasticity"):
        return Stream(per_day, entry_weight, _pareto(scale_ppm, float(kind.split()[1])))
    if kind == "competitor":
        return Stream(per_day, entry_weight, _competitor(2 * scale_ppm, walk))
    if kind == "shift":
        shifting = _shifting(2 * scale_ppm, scale_jump, shift_at)
        return Stream(per_day, entry_weight, shifting, shift_at=shift_at, shift_volume=volume_jump)
    logistic = _logistic(2 * scale_ppm)
    if not odd or kind == "logistic":
        return Stream(per_day, entry_weight, logistic)
    return {
        "dead": Stream(0.0, 0.0, logistic),
        "faucet": Stream(0.0, 3 * entry_weight, logistic),
        "sink": Stream(2 * per_day, 0.0, logistic),
        "spammer": Stream(per_day, entry_weight, logistic, tiny_per_day=SPAM_PER_DAY, failing_per_day=SPAM_PER_DAY),
    }[kind]


def _pareto(floor_ppm: float, elasticity: float) -> Willingness:
    def draw(_at: float, rng: Random) -> float:
        willing_ppm = floor_ppm * math.pow(1.0 - rng.random(), -1.0 / elasticity)
        return min(willing_ppm, 20 * floor_ppm, MAX_WILLINGNESS_PPM)

    return draw


def _logistic(middle_ppm: float) -> Willingness:
    def draw(_at: float, rng: Random) -> float:
        share = min(max(rng.random(), 1e-12), 1 - 1e-12)
        return middle_ppm * (1.0 + math.log(share / (1.0 - share)) / 4.0)

    return draw


def _shifting(middle_ppm: float, jump: float, shift_at: float) -> Willingness:
    before, after = _logistic(middle_ppm), _logistic(min(middle_ppm * jump, MAX_WILLINGNESS_PPM / 2))

    def draw(at: float, rng: Random) -> float:
        return (before if at < shift_at else after)(at, rng)

    return draw


def _competitor(price_ppm: float, walk: list[float]) -> Willingness:
    def draw(at: float, rng: Random) -> float:
        return price_ppm * walk[min(int(at / DAY_SECONDS), len(walk) - 1)] * rng.uniform(0.97, 1.03)

    return draw


def _draw_walk(days: float, rng: Random) -> list[float]:
    """A random walk of a price's logarithm, one step a day, within a factor of four."""
    level, walk = 0.0, []
    for _day in range(math.ceil(days) + 1):
        walk.append(math.exp(level))
        level = min(max(level + rng.gauss(0.0, 0.12), -math.log(4)), math.log(4))
    return walk
