"""What a sat is worth on a channel, from empty to full: the value of liquidity (design: V) less that of room, a curve.

A refill moves along it on the target, and down it on the source, so that one number for the balance of the moment would
promise the gain of the first sat for all of them.

A local sat can be sold. Where `demand` prices the channel, its worth is the curve that its own price rests on
(`inventory.py`), as it was judged last; but who prices by demand could also ask for more instead of buying more, so
that a further sat earns the marginal revenue p (1 - 1/ε) (A. P. Lerner, Review of Economic Studies 1, 1934), and of the
elasticity ε the lower bound counts: buying on a mistaken one is what loses money. Elsewhere the price stays as it is,
and the worth is the chance that the balance runs out, times what a sold sat earns (`value.py`). That also bounds it,
beside the curve, where `demand` can't ask for more, since the price is at the most that the operator allows: what a
higher price would earn is no reason then to leave a sat unsold. What a refill costs
caps none of them: that is what is being asked here. No sat is worth more than realised sales have earned: posted
fees are wishes, and an earlier tool that priced refills by them lost money on each.

A local sat also takes up room. Where a channel is so full that payments can't enter, what these would earn elsewhere is
lost: the chance that the room runs out, times what room is worth there. And a sat that is sold here takes room where
its payment enters: that part of the fee isn't the liquidity's (both: `room_prices.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from revops.decide.inventory import value_at
from revops.decide.value import chance_of_need
from revops.domain.channel import Channel
from revops.domain.demand import DemandFigures
from revops.domain.signals import Signals

#: Steps of a curve.
STEPS: Final = 20
#: Points by which a mean over a stretch is taken.
_POINTS: Final = 8
#: Figures that were judged longer ago tell nothing of now.
STALE_SECONDS: Final = 2 * 86_400.0


@dataclass(frozen=True, slots=True)
class Rates:
    """In ppm: what a sat that left by the channel earned lately, what a sat of room is worth on it, and what the room
    that its sales take is worth elsewhere.
    """

    income_ppm: float
    room_ppm: float = 0.0
    entries_ppm: float = 0.0

    @property
    def own_ratio(self) -> float:
        """What part of a fee is the liquidity's own; below 0 where a sale takes room that is worth more."""
        return 1.0 - self.entries_ppm / self.income_ppm if self.income_ppm > 0 else 0.0


@dataclass(frozen=True)
class Worth:
    """What a local sat is worth on equal steps of the balance, from empty to full, in ppm; below 0 where it only takes
    up room, here or by its sale elsewhere. `sold_ppm` is what its sale earns, with the chance of that, `blocked_ratio`
    the chance that the room that it takes here is missing. `sendable_msat` is full.
    """

    sold_ppm: tuple[float, ...]
    blocked_ratio: tuple[float, ...]
    rates: Rates
    sendable_msat: int

    @cached_property
    def values_ppm(self) -> tuple[float, ...]:
        """What a sat is worth, both together."""
        own_ratio, room_ppm = self.rates.own_ratio, self.rates.room_ppm
        curves = zip(self.sold_ppm, self.blocked_ratio, strict=True)
        return tuple(own_ratio * sold_ppm - room_ppm * blocked for sold_ppm, blocked in curves)

    def taken_ppm(self, spendable_msat: float) -> float:
        """Given a balance, return what the room is worth that its last sat takes here."""
        return self.rates.room_ppm * value_at(self.blocked_ratio, spendable_msat / self.sendable_msat)

    def priced(self, rates: Rates) -> Worth:
        """Given other prices of room, return the same curve at those."""
        return replace(self, rates=rates)

    def at_ppm(self, spendable_msat: float) -> float:
        """Given a balance, return what its last sat is worth."""
        return value_at(self.values_ppm, spendable_msat / self.sendable_msat)

    def mean_ppm(self, low_msat: float, high_msat: float) -> float:
        """Given two balances, return what the sats between them are worth on average."""
        step = (high_msat - low_msat) / _POINTS
        return sum(self.at_ppm(low_msat + (place + 0.5) * step) for place in range(_POINTS)) / _POINTS


def sendable_msat(channel: Channel) -> int:
    """Given a channel, return what it could send if all of it were ours, once its splice in flight is locked in, if it
    has one; never 0.
    """
    return max(channel.capacity_after_msat - channel.our_reserve_msat - channel.their_reserve_msat, 1)


def worth(
    channel: Channel,
    signals: Signals,
    figures: DemandFigures | None,
    rates: Rates,
    horizon_days: float,
    now: float,
    *,
    at_ceiling: bool = False,
) -> Worth:
    """Given a channel, what is known of it, what `demand` judged of it last (None: nothing), what its sats earn, the
    horizon, and whether its price is at its ceiling, return what its liquidity is worth.
    """
    whole_msat = sendable_msat(channel)
    fresh = figures is not None and is_fresh(figures, now)
    sold, blocked = [], []
    for step in range(STEPS):
        ratio = (step + 0.5) / STEPS
        level_msat = round(ratio * whole_msat)
        if figures is not None and fresh and not at_ceiling:
            sold_ppm = min(value_at(figures.values_ppm, ratio), marginal_revenue_ppm(rates.income_ppm, figures))
        else:
            sold_ppm = rates.income_ppm * chance_of_need(signals.demand, signals.inflow, level_msat, horizon_days)
            if figures is not None and fresh:
                sold_ppm = min(value_at(figures.values_ppm, ratio), sold_ppm)
        sold.append(sold_ppm)
        blocked.append(chance_of_need(signals.inflow, signals.demand, whole_msat - level_msat, horizon_days))
    return Worth(tuple(sold), tuple(blocked), rates, whole_msat)


def is_fresh(figures: DemandFigures, now: float) -> bool:
    """Given what `demand` judged last, return whether it tells anything of now."""
    return bool(figures.values_ppm) and now - figures.judged_at < STALE_SECONDS


def marginal_revenue_ppm(income_ppm: float, figures: DemandFigures) -> float:
    """Given what a sold sat earns and how demand was judged, return what one more to sell would earn."""
    return income_ppm * max(1.0 - 1.0 / max(figures.elasticity_low, 1.0), 0.0)
