"""Which way income rises: the slope of the net income rate over the logarithm of the price, from the last windows.

At price p a channel earns q(p) · (p − c) an hour, where q is how much is wanted at that price and c what a sold sat
costs: its value here less the value that it gains where the payment enters. So

    slope = d log(q · (p − c)) / d log p = p / (p − c) − e,    e = −d log q / d log p

The first term is known exactly, with today's c for all windows alike: balances that have changed since then don't blur
the comparison, nor do the sizes of payments, which vary much more than their number. Only e, the local steepness of
demand, is learnt: by a Poisson regression of the payments per open hour on the logarithm of the price. Windows count by
age and by nearness of their price, since what was true far away says little here (local likelihood: R. Tibshirani and
T. Hastie, JASA 82, 1987). A wide normal prior keeps e finite while little is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from revops.domain.decision import PriceWindow

HALF_LIFE_SECONDS: Final = 7 * 86_400.0
#: In the logarithm: a price half as high again counts 0.6, one twice as high 0.2.
NEARNESS: Final = 0.4
#: Where nothing is known, income is as good as flat in the price.
PRIOR_STEEPNESS: Final = 1.0
PRIOR_ERROR: Final = 2.0
#: The regression's answer is sought between these; beyond them only the direction matters.
LEAST_STEEPNESS, MOST_STEEPNESS = -4.0, 12.0
_STEPS: Final = 8
#: A sold sat never counts for less than this share of its price: the slope stays finite on an empty channel.
LEAST_MARGIN: Final = 0.05


@dataclass(frozen=True, slots=True)
class Slope:
    """Percent of net income per percent of price, its standard error, and the payments it rests on, as they count."""

    ratio: float
    error: float
    interest_count: float


def net_slope(windows: Sequence[PriceWindow], fee_ppm: int, cost_ppm: float, now: float) -> Slope:
    """Given the windows, the fee in force, and what a sold sat costs, return the slope of the net income there."""
    price_ppm = max(fee_ppm, 1)
    margin = max(1 - cost_ppm / price_ppm, LEAST_MARGIN)
    rows = [_row(window, price_ppm, now) for window in windows]
    steepness, error = _steepness(rows)
    return Slope(1 / margin - steepness, error, sum(count for _x, _hours, count in rows))


def _row(window: PriceWindow, price_ppm: int, now: float) -> tuple[float, float, float]:
    """Log distance of the window's price, and its hours and payments by how much they still say."""
    distance = math.log(max(window.fee_ppm, 1) / price_ppm)
    age = max(now - window.ended_at, 0.0) / HALF_LIFE_SECONDS
    weight = math.pow(0.5, age) * math.exp(-0.5 * (distance / NEARNESS) ** 2)
    return distance, weight * window.open_hours, weight * window.interest_count


def _steepness(rows: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """The most credible steepness, and its standard error, by Newton's method.

    The level is profiled out, so that the rest is one concave problem: the mean log price of the payments that came
    against that of those which the steepness predicts.
    """
    total = sum(count for _x, _hours, count in rows)
    came = sum(x * count for x, _hours, count in rows)
    certainty = 1 / PRIOR_ERROR**2
    steepness, information = PRIOR_STEEPNESS, certainty
    for _step in range(_STEPS):
        mean, variance = _predicted(rows, steepness)
        information = total * variance + certainty
        gradient = total * mean - came - (steepness - PRIOR_STEEPNESS) * certainty
        step = min(max(gradient / information, -1.0), 1.0)
        former, steepness = steepness, min(max(steepness + step, LEAST_STEEPNESS), MOST_STEEPNESS)
        if steepness == former:
            break  # found: whatever follows would find the same
    return steepness, 1 / math.sqrt(information)


def _predicted(rows: Sequence[tuple[float, float, float]], steepness: float) -> tuple[float, float]:
    """Mean and variance of the log price at which payments should have come."""
    level = first = second = 0.0
    for x, hours, _count in rows:
        expected = hours * math.exp(-steepness * x)
        level += expected
        first += expected * x
        second += expected * x * x
    if level <= 0:
        return 0.0, 0.0
    mean = first / level
    return mean, max(second / level - mean * mean, 0.0)
