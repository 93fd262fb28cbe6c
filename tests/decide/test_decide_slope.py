"""The slope of the net income over the price: against markets whose steepness is known, and wild ones."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.strategies.slope import (
    HALF_LIFE_SECONDS,
    LEAST_MARGIN,
    MOST_STEEPNESS,
    PRIOR_ERROR,
    net_slope,
)
from revops.domain.decision import PriceWindow
from tests.builders import DAY, NOW
from tests.strategies import fees_ppm, price_windows

PRICES = (70, 85, 100, 120, 145)


def market(steepness: float, count: float = 400.0, ended_at: float = NOW) -> list[PriceWindow]:
    """Ten open hours at each price, with as many payments as a demand of this steepness brings."""
    return [PriceWindow(ended_at, ppm, 10.0, count * (ppm / 100) ** -steepness) for ppm in PRICES]


@pytest.mark.parametrize("steepness", [0.0, 0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("cost_ppm", [-50.0, 0.0, 40.0])
def test_it_finds_the_slope_of_a_known_market(steepness: float, cost_ppm: float) -> None:
    slope = net_slope(market(steepness), 100, cost_ppm, NOW)
    assert slope.ratio == pytest.approx(100 / (100 - cost_ppm) - steepness, abs=0.03)
    assert slope.error < 0.2


def test_what_is_not_known_is_flat_and_said_to_be_uncertain() -> None:
    slope = net_slope((), 100, 0.0, NOW)
    assert (slope.ratio, slope.error, slope.interest_count) == (0.0, PRIOR_ERROR, 0.0)


def test_few_payments_say_little_and_old_or_far_ones_less() -> None:
    many, few = (net_slope(market(3.0, count), 100, 0.0, NOW) for count in (400.0, 4.0))
    assert few.error > 3 * many.error
    old = net_slope(market(3.0, ended_at=NOW - HALF_LIFE_SECONDS), 100, 0.0, NOW)
    assert old.interest_count == pytest.approx(many.interest_count / 2)
    far = net_slope(market(3.0), 1_000, 0.0, NOW)
    assert far.interest_count < 0.01 * many.interest_count


def test_a_change_of_the_market_is_believed_within_weeks() -> None:
    before = market(0.2, ended_at=NOW - 28 * DAY)
    assert net_slope([*before, *market(3.0)], 100, 0.0, NOW).ratio == pytest.approx(-2.0, abs=0.5)


@given(windows=st.lists(price_windows(), max_size=30), fee_ppm=fees_ppm, cost_ppm=st.floats(-1e9, 1e9, allow_nan=False))
def test_no_history_breaks_it(windows: list[PriceWindow], fee_ppm: int, cost_ppm: float) -> None:
    slope = net_slope(windows, fee_ppm, cost_ppm, NOW)
    assert math.isfinite(slope.ratio)
    assert -MOST_STEEPNESS <= slope.ratio <= 1 / LEAST_MARGIN + MOST_STEEPNESS
    assert 0 < slope.error <= PRIOR_ERROR
