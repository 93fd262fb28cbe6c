"""The node's days put together so that a chart of any period has a bar wide enough to be seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, groupby
from typing import Final

from revops.domain.period import DAY_SECONDS
from revops.domain.profit import ProfitLine, SpanProfit, total_of
from revops.report.amounts import cost, day, income
from revops.report.profit import spent

#: Up to so many days each has a bar of its own; up to so many, each week; then each month.
MOST_DAYS: Final = 100
MOST_WEEK_DAYS: Final = 740
#: 1970-01-01 was a Thursday.
_MONDAY: Final = 3


@dataclass(frozen=True, slots=True)
class Bucket:
    """Whole UTC days, from the first to before the last, with the node's line."""

    first_day: int
    end_day: int
    line: ProfitLine

    @property
    def label(self) -> str:
        """The days as dates."""
        last = self.end_day - 1
        return day(self.first_day) if last == self.first_day else f"{day(self.first_day)} to {day(last)}"

    @property
    def told(self) -> str:
        """What it came to, in one line."""
        line = self.line
        return (
            f"{self.label}: earned {income(line.income_msat)}, spent {cost(line.cost_msat)}, net "
            f"{income(line.net_msat)} sat"
        )


@dataclass(frozen=True, slots=True)
class Timeline:
    """The period in buckets of one `unit` ("day", "week", "month"); `before_msat` is the net of the days before it,
    added up day by day, as `net_msat` is that of the period.
    """

    unit: str
    buckets: tuple[Bucket, ...]
    first_day: int
    net_msat: tuple[int, ...]
    before_msat: tuple[int, ...]


def timeline(days: Sequence[SpanProfit], before: Sequence[SpanProfit]) -> Timeline:
    """Given the lines of a period's days, oldest first, and of those before it, return them for charts."""
    unit, key = _unit(len(days))
    buckets = []
    for _, group in groupby(days, key=lambda one: key(_day_of(one))):
        lines = list(group)
        buckets.append(Bucket(_day_of(lines[0]), _day_of(lines[-1]) + 1, total_of(one.line for one in lines)))
    nets, before_nets = (tuple(accumulate(one.line.net_msat for one in spans)) for spans in (days, before))
    return Timeline(unit, tuple(buckets), _day_of(days[0]) if days else 0, nets, before_nets)


def _day_of(one: SpanProfit) -> int:
    return int(one.since_at // DAY_SECONDS)


def _unit(day_count: int) -> tuple[str, Callable[[int], object]]:
    if day_count <= MOST_DAYS:
        return "day", lambda number: number
    if day_count <= MOST_WEEK_DAYS:
        return "week", lambda number: (number + _MONDAY) // 7
    return "month", _month_of


def _month_of(number: int) -> object:
    date = datetime.fromtimestamp(number * DAY_SECONDS, UTC)
    return date.year, date.month


def rows(found: Timeline) -> tuple[tuple[str, ...], ...]:
    """Given a timeline, return its figures as a table has them, the latest first: days, earned, leases, refills, on
    chain, net, forwards, forwarded.
    """
    return tuple(
        (
            one.label,
            income(one.line.earned_msat),
            income(one.line.lease_earned_msat - one.line.lease_paid_msat),
            spent(one.line.rebalance_msat),
            spent(one.line.chain_msat),
            income(one.line.net_msat),
            f"{one.line.out_count:,}",
            income(one.line.out_msat),
        )
        for one in reversed(found.buckets)
    )
