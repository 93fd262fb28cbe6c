"""What a sat is worth along a channel, how far one may be filled, and where no more is bought."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.rebalance.bands import LEAST_SIDE_RATIO, MOST_SHIFT_RATIO, band
from revops.decide.rebalance.stop_loss import stop_loss
from revops.decide.rebalance.worth import (
    STALE_SECONDS,
    Rates,
    Worth,
    marginal_revenue_ppm,
    sendable_msat,
    worth,
)
from revops.decide.value import chance_of_need
from revops.domain.forward import Flow
from revops.domain.policy import RebalanceConfig
from revops.domain.rebalance import Lot
from revops.domain.signals import Rate, Signals
from tests.builders import NOW, SAT, make_channel, make_demand

CHANNEL = make_channel(1, capacity_msat=5_000_000 * SAT)
WANTED = Signals(demand=Rate(200_000.0 * SAT, 200_000.0 * SAT * 50_000 * SAT))
POLICY = RebalanceConfig()


def test_a_curve_is_read_between_its_steps_and_averaged_over_a_stretch() -> None:
    curve = Worth((400.0, 300.0, 200.0, 100.0), (0.0,) * 4, Rates(500.0), 4_000)
    assert [curve.at_ppm(at) for at in (0, 500, 1_000, 3_500, 4_000, 9_999)] == [400, 400, 350, 100, 100, 100]
    assert curve.mean_ppm(500, 3_500) == pytest.approx(250)
    assert curve.mean_ppm(1_000, 1_000) == pytest.approx(350)


def test_what_a_sale_takes_of_room_elsewhere_is_not_the_liquidity_s() -> None:
    """Of 500 ppm 200 are the room's: three fifths are left, less the room that it takes here; at 600 nothing is."""
    curve = Worth((400.0, 0.0), (0.0, 0.5), Rates(500.0, 100.0, 200.0), 4_000)
    assert curve.values_ppm == pytest.approx((240.0, -50.0))
    assert curve.priced(Rates(500.0, 100.0, 600.0)).values_ppm == pytest.approx((-80.0, -50.0))
    assert [curve.taken_ppm(at) for at in (0, 2_000, 4_000)] == pytest.approx([0.0, 25.0, 50.0])


def test_without_figures_a_sat_is_worth_its_sale_times_the_chance_that_it_is_missed() -> None:
    curve = worth(CHANNEL, WANTED, None, Rates(300.0, 0.0), 14, NOW)
    level_msat = int(7.5 / 20 * sendable_msat(CHANNEL))
    chance = chance_of_need(WANTED.demand, Rate(), level_msat, 14)
    assert curve.at_ppm(level_msat) == pytest.approx(300 * chance, rel=0.01)
    assert list(curve.values_ppm) == sorted(curve.values_ppm, reverse=True)
    assert curve.values_ppm[0] > 290
    assert curve.values_ppm[-1] < 100


@pytest.mark.parametrize(("signals", "income_ppm"), [(Signals(), 300.0), (WANTED, 0.0)])
def test_without_demand_or_without_income_nothing_is_worth_anything(signals: Signals, income_ppm: float) -> None:
    assert set(worth(CHANNEL, signals, None, Rates(income_ppm, 0.0), 14, NOW).values_ppm) == {0.0}


