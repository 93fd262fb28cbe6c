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


def last_days(now: float, count: int) -> Period:
    """Given the moment, return the period of so many days of which today is the last."""
    today = int(now // DAY_SECONDS)
    return Period(today + 1 - count, today + 1)
