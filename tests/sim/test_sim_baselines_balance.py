"""charge-lnd and feeadjuster, which go by balances: their formulas by hand-computed values, and when they act."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.sim.arena.baselines.charge_lnd import ChargeLnd, proportional_ppm
from revops.sim.arena.baselines.feeadjuster import FeeAdjuster, balance_factor, has_moved
from tests.sim.baselines import CAPACITY_MSAT, DAY_CYCLES, Life, make_market


@pytest.mark.parametrize(
    ("local_ratio", "ppm"), [(0.0, 300), (0.25, 250), (1 / 3, 233), (0.5, 200), (0.999, 100), (1.0, 100)]
)
def test_charge_lnds_line(local_ratio: float, ppm: int) -> None:
    assert proportional_ppm(local_ratio) == ppm


def test_charge_lnd_runs_between_four_and_five_each_day() -> None:
    life = Life(ChargeLnd(), make_market())
    share = iter([0.4, 0.6] * 200)

    def swing() -> None:
        life.market.local_msat[0] = int(CAPACITY_MSAT * next(share))

    fees = list(life.live(3 * DAY_CYCLES, swing))
    changed = [cycle for cycle in range(1, len(fees)) if fees[cycle] != fees[cycle - 1]]
    assert changed
    assert all(4.0 <= cycle % DAY_CYCLES / 2 <= 5.0 for cycle in changed)
    assert life.market.update_count[1:] == [0, 0]


@pytest.mark.parametrize(("local_ratio", "ppm"), [(0.45, 210), (0.455, 200), (0.55, 190), (0.545, 200)])
def test_charge_lnd_leaves_small_changes(local_ratio: float, ppm: int) -> None:
    life = Life(ChargeLnd(), make_market(local_ratio))
    assert list(life.live(DAY_CYCLES))[-1] == ppm


@pytest.mark.parametrize(
    ("local_ratio", "factor"),
    [
        (0.0, 7.0711),
        (0.5, 1.0),
        (1.0, 0.1414),
        # Those of the plugin's own test_feeadjuster.py, which logs them as 0.2, 3., 6., 0.1, 4. and 0.2.
        (0.84, 0.2645),
        (0.16, 3.7814),
        (0.04, 6.0468),
        (0.96, 0.1654),
        (0.10, 4.7818),
        (0.90, 0.2091),
    ],
)
def test_feeadjusters_curve(local_ratio: float, factor: float) -> None:
    assert balance_factor(local_ratio) == pytest.approx(factor, abs=5e-5)


@given(st.integers())
def test_what_counts_as_moved_is_fuzzed_by_one_and_a_half_percent(seed: int) -> None:
    small, large = 1_000_000_000, 100_000_000_000
    assert not has_moved(500_000_000, 500_000_000 - 34_000_000, small, Random(seed))
    assert has_moved(500_000_000, 500_000_000 + 66_000_000, small, Random(seed))
    assert not has_moved(0, 98_400_000, large, Random(seed))
    assert has_moved(0, 101_600_000, large, Random(seed))


@pytest.mark.parametrize(
    ("others_ppm", "ppm"),
    # Half is ours: the fee is the middle one. Where nothing can be learnt it is the node's own.
    [(100, 100), (4_999, 4_999), (5_000, 200), (0, 200), (None, 200)],
)
def test_feeadjuster_goes_by_others_within_reason(others_ppm: int | None, ppm: int) -> None:
    assert list(Life(FeeAdjuster(), make_market(others_ppm=others_ppm)).live(1)) == [ppm]


def test_feeadjuster_looks_only_at_channels_that_moved_enough() -> None:
    life = Life(FeeAdjuster(), make_market())
    assert list(life.live(1)) == [100]
    life.market.others_ppm = [1_000] * 3
    assert list(life.live(2)) == [100, 100]
    life.market.local_msat[0] -= 90_000_000  # 1.8 %
    assert list(life.live(1)) == [100]
    life.market.local_msat[0] -= 90_000_000
    # 46.4 % are ours: 50^0.036.
    assert list(life.live(1)) == [1_151]
    assert life.market.fee_ppm[1:] == [100, 100]


def test_feeadjuster_forgets_the_balance_of_a_fee_that_it_did_not_have_to_set() -> None:
    life = Life(FeeAdjuster(), make_market(others_ppm=200))
    assert list(life.live(1)) == [200]
    life.market.local_msat[0] += CAPACITY_MSAT // 1_000
    assert list(life.live(1)) == [199]