def test_where_demand_was_judged_its_curve_counts_up_to_the_marginal_revenue() -> None:
    """At the lower bound of the elasticity, 2, a further sat earns half of what sales have earned."""
    figures = make_demand(judged_at=NOW - 60, elasticity_low=2.0, values_ppm=(900.0, 120.0, 10.0))
    curve = worth(CHANNEL, WANTED, figures, Rates(300.0, 0.0), 14, NOW)
    full_msat = sendable_msat(CHANNEL)
    assert [curve.at_ppm(at) for at in (0, full_msat // 2, full_msat)] == pytest.approx([150, 131, 10], abs=2)
    stale = replace(figures, judged_at=NOW - STALE_SECONDS)
    bare = replace(figures, values_ppm=())
    for other in (stale, bare):
        again = worth(CHANNEL, WANTED, other, Rates(300.0, 0.0), 14, NOW)
        assert again == worth(CHANNEL, WANTED, None, Rates(300.0, 0.0), 14, NOW)


def test_at_its_ceiling_a_price_cant_rise_and_a_sat_is_worth_its_sale_all_the_same() -> None:
    """Where asking for more would earn more than selling more, but nothing more may be asked: as without figures, and
    no more than the curve says.
    """
    figures = make_demand(judged_at=NOW - 60, elasticity_low=0.4, values_ppm=(900.0,))
    free = worth(CHANNEL, WANTED, figures, Rates(300.0, 0.0), 14, NOW)
    assert set(free.values_ppm) == {0.0}
    fixed = worth(CHANNEL, WANTED, None, Rates(300.0, 0.0), 14, NOW)
    assert worth(CHANNEL, WANTED, figures, Rates(300.0, 0.0), 14, NOW, at_ceiling=True) == fixed
    low = replace(figures, values_ppm=(120.0, 10.0))
    bounded = worth(CHANNEL, WANTED, low, Rates(300.0, 0.0), 14, NOW, at_ceiling=True)
    assert bounded.values_ppm[0] == pytest.approx(120)
    assert all(found <= most for found, most in zip(bounded.values_ppm, fixed.values_ppm, strict=True))
    stale = replace(figures, judged_at=NOW - STALE_SECONDS)
    assert worth(CHANNEL, WANTED, stale, Rates(300.0, 0.0), 14, NOW, at_ceiling=True) == fixed


@pytest.mark.parametrize(
    ("elasticity_low", "revenue_ppm"), [(0.2, 0.0), (1.0, 0.0), (1.25, 60.0), (2.0, 150.0), (4.0, 225.0)]
)
def test_one_more_sat_to_sell_earns_the_price_less_what_the_others_lose(
    elasticity_low: float, revenue_ppm: float
) -> None:
    figures = make_demand(elasticity_low=elasticity_low)
    assert marginal_revenue_ppm(300.0, figures) == pytest.approx(revenue_ppm)


def test_a_sat_that_takes_up_room_is_worth_less_than_nothing() -> None:
    """Room is worth 400 ppm; where payments surely find none, a sat more costs just that."""
    entered = Signals(inflow=Rate(2_000_000.0 * SAT, 2_000_000.0 * SAT * 50_000 * SAT))
    curve = worth(CHANNEL, entered, None, Rates(0.0, 400.0), 14, NOW)
    assert curve.values_ppm[-1] == pytest.approx(-400, abs=1)
    assert list(curve.values_ppm) == sorted(curve.values_ppm, reverse=True)
    calm = Signals(inflow=Rate(10_000.0 * SAT, 10_000.0 * SAT * 50_000 * SAT))
    assert worth(CHANNEL, calm, None, Rates(0.0, 400.0), 14, NOW).values_ppm[0] == pytest.approx(0, abs=0.1)


@given(
    income=st.floats(0, 5_000), sourced=st.floats(0, 5_000), demand=st.floats(0, 1e12), size=st.floats(1, 1e11),
    inflow=st.floats(0, 1e12),
)  # fmt: skip
def test_no_sat_is_worth_more_than_sales_have_earned_nor_costs_more_than_entries_have(
    income: float, sourced: float, demand: float, size: float, inflow: float
) -> None:
    signals = Signals(demand=Rate(demand, demand * size), inflow=Rate(inflow, inflow * size))
    curve = worth(CHANNEL, signals, None, Rates(income, sourced), 14, NOW)
    assert all(-sourced <= value <= income for value in curve.values_ppm)


def test_a_channel_without_room_for_reserves_has_a_curve_all_the_same() -> None:
    tiny = make_channel(1, capacity_msat=1, local_msat=0)
    assert sendable_msat(tiny) >= 1
    worth(tiny, WANTED, None, Rates(300.0, 100.0), 14, NOW)


@pytest.mark.parametrize(
    ("out_msat", "in_msat", "shift"), [(0, 0, 0), (10, 0, 1), (0, 10, -1), (10, 10, 0), (30, 10, 0.5)]
)
def test_a_band_moves_with_the_flow(out_msat: int, in_msat: int, shift: float) -> None:
    found = band(Flow(out_msat=out_msat, in_msat=in_msat), POLICY)
    assert found.low_ratio == pytest.approx(POLICY.low_ratio + shift * MOST_SHIFT_RATIO)
    assert found.high_ratio == pytest.approx(POLICY.high_ratio + shift * MOST_SHIFT_RATIO)


def test_a_band_leaves_something_on_either_side() -> None:
    wide = RebalanceConfig(low_ratio=0.0, high_ratio=1.0)
    assert (band(Flow(), wide).low_ratio, band(Flow(), wide).high_ratio) == (LEAST_SIDE_RATIO, 1 - LEAST_SIDE_RATIO)
    assert band(Flow(in_msat=1), wide).low_ratio == LEAST_SIDE_RATIO


def bought(sold_sat: int, age_days: float, amount_sat: int = 1_000_000) -> Lot:
    return Lot(amount_sat * SAT, 250 * SAT, age_days, sold_sat * SAT)


@pytest.mark.parametrize(
    ("lots", "stops"),
    [
        ((), False),
        ([bought(0, 13.9)], False),  # its time isn't over
        ([bought(0, 14)], True),
        ([bought(500_000, 20)], False),
        ([bought(499_999, 20)], True),
        ([bought(0, 28.1)], False),  # too old to tell of today
        ([bought(0, 20), bought(1_000_000, 15)], False),
        ([bought(0, 20), bought(900_000, 15)], True),
        ([bought(0, 20, amount_sat=0)], False),
        ([bought(9_000_000, 20), bought(0, 21)], False),  # no lot sells more than itself
        ([bought(9_000_000, 20), bought(0, 21, 2_000_000)], True),
    ],
)
def test_nothing_more_is_bought_where_what_was_bought_did_not_sell(lots: list[Lot], stops: bool) -> None:
    assert (stop_loss(lots, POLICY) is not None) is stops


def test_a_stop_says_what_was_bought_sold_and_lost() -> None:
    reason = stop_loss([bought(100_000, 20), bought(0, 3)], POLICY)
    assert reason is not None
    assert reason.sentence == (
        "stop-loss: of 1,000,000 sat that were bought for it more than 14 days ago, for 250 sat, 10 % were sold;"
        " nothing more is bought below 50 %"
    )
