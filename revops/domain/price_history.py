"""What a channel earned at each of its prices over a period: every msat of it, and what can't be told apart is said."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from revops.domain.period import DAY_SECONDS


class Sale(NamedTuple):
    """A forward that left by the channel, or several of one day: when it was resolved, its size and its fee."""

    counted_at: float
    out_msat: int
    earned_msat: int
    out_count: int = 1


class PriceChange(NamedTuple):
    """A fee (ppm) that came into force at `from_at`; None: what was in force isn't on record."""

    from_at: float
    ppm: int | None


@dataclass(frozen=True, slots=True)
class PriceSum:
    """What left by a channel at one price, over all the time in which it was in force."""

    seconds: float = 0.0
    out_msat: int = 0
    earned_msat: int = 0
    out_count: int = 0

    def __add__(self, other: PriceSum) -> PriceSum:
        """Add two sums."""
        return PriceSum(
            self.seconds + other.seconds,
            self.out_msat + other.out_msat,
            self.earned_msat + other.earned_msat,
            self.out_count + other.out_count,
        )

    def sold(self, sale: Sale) -> PriceSum:
        """Return the sum with a sale in it."""
        return self + PriceSum(0.0, sale.out_msat, sale.earned_msat, sale.out_count)


NOTHING: Final = PriceSum()


@dataclass(frozen=True, slots=True)
class PriceHistory:
    """A channel's prices in order, and what it earned at each (`sums`, by ppm), while none was on record (`unknown`),
    and on days of which only sums are kept and which had several prices (`mixed`). All of them add up to what it earned
    in the period. `earned_msat` is that by UTC day.
    """

    channel_id: str
    changes: tuple[PriceChange, ...]
    sums: Mapping[int, PriceSum] = field(default_factory=dict)
    unknown: PriceSum = NOTHING
    mixed: PriceSum = NOTHING
    earned_msat: Mapping[int, int] = field(default_factory=dict)

    @property
    def total(self) -> PriceSum:
        """All that it earned in the period."""
        return sum(self.sums.values(), self.unknown + self.mixed)


def price_history(
    channel_id: str,
    changes: Sequence[PriceChange],
    until_at: float,
    days: Mapping[int, Sale],
    single: Mapping[int, Iterable[Sale]],
) -> PriceHistory:
    """Given a channel's prices, the first from the beginning of the period on, the period's end, what it sold by UTC
    day, and single sales of days, return what it earned at each price.

    A day's single sales are only used where they add up to the day: retention may have taken some of them.
    """
    starts = [change.from_at for change in changes]
    sums: dict[int | None, PriceSum] = {}
    for place, change in enumerate(changes):
        ends_at = starts[place + 1] if place + 1 < len(starts) else until_at
        _add(sums, change.ppm, PriceSum(max(ends_at - change.from_at, 0.0)))
    mixed = NOTHING
    for day, sale in days.items():
        first = max(bisect_right(starts, day * DAY_SECONDS) - 1, 0)
        last = max(bisect_right(starts, (day + 1) * DAY_SECONDS - 1e-6) - 1, 0)
        if len({change.ppm for change in changes[first : last + 1]}) == 1:
            _add(sums, changes[first].ppm, NOTHING.sold(sale))
            continue
        found = tuple(single.get(day, ()))
        if sum(one.earned_msat for one in found) != sale.earned_msat or len(found) != sale.out_count:
            mixed = mixed.sold(sale)
            continue
        for one in found:
            _add(sums, changes[max(bisect_right(starts, one.counted_at) - 1, 0)].ppm, NOTHING.sold(one))
    unknown = sums.pop(None, NOTHING)
    known = {ppm: sums[ppm] for ppm in sorted(ppm for ppm in sums if ppm is not None)}
    earned_msat = {day: sale.earned_msat for day, sale in sorted(days.items())}
    return PriceHistory(channel_id, tuple(changes), known, unknown, mixed, earned_msat)


def _add(sums: dict[int | None, PriceSum], ppm: int | None, part: PriceSum) -> None:
    sums[ppm] = sums.get(ppm, NOTHING) + part
