"""The value of liquidity: bounds, directions, and the closed form against a simulation of the motion it describes."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.value import chance_of_need, value_ppm
from revops.domain.signals import UNKNOWN, Rate, Signals

SAT = 1_000
DAILY = Rate(msat_per_day=500_000.0 * SAT, squares_per_day=(100_000.0 * SAT) ** 2 * 5)
rates = st.builds(Rate, st.floats(0, 1e150), st.one_of(st.just(0.0), st.floats(0, 1e300)))
amounts = st.one_of(st.integers(0, 10**12), st.integers(0, 2_100_000_000_000_000_000))
signals = st.builds(
    lambda demand, inflow, refill: Signals(demand=demand, inflow=inflow, refill_ppm=refill),
    rates,
    rates,
    st.one_of(st.none(), st.integers(0, 10_000)),
)


@given(signals=signals, spendable_msat=amounts, price_ppm=st.floats(-10, 1e9))
def test_it_is_between_nothing_and_the_price_whatever_a_refill_cost(
    signals: Signals, spendable_msat: int, price_ppm: float
) -> None:
    value = value_ppm(signals, spendable_msat, price_ppm)
    assert 0 <= value <= max(price_ppm, 0)
    assert value == value_ppm(replace(signals, refill_ppm=None), spendable_msat, price_ppm)


@given(demand=rates, inflow=rates, first=amounts, second=amounts)
def test_it_falls_as_liquidity_grows(demand: Rate, inflow: Rate, first: int, second: int) -> None:
    low, high = sorted((first, second))
    assert chance_of_need(demand, inflow, high) <= chance_of_need(demand, inflow, low) + 1e-9


@given(inflow=rates, spendable_msat=amounts)
def test_a_dead_channel_is_worth_nothing_however_empty(inflow: Rate, spendable_msat: int) -> None:
    assert value_ppm(Signals(inflow=inflow), spendable_msat, 1_000) == 0
    assert value_ppm(UNKNOWN, 0, 1_000) == 0


def test_small_payments_do_not_make_an_empty_channel_dear() -> None:
    """One of 1,000 sat a day costs its sender next to nothing; one of 25,000 is what forwards usually are."""
    small = Signals(demand=Rate(1_000.0 * SAT, (1_000.0 * SAT) ** 2))
    usual = Signals(demand=Rate(25_000.0 * SAT, (25_000.0 * SAT) ** 2))
    assert value_ppm(small, 0, 500) < 1 < 250 < value_ppm(usual, 0, 500)
    assert value_ppm(usual, 0, 500) == value_ppm(usual, 25_000 * SAT, 500)


@pytest.mark.parametrize("msat_per_day", [1e-124, 1e-3, 100.0])
def test_an_empty_channel_that_was_wanted_long_ago_is_worth_nothing(msat_per_day: float) -> None:
    """Decayed sums never reach 0."""
    faded = Signals(demand=Rate(msat_per_day, msat_per_day * 1e6))
    assert value_ppm(faded, 0, 500) < 1


@pytest.mark.parametrize(
    ("change", "spendable_sat", "expected_ppm"),
    [
        ({}, 0, (199.9, 200)),
        ({}, 100_000, (195, 200)),
        ({}, 1_500_000, (80, 140)),
        ({}, 4_000_000, (0, 1)),
        ({"refill_ppm": 50}, 0, (199.9, 200)),
        # What comes in makes up for what goes out.
        ({"inflow": DAILY}, 1_500_000, (0, 30)),
        # Demand that has faded.
        ({"demand": Rate(DAILY.msat_per_day / 100, DAILY.squares_per_day / 100)}, 1_500_000, (0, 0.1)),
        # Demand without any spread: needed or not, no chance about it.
        ({"demand": Rate(1e9, 0.0)}, 2_999_000, (200, 200)),
        ({"demand": Rate(1e9, 0.0)}, 3_001_000, (0, 0)),
    ],
)
def test_each_case(change: dict[str, object], spendable_sat: int, expected_ppm: tuple[float, float]) -> None:
    known = replace(Signals(demand=DAILY), **change)  # type: ignore[arg-type]  # a table of fields
    low, high = expected_ppm
    assert low <= value_ppm(known, spendable_sat * SAT, 200) <= high


@pytest.mark.parametrize(("drift", "level"), [(0.0, 1.0), (1.0, 1.5), (-1.0, 0.5), (2.0, 1.0)])
def test_the_closed_form_is_that_of_a_brownian_motion(drift: float, level: float) -> None:
    """Against paths of fine steps; between two steps a bridge may have passed (its chance is exp(-2ab / variance))."""
    rng, days, steps, scale = Random(7), 3.0, 60, 1e9
    passed = 0.0
    for _path in range(3_000):
        missed, at = 1.0, 0.0
        for _step in range(steps):
            after = at + rng.gauss(drift * days / steps, math.sqrt(days / steps))
            if after >= level:
                missed = 0.0
                break
            missed *= 1 - math.exp(-2 * (level - at) * (level - after) / (days / steps))
            at = after
        passed += 1 - missed
    demand = Rate(max(drift, 0.0) * scale, scale**2)
    inflow = Rate(max(-drift, 0.0) * scale, 0.0)
    assert chance_of_need(demand, inflow, int(level * scale), days) == pytest.approx(passed / 3_000, abs=0.025)
