"""Periods of whole UTC days, as books have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Period:
    """UTC days, counted from 1970-01-01, from the first to before the last; None: from the beginning."""

    first_day: int | None
    end_day: int

    @property
    def since_at(self) -> float | None:
        """When it begins; None for the beginning of all."""
        return None if self.first_day is None else float(self.first_day * DAY_SECONDS)

    @property
    def until_at(self) -> float:
        """When it ends."""
        return float(self.end_day * DAY_SECONDS)


@dataclass(frozen=True, slots=True)
class Span:
    """From one instant to a later one."""

    since_at: float
    until_at: float

    @property
    def first_day(self) -> int:
        """The UTC day in which it begins."""
        return int(self.since_at // DAY_SECONDS)

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.until_at - self.since_at


def rated_span(period: Period, balances_since_at: float | None, synced_at: float | None) -> Span | None:
    """Given a period, since when balances are on record, to the day, and when the last sync was, return the part of the
    period that a return is reckoned over; None where nothing of it is on record.

    What earlier days brought and cost is known, but not on which capital; of what came after the last sync nothing is
    known. All that a return counts, the capital too, lies within this span, and its length is what it is divided by.
    """
    if balances_since_at is None or synced_at is None:
        return None
    since_at = max(balances_since_at, period.since_at or 0.0)
    until_at = min(period.until_at, synced_at)
    return Span(since_at, until_at) if since_at < until_at else None


def last_days(now: float, count: int) -> Period:
    """Given the moment, return the period of so many days of which today is the last."""
    today = int(now // DAY_SECONDS)
    return Period(today + 1 - count, today + 1)
