"""From payments to msat: how large a payment is, what a demand of so many uses, how restless they make a balance."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.volume import (
    MOST_RATIO,
    RESTLESS_RATIO,
    USUAL_COUNT,
    USUAL_PAYMENT_MSAT,
    demand_per_day,
    msat_per_payment,
    payment_msat,
    shown_per_day,
)
from revops.domain.decision import PriceWindow
from revops.domain.forward import TYPICAL_PAYMENT_MSAT
from revops.domain.signals import Rate, Signals
from revops.domain.traffic import TRAFFIC_HALF_LIFE_SECONDS
from tests.builders import HOUR, NOW
from tests.strategies import price_windows, signals

#: Two days with a hundred payments.
TRIED = (PriceWindow(NOW, 100, 24.0, 60.0), PriceWindow(NOW, 130, 24.0, 40.0))


def of(msat_per_payment: float, count_per_day: float) -> Signals:
    msat = msat_per_payment * count_per_day
    return Signals(demand=Rate(msat, msat * msat_per_payment))


@pytest.mark.parametrize(
    ("tried", "known", "expected_msat"),
    [
        # Nothing is known: the usual.
        ((), Signals(), USUAL_PAYMENT_MSAT),
        ((PriceWindow(NOW, 100, 0.0, 0.0),), of(1e9, 50), USUAL_PAYMENT_MSAT),
        # As much as wanted to leave over as many as came, with five usual ones beside them.
        (TRIED, of(80e6, 50), (100 * 80e6 + USUAL_COUNT * USUAL_PAYMENT_MSAT) / (100 + USUAL_COUNT)),
        # A window counts as the sums of the signals do.
        (
            (PriceWindow(NOW - TRAFFIC_HALF_LIFE_SECONDS, 100, 48.0, 100.0),),
            of(80e6, 50),
            (50 * 80e6 + USUAL_COUNT * USUAL_PAYMENT_MSAT) / (50 + USUAL_COUNT),
        ),
        # Of the future is of now.
        ((PriceWindow(NOW + HOUR, 100, 48.0, 1e9),), Signals(), TYPICAL_PAYMENT_MSAT),
        # Within bounds.
        (TRIED, Signals(), TYPICAL_PAYMENT_MSAT),
        (TRIED, of(1e12, 50), MOST_RATIO * TYPICAL_PAYMENT_MSAT),
    ],
)
def test_how_large_a_payment_is(tried: tuple[PriceWindow, ...], known: Signals, expected_msat: float) -> None:
    assert msat_per_payment(tried, known, NOW) == pytest.approx(expected_msat)


def test_demand_is_of_the_payments_that_settle() -> None:
    half = replace(of(80e6, 50), settle_ratio=0.5)
    size_msat = msat_per_payment(TRIED, half, NOW)
    assert demand_per_day(TRIED, half, [0.0, 1.0, 2.5], NOW) == pytest.approx([0, 12 * size_msat, 30 * size_msat])


@pytest.mark.parametrize(
    ("asked_msat", "expected_msat", "shown"),
    [
        (0.0, 50.0, [0, 0]),
        (20.0, 50.0, [20, 8]),
        (100.0, 50.0, [100, 40]),
        (1e15, 50.0, [100, 40]),
        (0.0, 0.0, [100, 40]),
    ],
)
def test_nothing_to_sell_and_nobody_asking_is_no_demand(
    asked_msat: float, expected_msat: float, shown: list[float]
) -> None:
    """Half of what is asked for would settle."""
    known = Signals(demand=Rate(asked_msat, 0.0), settle_ratio=0.5)
    assert list(shown_per_day([100.0, 40.0], expected_msat, known)) == shown


def test_a_few_huge_payments_are_restless_and_many_small_ones_are_not() -> None:
    assert payment_msat(Signals()) == pytest.approx(RESTLESS_RATIO * USUAL_PAYMENT_MSAT)
    small, huge = payment_msat(of(10e6, 1e5)), payment_msat(of(1e9, 1e3))
    assert small == pytest.approx(10e6, rel=0.01)
    assert huge == pytest.approx(1e9, rel=0.01)
    inwards = Signals(inflow=of(1e9, 1e3).demand)
    assert payment_msat(inwards) == huge


@given(tried=st.lists(price_windows(), max_size=30), known=signals(), rates=st.lists(st.floats(0, 1e6), max_size=5))
def test_whatever_is_known_sizes_are_sizes_and_demand_follows_the_rate(
    tried: list[PriceWindow], known: Signals, rates: list[float]
) -> None:
    size_msat = msat_per_payment(tried, known, NOW)
    assert TYPICAL_PAYMENT_MSAT <= size_msat <= MOST_RATIO * TYPICAL_PAYMENT_MSAT
    demand = demand_per_day(tried, known, rates, NOW)
    assert demand == pytest.approx([24 * rate * size_msat * known.settle_ratio for rate in rates])
    assert payment_msat(known) > 0
    assert payment_msat(replace(known, inflow=known.demand, demand=known.inflow)) == pytest.approx(payment_msat(known))
