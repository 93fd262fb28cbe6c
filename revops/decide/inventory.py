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

from collections.abc import Sequence
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
    sales = [msat / step_msat for msat in demand_msat_per_day]
    gains = [price + entry_value_ppm for price in prices_ppm]
    refills = inflow_msat_per_day / step_msat
    chosen = [0] * steps
    for _round in range(MOST_ROUNDS):
        values = _evaluate([(sales[place], gains[place]) for place in chosen], refills)
        better = [_best(sales, gains, value) for value in values]
        if better == chosen:
            break
        chosen = better
    return [max(value, 0.0) for value in values]


def _best(sales: Sequence[float], gains: Sequence[float], value_ppm: float) -> int:
    """The place of the price that brings the most where a sat is worth so much."""
    net = [sold * (gain - value_ppm) for sold, gain in zip(sales, gains, strict=True)]
    return net.index(max(net))


def _evaluate(policy: Sequence[tuple[float, float]], refills: float) -> list[float]:
    """What a sat is worth on each step if steps 1 .. K sell at these rates and gains: W by elimination, from 0 up.

    With W_k = a_k + b_k · W_(k+1) the rows of the system are solved upwards, then W itself downwards (L. H. Thomas,
    1949).
    """
    count = len(policy)
    intercept, slope = [0.0], [refills / (DISCOUNT_PER_DAY + refills)]
    for place, (sold, gain) in enumerate(policy, 1):
        up = refills if place < count else 0.0
        whole = DISCOUNT_PER_DAY + sold + up - sold * slope[-1]
        intercept.append(sold * (gain + intercept[-1]) / whole)
        slope.append(up / whole)
    worth = [0.0] * (count + 1)
    worth[count] = intercept[count]
    for place in range(count - 1, -1, -1):
        worth[place] = intercept[place] + slope[place] * worth[place + 1]
    return [worth[place] - worth[place - 1] for place in range(1, count + 1)]


def value_at(values_ppm: Sequence[float], local_ratio: float) -> float:
    """Given the values of the steps and how full the channel is (0 to 1), return what its marginal sat is worth."""
    place = min(max(local_ratio, 0.0), 1.0) * len(values_ppm) - 0.5
    low = min(max(int(place), 0), len(values_ppm) - 1)
    high = min(low + 1, len(values_ppm) - 1)
    share = min(max(place - low, 0.0), 1.0)
    return values_ppm[low] + share * (values_ppm[high] - values_ppm[low])
