"""What went through the node, or a channel, hour by hour."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Final

HOUR_SECONDS: Final = 3_600


@dataclass(frozen=True, slots=True)
class HourSums:
    """Sums of forwards. `in_*` entered by a channel, `out_*` left by it; `earned` is credited to the exit, `sourced` to
    the entry. `failed` failed beyond us, `refused` is what we refused (local_failed), both at the exit that was wanted.
    """

    in_msat: int = 0
    out_msat: int = 0
    in_count: int = 0
    out_count: int = 0
    earned_msat: int = 0
    sourced_msat: int = 0
    refused_count: int = 0
    failed_count: int = 0

    def __add__(self, other: HourSums) -> HourSums:
        """Add two sums."""
        return HourSums(*(getattr(self, name) + getattr(other, name) for name in SUM_NAMES))


SUM_NAMES: Final = tuple(field.name for field in fields(HourSums))


def sum_of(sums: Iterable[HourSums]) -> HourSums:
    """Given sums, return theirs."""
    return sum(sums, HourSums())


@dataclass(frozen=True, slots=True)
class Hour:
    """A UTC hour, from `begins_at` on, with its sums."""

    begins_at: float
    sums: HourSums


@dataclass(frozen=True, slots=True)
class DayOnly:
    """Forwards of a UTC day of which only the day is known any more, as they were pruned, or deleted by the node before
    they were copied. The day begins at `day_at`, and they may lie in any hour of it.
    """

    day_at: float
    settled_count: int
    failed_count: int
    refused_count: int
    earned_msat: int


@dataclass(frozen=True, slots=True)
class FlowHours:
    """All that `revops report flows` shows: each hour from `since_at` to before `until_at`, also those in which nothing
    went through. `channels` are the names of those that are meant, empty for the whole node; `total` adds up the hours,
    so it lacks what `by_day_only` has of them.
    """

    taken_at: float
    synced_at: float | None
    since_at: float
    until_at: float
    channels: tuple[str, ...]
    total: HourSums
    hours: tuple[Hour, ...]
    by_day_only: tuple[DayOnly, ...] = ()
