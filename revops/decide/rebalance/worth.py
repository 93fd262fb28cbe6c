"""What a sat is worth on a channel, from empty to full: the value of liquidity (design: V) as a curve.

A refill moves along it on the target, and down it on the source, so that one number for the balance of the moment would
promise the gain of the first sat for all of them. Where `demand` prices the channel, the curve is the one that its own
price rests on (`inventory.py`), as it was judged last. Elsewhere it is the chance that the balance runs out, times what
a sold sat earned lately (`value.py`). What a refill costs caps neither of them: that is what is being asked here.

No sat is worth more than realised sales have earned: posted fees are wishes, and an earlier tool that priced refills by
them lost money on each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from revops.decide.inventory import value_at
from revops.decide.value import chance_of_need
from revops.domain.channel import Channel
from revops.domain.demand import DemandFigures
from revops.domain.signals import Signals

#: Steps of a curve that is made here.
STEPS: Final = 20
#: Points by which a mean over a stretch is taken.
_POINTS: Final = 8
#: Figures that were judged longer ago tell nothing of now.
STALE_SECONDS: Final = 2 * 86_400.0


@dataclass(frozen=True, slots=True)
class Worth:
    """What a local sat is worth on equal steps of the balance, from empty to full, in ppm; `sendable_msat` is full."""

    values_ppm: tuple[float, ...]
    sendable_msat: int

    def at_ppm(self, spendable_msat: float) -> float:
        """Given a balance, return what its last sat is worth."""
        return value_at(self.values_ppm, spendable_msat / self.sendable_msat) if self.values_ppm else 0.0

    def mean_ppm(self, low_msat: float, high_msat: float) -> float:
        """Given two balances, return what the sats between them are worth on average."""
        step = (high_msat - low_msat) / _POINTS
        return sum(self.at_ppm(low_msat + (place + 0.5) * step) for place in range(_POINTS)) / _POINTS


def sendable_msat(channel: Channel) -> int:
    """Given a channel, return what it could send if all of it were ours; never 0."""
    return max(channel.capacity_msat - channel.our_reserve_msat - channel.their_reserve_msat, 1)


def worth(
    channel: Channel,
    signals: Signals,
    figures: DemandFigures | None,
    income_ppm: float,
    horizon_days: float,
    now: float,
) -> Worth:
    """Given a channel, what is known of it, what `demand` judged of it last (None: nothing), what a sat that left by it
    earned lately (0: none did), and the horizon, return what its liquidity is worth.
    """
    most_ppm = max(income_ppm, 0.0)
    whole_msat = sendable_msat(channel)
    if figures is not None and figures.values_ppm and now - figures.judged_at < STALE_SECONDS:
        return Worth(_capped(figures.values_ppm, most_ppm), whole_msat)
    if signals.demand.msat_per_day <= 0 or most_ppm <= 0:
        return Worth((), whole_msat)
    levels = (round((step + 0.5) / STEPS * whole_msat) for step in range(STEPS))
    chances = [chance_of_need(signals.demand, signals.inflow, level, horizon_days) for level in levels]
    return Worth(_capped([chance * most_ppm for chance in chances], most_ppm), whole_msat)


def _capped(values_ppm: Sequence[float], most_ppm: float) -> tuple[float, ...]:
    return tuple(min(value, most_ppm) for value in values_ppm)
