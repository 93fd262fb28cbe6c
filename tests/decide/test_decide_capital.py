"""The node's cost of capital: quantiles, means, realised income, and what a commitment must earn."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.capital import LEAST_DAYS, committed, from_income, mean_marginal, quantiles, realised
from revops.decide.marginal_sat import marginal
from revops.domain.capital import CapitalSource, RatioRange, SatWorth
from revops.domain.profit import ProfitLine
from tests.builders import DAY, SAT
from tests.decide.capital_cases import WORTH, report, row, worths


def test_quantiles_are_channels_weighted_by_their_capital() -> None:
    dead, poor, good = (replace(WORTH, value_ppm=value, value_low_ppm=0.0) for value in (0.0, 10.0, 90.0))
    rows = [row(1, 20_000, good), row(2, 70_000, poor), row(3, 10_000, dead), row(4, 500_000, None)]
    assert [(one.percent, one.name) for one in quantiles(rows)] == [
        (10, "3x1x1"), (25, "2x1x1"), (50, "2x1x1"), (75, "2x1x1"), (90, "1x1x1"),
    ]  # fmt: skip
    found = mean_marginal(rows)
    assert found is not None
    assert found.middle_ratio == pytest.approx(0.2 * marginal(good).middle_ratio + 0.7 * marginal(poor).middle_ratio), (
        "the channel of which nothing is known counts neither as 0 nor at all"
    )
    assert quantiles([row(4, 500_000, None)]) == ()
    assert mean_marginal([row(4, 500_000, None)]) is None
    assert mean_marginal([]) is None


@given(st.lists(st.tuples(st.integers(1, 10**8), worths), min_size=1, max_size=12))
def test_the_node_lies_within_its_channels(channels: list[tuple[int, SatWorth]]) -> None:
    rows = [row(number, capital_sat, worth) for number, (capital_sat, worth) in enumerate(channels, 1)]
    found = mean_marginal(rows)
    assert found is not None
    middles = [marginal(worth).middle_ratio for _, worth in channels]
    assert min(middles) * (1 - 1e-9) <= found.middle_ratio <= max(middles) * (1 + 1e-9)
    assert found.low_ratio <= found.middle_ratio <= found.high_ratio
    told = quantiles(rows)
    assert [one.percent for one in told] == [10, 25, 50, 75, 90]
    assert [one.marginal.middle_ratio for one in told] == sorted(one.marginal.middle_ratio for one in told)


NODE = ProfitLine(
    earned_msat=30_000 * SAT, lease_earned_msat=10_000 * SAT, rebalance_msat=5_000 * SAT, lease_paid_msat=1_000 * SAT,
    open_msat=4_000 * SAT, wallet_msat=2_000 * SAT, capital_msat=100_000_000 * SAT,
)  # fmt: skip


def test_realised_income_and_what_costs_took_of_it() -> None:
    a_year = 365 / 100
    found = realised(NODE, 100 * DAY, [400 * SAT, 200 * SAT] * 50)
    assert (found.income_msat, found.chain_msat, found.day_count) == (40_000 * SAT, 6_000 * SAT, 100)
    assert found.income_ratio == pytest.approx(0.0004 * a_year)
    assert found.running_ratio == pytest.approx(0.00006 * a_year)
    assert found.chain_ratio == pytest.approx(0.00006 * a_year)
    assert found.net_ratio == pytest.approx(0.00028 * a_year)
    assert found.income is not None
    error = 1.44 * (100 * (100 / 99) ** 0.5) / 10 * 365 / 100_000_000
    assert found.income.high_ratio - found.income.middle_ratio == pytest.approx(error)
    assert found.income.middle_ratio - found.income.low_ratio == pytest.approx(error)
    alone = from_income(found)
    assert alone is not None
    assert alone.middle_ratio == pytest.approx(0.00034 * a_year)
    assert alone.high_ratio == found.income.high_ratio


def test_what_too_few_days_tell_isnt_known() -> None:
    found = realised(NODE, 100 * DAY, [400 * SAT] * (LEAST_DAYS - 1))
    assert found.income is None
    assert from_income(found) is None
    assert from_income(realised(NODE, 100 * DAY, [400 * SAT] * LEAST_DAYS)) is not None
    nothing = realised(ProfitLine(), 0.0, ())
    assert (nothing.income_ratio, nothing.net_ratio, from_income(nothing)) == (None, None, None)


def test_income_alone_is_never_below_0() -> None:
    found = from_income(realised(replace(NODE, rebalance_msat=90_000 * SAT), 100 * DAY, [0, 100] * 50))
    assert found is not None
    assert (found.low_ratio, found.middle_ratio) == (0.0, 0.0)
    assert found.high_ratio > 0.0


def test_what_is_committed_could_have_been_put_where_it_may_earn_most() -> None:
    best, worse = replace(WORTH, sale_ppm=1_000.0), WORTH
    rows = (row(1, 100_000, worse), row(2, 50_000, best), row(3, 10_000, None))
    cost = mean_marginal(rows)
    whole = report(rows, CapitalSource.VALUE, cost)
    assert cost is not None
    some = committed(whole, 50_000 * SAT, 28.0)
    assert some is not None
    assert (some.low_ratio, some.middle_ratio) == (cost.low_ratio, cost.middle_ratio)
    assert some.high_ratio == pytest.approx(1_000e-6 * (365 / 28 + 20))
    more = committed(whole, 100_000 * SAT, 28.0)
    assert more is not None
    assert more.high_ratio == pytest.approx((1_000e-6 + 100e-6) / 2 * (365 / 28 + 20))
    beyond = committed(whole, 10**15, 365.0)
    assert beyond is not None
    assert beyond.high_ratio == pytest.approx(cost.high_ratio), "more than all channels hold: the node's"
    assert committed(whole, 0, 365.0) == committed(whole, 1, 365.0)


def test_without_a_value_a_commitment_costs_what_was_earned() -> None:
    cost = RatioRange(0.001, 0.002, 0.003)
    assert committed(report((), CapitalSource.INCOME, cost), 10**9, 28.0) == cost
    assert committed(report((), None, None), 10**9, 28.0) is None


@given(st.lists(st.tuples(st.integers(1, 10**8), worths), min_size=1, max_size=8), st.integers(0, 10**12))
def test_a_commitment_never_costs_less_than_the_node_earns(channels: list[tuple[int, SatWorth]], amount: int) -> None:
    rows = tuple(row(number, capital_sat, worth) for number, (capital_sat, worth) in enumerate(channels, 1))
    cost = mean_marginal(rows)
    found = committed(report(rows, CapitalSource.VALUE, cost), amount, 28.0)
    assert found is not None
    assert cost is not None
    assert found.low_ratio <= found.middle_ratio <= found.high_ratio
    assert found.high_ratio >= cost.high_ratio
