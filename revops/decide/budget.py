"""The budget: what may still be spent on routing fees, in a rolling day and a rolling week.

The figures come from the ledger; this only says what they mean. The check that counts is made once more by the ledger
itself, in the transaction that reserves.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from revops.domain.budget import (
    Category,
    DaySpending,
    Leaving,
    LedgerEntry,
    Limit,
    Limits,
    Spent,
)
from revops.domain.decision import BudgetVerdict, WindowBudget
from revops.domain.policy import BudgetConfig, SpliceConfig
from revops.domain.reason import Reason
from revops.domain.units import MSAT_PER_SAT
from revops.domain.values import replace

WEEK_DAYS: Final = 7
DAY_SECONDS: Final = 86_400
#: What the chain still owes is told at Bitcoin's pace.
BLOCK_SECONDS: Final = 600


def limits(budget: BudgetConfig, earned_day_msat: int, earned_week_msat: int) -> Limits:
    """Given the configured figures and what forwards earned in 24 hours and in seven days, return the limits in force,
    each the smaller of its sum and, where one is set, its share of revenue.

    The share only ever lowers a limit, so a node that earns nothing spends nothing. The week's is of what the last
    seven days earned. The day's is of what the last 24 hours earned, or an average day of these seven where that is
    more: a small node has days without a forward, and the weekly limit holds in any case. It is never above the week's,
    so that no day can spend what the week may not. Both are of realised forwards, never of an expectation.
    """
    ratio = budget.revenue_share_ratio
    sums = budget.daily_sat * MSAT_PER_SAT, budget.weekly_sat * MSAT_PER_SAT
    if isinstance(ratio, str):  # "none"
        return Limits(Limit(sums[0]), Limit(sums[1]))
    earned_msat = min(max(earned_day_msat, earned_week_msat // WEEK_DAYS), earned_week_msat)
    daily = Limit(sums[0], _share_msat(earned_msat, ratio), earned_msat)
    return Limits(daily, Limit(sums[1], _share_msat(earned_week_msat, ratio), earned_week_msat))


def splice_limits(splice: SpliceConfig) -> Limits:
    """Given the configured figures, return what splices may cost in a day and in a week."""
    return Limits(Limit(splice.daily_sat * MSAT_PER_SAT), Limit(splice.weekly_sat * MSAT_PER_SAT))


def _share_msat(earned_msat: int, ratio: float) -> int:
    """The share as the operator wrote it down, floored: floats lose msat beyond 2^53."""
    return max(0, int(earned_msat * Fraction(repr(ratio))))


def verdict(
    now: float,
    limits_msat: tuple[int, int],
    spent_day_msat: int,
    spent_week_msat: int,
    reserved_msat: int,
    suspended: tuple[Reason, ...] = (),
) -> BudgetVerdict:
    """Given the limits in force and the ledger's totals, return what is left, and what suspends spending."""
    daily_msat, weekly_msat = limits_msat
    return BudgetVerdict(
        taken_at=now,
        daily=WindowBudget("day", daily_msat, spent_day_msat, reserved_msat),
        weekly=WindowBudget("week", weekly_msat, spent_week_msat, reserved_msat),
        suspended=suspended,
    )


def leaving(entries: Iterable[Spent], now: float, height: int | None, seconds: int, blocks: int) -> Leaving | None:
    """Given the sums in a window of so many seconds and blocks, return the one that leaves it first; None where there
    is none. `height` is the chain's now, None where only the clock counts.

    A sum stays until the clock and the chain both say that it is over. The blocks that are to come are reckoned at ten
    minutes each.
    """
    moments = []
    for entry in entries:
        by_clock_at = entry.spent_at + seconds
        missing = 0 if height is None or entry.blockheight is None else entry.blockheight + blocks - height
        by_chain_at = now + missing * BLOCK_SECONDS if missing > 0 else now
        moments.append((max(by_clock_at, by_chain_at), entry.amount_msat, by_chain_at > by_clock_at))
    if not moments:
        return None
    at, amount_msat, by_chain = min(moments)
    return Leaving(amount_msat, at, by_chain)


def history(entries: Iterable[LedgerEntry], refused_at: Iterable[float]) -> tuple[DaySpending, ...]:
    """Given the ledger's entries, and when limits stopped rebalance jobs, return what each category did on each day
    (UTC) on which it did anything, the latest day first.
    """
    days: dict[tuple[float, Category], DaySpending] = {}

    def day_of(at: float, category: Category) -> DaySpending:
        day_at = at // DAY_SECONDS * DAY_SECONDS
        return days.get((day_at, category)) or DaySpending(day_at, category)

    for entry in entries:
        day = day_of(entry.entered_at, entry.category)
        days[day.day_at, day.category] = _with(day, entry)
    for at in refused_at:
        day = day_of(at, Category.REBALANCE)
        days[day.day_at, day.category] = replace(day, refused_count=day.refused_count + 1)
    return tuple(sorted(days.values(), key=lambda day: (-day.day_at, day.category)))


def _with(day: DaySpending, entry: LedgerEntry) -> DaySpending:
    if entry.kind == "reserve":
        return replace(day, reserved_msat=day.reserved_msat + entry.amount_msat, reserved_count=day.reserved_count + 1)
    if entry.kind == "settle":
        return replace(day, spent_msat=day.spent_msat + entry.amount_msat, spent_count=day.spent_count + 1)
    return replace(day, released_msat=day.released_msat + entry.reserved_msat, released_count=day.released_count + 1)
