"""From payments to the liquidity that they would use: what a demand of so many payments means in msat a day.

Demand is learnt in payments, each of typical size or larger counting as one and a smaller one as its part
(`domain/traffic.py`), so that a few huge ones don't hide what the many would pay. Liquidity is used in msat, and only
by what settles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from revops.domain.decision import PriceWindow
from revops.domain.forward import TYPICAL_PAYMENT_MSAT
from revops.domain.signals import Signals
from revops.domain.traffic import DAY_SECONDS, TRAFFIC_HALF_LIFE_SECONDS

#: A payment's size before anything is known of it, and how many payments that knowledge is worth.
USUAL_PAYMENT_MSAT: Final = 2 * TYPICAL_PAYMENT_MSAT
USUAL_COUNT: Final = 5.0
#: Payments are told apart up to this multiple of the typical one: what is beyond is rare, and says nothing of the rest.
MOST_RATIO: Final = 20
#: How restless payments make a balance where nothing is known: the mean of their squares over their mean. Sizes are
#: about log-normal with a spread of 1.2.
RESTLESS_RATIO: Final = 4.0


def demand_per_day(
    windows: Sequence[PriceWindow], signals: Signals, rates_per_hour: Sequence[float], now: float
) -> list[float]:
    """Given the prices tried, a channel's signals, payments an hour expected at some prices, and the time, return what
    they would use in msat a day.
    """
    factor = 24 * msat_per_payment(windows, signals, now) * signals.settle_ratio
    return [rate * factor for rate in rates_per_hour]


def msat_per_payment(windows: Sequence[PriceWindow], signals: Signals, now: float) -> float:
    """Given the prices tried, a channel's signals and the time, return how large a payment is, where one smaller than
    the typical counts as its part of one: what wanted to leave in a day over how many came in one, both fading alike.
    """
    count = days = 0.0
    for one in windows:
        left = math.exp2(-max(now - one.ended_at, 0.0) / TRAFFIC_HALF_LIFE_SECONDS)
        count += left * one.interest_count
        days += left * one.open_hours / 24
    if days <= 0:
        return USUAL_PAYMENT_MSAT
    mean_msat = (signals.demand.msat_per_day * days + USUAL_COUNT * USUAL_PAYMENT_MSAT) / (count + USUAL_COUNT)
    return min(max(mean_msat, TYPICAL_PAYMENT_MSAT), MOST_RATIO * TYPICAL_PAYMENT_MSAT)


def shown_per_day(
    demand_msat_per_day: Sequence[float], expected_msat_per_day: float, signals: Signals
) -> Sequence[float]:
    """Given what a channel with nothing to sell should be asked for at some prices and at the one in force, and its
    signals, return it as far as it is asked for. What wants to leave is refused there, and in the demand: where that is
    less than expected, or none, fewer have come. More of it proves nothing: to ask for what can't be had is free.
    """
    asked_msat = signals.demand.msat_per_day * signals.settle_ratio
    if asked_msat >= expected_msat_per_day:
        return demand_msat_per_day
    return [msat * asked_msat / expected_msat_per_day for msat in demand_msat_per_day]


def payment_msat(signals: Signals) -> float:
    """Given a channel's signals, return the size of a payment as far as it makes the balance restless."""
    msat = signals.demand.msat_per_day + signals.inflow.msat_per_day
    squares = signals.demand.squares_per_day + signals.inflow.squares_per_day
    known_days = TRAFFIC_HALF_LIFE_SECONDS / DAY_SECONDS
    prior_msat = USUAL_COUNT * USUAL_PAYMENT_MSAT / known_days
    prior_squares = prior_msat * RESTLESS_RATIO * USUAL_PAYMENT_MSAT
    return (squares + prior_squares) / (msat + prior_msat)
