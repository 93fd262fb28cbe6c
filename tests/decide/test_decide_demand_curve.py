"""The belief about demand: what it learns from prices, that it is one, and that no numbers break it."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.demand_curve import HALF_LIFE_SECONDS, best_price, elasticity, interval, learn, rate_per_hour, shares
from revops.domain.decision import PriceWindow
from tests.builders import HOUR, NOW

PRICES = [round(10 * 1.05**power) for power in range(110)]


def paying(price_ppm: float, scale_ppm: float, steepness: float) -> float:
    return 1 / (1 + math.pow(price_ppm / scale_ppm, steepness))


def tried(
    scale_ppm: float, steepness: float, per_hour: float, *prices_ppm: int, hours: float = 1e4
) -> list[PriceWindow]:
    """What such customers leave behind at each price, by expectation."""
    return [
        PriceWindow(NOW - HOUR, ppm, hours, per_hour * hours * paying(ppm, scale_ppm, steepness)) for ppm in prices_ppm
    ]


@pytest.mark.parametrize(("scale_ppm", "steepness"), [(48.3, 1.0), (233.0, 3.0), (394.0, 12.0), (1_126.0, 0.5)])
def test_it_finds_the_customers_that_there_are(scale_ppm: float, steepness: float) -> None:
    prices = [round(scale_ppm * factor) for factor in (0.4, 0.6, 0.8, 1.0, 1.25)]
    belief = learn(tried(scale_ppm, steepness, 3.0, *prices), 200, NOW)
    for ppm in prices:
        assert rate_per_hour(belief, ppm) == pytest.approx(3.0 * paying(ppm, scale_ppm, steepness), rel=0.05)
    found, low, high = elasticity(belief, scale_ppm)
    assert found == pytest.approx(steepness / 2, rel=0.15)
    assert low - 0.01 <= found <= high + 0.01
    wanted = max(PRICES, key=lambda ppm: paying(ppm, scale_ppm, steepness) * ppm)
    got = best_price(belief, PRICES, 0.0)
    income = [paying(ppm, scale_ppm, steepness) * ppm for ppm in (got, wanted)]
    assert income[0] > 0.95 * income[1]


def test_what_a_sold_sat_costs_makes_it_dearer_and_what_it_gains_cheaper() -> None:
    belief = learn(tried(233.0, 3.0, 3.0, 120, 180, 260), 200, NOW)
    prices = [best_price(belief, PRICES, cost_ppm) for cost_ppm in (-200.0, 0.0, 200.0, 400.0)]
    assert prices == sorted(set(prices))


def test_where_nothing_is_known_the_market_is_the_guide() -> None:
    """The dearer others are, the fewer customers a higher price costs."""
    guesses = [learn((), market_ppm, NOW) for market_ppm in (50, 200, 800)]
    kept = [rate_per_hour(belief, 400) / rate_per_hour(belief, 100) for belief in guesses]
    assert kept == sorted(set(kept))


def test_old_evidence_counts_less() -> None:
    fresh = tried(233.0, 3.0, 3.0, 120, hours=100)
    old = [PriceWindow(NOW - HALF_LIFE_SECONDS, one.fee_ppm, one.open_hours, one.interest_count) for one in fresh]
    counts = [learn(windows, 200, NOW).interest_count for windows in (old, fresh)]
    assert counts[0] == pytest.approx(counts[1] / 2, rel=0.01)


def test_few_payments_by_chance_leave_it_unsure() -> None:
    rng = Random(5)
    few = [PriceWindow(NOW - HOUR, ppm, 8.0, float(rng.randrange(3))) for ppm in (150, 200, 260)]
    many = tried(233.0, 3.0, 3.0, 150, 200, 260)
    narrow, wide = (elasticity(learn(windows, 200, NOW), 200) for windows in (many, few))
    assert wide[2] - wide[1] > 3 * (narrow[2] - narrow[1])


windows = st.lists(
    st.builds(PriceWindow, st.floats(0, 2 * NOW), st.integers(0, 2**32 - 1), st.floats(0, 1e6), st.floats(0, 1e6)),
    max_size=30,
)


@given(
    windows=windows, market_ppm=st.one_of(st.integers(0, 10**6), st.floats(1e-9, 1e9)), cost_ppm=st.floats(-1e6, 1e6)
)
def test_it_is_a_belief_whatever_was_seen(windows: list[PriceWindow], market_ppm: float, cost_ppm: float) -> None:
    belief = learn(windows, market_ppm, NOW)
    assert sum(belief.weights) == pytest.approx(1)
    assert min(belief.weights) >= 0
    assert all(math.isfinite(level) and level > 0 for level in belief.levels_per_hour)
    assert best_price(belief, PRICES, cost_ppm) in PRICES
    rates = [rate_per_hour(belief, ppm) for ppm in PRICES]
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in pairwise(rates))
    low, high = interval(belief.weights, shares(200))
    assert low <= high


@given(price_ppm=st.integers(0, 2**32 - 1))
def test_a_share_is_one(price_ppm: int) -> None:
    assert all(0 <= share <= 1 for share in shares(price_ppm))
