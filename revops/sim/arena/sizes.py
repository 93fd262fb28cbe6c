"""How large payments are: a log-normal distribution, fitted to counts by size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

from revops.domain.forward import TYPICAL_PAYMENT_MSAT
from revops.domain.node_traffic import AmountBin
from revops.sim.arena.setting import TUNING

#: Amounts that all fall into one bin have a spread nevertheless.
LEAST_SPREAD: Final = 0.05


def fit_amounts(bins: Sequence[AmountBin]) -> tuple[int, float]:
    """Given payments by size, return median and spread of a log-normal distribution with the moments of their
    logarithms. A bin adds its own width to the spread, which is taken off (Sheppard's correction).
    """
    total = sum(one.payment_count for one in bins)
    if total == 0:
        return TUNING.median_payment_msat, TUNING.payment_spread
    places = [(math.log(one.low_msat) + math.log(one.high_msat)) / 2 for one in bins]
    mean = sum(one.payment_count * place for one, place in zip(bins, places, strict=True)) / total
    square = sum(
        one.payment_count * ((place - mean) ** 2 - math.log(one.high_msat / one.low_msat) ** 2 / 12)
        for one, place in zip(bins, places, strict=True)
    )
    return round(math.exp(mean)), max(math.sqrt(max(square / total, 0.0)), LEAST_SPREAD)


def interest_per_customer(median_msat: int, spread: float) -> float:
    """Given how payments are spread, return the mean of min(1, amount / typical payment)."""
    normal = NormalDist()
    distance = (math.log(TYPICAL_PAYMENT_MSAT) - math.log(median_msat)) / spread
    mean = median_msat / TYPICAL_PAYMENT_MSAT * math.exp(spread**2 / 2)
    return mean * normal.cdf(distance - spread) + 1.0 - normal.cdf(distance)
