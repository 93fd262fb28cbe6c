"""What each channel earned at each of its fees: price by price, or in bands of prices where there are many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from revops.domain.period import DAY_SECONDS
from revops.domain.price_history import NOTHING, PriceHistory, PriceSum
from revops.domain.profit import ChannelProfit
from revops.domain.review import Review
from revops.report.amounts import income, span
from revops.report.html.names import Name, name_of

#: More prices than that are put together in bands.
MOST_BANDS: Final = 7
#: Channels that are open on the page; the others are folded.
OPEN_COUNT: Final = 6
#: What was in force for less tells nothing of a day.
_LEAST_SECONDS: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Band:
    """What a channel earned at fees of a band: per day in words, and as per cent of its best band."""

    fees: str
    in_force: str
    earned: str
    a_day: str
    out: str
    percent: float
    now: bool = False


@dataclass(frozen=True, slots=True)
class PricePanel:
    """A channel's prices over the period. `history` is what its chart draws."""

    name: Name
    fee: str
    earned: str
    bands: tuple[Band, ...]
    history: PriceHistory


def panels(review: Review) -> tuple[PricePanel, ...]:
    """Given a review, return a panel for each channel whose prices it has, the best earner first."""
    by_id: dict[str, ChannelProfit] = {one.channel_id: one for one in review.profit.channels}
    fees = {one.channel_id: one.fee_ppm for one in review.standing.channels}
    return tuple(
        PricePanel(
            name_of(by_id[one.channel_id]),
            "" if (ppm := fees.get(one.channel_id)) is None else f"{ppm:,} ppm",
            income(one.total.earned_msat),
            bands(one, fees.get(one.channel_id)),
            one,
        )
        for one in review.prices
        if one.channel_id in by_id
    )


def bands(history: PriceHistory, now_ppm: int | None) -> tuple[Band, ...]:
    """Given a channel's prices, and the one in force, return what each band earned; what belongs to no price last."""
    groups = [(prices, sum((history.sums[ppm] for ppm in prices), NOTHING)) for prices in grouped(tuple(history.sums))]
    best = max((_a_day_msat(part) for _, part in groups), default=0) or 1
    found = [
        _band(_fees(prices), part, best, now=now_ppm is not None and prices[0] <= now_ppm <= prices[-1])
        for prices, part in groups
    ]
    if history.unknown.out_count or (history.unknown.seconds and not groups):
        found.append(_band("not on record", history.unknown, best))
    if history.mixed.out_count:
        found.append(_band("several within a day", history.mixed, best))
    return tuple(found)


def grouped(prices: Sequence[int]) -> list[list[int]]:
    """Given prices in order (ppm), return them one by one; where they are many, in MOST_BANDS bands of equal ratios."""
    if len(prices) <= MOST_BANDS:
        return [[ppm] for ppm in prices]
    low, high = math.log(prices[0] + 1), math.log(prices[-1] + 1)
    groups: list[list[int]] = [[] for _ in range(MOST_BANDS)]
    for ppm in prices:
        place = int((math.log(ppm + 1) - low) / (high - low) * MOST_BANDS)
        groups[min(place, MOST_BANDS - 1)].append(ppm)
    return [group for group in groups if group]


def _fees(prices: Sequence[int]) -> str:
    if prices[0] == prices[-1]:
        return f"{prices[0]:,}"
    return f"{prices[0]:,} to {prices[-1]:,}"


def _band(fees: str, part: PriceSum, best_msat: int, *, now: bool = False) -> Band:
    told = part.seconds >= _LEAST_SECONDS
    return Band(
        fees,
        span(part.seconds) if part.seconds else "-",
        income(part.earned_msat),
        income(_a_day_msat(part)) if told else "-",
        income(part.out_msat),
        round(min(100 * _a_day_msat(part) / best_msat, 100.0), 1) if told else 0.0,
        now,
    )


def _a_day_msat(part: PriceSum) -> int:
    if part.seconds < _LEAST_SECONDS:
        return 0
    return int(part.earned_msat * DAY_SECONDS / part.seconds)
