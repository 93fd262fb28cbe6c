"""The budget: a share of revenue only lowers it, and what is left is never negative."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.budget import limits_msat, verdict
from revops.domain.policy import BudgetConfig
from revops.domain.reason import ReasonCode, why
from tests.builders import NOW

AMOUNTS = st.integers(0, 2_100_000_000_000_000_000)


@st.composite
def budgets(draw: st.DrawFn) -> BudgetConfig:
    """Any `[budget]` section that the configuration accepts."""
    daily_sat, weekly_sat = sorted((draw(st.integers(0, 2_100_000_000_000_000)), draw(st.integers(0, 10**6))))
    return BudgetConfig(daily_sat=daily_sat, weekly_sat=weekly_sat, revenue_share_ratio=draw(st.floats(0, 10)))


@pytest.mark.parametrize(
    ("income_msat", "ratio", "limits"),
    [
        (0, 0.5, (0, 0)),
        (-5_000, 0.5, (0, 0)),
        (1_000, 0.5, (500, 500)),
        (1_001, 0.5, (500, 500)),
        (4_000_000, 0.5, (1_000_000, 2_000_000)),
        (10**12, 0.5, (1_000_000, 5_000_000)),
        (10**12, 0, (0, 0)),
    ],
)
def test_limits(income_msat: int, ratio: float, limits: tuple[int, int]) -> None:
    assert (
        limits_msat(BudgetConfig(daily_sat=1_000, weekly_sat=5_000, revenue_share_ratio=ratio), income_msat) == limits
    )


@given(budget=budgets(), income=st.integers(-(10**18), 10**18), more=AMOUNTS)
def test_the_share_only_lowers_and_more_income_never_lowers_it(budget: BudgetConfig, income: int, more: int) -> None:
    daily, weekly = limits_msat(budget, income)
    assert 0 <= daily <= weekly
    assert daily <= budget.daily_sat * 1_000
    assert weekly <= budget.weekly_sat * 1_000
    assert weekly <= max(income, 0) * budget.revenue_share_ratio
    richer = limits_msat(budget, income + more)
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
