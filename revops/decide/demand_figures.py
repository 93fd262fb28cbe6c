"""What is shown of a belief about demand, each figure with an interval: elasticity, the best price, and what a sat is
worth. Nothing here decides anything: `strategies/demand.py` moves a price towards the best by steps.

Each interval holds 80 % of the belief, and is wider where it would leave out its own figure (the mean of a lopsided
belief may lie beyond it).

- Elasticity: of the points of the grid, at the price in force.
- The best price: of all from the lowest allowed to the dearest at which a sale may be expected (`proven.py`), not only
  of those that one update can reach. Beyond that the belief is little but its own shape: few payments at a low price
  leave a tail that pays anything, and the best price would be the bound, whatever that is. Each point of the grid has
  its own best price, at what a sold sat costs now, and the interval is that of these prices. It doesn't take into
  account that a sat's worth is uncertain as well, and where it ends at a bound it says no more than that.
- What a sat is worth: as it would be with so much less demand, or more, at every price, as there is at the price in
  force with a chance of 10 % each. That is how many pay there by the points of the grid, and the gamma distribution of
  each point's level, as of independent errors. How steep demand is, the inflow, and what liquidity is worth where
  payments enter are taken as they are expected: the true interval is wider.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from operator import mul
from typing import Final

from revops.decide.demand_curve import PRIOR_COUNT, Belief, best_price, elasticity, interval, rate_per_hour, shares
from revops.domain.demand import DemandFigures

#: Prices that are compared between the neighbours of the best one.
FINE_COUNT: Final = 7
#: Points of the grid that are less likely are left out of an interval: all of them are less than a thousandth.
_LEAST_WEIGHT: Final = 5e-6
#: Gamma distributions are told apart by their shape to this, in the logarithm.
_SHAPE_RESOLUTION: Final = math.log(1.05)
#: From this shape on Wilson and Hilferty's approximation is better than 1 %.
_WIDE_SHAPE: Final = 8.0
_Z_80: Final = 1.2816


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the figures rest on: a belief, the price in force, prices from the lowest that is allowed to the dearest at
    which a sale may be expected, with the payments an hour at each, what a sold sat costs, and what a local sat is
    worth, as it is and at so many times the expected demand; and from empty to full.
    """

    belief: Belief
    fee_ppm: int
    prices_ppm: Sequence[int]
    rates_per_hour: Sequence[float]
    cost_ppm: float
    value_ppm: float
    worth: Callable[[float], float]
    values_ppm: Sequence[float] = ()


def demand_figures(outlook: Outlook, now: float) -> DemandFigures:
    """Given what is expected of a channel, and the time, return the figures."""
    belief = outlook.belief
    steepness, steepness_low, steepness_high = _holding(*elasticity(belief, outlook.fee_ppm))
    best_ppm, best_low_ppm, best_high_ppm = best_of_all(
        belief, outlook.prices_ppm, outlook.rates_per_hour, outlook.cost_ppm, outlook.fee_ppm
    )
    worths = sorted(outlook.worth(times) for times in demand_interval(belief, outlook.fee_ppm))
    value_ppm, value_low_ppm, value_high_ppm = _holding(outlook.value_ppm, *worths)
    return DemandFigures(
        judged_at=now,
        fee_ppm=outlook.fee_ppm,
        interest_count=round(belief.interest_count, 1),
        elasticity=round(steepness, 3),
        elasticity_low=round(steepness_low, 3),
        elasticity_high=round(steepness_high, 3),
        best_ppm=best_ppm,
        best_low_ppm=best_low_ppm,
        best_high_ppm=best_high_ppm,
        dearest_ppm=outlook.prices_ppm[-1],
        value_ppm=round(value_ppm, 1),
        value_low_ppm=round(value_low_ppm, 1),
        value_high_ppm=round(value_high_ppm, 1),
        values_ppm=tuple(round(value, 1) for value in outlook.values_ppm),
    )


