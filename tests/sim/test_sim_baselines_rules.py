"""LNDg and the predecessor, which go by what flowed: their rules by hand-computed values, and their faults."""

from __future__ import annotations

import math
from typing import Any

import pytest

from revops.sim.arena.baselines.flows import Flows
from revops.sim.arena.baselines.lndg import Facts, Lndg, change_ppm, new_ppm
from revops.sim.arena.baselines.predecessor import Climb, Predecessor, balance_factor, chain_floor_ppm, income_rate
from revops.sim.arena.baselines.predecessor_trust import Trust
from revops.sim.arena.baselines.view import Payment
from tests.sim.baselines import CAPACITY_MSAT, DAY_CYCLES, Life, make_market


def facts(local_percent: int, **known: Any) -> Facts:
    return Facts(local_percent, 100, **known)


@pytest.mark.parametrize(
    ("known", "change"),
    [
        # Failures count where little is left, and only if nothing came in for a day.
        (facts(15, failed_count=26), 25),
        (facts(15, failed_count=25), 0),
        (facts(15, failed_count=26, fed_today=True), 0),
        (facts(16, failed_count=26, in_msat=1), 0),
        # In between: nothing flows; more than the capacity flows out on balance.
        (facts(16), -15),
        (facts(94), -15),
        (facts(50, out_msat=200, in_msat=50), 25),
        (facts(50, out_msat=100), 0),
        (facts(50, in_msat=300), 0),
        # Full: nothing flows; or it only feeds others.
        (facts(95), -25),
        (facts(95, in_msat=1, assisted_msat=11, fee_msat=1), -25),
        (facts(95, in_msat=1, assisted_msat=10, fee_msat=1), 0),
        (facts(95, out_msat=1, assisted_msat=11, fee_msat=1), 0),
    ],
)
def test_lndgs_rules(known: Facts, change: float) -> None:
    assert change_ppm(known) == change


@pytest.mark.parametrize(
    ("fee_ppm", "known", "ppm"),
    [
        (200, facts(10, failed_count=26), 225),
        (203, facts(10), 205),
        (202, facts(10), 200),
        # 2 x 5 x (1 + 1.7) = 27
        (200, facts(50, out_msat=170), 225),
        (10, facts(50), 0),
        (2_490, facts(10, failed_count=26), 2_500),
        (5_000, facts(10), 2_500),
    ],
)
def test_lndg_rounds_to_fives_and_keeps_its_bounds(fee_ppm: int, known: Facts, ppm: int) -> None:
    assert new_ppm(fee_ppm, known) == ppm


def test_lndg_changes_a_fee_when_the_last_change_is_more_than_a_day_old() -> None:
    fees = list(Life(Lndg(), make_market()).live(3 * DAY_CYCLES))
    changed = [cycle for cycle in range(1, len(fees)) if fees[cycle] != fees[cycle - 1]]
    assert changed == [DAY_CYCLES + 1, 2 * (DAY_CYCLES + 1)]
    assert fees[-1] == 200 - 2 * 15


def test_lndg_leaves_a_peer_that_is_away() -> None:
    market = make_market()
    market.absences = (((1.0, math.inf),), (), ())
    assert set(Life(Lndg(), market).live(5 * DAY_CYCLES)) == {200}
    assert market.fee_ppm[1] < 200


