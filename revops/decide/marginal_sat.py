"""What the marginal sat of a channel's outbound liquidity earns in a year.

The value of liquidity V (`value.py`, `inventory.py`) is what the *one* sale of the marginal sat is expected to bring. A
year has many horizons, but that sat can't be sold in each of them. It is the last on top of all others: it is sold when
the channel runs empty, and a channel with one sat more, and room for it, then has nothing left of it but the room. It
comes back when a payment finds the channel full but for that room, or when refills buy it. With

    p  what a sale brings (ppm)                       q = V / p  the chance that the sat is sold within the window
    W  the window, in days                            F          how often it comes back in a year (below)

its life goes in cycles: W days in which it is sold with chance q, and, where it was, 365 / F days until it is back. By
the renewal-reward theorem (S. M. Ross, Stochastic Processes, 2nd ed., 1996, theorem 3.6.1) it earns

    365 V / (W + q 365 / F)   a year, less q for each cycle of what refills took of a sat,

or V, if that is more: the first sale needs nothing to come back. 365 V / W is reached only where it comes back at once.
F is the chance that the channel runs full within a span, by `value.py`, as often as a year has such spans, of that span
by which it is most; and how often refills have bought what lies there on average. Each cycle is taken to begin where
the channel stands now, so that what has nearly happened by the end of a window counts for nothing: this errs low, by V
of `value.py`, which sees but 3 days, the more so. Two bounds hold whatever happens:

- low: V at its lower bound, once a year: nothing ever comes back.
- high: p (1 + the most that F can be). From empty to full all of the capacity must enter; how often it did, and was
  bought, bounds how often the sat came back, and nobody pays more than p.

W is the horizon of `value.py`, whose V is p times the chance of need within it. `inventory.py` discounts a sale T days
ahead by E[exp(-T / 30)]: that is the chance that it comes before a moment that is exponentially distributed, after 30
days on average, so that W is 30 days there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from revops.decide.dead_capital import DAYS_PER_YEAR
from revops.decide.inventory import DISCOUNT_PER_DAY
from revops.decide.rebalance.worth import STALE_SECONDS
from revops.decide.value import HORIZON_DAYS, chance_of_need
from revops.domain.capital import CapitalStanding, RatioRange, SatWorth
from revops.domain.demand import DemandFigures
from revops.domain.forward import TYPICAL_PAYMENT_MSAT
from revops.domain.profit import ProfitLine
from revops.domain.signals import UNKNOWN, Signals
from revops.domain.units import PPM, SECONDS_PER_YEAR

#: Within so many days a channel may run full.
_SPANS_DAYS: Final = (HORIZON_DAYS, 10.0, 30.0, 90.0)


@dataclass(frozen=True, slots=True)
class MarginInput:
    """What is known of a channel: its line over the rated span, how long that was, the fee in force, what its next sat
    is worth, and since when (both None where nobody has judged it), how it stands, and its traffic. `figures` are of
    `demand`, None where it has none.
    """

    line: ProfitLine
    rated_seconds: float
    fee_ppm: int | None
    value_ppm: float | None
    value_at: float | None
    young: bool
    capacity_msat: int
    local_msat: int
    signals: Signals = UNKNOWN
    figures: DemandFigures | None = None


def standing(seen: MarginInput, now: float, min_rated_seconds: float) -> CapitalStanding:
    """Given what is known of a channel, the time, and for how long balances must be on record, return how it counts."""
    if seen.value_ppm is None or seen.value_at is None:
        return CapitalStanding.UNVALUED
    if seen.young:
        return CapitalStanding.YOUNG
    if now - seen.value_at > STALE_SECONDS:
        return CapitalStanding.STALE
    if seen.rated_seconds < min_rated_seconds:
        return CapitalStanding.UNRATED
    return CapitalStanding.COUNTED if seen.line.capital_msat > 0 else CapitalStanding.BARE


def sat_worth(seen: MarginInput, now: float) -> SatWorth:
    """Given what is known of a channel that counts, and the time, return what its marginal sat is worth.

    Where `demand` has judged it lately, its belief bounds that. Elsewhere V is only known to lie between 0 and what a
    sale brings. A balance below a payment of usual size is taken for one: what is bought for an empty channel would
    come back without end.
    """
    line, value_ppm = seen.line, seen.value_ppm or 0.0
    realised_ppm = line.earned_msat * PPM / line.out_msat if line.out_msat > 0 else 0.0
    sale_ppm = max(realised_ppm, value_ppm, float(seen.fee_ppm or 0))
    low_ppm, high_ppm, window_days = 0.0, sale_ppm, HORIZON_DAYS
    figures = seen.figures
    if figures is not None and 0.0 <= now - figures.judged_at <= STALE_SECONDS:
        low_ppm, high_ppm = min(figures.value_low_ppm, value_ppm), max(figures.value_high_ppm, value_ppm)
        sale_ppm, window_days = max(sale_ppm, high_ppm), 1 / DISCOUNT_PER_DAY
    a_year = SECONDS_PER_YEAR / seen.rated_seconds
    bought_ratio = line.rebalanced_msat / max(line.capital_msat, TYPICAL_PAYMENT_MSAT) * a_year
    filled_ratio = line.in_msat / max(seen.capacity_msat, TYPICAL_PAYMENT_MSAT) * a_year
    returns_ratio = min(_filled_ratio(seen), filled_ratio) + bought_ratio
    bought_ppm = line.rebalance_msat * PPM / line.rebalanced_msat if line.rebalanced_msat > 0 else 0.0
    return SatWorth(
        value_ppm=value_ppm,
        value_low_ppm=low_ppm,
        value_high_ppm=high_ppm,
        window_days=window_days,
        sale_ppm=sale_ppm,
        returns_ratio=returns_ratio,
        most_returns_ratio=filled_ratio + bought_ratio,
        restoring_ppm=bought_ppm * bought_ratio / returns_ratio if returns_ratio > 0 else 0.0,
    )


def _filled_ratio(seen: MarginInput) -> float:
    """How often a year payments are expected to fill the channel."""
    room_msat, known = max(seen.capacity_msat - seen.local_msat, 0), seen.signals
    return max(
        chance_of_need(known.inflow, known.demand, room_msat, days) * DAYS_PER_YEAR / days for days in _SPANS_DAYS
    )


def marginal(worth: SatWorth, days: float = DAYS_PER_YEAR) -> RatioRange:
    """Given what a marginal sat is worth, return what it earns a year (for the formulas see the top of the module).

    Of capital that is committed for so many days, the bound above has the first sale, for which nothing need come
    back, lost within these days; the other two have it put off.
    """
    return _range(worth, max(DAYS_PER_YEAR / max(days, 1.0), 1.0), 1.0)


def _again_ratio(worth: SatWorth) -> float:
    """What it earns a year where it is sold again and again as it comes back."""
    if worth.value_ppm <= 0 or worth.returns_ratio <= 0:
        return 0.0
    chance = worth.value_ppm / worth.sale_ppm
    kept_ratio = max(1.0 - worth.restoring_ppm / worth.sale_ppm, 0.0)
    cycle_days = worth.window_days + chance * DAYS_PER_YEAR / worth.returns_ratio
    return worth.value_ppm / PPM * kept_ratio * DAYS_PER_YEAR / cycle_days


def gained(worth: SatWorth, days: float) -> RatioRange:
    """Given what a marginal sat is worth, return what it brings within so many days from now on, as a share of itself:
    the first sale in full, and what comes after it as often as these days hold. Not a year's ratio but that span's.
    """
    return _range(worth, 1.0, days / DAYS_PER_YEAR)


def _range(worth: SatWorth, first_sales: float, years: float) -> RatioRange:
    """Of so many years, in which the bound above has the first sale so many times."""
    once_ratio, sale_ratio = worth.value_ppm / PPM, worth.sale_ppm / PPM
    high_ratio = sale_ratio * (first_sales + worth.most_returns_ratio * years) if worth.value_high_ppm > 0 else 0.0
    middle_ratio = max(once_ratio, _again_ratio(worth) * years)
    return RatioRange(min(worth.value_low_ppm / PPM, middle_ratio), middle_ratio, max(high_ratio, middle_ratio))