def best_of_all(
    belief: Belief, prices_ppm: Sequence[int], rates_per_hour: Sequence[float], cost_ppm: float, fee_ppm: int
) -> tuple[int, int, int]:
    """Given a belief, rising prices with the payments expected at each, what a sold sat costs, and the price in force,
    return the price that is expected to bring the most net income, of those in between as well, and of the one in force
    where it is among them; and between which two of the given 80 % of the belief has its own best one.
    """
    margins = [price - cost_ppm for price in prices_ppm]
    place = _best_place(rates_per_hour, margins)
    around = prices_ppm[max(place - 1, 0)], prices_ppm[min(place + 1, len(prices_ppm) - 1)]
    in_force = [fee_ppm] if prices_ppm[0] <= fee_ppm <= prices_ppm[-1] else []
    best_ppm = best_price(belief, [*spread_prices(*around, FINE_COUNT), *in_force], cost_ppm)
    likely = [weight >= _LEAST_WEIGHT for weight in belief.weights]
    paying = zip(*(tuple(compress(shares(price), likely)) for price in prices_ppm), strict=True)
    own = [float(prices_ppm[_best_place(column, margins)]) for column in paying]
    low_ppm, high_ppm = interval(tuple(compress(belief.weights, likely)), own)
    return best_ppm, min(round(low_ppm), best_ppm), max(round(high_ppm), best_ppm)


def _best_place(rates: Sequence[float], margins: Sequence[float]) -> int:
    """The place of the price that brings the most; the lowest of several."""
    income = list(map(mul, rates, margins))
    return income.index(max(income))


def spread_prices(lowest_ppm: int, dearest_ppm: int, count: int) -> list[int]:
    """Given the lowest and the dearest price, return so many between them, both among them, evenly in the logarithm, as
    far as whole ppm can be told apart. Prices below 1 ppm are none.
    """
    lowest = max(lowest_ppm, 1)
    ratio = max(dearest_ppm / lowest, 1.0)
    return sorted({round(lowest * ratio ** (place / (count - 1))) for place in range(count)})


def demand_interval(belief: Belief, price_ppm: float) -> tuple[float, float]:
    """Given a belief and a price, return between how many times the expected demand there 80 % of the belief has it."""
    paying = zip(belief.levels_per_hour, shares(price_ppm), strict=True)
    mean = rate_per_hour(belief, price_ppm)
    low, high = interval(belief.weights, [level * share for level, share in paying])
    few, many = gamma_interval(PRIOR_COUNT + belief.interest_count)
    if mean <= 0:
        return few, many
    less = math.hypot(math.log(mean / low), math.log(few)) if 0 < low < mean else -math.log(few)
    more = math.hypot(math.log(high / mean), math.log(many)) if high > mean else math.log(many)
    return math.exp(-less), math.exp(more)


def gamma_interval(shape: float) -> tuple[float, float]:
    """Given the shape of a gamma distribution whose mean is 1, return between which two 80 % of it lies: below, no more
    than 1; above, no less.
    """
    return _gamma_interval(round(math.log(max(shape, PRIOR_COUNT)) / _SHAPE_RESOLUTION))


@lru_cache(maxsize=512)
def _gamma_interval(place: int) -> tuple[float, float]:
    shape = math.exp(place * _SHAPE_RESOLUTION)
    if shape < _WIDE_SHAPE:
        low, high = _quantile(shape, 0.1), _quantile(shape, 0.9)
    else:  # E. B. Wilson and M. M. Hilferty, PNAS 17, 1931
        narrow = 1.0 / (9.0 * shape)
        low, high = ((1.0 - narrow + sign * _Z_80 * math.sqrt(narrow)) ** 3 for sign in (-1, 1))
    return min(low, 1.0), max(high, 1.0)


def _quantile(shape: float, chance: float) -> float:
    """Where a gamma distribution of mean 1 reaches a chance, by halving the logarithm of where it may be."""
    low, high = -80.0, 3.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        if _reached(shape, shape * math.exp(middle)) < chance:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


def _reached(shape: float, at: float) -> float:
    """The regularised lower incomplete gamma function, by its series (NIST DLMF 8.7.1 and 8.11.4)."""
    term = total = 1.0 / shape
    divisor = shape
    while term > 1e-9 * total:
        divisor += 1.0
        term *= at / divisor
        total += term
    return min(total * math.exp(shape * math.log(at) - at - math.lgamma(shape)), 1.0)


def _holding(value: float, low: float, high: float) -> tuple[float, float, float]:
    return value, min(low, value), max(high, value)