@pytest.mark.parametrize(
    ("amount_msat", "ppm"),
    # Of 10 % of the channel, 1 % must stay.
    [(CAPACITY_MSAT // 11, 225), (CAPACITY_MSAT // 12, 200)],
)
def test_lndg_counts_what_failed_for_lack_of_liquidity(amount_msat: int, ppm: int) -> None:
    life = Life(Lndg(), make_market(0.10))
    assert list(life.live(DAY_CYCLES + 2, lambda: life.refuse(amount_msat)))[-1] == ppm


def test_lndg_does_not_raise_where_something_came_in() -> None:
    life = Life(Lndg(), make_market(0.10))

    def happens() -> None:
        life.refuse(CAPACITY_MSAT)
        life.forward(1_000_000, entry=0, out=1)

    assert set(life.live(3 * DAY_CYCLES, happens)) == {200}


def test_flows_are_those_of_the_window() -> None:
    flows = Flows(2, 10.0)
    flows.book(Payment(0.0, 0, 1, 1_000, 3, True, False))
    flows.book(Payment(5.0, 1, 0, 500, 2, True, False))
    assert (flows.in_msat, flows.out_msat) == ([1_000, 500], [500, 1_000])
    assert (flows.fee_msat, flows.assisted_msat) == ([2, 3], [3, 2])
    flows.forget(10.0)
    assert flows.in_msat == [1_000, 500]
    flows.forget(10.1)
    assert (flows.in_msat, flows.out_msat, flows.fee_msat, flows.assisted_msat) == ([0, 500], [500, 0], [2, 0], [0, 2])


@pytest.mark.parametrize(
    ("perkw", "ppm"),
    # 5,000 + 3,000 sat where nothing is known; at 1 sat/vB the least costs, 500 + 300; at 50, 7,000 + 10,000.
    [(0, 21), (250, 2), (12_500, 46), (10**6, 273)],
)
def test_the_predecessors_floor(perkw: int, ppm: int) -> None:
    assert chain_floor_ppm(perkw) == ppm


@pytest.mark.parametrize(
    ("spendable_ratio", "factor"),
    [(0.0, 3.0), (0.1, 2.0), (0.25, 1.25), (0.4, 1.0), (0.6, 0.85), (0.75, 0.7), (0.9, 0.5), (1.0, 0.5)],
)
def test_the_predecessors_factors(spendable_ratio: float, factor: float) -> None:
    assert balance_factor(spendable_ratio) == factor


@pytest.mark.parametrize(
    ("last_rate", "rate", "fee_ppm", "ppm"),
    [
        # Better: on. Worse, or the same: back, by 4/5 of the step.
        (10.0, 11.0, 200, 250),
        (10.0, 9.0, 200, 160),
        (10.0, 10.0, 200, 160),
        # At least 5 % of the fee, at most 200 ppm.
        (10.0, 11.0, 2_000, 2_100),
        (10.0, 11.0, 5_000, 5_200),
    ],
)
def test_the_predecessors_steps(last_rate: float, rate: float, fee_ppm: int, ppm: int) -> None:
    assert Climb(looked_at=1.0, last_rate=last_rate).climb(rate, fee_ppm) == ppm


def test_its_step_is_halved_after_five_in_one_direction_and_never_below_ten() -> None:
    climb = Climb(looked_at=1.0)
    assert [climb.climb(1.0, 100) - 100 for _step in range(10)] == [50, 50, 50, 50, 50, 25, 12, 10, 10, 10]


def test_its_first_look_raises() -> None:
    life = Life(Predecessor(), make_market())
    assert list(life.live(1)) == [250]


def test_its_factors_compound_up_to_its_greatest_fee() -> None:
    fees = list(Life(Predecessor(), make_market(0.05)).live(5))
    assert fees == [750, 750, 2_130, 2_130, 5_000]


def test_it_falls_asleep_without_income() -> None:
    fees = list(Life(Predecessor(), make_market()).live(DAY_CYCLES))
    # Up, back, up; the third calm hour sends it to sleep for two hours; then back again, by (50 x 0.8^3) ppm.
    assert fees[:12] == [250, 250, 210, 210, *[242] * 7, 217]


def test_income_wakes_it() -> None:
    climb = Climb(looked_at=0.0, last_rate=10.0, asleep_until=7_200.0, calm_count=3)
    assert climb.sleeps(12.0, 3_600.0)
    assert not climb.sleeps(12.1, 3_600.0)
    assert (climb.asleep_until, climb.calm_count) == (None, 0)
    asleep = Climb(looked_at=0.0, last_rate=10.0, asleep_until=7_200.0)
    assert asleep.sleeps(10.0, 7_200.0)
    assert not asleep.sleeps(10.0, 7_201.0)


def test_it_takes_the_first_income_for_calm() -> None:
    climb = Climb(looked_at=1.0, last_rate=0.0, step_ppm=10)
    assert not climb.falls_asleep(1_000.0, 3_600.0)
    assert (climb.calm_count, climb.step_ppm) == (1, 10)
    climb = Climb(looked_at=1.0, last_rate=10.0, step_ppm=10, calm_count=2)
    assert not climb.falls_asleep(15.1, 3_600.0)
    assert (climb.calm_count, climb.step_ppm) == (0, 50)


def test_it_lets_a_sink_go_below_its_least_fee() -> None:
    market = make_market(0.95)
    # Floors: the greater of 10 and 2 ppm, of which a full channel gets 0.8.
    market.feerate_perkw = 250
    assert min(Life(Predecessor(), market).live(3 * DAY_CYCLES)) == 8


@pytest.mark.parametrize(
    ("out_msat", "in_msat", "floor_ppm"),
    [(CAPACITY_MSAT * 6 // 10, 0, 12), (0, CAPACITY_MSAT * 6 // 10, 8), (CAPACITY_MSAT, CAPACITY_MSAT, 10)],
)
def test_its_floor_follows_the_weeks_flow(out_msat: int, in_msat: int, floor_ppm: int) -> None:
    life = Life(Predecessor(), make_market(0.95))
    life.market.feerate_perkw = 250
    fees = list(life.live(1))
    life.forward(out_msat)
    life.forward(in_msat, entry=0, out=1)
    fees += life.live(6 * DAY_CYCLES)
    assert min(fees) == floor_ppm


@pytest.mark.parametrize(
    ("volume_sat", "fee_ppm", "hours", "rate"),
    [(1_500_000, 250, 1.0, 375.0), (1_500_000, 250, 2.0, 187.5), (3_999, 250, 1.0, 0.0), (4_000, 250, 4.0, 0.25)],
)
def test_its_income_is_floored(volume_sat: int, fee_ppm: int, hours: float, rate: float) -> None:
    assert income_rate(volume_sat, fee_ppm, hours) == rate


def test_it_reckons_with_the_fee_in_force() -> None:
    """What was given away counts as if it had been paid for, so it goes on; only what was paid makes an earner."""
    given, sold = Life(Predecessor(), make_market()), Life(Predecessor(), make_market())
    list(given.live(2, lambda: given.forward(10**9)))
    list(sold.live(2, lambda: sold.forward(10**9, 1_000)))
    assert [list(given.live(1)), list(sold.live(1))] == [[300], [285]]


def test_trust_loses_one_an_hour_and_blames_senders() -> None:
    trust = Trust(2)
    assert trust.score(1) == 0.5
    for _payment in range(9):
        trust.judge(0, settled=True)
    trust.judge(1, settled=False)
    assert (trust.score(0), trust.score(1)) == (10 / 11, 1 / 3)
    assert trust.weigh({0: 1_100, 1: 300}) == pytest.approx(1_100.0)
    trust.decay(3_599.0)
    assert trust.score(0) == 10 / 11
    trust.decay(2 * 3_600.0)
    assert (trust.score(0), trust.score(1)) == (8 / 9, 0.5)
