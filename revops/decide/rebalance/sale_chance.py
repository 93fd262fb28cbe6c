"""The chance that liquidity that was bought is sold within the horizon, and how low it may be.

Each amount that was bought before tells: sold was what the channel would have lacked without it. A channel's own sales
tell as well, if less: had they sold such an amount n times within the horizon, that is as good as n lots. Both are
counted into a beta distribution that starts from knowing nothing (Jeffreys' prior, one half each), so that few sales
leave the lower bound low, whatever their share. A bet is sized by the bound, not by the mean: one that is staked on
too high a chance loses more than a smaller stake gives up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from revops.domain.rebalance import Lot

#: What lots tell fades: markets change.
LOT_HALF_LIFE_DAYS: Final = 30.0
#: Own sales count for so many lots at most.
MOST_OWN_LOTS: Final = 8.0
#: So many payments at least make what one lot would tell: one large payment is one customer.
PAYMENTS_PER_LOT: Final = 3.0
_JEFFREYS: Final = 0.5
#: Below the bound lies so much of the belief.
BOUND_CHANCE: Final = 0.2
_HALVINGS: Final = 40
_MOST_TERMS: Final = 300
_TINY: Final = 1e-300


@dataclass(frozen=True, slots=True)
class SaleChance:
    """The mean, its lower credible bound, and how many earlier lots it rests on, decayed."""

    mean_ratio: float
    low_ratio: float
    lot_count: float


def sale_chance(lots: Sequence[Lot], horizon_days: float, own_ratio: float, own_lots: float) -> SaleChance:
    """Given the lots that were bought for a channel, the horizon, the chance that its own traffic would sell one more,
    and how many such amounts that traffic has sold in the last horizon, return the chance of a sale.
    """
    weight = min(max(own_lots, 0.0), MOST_OWN_LOTS)
    sold, unsold = weight * own_ratio, weight * (1.0 - own_ratio)
    count = 0.0
    for lot in lots:
        share = min(lot.sold_msat / lot.amount_msat, 1.0) if lot.amount_msat > 0 else 0.0
        kept = 0.5 ** (max(lot.age_days - horizon_days, 0.0) / LOT_HALF_LIFE_DAYS)
        # What isn't sold yet may still be: it counts by the part of its time that is over.
        late = min(lot.age_days / horizon_days, 1.0)
        sold += kept * share
        unsold += kept * (1.0 - share) * late
        count += kept * (share + (1.0 - share) * late)
    alpha, beta = sold + _JEFFREYS, unsold + _JEFFREYS
    mean = alpha / (alpha + beta)
    return SaleChance(mean, min(beta_quantile(alpha, beta, BOUND_CHANCE), mean), count)


def beta_quantile(alpha: float, beta: float, chance: float) -> float:
    """Given a beta distribution, return where it reaches `chance`, by halving."""
    low, high = 0.0, 1.0
    for _halving in range(_HALVINGS):
        middle = (low + high) / 2
        if beta_reached(alpha, beta, middle) < chance:
            low = middle
        else:
            high = middle
    return low


def beta_reached(alpha: float, beta: float, at: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (NIST DLMF 8.17.22), evaluated as W. J. Lentz
    does (Applied Optics 15, 1976).
    """
    if at <= 0.0:
        return 0.0
    if at >= 1.0:
        return 1.0
    if at > (alpha + 1.0) / (alpha + beta + 2.0):  # it converges fast only below
        return 1.0 - beta_reached(beta, alpha, 1.0 - at)
    logs = math.lgamma(alpha + beta) - math.lgamma(alpha) - math.lgamma(beta)
    front = math.exp(logs + alpha * math.log(at) + beta * math.log1p(-at)) / alpha
    fraction, upper, lower = 1.0, 1.0, 0.0
    for term in range(_MOST_TERMS):
        half = term // 2
        if term == 0:
            numerator = 1.0
        elif term % 2 == 0:
            numerator = half * (beta - half) * at / ((alpha + 2 * half - 1) * (alpha + 2 * half))
        else:
            numerator = -(alpha + half) * (alpha + beta + half) * at / ((alpha + 2 * half) * (alpha + 2 * half + 1))
        lower = 1.0 / _away_from_zero(1.0 + numerator * lower)
        upper = _away_from_zero(1.0 + numerator / upper)
        fraction *= upper * lower
        if abs(1.0 - upper * lower) < 1e-12:
            break
    return min(max(front * (fraction - 1.0), 0.0), 1.0)


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
