"""`kelly`: stakes by hand, and that no other share grows faster."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.rebalance.kelly import dearest_ppm, stake
from tests.builders import SAT


@pytest.mark.parametrize(
    ("chance", "income_ppm", "cost_ppm", "odds", "share"),
    [
        (0.9, 500, 100, 4.0, 0.875),  # 0.9 - 0.1 / 4
        (0.5, 300, 100, 2.0, 0.25),  # 0.5 - 0.5 / 2
        (0.5, 200, 100, 1.0, 0.0),  # an even bet at even odds
        (0.4, 200, 100, 1.0, -0.2),
        (1.0, 101, 100, 0.01, 1.0),  # a sure win, however small
        (0.0, 500, 100, 4.0, -0.25),
    ],
)
def test_stakes_by_hand(chance: float, income_ppm: float, cost_ppm: float, odds: float, share: float) -> None:
    found = stake(chance, income_ppm, cost_ppm)
    assert found.odds_ratio == pytest.approx(odds)
    assert found.kelly_ratio == pytest.approx(share)


@pytest.mark.parametrize(("income_ppm", "cost_ppm"), [(100, 100), (50, 100), (0, 100), (-5, 100)])
def test_what_can_only_lose_is_refused_however_sure_the_sale(income_ppm: float, cost_ppm: float) -> None:
    assert stake(1.0, income_ppm, cost_ppm).kelly_ratio <= -0.0
    assert stake(1.0, income_ppm, cost_ppm).amount_msat(0.5, 10**9) == 0


def test_what_costs_nothing_is_staked_on_by_the_chance_of_its_sale() -> None:
    assert stake(0.7, 100, 0).kelly_ratio == 0.7
    assert stake(0.7, 0, 0).kelly_ratio == 0.0


@given(chance=st.floats(0, 1), income_ppm=st.floats(1, 5_000), cost_ppm=st.floats(1, 5_000))
def test_something_is_staked_just_below_the_dearest_cost(chance: float, income_ppm: float, cost_ppm: float) -> None:
    edge = dearest_ppm(chance, income_ppm)
    if abs(cost_ppm - edge) > 1e-6 * income_ppm:
        assert (stake(chance, income_ppm, cost_ppm).kelly_ratio > 0) is (cost_ppm < edge)


@given(chance=st.floats(0.05, 0.95), odds=st.floats(0.1, 20), other=st.floats(0, 0.99))
def test_no_other_share_of_the_bankroll_grows_faster(chance: float, odds: float, other: float) -> None:
    def growth(share: float) -> float:
        return chance * math.log1p(share * odds) + (1 - chance) * math.log1p(-share)

    best = min(max(stake(chance, 1.0 + odds, 1.0).kelly_ratio, 0.0), 0.999)
    assert growth(best) >= growth(other) - 1e-9


@given(
    chance=st.floats(0, 1), income=st.floats(0, 5_000), cost=st.floats(0, 5_000), fraction=st.floats(0.01, 1),
    left_msat=st.integers(-(10**6), 10**12),
)  # fmt: skip
def test_no_more_is_staked_than_the_fraction_of_what_is_left(
    chance: float, income: float, cost: float, fraction: float, left_msat: int
) -> None:
    amount_msat = stake(chance, income, cost).amount_msat(fraction, left_msat)
    assert 0 <= amount_msat <= max(fraction * left_msat, 0)


def test_half_kelly_of_a_budget() -> None:
    """Odds of 4 at a chance of 0.9: 87.5 % of 1,000 sat, and half of that."""
    assert stake(0.9, 500, 100).amount_msat(0.5, 1_000 * SAT) == 437_500
