"""What is shown of a belief about demand: figures within their intervals, and kept only as long as they are true."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.demand_curve import best_price, learn, rate_per_hour, rates_per_hour
from revops.decide.demand_figures import (
    Outlook,
    best_of_all,
    demand_figures,
    demand_interval,
    gamma_interval,
    spread_prices,
)
from revops.decide.fees import decide_fees
from revops.decide.hindsight import put_right
from revops.decide.strategies.demand import propose
from revops.domain.decision import PriceWindow
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode
from revops.domain.signals import Rate, Signals
from revops.domain.snapshot import FeeInput, FeePin
from revops.domain.values import replace
from tests.builders import DAY, HOUR, NOW, make_channel, make_demand, make_fee_input, make_fee_snapshot, make_state
from tests.strategies import fee_inputs, fees_policies

POLICY = FeesConfig(strategy="demand", mode="act")
PRICES = spread_prices(10, 2_500, 24)


def tried(hours: float, *prices_ppm: int, scale_ppm: float = 233.0, steepness: float = 3.0) -> list[PriceWindow]:
    """What three customers an hour leave behind at each price, by expectation."""
    return [
        PriceWindow(NOW - HOUR, ppm, hours, 3.0 * hours / (1 + math.pow(ppm / scale_ppm, steepness)))
        for ppm in prices_ppm
    ]


def judged(*shown: tuple[int, float], **overrides: object) -> FeeInput:
    """A channel that is due for judging, and has lately shown so many payments at each fee in ten hours."""
    memory = tuple(PriceWindow(NOW - HOUR, fee, 10.0, count) for fee, count in shown)
    state = make_state(
        window_start_at=NOW - 10.5 * HOUR, counted_at=NOW - HOUR, open_seconds=9.5 * HOUR, windows=memory
    )
    signals = Signals(demand=Rate(1e9, 1e17), inflow=Rate(3e8, 3e16), anchor_ppm=150)
    one = make_fee_input(make_channel(fee_ppm=100), state=state, signals=signals)
    return replace(one, **overrides)  # type: ignore[arg-type]  # each test names fields of FeeInput


@pytest.mark.parametrize(
    ("shape", "low", "high"),
    [(0.3, 0.00099, 3.01), (1.0, 0.10536, 2.30259), (2.0, 0.26591, 1.94486), (10.0, 0.62213, 1.42060)],
)
def test_a_gamma_interval_is_what_tables_say(shape: float, low: float, high: float) -> None:
    found = gamma_interval(shape)
    assert found[0] == pytest.approx(low, rel=0.06)
    assert found[1] == pytest.approx(high, rel=0.03)


@given(shapes=st.lists(st.floats(0, 1e6), min_size=2, max_size=10))
def test_more_payments_make_the_level_surer(shapes: list[float]) -> None:
    found = [gamma_interval(shape) for shape in sorted(shapes)]
    assert all(0 < low <= 1 <= high for low, high in found)
    assert all(wide[0] <= narrow[0] * 1.01 and narrow[1] <= wide[1] * 1.02 for wide, narrow in pairwise(found))


def test_the_best_of_all_is_the_best_of_each_whole_price_nearly() -> None:
    belief = learn(tried(1_000, 120, 180, 260, 340), 200, NOW)
    best, low, high = best_of_all(belief, PRICES, rates_per_hour(belief, PRICES), 50.0, 180)
    each = best_price(belief, range(10, 2_501), 50.0)
    net = [rate_per_hour(belief, ppm) * (ppm - 50.0) for ppm in (best, each)]
    assert net[0] > 0.97 * net[1]
    assert low <= best <= high < 2_500


def test_the_price_in_force_is_among_those_that_are_compared() -> None:
    """Else one beside it is said to promise most, which is expected to bring less."""
    belief = learn(tried(1_000, 120, 180, 260, 340), 200, NOW)
    best = best_price(belief, range(10, 2_501), 50.0)
    assert best_of_all(belief, PRICES, rates_per_hour(belief, PRICES), 50.0, best)[0] == best
    dear = best_of_all(belief, (10, 20, 30), rates_per_hour(belief, (10, 20, 30)), 0.0, 200)[0]
    assert dear <= 30  # no sale is expected at it


def test_few_payments_leave_every_figure_less_sure() -> None:
    many, few = (learn(tried(hours, 120, 180, 260, 340), 200, NOW) for hours in (1_000, 1))
    (low, high), (least, most) = demand_interval(many, 180), demand_interval(few, 180)
    assert least < 0.8 < low < 1 < high < 1.25 < most
    sure, unsure = (best_of_all(one, PRICES, rates_per_hour(one, PRICES), 0.0, 180) for one in (many, few))
    assert math.log(unsure[2] / unsure[1]) > 2 * math.log(sure[2] / sure[1])


def test_what_a_sat_is_worth_is_asked_at_less_and_at_more_demand() -> None:
    belief = learn(tried(5, 120, 180), 200, NOW)
    asked: list[float] = []

    def worth(times: float) -> float:
        asked.append(times)
        return 100.0 * times

    outlook = Outlook(belief, 120, PRICES, rates_per_hour(belief, PRICES), 0.0, 100.0, worth)
    figures = demand_figures(outlook, NOW)
    assert tuple(asked) == demand_interval(belief, 120)
    assert [figures.value_low_ppm, figures.value_high_ppm] == [round(100 * times, 1) for times in asked]
    assert (figures.judged_at, figures.fee_ppm, figures.dearest_ppm) == (NOW, 120, 2_500)
    upside_down = demand_figures(replace(outlook, worth=lambda times: 90.0 / times), NOW)
    assert upside_down.value_low_ppm < upside_down.value_ppm == 100.0 < upside_down.value_high_ppm


@pytest.mark.parametrize(
    ("lowest", "dearest", "count", "prices"),
    [(10, 1_000, 3, [10, 100, 1_000]), (0, 4, 3, [1, 2, 4]), (5, 5, 7, [5]), (9, 3, 4, [9]), (1, 3, 24, [1, 2, 3])],
)
def test_prices_are_spread_evenly_in_the_logarithm(lowest: int, dearest: int, count: int, prices: list[int]) -> None:
    assert spread_prices(lowest, dearest, count) == prices


@given(fee_input=fee_inputs(), policy=fees_policies())
def test_each_figure_lies_in_its_interval(fee_input: FeeInput, policy: FeesConfig) -> None:
    figures = propose(fee_input, policy, NOW).state.demand
    if figures is None or figures == (fee_input.state and fee_input.state.demand):
        return
    assert figures.judged_at == NOW
    assert 0 <= figures.elasticity_low <= figures.elasticity <= figures.elasticity_high
    assert 1 <= figures.best_low_ppm <= figures.best_ppm <= figures.best_high_ppm <= figures.dearest_ppm
    assert 0 <= figures.value_low_ppm <= figures.value_ppm <= figures.value_high_ppm


def test_figures_stay_until_they_are_judged_anew() -> None:
    """Also through a new price, and while it is watched for long enough to be judged."""
    due = judged((60, 100.0), (80, 100.0))
    first = propose(due, POLICY, NOW)
    assert first.reasons[0].code is ReasonCode.DEMAND
    assert first.state.demand is not None
    assert first.if_sent.demand == first.state.demand
    lately = replace(due, state=replace(first.state, counted_at=NOW))
    again = propose(lately, POLICY, NOW + 60)
    assert again.reasons[0].code is ReasonCode.JUDGED_WANTED
    assert again.reasons[0].numbers["best_ppm"] == first.state.demand.best_ppm
    assert again.state.demand == first.state.demand
    best = replace(first.state.demand, best_ppm=101)
    kept = propose(replace(lately, state=replace(first.state, counted_at=NOW, demand=best)), POLICY, NOW + 60)
    assert (kept.reasons[0].code, kept.ppm) == (ReasonCode.JUDGED_BEST, 100)
    assert due.state is not None
    early = replace(due.state, window_start_at=NOW - 2.5 * HOUR, open_seconds=1.5 * HOUR)
    watched = propose(replace(due, state=early), POLICY, NOW)
    assert watched.reasons[0].code is ReasonCode.OBSERVING
    assert watched.state.demand is not None
    assert watched.state.demand.judged_at == NOW


@pytest.mark.parametrize(
    ("policy", "pin", "kept"),
    [
        (POLICY, None, True),
        (FeesConfig(strategy="hill_climb", mode="act"), None, False),
        (FeesConfig(strategy="off", mode="act"), None, False),
        (POLICY, FeePin(120, NOW - HOUR, None, forced=False), False),
    ],
)
def test_figures_that_nobody_keeps_up_to_date_are_forgotten(policy: FeesConfig, pin: FeePin | None, kept: bool) -> None:
    state = make_state(demand=make_demand())
    plan = decide_fees(make_fee_snapshot(make_fee_input(state=state, pin=pin)), policy)
    (decision,) = plan.decisions
    states = [one for one in (decision.state, decision.state_if_sent) if one is not None]
    assert states
    assert [one.demand is not None for one in states] == [kept] * len(states)


def test_a_fee_that_somebody_else_sets_starts_anew() -> None:
    state = make_state(fee_ppm=90, demand=make_demand())
    assert propose(make_fee_input(make_channel(fee_ppm=100), state=state), POLICY, NOW).state.demand is None


def test_a_clock_that_was_ahead_is_put_right() -> None:
    right = put_right(make_state(demand=make_demand(judged_at=NOW + DAY)), NOW)
    assert right.demand == make_demand(judged_at=NOW)
