"""What a channel's customers would pay, learnt from what they did at the prices that were tried.

The most that a customer pays is taken to be log-logistic (P. R. Fisk, Econometrica 29, 1961): at price p a share

    S(p) = 1 / (1 + (p / scale)^steepness)

of them pays. A scale of 300 ppm with a steepness of 1 has a long tail of those who pay anything, one of 12 is the step
of a market with a competitor at 300. Payments come as a Poisson process with the level λ: at a price p that was open
for h hours, λ · S(p) · h are expected. For each scale and steepness of a grid the level has a gamma distribution
(conjugate), so that the posterior is exact on the grid, and costs a sum. Windows count less as they age: markets drift.
They count less than their payments by `BURSTINESS`: payments come in bursts and are tried again, and are so less
certain than as many independent ones. Some markets don't drift but end: what was learnt before a silence that can be no
chance is of a market that is no more.

The level's prior is as good as flat in the logarithm. One with a shape would take a dear price that few pay for proof
of a dear market with few customers, rather than of a cheap one with many, and would never go and look.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from operator import mul
from typing import Final

from revops.domain.decision import PriceWindow

SCALES_PPM: Final = tuple(10.0 * 1.3**power for power in range(24))
STEEPNESSES: Final = (0.5, 1.0, 1.5, 2.0, 3.0, 4.5, 7.0, 12.0)
HALF_LIFE_SECONDS: Final = 10 * 86_400.0
BURSTINESS: Final = 1.5
#: How far a channel's own scale may be from what others charge, and from `start_ppm` where nobody knows what they do: a
#: standard error of its logarithm.
MARKET_SPREAD: Final = 0.9
BLIND_SPREAD: Final = 1.3
#: The level's prior: a third of a payment, in the time in which a channel with 60 a day has as many.
PRIOR_COUNT: Final = 0.3
PRIOR_HOURS: Final = PRIOR_COUNT * 24 / 60.0
#: A silence is judged from a day on, so that a night is none; of payments that come this much more seldom than before
#: at the same price or a dearer one; and if it is less likely than chance by a factor of exp(6).
SILENT_HOURS: Final = 24.0
SILENT_RATIO: Final = 0.1
SILENT_DEVIANCE: Final = 6.0
#: Prices are told apart to 2 %: what is reckoned for one serves again.
_RESOLUTION: Final = math.log(1.02)

_GRID: Final = tuple(product(SCALES_PPM, STEEPNESSES))
_LOG_SCALES: Final = tuple(math.log(scale) for scale, _steepness in _GRID)
_STEEP: Final = tuple(steepness for _scale, steepness in _GRID)


@dataclass(frozen=True, slots=True)
class Belief:
    """A posterior over the grid: the weight of each point and the level that goes with it, in payments an hour at
    price 0. `interest_count` is how many payments it rests on, as they count, and `contrast` how well the
    prices that were tried can tell whether price matters: the information of a Poisson regression on its logarithm (P.
    McCullagh & J. Nelder, Generalized Linear Models, 1989, §6.2) where it doesn't. 0: only one was tried.
    """

    weights: tuple[float, ...]
    levels_per_hour: tuple[float, ...]
    interest_count: float
    contrast: float


def shares(price_ppm: float) -> tuple[float, ...]:
    """Given a price, return the share of customers that pays it, at each point of the grid."""
    return _shares(_place(price_ppm))


def _place(price_ppm: float) -> int:
    return round(math.log(max(price_ppm, 1.0)) / _RESOLUTION)


@lru_cache(maxsize=1_024)
def _shares(place: int) -> tuple[float, ...]:
    log_price = place * _RESOLUTION
    return tuple(
        1.0 / (1.0 + math.exp(steepness * (log_price - log_scale)))
        for log_scale, steepness in zip(_LOG_SCALES, _STEEP, strict=True)
    )


@lru_cache(maxsize=1_024)
def _log_shares(place: int) -> tuple[float, ...]:
    return tuple(map(math.log, _shares(place)))


@lru_cache(maxsize=256)
def _prior_logs(place: int, spread: float) -> tuple[float, ...]:
    log_market = place * _RESOLUTION
    return tuple(-0.5 * ((log_scale - log_market) / spread) ** 2 for log_scale in _LOG_SCALES)


def learn(windows: Sequence[PriceWindow], market_ppm: float, now: float, spread: float = MARKET_SPREAD) -> Belief:
    """Given what each price has brought, what the market charges and how far off that may be, return what is believed
    of demand.
    """
    logs: list[float] = list(_prior_logs(_place(market_ppm), spread))
    hours = [PRIOR_HOURS] * len(_GRID)
    total = 0.0
    pooled = _pooled(of_today(windows), now)
    for place, open_hours, count in pooled:
        hours = [spent + open_hours * share for spent, share in zip(hours, _shares(place), strict=True)]
        if count > 0:
            total += count
            logs = [log + count * paying for log, paying in zip(logs, _log_shares(place), strict=True)]
    certain = PRIOR_COUNT + total
    logs = [log - certain * spent for log, spent in zip(logs, map(math.log, hours), strict=True)]
    most = max(logs)
    likely = [math.exp(log - most) for log in logs]
    whole = sum(likely)
    return Belief(
        weights=tuple(one / whole for one in likely),
        levels_per_hour=tuple(certain / spent for spent in hours),
        interest_count=total,
        contrast=_contrast([(place * _RESOLUTION, open_hours) for place, open_hours, _count in pooled], total),
    )


def _contrast(tried: Sequence[tuple[float, float]], count: float) -> float:
    """Given the logarithms of prices with the open hours of each, and the payments at all of them, return the squared
    deviations of the price that payments would meet if they came at any price alike.
    """
    hours = sum(hours for _log, hours in tried)
    if hours <= 0:
        return 0.0
    mean = sum(log * hours for log, hours in tried) / hours
    return count / hours * sum(hours * (log - mean) ** 2 for log, hours in tried)


def of_today(windows: Sequence[PriceWindow]) -> Sequence[PriceWindow]:
    """Given what each price has brought, the oldest first, return what of it is of the market that there is now: all,
    or the silence at the end.
    """
    most = max((one.interest_count / one.open_hours for one in windows if one.open_hours > 0), default=0.0)
    hours = count = 0.0
    dearest_ppm = 0
    for place in range(len(windows) - 1, 0, -1):
        last = windows[place]
        hours, count = hours + last.open_hours, count + last.interest_count
        dearest_ppm = max(dearest_ppm, last.fee_ppm)
        is_quiet = hours >= SILENT_HOURS and count < SILENT_RATIO * most * hours
        if is_quiet and _is_silence(hours, count, dearest_ppm, windows[:place]):
            return windows[place:]
    return windows


def _is_silence(hours: float, count: float, dearest_ppm: int, before: Iterable[PriceWindow]) -> bool:
    """Whether so few payments in so many hours can be no chance, after what was paid at no lower price."""
    paid = [one for one in before if one.fee_ppm >= dearest_ppm]
    paid_hours, paid_count = sum(one.open_hours for one in paid), sum(one.interest_count for one in paid)
    if paid_hours <= 0 or count * paid_hours >= SILENT_RATIO * paid_count * hours:
        return False
    # By how much one rate explains both counts worse than two: half the deviance of two Poisson counts.
    log_rate = math.log((paid_count + count) / (paid_hours + hours))
    worse = _log_over(paid_count, paid_hours, log_rate) + _log_over(count, hours, log_rate)
    return worse >= SILENT_DEVIANCE * BURSTINESS


def _log_over(count: float, hours: float, log_rate: float) -> float:
    return count * (math.log(count) - math.log(hours) - log_rate) if count > 0 else 0.0


def _pooled(windows: Iterable[PriceWindow], now: float) -> Sequence[tuple[int, float, float]]:
    """Windows by price: open hours and payments, as they count."""
    pooled: dict[int, tuple[float, float]] = {}
    for one in windows:
        weight = math.pow(0.5, max(now - one.ended_at, 0.0) / HALF_LIFE_SECONDS) / BURSTINESS
        place = _place(one.fee_ppm)
        open_hours, count = pooled.get(place, (0.0, 0.0))
        pooled[place] = open_hours + weight * one.open_hours, count + weight * one.interest_count
    return [(place, *sums) for place, sums in pooled.items()]


def rates_per_hour(belief: Belief, prices_ppm: Iterable[float]) -> list[float]:
    """Given prices, return how many payments an hour are expected at each."""
    at_zero = tuple(map(mul, belief.weights, belief.levels_per_hour))
    return [sum(map(mul, at_zero, shares(price_ppm))) for price_ppm in prices_ppm]


def rate_per_hour(belief: Belief, price_ppm: float) -> float:
    """Given a price, return how many payments an hour are expected at it."""
    return rates_per_hour(belief, (price_ppm,))[0]


def best_price(belief: Belief, prices_ppm: Sequence[int], cost_ppm: float) -> int:
    """Given prices and what a sold sat costs, return the price that is expected to bring the most net income."""
    rates = rates_per_hour(belief, prices_ppm)
    return max(zip(prices_ppm, rates, strict=True), key=lambda one: (one[1] * (one[0] - cost_ppm), -one[0]))[0]


def elasticity(belief: Belief, price_ppm: float) -> tuple[float, float, float]:
    """Given a price, return by how many percent fewer pay when it rises by 1 %: the mean, and where 80 % of the belief
    lies.
    """
    values = [steepness * (1.0 - share) for steepness, share in zip(_STEEP, shares(price_ppm), strict=True)]
    return sum(map(mul, belief.weights, values)), *interval(belief.weights, values)


def interval(weights: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Given the weight and a value of each point of the grid, return between which two values 80 % of the weight is."""
    ranked = sorted(zip(values, weights, strict=True))
    low = high = ranked[-1][0]
    reached = 0.0
    for value, weight in ranked:
        if reached <= 0.1 < reached + weight:
            low = value
        if reached <= 0.9 < reached + weight:
            high = value
        reached += weight
    return low, high
