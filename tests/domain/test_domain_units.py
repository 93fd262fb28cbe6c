"""Amounts and rates are exact, at any size, and round against ourselves."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.domain import units

BIG = st.integers(0, 2**70)
ANY = st.integers(-(2**70), 2**70)


@pytest.mark.parametrize(
    ("amount_msat", "clamped"),
    [(0, 0), (units.MAX_MSAT, units.MAX_MSAT), (units.MAX_MSAT + 1, units.MAX_MSAT), (2**64 - 1, units.MAX_MSAT)],
)
def test_no_limit_becomes_the_supply_of_bitcoin(amount_msat: int, clamped: int) -> None:
    assert units.clamp_msat(amount_msat) == clamped
    assert clamped < 2**63


@given(amount=BIG, base=BIG, ppm=BIG)
def test_the_forwarding_fee_is_bolt_7s_to_the_msat(amount: int, base: int, ppm: int) -> None:
    assert units.forward_fee_msat(amount, base, ppm) == base + floor(Fraction(amount * ppm, 10**6))


@given(part=ANY, whole=BIG)
def test_rates_are_floored_or_rounded_up_exactly(part: int, whole: int) -> None:
    exact = Fraction(part * 10**6, whole) if whole else Fraction(0)
    assert units.ppm_of(part, whole) == floor(exact)
    assert units.ppm_of_ceil(part, whole) == ceil(exact)


@pytest.mark.parametrize("whole", [0, -1, -(2**64)])
def test_a_rate_of_nothing_is_zero(whole: int) -> None:
    assert units.ppm_of(5, whole) == 0
    assert units.ppm_of_ceil(5, whole) == 0


@given(amount=ANY, rate=BIG)
def test_a_share_is_floored_exactly(amount: int, rate: int) -> None:
    assert units.share_msat(amount, rate) == floor(Fraction(amount * rate, 10**6))


@given(amount=ANY)
def test_sat_are_rounded_down_for_revenue_and_up_for_costs(amount: int) -> None:
    assert units.sat_floor(amount) == floor(Fraction(amount, 1_000))
    assert units.sat_ceil(amount) == ceil(Fraction(amount, 1_000))


@given(amount=ANY)
def test_sat_for_people_are_exact_to_the_msat(amount: int) -> None:
    shown = units.sat_exact(amount)
    assert Fraction(shown.replace(",", "")) == Fraction(amount, 1_000)
    assert ("." in shown) is (amount % 1_000 != 0)


def test_whole_sat_have_no_decimals() -> None:
    found = [units.sat_exact(amount) for amount in (0, 1_000_000_000, 12_340, -1, -2_000)]
    assert found == ["0", "1,000,000", "12.340", "-0.001", "-2"]


@given(value=ANY, low=ANY, high=ANY)
def test_a_clamped_value_is_within_its_bounds_and_the_upper_one_wins(value: int, low: int, high: int) -> None:
    clamped = units.clamp(value, low, high)
    assert clamped <= high
    if low <= high:
        assert clamped == sorted((low, value, high))[1]
    else:
        assert clamped == high
