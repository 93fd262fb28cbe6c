"""`sale_chance`: the beta distribution against closed forms, and what lots and sales teach."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.rebalance.sale_chance import (
    BOUND_CHANCE,
    LOT_HALF_LIFE_DAYS,
    MOST_OWN_LOTS,
    beta_quantile,
    beta_reached,
    sale_chance,
)
from revops.domain.rebalance import Lot
from tests.builders import SAT

DAYS = 14.0


def lot(sold_ratio: float, age_days: float = DAYS) -> Lot:
    return Lot(1_000_000 * SAT, 100 * SAT, age_days, int(1_000_000 * SAT * sold_ratio))


@pytest.mark.parametrize("at", [0.001, 0.1, 0.3, 0.5, 0.77, 0.999])
def test_the_beta_distribution_is_what_closed_forms_say(at: float) -> None:
    assert beta_reached(1, 1, at) == pytest.approx(at)
    assert beta_reached(3, 1, at) == pytest.approx(at**3)
    assert beta_reached(1, 4, at) == pytest.approx(1 - (1 - at) ** 4)
    assert beta_reached(0.5, 0.5, at) == pytest.approx(2 / math.pi * math.asin(math.sqrt(at)))
    tail = sum(math.comb(9, k) * at**k * (1 - at) ** (9 - k) for k in range(4, 10))  # of a binomial distribution
    assert beta_reached(4, 6, at) == pytest.approx(tail)


def test_the_beta_distribution_ends_at_its_ends() -> None:
    assert (beta_reached(2, 3, 0.0), beta_reached(2, 3, -1.0)) == (0.0, 0.0)
    assert (beta_reached(2, 3, 1.0), beta_reached(2, 3, 2.0)) == (1.0, 1.0)


@given(alpha=st.floats(0.5, 300), beta=st.floats(0.5, 300), chance=st.floats(0.01, 0.99))
def test_a_quantile_is_where_the_chance_is_reached(alpha: float, beta: float, chance: float) -> None:
    assert beta_reached(alpha, beta, beta_quantile(alpha, beta, chance)) == pytest.approx(chance, abs=1e-6)


def test_without_any_sale_little_is_believed_whatever_the_traffic_promises() -> None:
    known = sale_chance((), DAYS, own_ratio=1.0, own_lots=0.0)
    assert known.mean_ratio == 0.5
    assert known.low_ratio == pytest.approx(math.sin(BOUND_CHANCE * math.pi / 2) ** 2)
    assert known.lot_count == 0


def test_own_sales_teach_as_lots_do_but_not_without_end() -> None:
    """Three such amounts sold in the horizon, at a chance of 1: a beta distribution of 3.5 and 0.5."""
    known = sale_chance((), DAYS, own_ratio=1.0, own_lots=3.0)
    assert known.mean_ratio == pytest.approx(3.5 / 4)
    assert known.low_ratio == pytest.approx(beta_quantile(3.5, 0.5, BOUND_CHANCE))
    assert sale_chance((), DAYS, 1.0, 1_000.0) == sale_chance((), DAYS, 1.0, MOST_OWN_LOTS)
    assert sale_chance((), DAYS, 1.0, -3.0) == sale_chance((), DAYS, 1.0, 0.0)


def test_lots_that_sold_raise_the_bound_and_those_that_did_not_lower_it() -> None:
    before = sale_chance((), DAYS, 0.8, 2.0)
    assert sale_chance([lot(1.0)] * 4, DAYS, 0.8, 2.0).low_ratio > before.low_ratio
    assert sale_chance([lot(0.0)] * 4, DAYS, 0.8, 2.0).low_ratio < before.low_ratio / 2
    assert sale_chance([lot(0.0)] * 4, DAYS, 0.8, 2.0).lot_count == pytest.approx(4)


def test_a_young_lot_counts_by_what_is_sold_and_by_the_part_of_its_time_that_is_over() -> None:
    assert sale_chance([lot(0.0, 0.0)], DAYS, 0.8, 2.0) == sale_chance((), DAYS, 0.8, 2.0)
    half = sale_chance([lot(0.5, DAYS / 2)], DAYS, 0.0, 0.0)
    assert half.lot_count == pytest.approx(0.75)
    assert half.mean_ratio == pytest.approx((0.5 + 0.5) / (0.75 + 1))


def test_old_lots_fade_by_half_in_a_half_life_after_their_time_was_over() -> None:
    assert sale_chance([lot(1.0, DAYS + LOT_HALF_LIFE_DAYS)], DAYS, 0, 0).lot_count == pytest.approx(0.5)


def test_a_lot_of_nothing_tells_nothing_good() -> None:
    assert sale_chance([Lot(0, 0, DAYS, 0)], DAYS, 1.0, 1.0).mean_ratio < sale_chance((), DAYS, 1.0, 1.0).mean_ratio


@given(
    shares=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 60)), max_size=8), own=st.floats(0, 1),
    count=st.floats(0, 20),
)  # fmt: skip
def test_chances_are_chances_and_the_bound_is_no_higher_than_the_mean(
    shares: list[tuple[float, float]], own: float, count: float
) -> None:
    known = sale_chance([lot(*one) for one in shares], DAYS, own, count)
    assert 0 <= known.low_ratio <= known.mean_ratio <= 1
    assert 0 <= known.lot_count <= len(shares) + 1e-9
