"""The value of liquidity to one who knows its demand: what the node loses when one local sat of a channel vanishes,
if prices are set at their best ever after.

A channel's balance is a stock that is sold at a price, and that payments which enter by the channel fill up for
nothing: dynamic pricing of an inventory (G. Gallego & G. van Ryzin, Management Science 40, 1994) with returns. The
balance goes up and down by steps of h, the size of a payment as far as it makes the balance restless (the mean of the
squares over the mean), so that a birth-death process has both the drift and the noise of the payments. With λ(p) the
demand at price p, ν the inflow, e the value of the liquidity that a sale brings where the payment enters, and ρ the
discount rate, the worth W of having k steps of 1 .. K satisfies

    ρ W_k = max_p λ(p)/h · [h (p + e) + W_(k-1) - W_k]  +  ν/h · [W_(k+1) - W_k]          (λ = 0 at 0, ν = 0 at K)

It is solved by policy iteration (R. A. Howard, Dynamic Programming and Markov Processes, 1960): for given prices a
tridiagonal system, then the best price at each step, until none changes. V_k = (W_k - W_(k-1)) / h is the answer, in
ppm: high where a sat is sure to be missed, 0 where the next payments in would be turned away for want of room.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

#: A sat that is sold in a month is worth as much less as one that may never be: markets change, channels close.
DISCOUNT_PER_DAY: Final = 1 / 30
LEAST_STEPS: Final = 5
MOST_STEPS: Final = 24
#: Policy iteration ends by itself after a handful; this bounds what rounding could do.
MOST_ROUNDS: Final = 30


def marginal_values_ppm(
    prices_ppm: Sequence[int],
    demand_msat_per_day: Sequence[float],
    inflow_msat_per_day: float,
    entry_value_ppm: float,
    capacity_msat: int,
    payment_msat: float,
) -> list[float]:
    """Given prices with the demand at each, the inflow, what a sale brings elsewhere, the channel's size and that of
    its payments, return what a local sat is worth on each of so many equal steps of the balance, from empty to full.
    """
    steps = round(min(max(capacity_msat / max(payment_msat, 1.0), LEAST_STEPS), MOST_STEPS))
    step_msat = max(capacity_msat, 1) / steps
    gains = [price + entry_value_ppm for price in prices_ppm]
    offers, limits = _worthwhile([msat / step_msat for msat in demand_msat_per_day], gains)
    refills = inflow_msat_per_day / step_msat
    chosen = [len(offers) - 1] * steps
    for _round in range(MOST_ROUNDS):
        values = _evaluate([offers[place] for place in chosen], refills)
        better = [bisect_left(limits, -value) for value in values]
        if better == chosen:
            break
        chosen = better
    # Where payments are many times the channel, rounding alone leaves these bounds.
    most = max(gains)
    return [min(max(value, 0.0), most) for value in values]


def _worthwhile(sales: Sequence[float], gains: Sequence[float]) -> tuple[list[tuple[float, float]], list[float]]:
    """Of what can be sold and what each brings, what is best at some value of a sat, the dearest first; and the values
    below which each is better than the one before it, negative, in rising order.

    The net gain s · (g - v) falls in a straight line as the value v rises, so that the best is an upper envelope.
    """
    offers: list[tuple[float, float]] = []
    limits: list[float] = []
    for sold, gain in sorted(zip(sales, gains, strict=True)):
        while offers:
            last_sold, last_gain = offers[-1]
            limit = -math.inf if sold == last_sold else (last_sold * last_gain - sold * gain) / (sold - last_sold)
            if limits and limit <= limits[-1]:
                limits.pop()
            elif limit > -math.inf:
                limits.append(limit)
                break
            offers.pop()
        offers.append((sold, gain))
    return offers, limits


def _evaluate(policy: Sequence[tuple[float, float]], refills: float) -> list[float]:
    """What a sat is worth on each step if steps 1 .. K sell at these rates and gains: W by elimination, from 0 up.

    With W_k = a_k + (1 - c_k) · W_(k+1) the rows of the system are solved upwards, then W itself downwards (L. H.
    Thomas, 1949). c, not 1 - c, is kept: it adds up without a difference, and is never 0 (W. K. Grassmann, M. I. Taksar
    & D. P. Heyman, Operations Research 33, 1985).
    """
    count = len(policy)
    intercept, kept = [0.0], [DISCOUNT_PER_DAY / (DISCOUNT_PER_DAY + refills)]
    for place, (sold, gain) in enumerate(policy, 1):
        lost = DISCOUNT_PER_DAY + sold * kept[-1]
        whole = lost + (refills if place < count else 0.0)
        intercept.append(sold * (gain + intercept[-1]) / whole)
        kept.append(lost / whole)
    worth = [0.0] * (count + 1)
    worth[count] = intercept[count]
    for place in range(count - 1, -1, -1):
        worth[place] = intercept[place] + (1.0 - kept[place]) * worth[place + 1]
    return [after - before for before, after in pairwise(worth)]


def value_at(values_ppm: Sequence[float], local_ratio: float) -> float:
    """Given the values of the steps and how full the channel is (0 to 1), return what its marginal sat is worth."""
    place = min(max(local_ratio, 0.0), 1.0) * len(values_ppm) - 0.5
    low = min(max(int(place), 0), len(values_ppm) - 1)
    high = min(low + 1, len(values_ppm) - 1)
    share = min(max(place - low, 0.0), 1.0)
    return values_ppm[low] + share * (values_ppm[high] - values_ppm[low])
