"""What a channel's customers would pay, learnt from what they did at the prices that were tried.

The most that a customer pays is taken to be log-logistic (P. R. Fisk, Econometrica 29, 1961): at price p a share

    S(p) = 1 / (1 + (p / scale)^steepness)

of them pays. A scale of 300 ppm with a steepness of 1 has a long tail of those who pay anything, one of 12 is the step
of a market with a competitor at 300. Payments come as a Poisson process with the level λ: at a price p that was open
for h hours, λ · S(p) · h are expected. For each scale and steepness of a grid the level has a gamma distribution
(conjugate), so that the posterior is exact on the grid, and costs a sum. Windows count less as they age: markets drift.
They count less than their payments by `BURSTINESS`: payments come in bursts and are tried again, and are so less
certain than as many independent ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Final

from revops.domain.decision import PriceWindow

SCALES_PPM: Final = tuple(10.0 * 1.3**power for power in range(24))
STEEPNESSES: Final = (0.5, 1.0, 1.5, 2.0, 3.0, 4.5, 7.0, 12.0)
HALF_LIFE_SECONDS: Final = 14 * 86_400.0
BURSTINESS: Final = 1.5
#: How far the market's price may be from a channel's own scale: a standard error of its logarithm.
PRIOR_SPREAD: Final = 1.3
#: One payment in 20 days at price 0 is what the level is believed to be before anything came: hardly anything.
PRIOR_COUNT: Final = 1.0
PRIOR_HOURS: Final = 24 / 20.0

_GRID: Final = tuple(product(SCALES_PPM, STEEPNESSES))
_LOG_SCALES: Final = tuple(math.log(scale) for scale, _steepness in _GRID)
_STEEP: Final = tuple(steepness for _scale, steepness in _GRID)


@dataclass(frozen=True, slots=True)
class Belief:
    """A posterior over the grid: the weight of each point and the level that goes with it, in payments an hour at
    price 0. `interest_count` is how many payments it rests on, as they count.
    """

    weights: tuple[float, ...]
    levels_per_hour: tuple[float, ...]
    interest_count: float


@lru_cache(maxsize=1_024)  # decisions look at much the same prices
def shares(price_ppm: float) -> tuple[float, ...]:
    """Given a price, return the share of customers that pays it, at each point of the grid."""
    log_price = math.log(max(price_ppm, 1.0))
    return tuple(
        1.0 / (1.0 + math.exp(steepness * (log_price - log_scale)))
        for log_scale, steepness in zip(_LOG_SCALES, _STEEP, strict=True)
    )


@lru_cache(maxsize=1_024)
def _log_shares(price_ppm: float) -> tuple[float, ...]:
    return tuple(map(math.log, shares(price_ppm)))


def learn(windows: Sequence[PriceWindow], market_ppm: float, now: float) -> Belief:
    """Given what each price has brought, and what the market charges, return what is believed of demand."""
    logs = [-0.5 * ((log_scale - math.log(max(market_ppm, 1.0))) / PRIOR_SPREAD) ** 2 for log_scale in _LOG_SCALES]
    hours = [0.0] * len(_GRID)
    total = 0.0
    for fee_ppm, open_hours, count in _pooled(windows, now):
        total += count
        hours = [spent + open_hours * share for spent, share in zip(hours, shares(fee_ppm), strict=True)]
        if count > 0:
            logs = [log + count * paying for log, paying in zip(logs, _log_shares(fee_ppm), strict=True)]
    certain = PRIOR_COUNT + total
    logs = [log - certain * math.log(PRIOR_HOURS + spent) for log, spent in zip(logs, hours, strict=True)]
    most = max(logs)
    likely = [math.exp(log - most) for log in logs]
    whole = sum(likely)
    return Belief(
        weights=tuple(one / whole for one in likely),
        levels_per_hour=tuple(certain / (PRIOR_HOURS + spent) for spent in hours),
        interest_count=total,
    )


def _pooled(windows: Iterable[PriceWindow], now: float) -> Iterable[tuple[int, float, float]]:
    """Windows by price: open hours and payments, as they count."""
    pooled: dict[int, tuple[float, float]] = {}
    for one in windows:
        weight = math.pow(0.5, max(now - one.ended_at, 0.0) / HALF_LIFE_SECONDS) / BURSTINESS
        open_hours, count = pooled.get(one.fee_ppm, (0.0, 0.0))
        pooled[one.fee_ppm] = open_hours + weight * one.open_hours, count + weight * one.interest_count
    return [(fee_ppm, *sums) for fee_ppm, sums in pooled.items()]


def rate_per_hour(belief: Belief, price_ppm: float) -> float:
    """Given a price, return how many payments an hour are expected at it."""
    return sum(
        weight * level * share
        for weight, level, share in zip(belief.weights, belief.levels_per_hour, shares(price_ppm), strict=True)
    )


def best_price(belief: Belief, prices_ppm: Sequence[int], cost_ppm: float) -> int:
    """Given prices and what a sold sat costs, return the price that is expected to bring the most net income."""
    return max(prices_ppm, key=lambda ppm: (rate_per_hour(belief, ppm) * (ppm - cost_ppm), -ppm))


def elasticity(belief: Belief, price_ppm: float) -> tuple[float, float, float]:
    """Given a price, return by how many percent fewer pay when it rises by 1 %: the mean, and where 80 % of the belief
    lies.
    """
    values = [steepness * (1.0 - share) for steepness, share in zip(_STEEP, shares(price_ppm), strict=True)]
    mean = sum(weight * value for weight, value in zip(belief.weights, values, strict=True))
    return mean, *interval(belief, values)


def interval(belief: Belief, values: Sequence[float]) -> tuple[float, float]:
    """Given a value at each point of the grid, return between which two 80 % of the belief lies."""
    ranked = sorted(zip(values, belief.weights, strict=True))
    low = high = ranked[-1][0]
    reached = 0.0
    for value, weight in ranked:
        if reached <= 0.1 < reached + weight:
            low = value
        if reached <= 0.9 < reached + weight:
            high = value
        reached += weight
    return low, high
