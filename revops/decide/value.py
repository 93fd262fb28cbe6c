"""The value of liquidity: what the node loses when one local sat of a channel vanishes, in ppm of it.

The sat is missed when all that lies above it has been sold within the horizon. Net outflow (what wants to leave less
what enters) is taken for a Brownian motion with drift: payments come as a compound Poisson process, whose mean and
variance per day are the sums of amounts and of their squares, and over days many of them add up. The chance that such
a motion with drift m and variance s² per day passes L within H days is, by the reflection principle,

    P(max_{t <= H} D_t >= L) = Phi((mH - L) / (s sqrt(H))) + exp(2 m L / s²) Phi((-L - mH) / (s sqrt(H)))

(J. M. Harrison, Brownian Motion and Stochastic Flow Systems, 1985, section 1.8). What is missed is then the sale: a
dual price, never below 0.
"""

from __future__ import annotations

import math
from typing import Final

from revops.domain.forward import TYPICAL_PAYMENT_MSAT
from revops.domain.signals import Rate, Signals
from revops.domain.units import PPM

#: Within so many days a channel that ran empty usually gets new liquidity: from trade, a refill, or the operator.
HORIZON_DAYS: Final = 3.0
#: From here on the asymptotic series of Mills' ratio is exact enough, and exp(x²/2) still fits into a float.
_FAR: Final = 25.0


def value_ppm(signals: Signals, spendable_msat: int, price_ppm: float) -> float:
    """Given what is known of a channel, what it can send and what a sale earns, return what its marginal sat is worth.

    Without demand that is 0, however empty the channel is. Never more than the price, nor than the sat itself. What a
    refill cost lately is no bound: it may not be had again, and who sells as if it could sells what is scarce for too
    little.
    """
    if signals.demand.msat_per_day <= 0:
        return 0.0
    worth_ppm = min(max(price_ppm, 0.0), PPM)
    return worth_ppm * chance_of_need(signals.demand, signals.inflow, spendable_msat)


def chance_of_need(demand: Rate, inflow: Rate, spendable_msat: int, horizon_days: float = HORIZON_DAYS) -> float:
    """Given the rates out and in, return the chance that all of `spendable_msat` is gone within the horizon."""
    # A sat is missed when a payment comes that needs it: where none of a usual size is likely, an empty channel's is
    # worth no more than a full one's, and a few small ones that somebody sends on purpose don't make it dear.
    level = float(max(spendable_msat, TYPICAL_PAYMENT_MSAT))
    drift = (demand.msat_per_day - inflow.msat_per_day) * horizon_days
    spread = math.sqrt(horizon_days) * math.sqrt(demand.squares_per_day + inflow.squares_per_day)
    if not spread > 0:
        return 1.0 if drift >= level else 0.0
    beyond, reflected = (level - drift) / spread, (level + drift) / spread
    chance = _upper_tail(beyond) + _reflected(beyond, reflected, 2 * (drift / spread) * (level / spread))
    return min(max(chance, 0.0), 1.0)


def _upper_tail(x: float) -> float:
    """Phi(-x)."""
    return 0.5 * math.erfc(x / math.sqrt(2))


def _reflected(beyond: float, reflected: float, exponent: float) -> float:
    """exp(exponent) Phi(-reflected), of which the first factor alone can overflow.

    exponent = (reflected² - beyond²) / 2, so that for a large `reflected` the product is exp(-beyond² / 2) times
    Mills' ratio of the normal distribution, which is small and smooth.
    """
    if reflected <= 0:
        return math.exp(min(exponent, 0.0)) * _upper_tail(reflected)
    if reflected < _FAR:
        mills = math.exp(reflected * reflected / 2) * _upper_tail(reflected)
    else:
        inverse = 1 / (reflected * reflected)
        mills = (1 - inverse * (1 - 3 * inverse)) / (reflected * math.sqrt(2 * math.pi))
    return math.exp(-beyond * beyond / 2) * mills
