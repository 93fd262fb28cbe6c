"""The budget: a share of revenue only lowers it, and what is left is never negative."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.budget import history, leaving, limits, splice_limits, verdict
from revops.domain.budget import Category, DaySpending, Leaving, LedgerEntry, Limit, Limits, Spent
from revops.domain.policy import BudgetConfig, SpliceConfig
from revops.domain.reason import ReasonCode, why
from tests.builders import DAY, NOW

AMOUNTS = st.integers(0, 2_100_000_000_000_000_000)
SHARES: st.SearchStrategy[Any] = st.floats(0, 10) | st.just("none")


@st.composite
def budgets(draw: st.DrawFn) -> BudgetConfig:
    """Any `[budget]` section that the configuration accepts."""
    daily_sat, weekly_sat = sorted((draw(st.integers(0, 2_100_000_000_000_000)), draw(st.integers(0, 10**6))))
    return BudgetConfig(daily_sat=daily_sat, weekly_sat=weekly_sat, revenue_share_ratio=draw(SHARES))


@pytest.mark.parametrize(
    ("day_msat", "week_msat", "ratio", "limits_msat"),
    [
        (0, 0, 0.5, (0, 0)),
        (-5_000, -5_000, 0.5, (0, 0)),
        # What the day earned, or an average day of the week, where that is more.
        (1_000, 1_000, 0.5, (500, 500)),
        (1_001, 1_001, 0.5, (500, 500)),
        (0, 7_000, 0.5, (500, 3_500)),
        (2_000, 7_000, 0.5, (1_000, 3_500)),
        # The sums bind.
        (4_000_000, 4_000_000, 0.5, (1_000_000, 2_000_000)),
        (10**12, 10**12, 0.5, (1_000_000, 5_000_000)),
        (10**12, 10**12, 0, (0, 0)),
        # No share is set.
        (0, 0, "none", (1_000_000, 5_000_000)),
        # As it is written down: three tenths of ten are three, though not in floats.
        (10, 10, 0.3, (3, 3)),
        (3 * 10**17 + 3, 3 * 10**17 + 3, 1e-12, (300_000, 300_000)),
    ],
)
def test_limits(day_msat: int, week_msat: int, ratio: Any, limits_msat: tuple[int, int]) -> None:
    budget = BudgetConfig(daily_sat=1_000, weekly_sat=5_000, revenue_share_ratio=ratio)
    assert limits(budget, day_msat, week_msat).msat == limits_msat


def test_splices_have_limits_of_their_own_and_no_share() -> None:
    found = splice_limits(SpliceConfig(daily_sat=5_000, weekly_sat=20_000))
    assert found == Limits(Limit(5_000_000), Limit(20_000_000))
    assert found.msat == (5_000_000, 20_000_000)
    assert not found.daily.by_share
    assert splice_limits(SpliceConfig()).msat == (0, 0)


def test_a_limit_says_which_of_its_sums_binds() -> None:
    budget = BudgetConfig(daily_sat=1_000, weekly_sat=5_000, revenue_share_ratio=0.5)
    found = limits(budget, 1_500_000, 12_000_000)
    assert found.daily == Limit(1_000_000, 12_000_000 // 7 // 2, 12_000_000 // 7)
    assert found.daily.by_share
    assert found.weekly == Limit(5_000_000, 6_000_000, 12_000_000)
    assert not found.weekly.by_share
    assert not Limit(5).by_share


def test_the_careful_share_is_the_default() -> None:
    assert limits(BudgetConfig(daily_sat=1_000, weekly_sat=5_000), 0, 0).msat == (0, 0)


@given(budget=budgets(), week=st.integers(-(10**18), 10**18), day_share=st.floats(0, 1), more=AMOUNTS)
def test_the_share_only_lowers_and_more_income_never_lowers_it(
    budget: BudgetConfig, week: int, day_share: float, more: int
) -> None:
    day = int(max(week, 0) * Fraction(day_share))
    daily, weekly = limits(budget, day, week).msat
    assert 0 <= daily <= weekly
    assert daily <= budget.daily_sat * 1_000
    assert weekly <= budget.weekly_sat * 1_000
    if budget.revenue_share_ratio != "none":
        ratio = Fraction(repr(budget.revenue_share_ratio))
        assert weekly <= max(week, 0) * ratio
        assert daily <= max(day, week // 7, 0) * ratio
    richer = limits(budget, day + more, week + more).msat
    assert richer[0] >= daily
    assert richer[1] >= weekly


@given(daily=AMOUNTS, weekly=AMOUNTS, day=AMOUNTS, week=AMOUNTS, reserved=AMOUNTS)
def test_what_is_left_fits_both_windows(daily: int, weekly: int, day: int, week: int, reserved: int) -> None:
    told = verdict(NOW, (daily, weekly), day, week, reserved)
    assert told.taken_at == NOW
    assert told.left_msat >= 0
    if told.left_msat:
        assert day + reserved + told.left_msat <= daily
        assert week + reserved + told.left_msat <= weekly
    suspended = verdict(NOW, (daily, weekly), day, week, reserved, (why(ReasonCode.OBSERVE_MODE),))
    assert suspended.left_msat == 0
    assert (suspended.daily, suspended.weekly) == (told.daily, told.weekly)


def test_a_verdict_says_where_its_figures_belong() -> None:
    told = verdict(NOW, (100, 700), 10, 60, 5)
    assert (told.daily.window, told.daily.limit_msat, told.daily.spent_msat, told.daily.left_msat) == (
        "day",
        100,
        10,
        85,
    )
    assert (told.weekly.window, told.weekly.limit_msat, told.weekly.spent_msat, told.weekly.left_msat) == (
        "week",
        700,
        60,
        635,
    )


@pytest.mark.parametrize(
    ("spent_at", "spent_height", "height", "left"),
    [
        # By the clock, which is slower.
        (NOW - 3_600, 900_000 - 100, 900_000, (NOW - 3_600 + DAY, False)),
        (NOW - 3_600, None, 900_000, (NOW - 3_600 + DAY, False)),
        (NOW - 3_600, 900_000, None, (NOW - 3_600 + DAY, False)),
        # The chain owes 110 blocks of 115: at ten minutes each.
        (NOW - 2 * DAY, 900_000, 900_005, (NOW + 110 * 600, True)),
        # It is over by both: it leaves now.
        (NOW - DAY, 900_000 - 115, 900_000, (NOW, False)),
    ],
)
def test_a_sum_leaves_when_clock_and_chain_say_so(
    spent_at: float, spent_height: int | None, height: int | None, left: tuple[float, bool]
) -> None:
    entry = Spent(7, spent_at, spent_height)
    assert leaving([entry], NOW, height, 86_400, 115) == Leaving(7, *left)


def test_the_first_sum_to_leave_is_told() -> None:
    entries = [Spent(1, NOW - 60, None), Spent(2, NOW - 3_600, None), Spent(3, NOW + 60, None)]
    assert leaving(entries, NOW, None, 86_400, 115) == Leaving(2, NOW - 3_600 + DAY, by_chain=False)
    assert leaving([], NOW, None, 86_400, 115) is None


def test_history_adds_up_by_day_and_category() -> None:
    today, yesterday = NOW // DAY * DAY, NOW // DAY * DAY - DAY
    entries = [
        LedgerEntry("reserve", Category.REBALANCE, 100, 100, yesterday + 1),
        LedgerEntry("reserve", Category.REBALANCE, 50, 50, yesterday + 2),
        LedgerEntry("reserve", Category.SPLICE, 9, 9, yesterday + 3),
        LedgerEntry("release", Category.REBALANCE, 0, 50, yesterday + DAY - 1),
        LedgerEntry("settle", Category.REBALANCE, 70, 100, today),
        LedgerEntry("settle", Category.REBALANCE, 5, 5, today + 5),
    ]
    assert history(entries, [today + 1, yesterday + 1, today + 9]) == (
        DaySpending(today, Category.REBALANCE, spent_msat=75, spent_count=2, refused_count=2),
        DaySpending(yesterday, Category.REBALANCE, 150, 2, 0, 0, 50, 1, 1),
        DaySpending(yesterday, Category.SPLICE, 9, 1),
    )
    assert history([], []) == ()
