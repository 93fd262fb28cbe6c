"""`revops budget check` and `budget history` as blocks: what may be spent and why so much, and what was spent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from revops.domain.budget import (
    BudgetCheck,
    BudgetHistory,
    Category,
    CategoryState,
    DaySpending,
    Limit,
    WindowState,
)
from revops.domain.units import sat_ceil, sat_floor
from revops.report.amounts import age, cost, income, instant, to_the_msat
from revops.report.blocks import Block, Line, Table
from revops.report.jobs import reserved_row
from revops.report.summaries import sentences, suspensions

#: As on the first day: nothing is spent that nobody has named.
_UNSET: Final = "; set budget.daily_sat and budget.weekly_sat"
#: The keys that give each window's sum: in [budget], of other categories in the section that is called like them.
_KEYS: Final = {"day": "daily_sat", "week": "weekly_sat"}
_HISTORY: Final = (
    "day", "budget", ">spent sat", ">payments", ">reserved sat", ">reservations", ">released sat", ">releases",
    ">refused",
)  # fmt: skip


def check(value: BudgetCheck) -> Iterator[Block]:
    """Given the budget, render each category's windows, what is reserved and for what, and what is left."""
    rows = [_window_row(one, window, value.taken_at) for one in value.categories for window in (one.daily, one.weekly)]
    headings = (
        "budget", "window", ">limit sat", ">spent sat", ">reserved sat", ">left sat", "next to leave", "limited by"
    )  # fmt: skip
    yield Table("", headings, tuple(rows))
    reserved = [reserved_row(one.category, held, value.taken_at) for one in value.categories for held in one.open]
    if reserved:
        yield Table("Reserved", ("for", ">sat", "since", "state"), tuple(reserved))
    yield from suspensions(value.suspended, value.reserves)
    yield Line(f"left for the next rebalance: {_left_sat(value):,} sat; synced {age(value.synced_at, value.taken_at)}")


def nothing_left(value: BudgetCheck) -> str:
    """Given a budget with nothing left, return why in one line."""
    if value.suspended:
        return f"nothing is left to reserve: {sentences(value.suspended)}"
    one = _rebalances(value)
    tight = min((one.daily, one.weekly), key=lambda window: window.left_msat)
    limited = limited_by(tight, one.category)
    unset = "" if one.daily.limit.sum_msat and one.weekly.limit.sum_msat else _UNSET
    return (
        f"nothing is left to reserve for a rebalance: {tight.window} limit {income(tight.limit.limit_msat)} sat "
        f"({limited}), spent {cost(tight.spent_msat)}, reserved {cost(tight.reserved_msat)}{unset}"
    )


def _rebalances(value: BudgetCheck) -> CategoryState:
    return next(one for one in value.categories if one.category is Category.REBALANCE)


def _left_sat(value: BudgetCheck) -> int:
    one = _rebalances(value)
    return 0 if value.suspended else min(_row_left_sat(one.daily), _row_left_sat(one.weekly))


def _row_left_sat(window: WindowState) -> int:
    """What is left of the figures as they are printed, so that the row adds up. Never more than there is."""
    spent_sat = sat_ceil(window.spent_msat) + sat_ceil(window.reserved_msat)
    return max(0, sat_floor(window.limit.limit_msat) - spent_sat)


def _window_row(one: CategoryState, window: WindowState, now: float) -> tuple[str, ...]:
    return (
        str(one.category),
        window.window,
        income(window.limit.limit_msat),
        cost(window.spent_msat),
        cost(window.reserved_msat),
        f"{_row_left_sat(window):,}",
        _leaving(window, now),
        limited_by(window, one.category),
    )


def _leaving(window: WindowState, now: float) -> str:
    if window.leaving is None:
        return "-"
    waits = ", when the chain has come so far" if window.leaving.by_chain else ""
    at = max(window.leaving.leaves_at, now)
    return f"{cost(window.leaving.amount_msat)} sat about {instant(at)}{waits}"


def limited_by(window: WindowState, category: Category) -> str:
    """Given a window, return which of its sums is the limit in force."""
    key, limit = _KEYS[window.window], window.limit
    if category is not Category.REBALANCE:
        key = f"{category}.{key}"
        return key if limit.sum_msat else f"{key} is 0: nothing may be spent"
    if limit.by_share:
        return f"revenue_share_ratio of {income(limit.earned_msat)} sat earned, {_sum(limit, key)}"
    return key if limit.share_msat is None else f"{key}; the share of revenue would be {income(limit.share_msat)} sat"


def _sum(limit: Limit, key: str) -> str:
    return f"less than {key} of {income(limit.sum_msat)}"


def history(value: BudgetHistory) -> Iterator[Block]:
    """Given what was spent, render a row for each day and category, and what it came to."""
    if value.days:
        yield Table("", _HISTORY, tuple(_day_row(day) for day in value.days))
    spent_msat = sum(day.spent_msat for day in value.days)
    yield Line(f"{to_the_msat(spent_msat)} sat spent since {_date(value.since_at)}")


def _day_row(day: DaySpending) -> tuple[str, ...]:
    return (
        _date(day.day_at),
        str(day.category),
        to_the_msat(day.spent_msat),
        f"{day.spent_count:,}",
        to_the_msat(day.reserved_msat),
        f"{day.reserved_count:,}",
        to_the_msat(day.released_msat),
        f"{day.released_count:,}",
        f"{day.refused_count:,}",
    )


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
