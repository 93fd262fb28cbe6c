"""CLBOSS: its factors by hand-computed values, its bins, its cards."""

from __future__ import annotations

import itertools
import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.sim.arena.baselines.clboss import BalanceBin, Clboss, size_factor
from revops.sim.arena.baselines.clboss_cards import LIFETIME_TICKS, Deck, level_factor
from tests.sim.baselines import CAPACITY_MSAT, DAY_CYCLES, Life, make_market


@pytest.mark.parametrize(
    ("rank_ratio", "competitor_count", "factor"),
    [
        (0.0, 20, 0.5),
        # (0.7071 + 0.5 x 0.2929)^2
        (0.25, 20, 0.72855),
        (0.5, 20, 1.0),
        # The limit is 16 - ln 20 = 13.0043: (0.5 + 0.5 x 3.6061)^2
        (0.75, 20, 5.30414),
        (1.0, 20, 13.00427),
        (1.0, 1, 16.0),
        (1.0, 10**9, 2.0),
        (0.9, 0, 1.0),
    ],
)
def test_the_larger_we_are_the_dearer(rank_ratio: float, competitor_count: int, factor: float) -> None:
    assert size_factor(rank_ratio, competitor_count) == pytest.approx(factor, abs=1e-5)


@pytest.mark.parametrize(
    ("capacity_sat", "local_ratio", "count", "number", "factor"),
    [
        (5_000_000, 0.5, 25, 12, 1.0),
        # The fifth part of 25 has its middle at 11/50: 50^0.28.
        (5_000_000, 0.21, 25, 5, 2.99028),
        (300_000, 0.1, 4, 0, 4.33624),
        (100_000_000, 0.999, 50, 49, 0.14706),
        (1_100_000, 1.0, 6, 5, 0.19592),
    ],
)
def test_bins(capacity_sat: int, local_ratio: float, count: int, number: int, factor: float) -> None:
    found = BalanceBin.of(int(capacity_sat * 1_000 * local_ratio), capacity_sat * 1_000)
    assert (found.count, found.number) == (count, number)
    assert found.factor == pytest.approx(factor, abs=1e-5)


@given(st.integers(0, CAPACITY_MSAT), st.integers(0, CAPACITY_MSAT), st.integers())
def test_a_bin_is_the_balances_or_one_short_of_it(first_msat: int, then_msat: int, seed: int) -> None:
    found = BalanceBin.of(first_msat, CAPACITY_MSAT)
    before = found.number
    found.move(then_msat, CAPACITY_MSAT, Random(seed))
    target = min(then_msat * 25 // CAPACITY_MSAT, 24)
    assert min(before, target) <= found.number <= max(before, target)
    assert abs(found.number - target) <= 1
    assert 50**-0.5 < found.factor < 50**0.5


def test_the_deeper_in_a_bin_the_likelier_it_is_entered() -> None:
    def entered(place: float) -> int:
        return sum(_moved(place, seed) == int(place) for seed in range(400))

    # Upwards from bin 12, and downwards.
    assert 280 < entered(14.8) < 360
    assert 40 < entered(14.2) < 120
    assert 280 < entered(8.2) < 360
    assert 40 < entered(8.8) < 120


def _moved(place: float, seed: int) -> int:
    found = BalanceBin.of(CAPACITY_MSAT // 2, CAPACITY_MSAT)
    found.move(int(CAPACITY_MSAT * place / 25), CAPACITY_MSAT, Random(seed))
    return found.number


@pytest.mark.parametrize(("level", "factor"), [(-2, 0.64), (-1, 0.8), (0, 1.0), (1, 1.2), (2, 1.44), (5, 2.48832)])
def test_levels(level: int, factor: float) -> None:
    assert level_factor(level) == pytest.approx(factor)


def play_round(deck: Deck, best_level: int | None, rng: Random) -> list[int]:
    """Play five cards, of which those nearer to a level earn more; return their levels."""
    levels = []
    for _card in range(5):
        level = deck.level(rng)
        levels.append(level)
        deck.earn(0 if best_level is None else 1_000 - abs(level - best_level))
        deck.age(LIFETIME_TICKS - 1)
        assert deck.level(rng) == level
        deck.age(1)
        # Between two cards nobody is credited.
        deck.earn(10**6)
    return levels


def test_each_round_tries_five_levels_and_the_best_becomes_the_middle() -> None:
    deck, rng = Deck(), Random(1)
    played = [play_round(deck, 5, rng) for _round in range(4)]
    assert [sorted(levels) for levels in played] == [
        [-2, -1, 0, 1, 2],
        [0, 1, 2, 3, 4],
        [2, 3, 4, 5, 6],
        [3, 4, 5, 6, 7],
    ]
    assert any(levels != sorted(levels) for levels in played)


def test_a_round_that_earns_nothing_moves_nothing() -> None:
    deck, rng = Deck(), Random(1)
    for _round in range(3):
        assert sorted(play_round(deck, None, rng)) == [-2, -1, 0, 1, 2]


def test_a_card_lasts_two_days_of_connected_time() -> None:
    life = Life(Clboss(), make_market())
    fees = list(life.live(12 * DAY_CYCLES))
    runs = [len(list(run)) for _fee, run in itertools.groupby(fees)]
    assert all(2 * DAY_CYCLES <= run <= 2 * DAY_CYCLES + 3 for run in runs[:5])
    assert sorted(set(fees)) == [64, 80, 100, 120, 144]
    away = make_market()
    away.absences = (((1.0, math.inf),), (), ())
    life = Life(Clboss(), away)
    assert len(set(life.live(12 * DAY_CYCLES))) == 1


def test_clboss_leaves_a_peer_of_whose_fees_it_knows_nothing() -> None:
    life = Life(Clboss(), make_market(others_ppm=None))
    assert set(life.live(5 * DAY_CYCLES)) == {200}


def test_clboss_never_charges_nothing() -> None:
    life = Life(Clboss(), make_market(0.99, others_ppm=1))
    assert set(life.live(5 * DAY_CYCLES)) == {1}


def test_income_is_credited_to_the_card_in_play() -> None:
    """Only the card at 144 ppm sells."""
    life = Life(Clboss(), make_market())

    def sell() -> None:
        if life.market.fee_ppm[0] == 144:
            life.forward(10**8, 14_400)

    fees = list(life.live(10 * DAY_CYCLES, sell))
    following = list(life.live(10 * DAY_CYCLES))
    assert max(fees) == 144
    # Up to 100 x 1.2^4.
    assert {100, 120, 144, 173, 207} <= set(following)


def test_a_fee_is_the_product_of_all_four() -> None:
    market = make_market(0.21)
    market.size_rank_ratio = [0.75] * 3
    life = Life(Clboss(), market)
    # What others charge, 20 competitors (the peer's 21 channels but ours), the bin of 21 %, and any card.
    assert set(life.live(12 * DAY_CYCLES)) == {
        round(100 * 5.30414 * 2.99028 * factor) for factor in (0.64, 0.8, 1.0, 1.2, 1.44)
    }
