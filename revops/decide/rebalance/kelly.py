"""How much of what may be spent to stake on a refill.

Who stakes a share f of his bankroll at net odds b, and wins with chance p, grows fastest with f = p - (1 - p) / b
(J. L. Kelly, Bell System Technical Journal 35, 1956); below 0 he doesn't play. A refill is such a bet on its sale: what
it costs is gone either way, what it earns comes only if the liquidity is sold. The odds are net ones: an earlier tool
took the ratio of prices for them, and staked on refills that could only lose. The full share swings wildly, and p is
only estimated: a fraction of it gives up little growth for much calm (L. C. MacLean, W. T. Ziemba & G. Blazenko,
Management Science 38, 1992).
"""

from __future__ import annotations

from dataclasses import dataclass

from revops.domain.units import PPM


@dataclass(frozen=True, slots=True)
class Stake:
    """The net odds, and the share of the bankroll that the bet is worth; 0 or less: it isn't."""

    odds_ratio: float
    kelly_ratio: float

    def amount_msat(self, fraction_ratio: float, left_msat: int) -> int:
        """Given which part of the share to take, and the bankroll, return the most to spend; msat, never negative."""
        share = fraction_ratio * min(self.kelly_ratio, 1.0)
        return int(share * left_msat) if share > 0 and left_msat > 0 else 0


def stake(chance_ratio: float, income_ppm: float, cost_ppm: float) -> Stake:
    """Given the chance of a sale, what a sold sat earns and what it costs, return what to stake.

    What costs nothing can't lose: all may be staked on it, if it can win at all.
    """
    if cost_ppm <= 0:
        return Stake(float("inf"), chance_ratio) if income_ppm > 0 else Stake(0.0, 0.0)
    odds = (income_ppm - cost_ppm) / cost_ppm
    if odds <= 0:
        return Stake(odds, min(-1.0, odds))
    return Stake(odds, chance_ratio - (1.0 - chance_ratio) / odds)


def dearest_ppm(chance_ratio: float, income_ppm: float) -> float:
    """Given the chance of a sale and what a sold sat earns, return the cost from which on nothing is staked.

    f > 0 is p · b > 1 - p, and with b = income / cost - 1 that is cost < p · income.
    """
    return max(chance_ratio * income_ppm, 0.0)


def most_msat(
    low_ppm: float, earned_ppm: float, kept_ppm: float, amount_msat: int, bankroll_msat: float, most_msat: int
) -> int:
    """Given what a sat earns at least and at most, what it is worth where it comes from, the amount, the part of the
    bankroll that is played with, and a bound, return the most to pay: the dearest price at which still as much is
    staked; msat.

    The dearer the bet, the less of it is staked: so there is one such price, and it is found by halving.
    """
    chance_ratio = low_ppm / earned_ppm if earned_ppm > 0 else 0.0

    def stakes(cost_msat: int) -> bool:
        cost_ppm = cost_msat * PPM / amount_msat + kept_ppm
        return cost_msat <= stake(chance_ratio, earned_ppm, cost_ppm).amount_msat(1.0, int(bankroll_msat))

    if amount_msat <= 0 or most_msat <= 0:
        return 0
    low, high = 0, most_msat + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if stakes(middle) else (low, middle)
    return low
