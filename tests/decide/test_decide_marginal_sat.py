"""The marginal sat: cases reckoned by hand, what holds of all, and what comes of channels that live a year."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.inventory import marginal_values_ppm, value_at
from revops.decide.marginal_sat import MarginInput, marginal, sat_worth, standing
from revops.decide.rebalance.worth import STALE_SECONDS
from revops.decide.value import chance_of_need
from revops.domain.capital import CapitalStanding, SatWorth
from revops.domain.demand import DemandFigures
from revops.domain.profit import ProfitLine
from revops.domain.signals import Rate, Signals
from tests.builders import DAY, NOW, SAT
from tests.decide.capital_cases import WORTH, worths

LINE = ProfitLine(
    earned_msat=3_000 * SAT, in_msat=10_000_000 * SAT, out_msat=20_000_000 * SAT, rebalanced_msat=2_000_000 * SAT,
    rebalance_msat=600 * SAT, capital_msat=5_000_000 * SAT,
)  # fmt: skip
SEEN = MarginInput(
    LINE, 30 * DAY, 100, 50.0, NOW - 3_600, young=False, capacity_msat=20_000_000 * SAT, local_msat=10_000_000 * SAT
)


def figures(**overrides: Any) -> DemandFigures:
    values: dict[str, Any] = {
        "judged_at": NOW - DAY, "fee_ppm": 100, "interest_count": 40.0, "elasticity": 1.5, "elasticity_low": 1.1,
        "elasticity_high": 2.0, "best_ppm": 120, "best_low_ppm": 90, "best_high_ppm": 150, "dearest_ppm": 300,
        "value_ppm": 50.0, "value_low_ppm": 30.0, "value_high_ppm": 170.0, **overrides,
    }  # fmt: skip
    return DemandFigures(**values)


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, CapitalStanding.COUNTED),
        ({"value_ppm": 0.0}, CapitalStanding.COUNTED),  # nobody wants it: known, and 0
        ({"value_ppm": None}, CapitalStanding.UNVALUED),
        ({"value_at": None}, CapitalStanding.UNVALUED),
        ({"young": True}, CapitalStanding.YOUNG),
        ({"value_at": NOW - STALE_SECONDS}, CapitalStanding.COUNTED),
        ({"value_at": NOW - STALE_SECONDS - 1}, CapitalStanding.STALE),
        ({"rated_seconds": 7 * DAY - 1}, CapitalStanding.UNRATED),
        ({"rated_seconds": 7 * DAY}, CapitalStanding.COUNTED),
        ({"line": replace(LINE, capital_msat=0)}, CapitalStanding.BARE),
    ],
)
def test_which_channels_count(changed: dict[str, Any], found: CapitalStanding) -> None:
    assert standing(replace(SEEN, **changed), NOW, 7 * DAY) is found


@pytest.mark.parametrize(
    ("worth", "low", "middle", "high"),
    [
        # A cycle lasts 3 days, and half of the time 365 / 12 days more: 50 ppm each.
        (WORTH, 20e-6, 50e-6 * 365 / (3 + 0.5 * 365 / 12), 100e-6 * 21),
        # Nothing comes back: it is sold once, however many horizons a year has.
        (replace(WORTH, returns_ratio=0.0, most_returns_ratio=0.0), 20e-6, 50e-6, 100e-6),
        # All comes back at once: then, and only then, V in each window of the year.
        (replace(WORTH, returns_ratio=1e12, most_returns_ratio=1e12), 20e-6, 50e-6 * 365 / 3, 100e-6 * 1e12),
        # It is sold as soon as it is back, at each time: p F.
        (replace(WORTH, value_ppm=100.0, window_days=0.0), 20e-6, 100e-6 * 12, 100e-6 * 21),
        # Refills take half of what a sale brings.
        (replace(WORTH, restoring_ppm=50.0), 20e-6, 25e-6 * 365 / (3 + 0.5 * 365 / 12), 100e-6 * 21),
        # They take all of it: once is all that is earned.
        (replace(WORTH, restoring_ppm=150.0), 20e-6, 50e-6, 100e-6 * 21),
        # It comes back more seldom than once a year: the first sale needs nothing to come back.
        (replace(WORTH, returns_ratio=0.5, most_returns_ratio=0.5), 20e-6, 50e-6, 100e-6 * 1.5),
        # Nobody wants it, and nobody may.
        (SatWorth(0.0, 0.0, 0.0, 30.0, 100.0, 12.0, 12.0, 0.0), 0.0, 0.0, 0.0),
        (SatWorth(0.0, 0.0, 0.0, 30.0, 0.0, 0.0, 0.0, 0.0), 0.0, 0.0, 0.0),
        # Nobody wants it, but that is no more than an estimate.
        (SatWorth(0.0, 0.0, 100.0, 3.0, 100.0, 0.0, 0.0, 0.0), 0.0, 0.0, 100e-6),
    ],
)
def test_what_a_sat_earns_in_a_year(worth: SatWorth, low: float, middle: float, high: float) -> None:
    found = marginal(worth)
    assert (found.low_ratio, found.middle_ratio) == pytest.approx((low, middle))
    assert found.high_ratio == pytest.approx(high, rel=1e-9)


@given(worths, st.floats(0, 1e4))
def test_the_figure_lies_between_its_bounds(worth: SatWorth, days: float) -> None:
    found = marginal(worth, days)
    assert 0.0 <= found.low_ratio <= found.middle_ratio <= found.high_ratio
    assert found.middle_ratio <= max(worth.value_ppm, worth.value_ppm * 365 / worth.window_days) / 1e6 * (1 + 1e-9)
    assert found.high_ratio <= worth.sale_ppm / 1e6 * (max(365 / max(days, 1), 1) + worth.most_returns_ratio) * (
        1 + 1e-9
    )


@given(worths, st.floats(1, 10))
def test_what_comes_back_more_often_earns_no_less(worth: SatWorth, times: float) -> None:
    before, after = marginal(worth), marginal(replace(worth, returns_ratio=worth.returns_ratio * times))
    assert after.middle_ratio >= before.middle_ratio * (1 - 1e-9)
    assert after.low_ratio >= before.low_ratio


@given(worths, st.floats(0, 365), st.floats(1, 10))
def test_what_is_committed_for_longer_costs_no_more_a_year(worth: SatWorth, days: float, times: float) -> None:
    short, long = marginal(worth, days), marginal(worth, days * times)
    assert long.high_ratio <= short.high_ratio
    assert (long.low_ratio, long.middle_ratio) == (short.low_ratio, short.middle_ratio)


def test_what_a_sat_is_worth_comes_from_the_records() -> None:
    plain = sat_worth(SEEN, NOW)
    assert (plain.value_low_ppm, plain.value_ppm, plain.value_high_ppm) == (0.0, 50.0, 150.0)
    assert plain.sale_ppm == 150.0, "what sales brought, which is more than the fee in force"
    assert plain.window_days == 3.0
    bought_ratio, filled_ratio = 2_000_000 / 5_000_000 * 365 / 30, 10_000_000 / 20_000_000 * 365 / 30
    assert plain.returns_ratio == pytest.approx(bought_ratio), "no traffic is known that could fill it"
    assert plain.most_returns_ratio == pytest.approx(bought_ratio + filled_ratio)
    assert plain.restoring_ppm == pytest.approx(600 / 2_000_000 * 1e6)
    inflow = Signals(inflow=Rate(10_000_000.0 * SAT, 0.0))
    filled = sat_worth(replace(SEEN, signals=inflow), NOW)
    assert filled.returns_ratio == filled.most_returns_ratio, (
        "it runs full in each window, but not more often than it can"
    )
    assert filled.restoring_ppm == pytest.approx(300 * bought_ratio / filled.returns_ratio)
    judged = sat_worth(replace(SEEN, figures=figures()), NOW)
    assert (judged.value_low_ppm, judged.value_high_ppm, judged.sale_ppm) == (30.0, 170.0, 170.0)
    assert judged.window_days == 30.0


@pytest.mark.parametrize("judged_at", [NOW - STALE_SECONDS - 1, NOW + 1])
def test_a_belief_of_another_time_bounds_nothing(judged_at: float) -> None:
    assert sat_worth(replace(SEEN, figures=figures(judged_at=judged_at)), NOW) == sat_worth(SEEN, NOW)


def test_bounds_hold_the_value_in_force() -> None:
    judged = sat_worth(replace(SEEN, figures=figures(value_low_ppm=60.0, value_high_ppm=40.0)), NOW)
    assert (judged.value_low_ppm, judged.value_high_ppm) == (50.0, 50.0)


def test_what_is_bought_for_an_empty_channel_comes_back_a_payment_at_a_time() -> None:
    nearly_empty = replace(LINE, capital_msat=1, in_msat=0, rebalanced_msat=25_000 * SAT, rebalance_msat=0)
    assert sat_worth(replace(SEEN, line=nearly_empty), NOW).returns_ratio == pytest.approx(365 / 30)
    silent = ProfitLine(capital_msat=10**9)
    found = sat_worth(replace(SEEN, line=silent, fee_ppm=None, value_ppm=0.0), NOW)
    assert (found.sale_ppm, found.most_returns_ratio, found.restoring_ppm) == (0.0, 0.0, 0.0)
    over_full = replace(SEEN, local_msat=SEEN.capacity_msat + 1)
    assert sat_worth(over_full, NOW) == sat_worth(replace(SEEN, local_msat=SEEN.capacity_msat), NOW)


#: Of a channel that lives a year: steps of a million sat each, as many as these.
STEP_MSAT, STEPS, PRICE_PPM = 1_000_000 * SAT, 20, 100


def sold_once_more(out_per_day: float, in_per_day: float, level: int, years: int) -> tuple[float, float, float]:
    """What one step more, and room for it, sells in a year, in steps, as the mean of so many years that begin at this
    level: two channels with the same payments. And what enters the smaller one, and lies there.
    """
    rng = random.Random(1)
    sold = entered = held = 0.0
    total_per_day = out_per_day + in_per_day
    for _year in range(years):
        small, large, at = level, level + 1, rng.expovariate(total_per_day)
        while at < 365.0:
            if rng.random() * total_per_day < out_per_day:
                sold += (large > 0) - (small > 0)
                small, large = max(small - 1, 0), max(large - 1, 0)
            else:
                entered += small < STEPS
                small, large = min(small + 1, STEPS), min(large + 1, STEPS + 1)
            held += small / total_per_day
            at += rng.expovariate(total_per_day)
    return sold / years, entered / years, held / 365.0 / years


@pytest.mark.parametrize(
    ("out_per_day", "in_per_day", "level"),
    [(4.0, 4.0, 10), (2.0, 2.0, 5), (6.0, 4.0, 2), (8.0, 4.0, 1), (4.0, 6.0, 18), (1.0, 0.0, 10), (3.0, 2.9, 10)],
)
@pytest.mark.parametrize("by_demand", [False, True])
def test_what_a_year_of_payments_makes_of_it(
    out_per_day: float, in_per_day: float, level: int, by_demand: bool
) -> None:
    """The bounds hold, and what both kinds of V make of it is no more than comes of it."""
    sold, entered, held = sold_once_more(out_per_day, in_per_day, level, 40)
    year = ProfitLine(
        earned_msat=PRICE_PPM, out_msat=10**6, in_msat=round(entered * STEP_MSAT), capital_msat=round(held * STEP_MSAT)
    )
    out, back = (Rate(each * STEP_MSAT, each * float(STEP_MSAT) ** 2) for each in (out_per_day, in_per_day))
    local_msat, whole_msat = level * STEP_MSAT, STEPS * STEP_MSAT
    if by_demand:
        wanted = [out.msat_per_day]
        curve = marginal_values_ppm([PRICE_PPM], wanted, back.msat_per_day, 0.0, whole_msat, STEP_MSAT)
        value = value_at(curve, level / STEPS)
        judged = figures(value_ppm=value, value_low_ppm=value, value_high_ppm=value)
    else:
        value, judged = PRICE_PPM * chance_of_need(out, back, local_msat), None
    seen = MarginInput(
        year, 365 * DAY, PRICE_PPM, value, NOW, young=False, capacity_msat=whole_msat, local_msat=local_msat,
        signals=Signals(demand=out, inflow=back), figures=judged,
    )  # fmt: skip
    found = marginal(sat_worth(seen, NOW))
    earned_ratio = sold * PRICE_PPM / 1e6
    assert found.low_ratio <= earned_ratio <= found.high_ratio
    assert found.middle_ratio <= 1.1 * earned_ratio, "no more is promised than comes of it"
    if by_demand and sold > 0.5:
        assert found.middle_ratio >= 0.6 * earned_ratio
