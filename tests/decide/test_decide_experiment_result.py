"""What an experiment shows: nothing where there is nothing, an effect where there is one, and how much is missing."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revops.decide import experiment_result
from revops.decide.experiment_result import (
    Pair,
    arm_sums,
    counting,
    difference,
    differences,
    harmful,
    look_due,
    needs,
    reported,
    typical_means,
)
from revops.domain.experiment import FEES, NET, Arm, BlockResult, Difference
from tests.builders import HOUR, NOW, channel_id, node_id
from tests.decide.test_decide_experiment import BLOCK, EXPERIMENT

SEEN = 48 * HOUR


@pytest.fixture
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of experiments in a second or two."""
    monkeypatch.setattr(experiment_result, "DRAW_COUNT", 999)


def bits(seed: int = 1) -> Any:
    return random.Random(seed).getrandbits


def result(block: int, arm: Arm, score_msat: int = 1_000, channel: int = 1, **overrides: Any) -> BlockResult:
    base = BlockResult(channel_id(channel), node_id(1), block, arm, SEEN, SEEN, score_msat, 2 * score_msat, 3)
    return base._replace(**overrides)


def alike(pairs: Sequence[tuple[float, float]], draws: Any) -> Difference:
    """The difference over pairs of one channel each."""
    return difference(NET, pairs, [1] * len(pairs), draws)


# ---- what counts


def test_rates_are_per_hour_and_channel_of_the_channels_that_count_in_both_blocks() -> None:
    found = [
        result(0, Arm.B, 48_000, channel=1),
        result(1, Arm.A, 24_000, channel=1),
        result(0, Arm.B, 96_000, channel=2, open_seconds=24 * HOUR),
        result(1, Arm.A, 48_000, channel=2),
        result(0, Arm.B, 10**9, channel=3, seen_seconds=0.89 * SEEN),
        result(1, Arm.A, 10**9, channel=3),
        result(0, Arm.B, 10**9, channel=4),
    ]
    pairs, used = counting(EXPERIMENT, found)
    assert pairs == [Pair(node_id(1), 0, 2, 750.0, 1_500.0, 1_500.0, 3_000.0)]
    assert used == [found[0], found[1], found[2], found[3]]
    a, b = arm_sums(EXPERIMENT, used)
    assert (a.arm, a.strategy, a.block_count, a.seen_hours, a.open_ratio) == (Arm.A, "hill_climb", 1, 96.0, 1.0)
    assert (b.score_msat, b.fee_msat, b.forward_count, b.open_ratio) == (144_000, 288_000, 6, 0.75)
    assert (b.seen_hours, b.open_hours) == (96.0, 72.0)


@pytest.mark.parametrize("block", [0, 1])
def test_a_pair_that_is_not_whole_does_not_count(block: int) -> None:
    arms = (Arm.A, Arm.B)
    assert counting(EXPERIMENT, [result(block, arms[block])]) == ([], [])
    later = [result(1, Arm.A), result(2, Arm.B)]  # of two pairs
    assert counting(EXPERIMENT, later) == ([], [])


def test_who_sells_a_channel_out_and_leaves_it_empty_is_charged_with_the_hours_in_which_it_was() -> None:
    """B earned a little more in each hour in which it could forward, and in two blocks of three it never could."""
    found = []
    for number in range(12):
        is_open = number % 3 == 0
        found.append(result(2 * number, Arm.A, 48_000))
        b_msat = 56_000 if is_open else 0
        found.append(result(2 * number + 1, Arm.B, b_msat, open_seconds=SEEN if is_open else 0.0))
    report = reported(EXPERIMENT, found, NOW + 30 * BLOCK, bits())
    net, fees = report.differences
    assert (report.pair_count, report.left_out_count) == (12, 0)
    assert net.mean_msat < 0
    assert fees.mean_msat < 0
    assert net.high_msat is not None
    assert net.high_msat < 0
    assert [arm.open_ratio for arm in report.arms] == [1.0, pytest.approx(1 / 3)]


def test_a_report_says_how_many_were_left_out() -> None:
    found = [result(0, Arm.A), result(1, Arm.B), result(2, Arm.A, seen_seconds=1.0), result(3, Arm.B)]
    report = reported(EXPERIMENT, found, NOW + 5 * BLOCK, bits())
    assert (report.pair_count, report.left_out_count, report.peer_count) == (1, 1, 1)
    assert [one.metric for one in report.differences] == [NET, FEES]
    early = reported(EXPERIMENT, found[:3], NOW + 3 * BLOCK, bits())
    assert (early.pair_count, early.left_out_count) == (1, 0)  # the second pair isn't over
    nothing = reported(EXPERIMENT, [], NOW, bits())
    assert (nothing.differences, nothing.needs, nothing.pair_count) == ((), (), 0)


# ---- the difference


def exact_chance(gains: list[float]) -> float:
    """Fisher's test in full: of all signs, those under which the mean is as large."""
    seen = math.fsum(gains)
    signs = list(product((1, -1), repeat=len(gains)))
    return sum(math.fsum(s * d for s, d in zip(sign, gains, strict=True)) >= seen - 1e-9 for sign in signs) / len(signs)


@pytest.mark.parametrize("gains", [[3.0, 1.0, 4.0, 1.5, 9.0, 2.6, 5.0], [3, -1, 4, 1.5, -9, 2.6, 5, 3.5], [1.0] * 6])
def test_the_chance_is_that_of_the_randomisation_test(gains: list[float]) -> None:
    found = alike([(10.0, 10.0 + gain) for gain in gains], bits())
    up = exact_chance(gains)
    down = exact_chance([-gain for gain in gains])
    assert found.p_value == pytest.approx(min(2 * min(up, down), 1.0), abs=0.015)
    assert found.mean_msat == pytest.approx(fmean(gains))
    assert found.base_msat == 10.0


@settings(max_examples=25)
@given(st.lists(st.integers(-(10**6), 10**6), min_size=6, max_size=9), st.integers(0, 99))
def test_the_interval_holds_what_the_test_does_not_reject_and_moves_with_the_data(gains: list[int], seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment_result, "DRAW_COUNT", 999)
        found = alike([(0.0, gain) for gain in gains], bits(seed))
        moved = alike([(0.0, gain + 500.0) for gain in gains], bits(seed))
        turned = alike([(gain, 0.0) for gain in gains], bits(seed))
    if found.low_msat is None or found.high_msat is None:  # six pairs: the draw may have been empty too often
        return
    assert min(gains) <= found.low_msat + 1e-6
    assert found.low_msat <= found.high_msat <= max(gains) + 1e-6
    assert (found.low_msat > 0 or found.high_msat < 0) <= (found.p_value <= 0.051)
    assert moved.low_msat == pytest.approx(found.low_msat + 500.0, abs=1e-3)
    assert turned.high_msat == pytest.approx(-found.low_msat, abs=1e-3)


def test_what_decides_is_the_node_s_total_per_hour_and_channel() -> None:
    """A peer of three channels weighs three times as much as one of one, so that all channels weigh the same; one with
    hardly any traffic changes little, however much its strategy makes of it.
    """
    found = [
        *(result(0, Arm.A, 48_000, channel) for channel in (1, 2, 3)),
        *(result(1, Arm.B, 60_000, channel) for channel in (1, 2, 3)),
        result(0, Arm.A, 96_000, 4, peer_id=node_id(2)),
        result(1, Arm.B, 84_000, 4, peer_id=node_id(2)),
        result(0, Arm.A, 48, 5, peer_id=node_id(3)),
        result(1, Arm.B, 480, 5, peer_id=node_id(3)),
    ]
    report = reported(EXPERIMENT, found, NOW + 9 * BLOCK, bits())
    a, b = report.arms
    (net, fees) = report.differences
    assert net.mean_msat == pytest.approx((3 * 250 - 250 + 9) / 5)
    assert net.mean_msat == pytest.approx(b.score_msat / b.seen_hours - a.score_msat / a.seen_hours)
    assert net.base_msat == pytest.approx(a.score_msat / a.seen_hours)
    assert fees.mean_msat == pytest.approx(b.fee_msat / b.seen_hours - a.fee_msat / a.seen_hours)


def test_the_chance_is_that_of_the_weighted_pairs() -> None:
    gains, weights = [3.0, -1.0, 4.0, 1.5, -9.0, 2.6, 5.0, 3.5], [1, 4, 2, 1, 1, 3, 1, 5]
    found = difference(NET, [(0.0, gain) for gain in gains], weights, bits())
    weighted = [gain * weight for gain, weight in zip(gains, weights, strict=True)]
    assert found.mean_msat == pytest.approx(math.fsum(weighted) / 18)
    assert found.p_value == pytest.approx(2 * exact_chance(weighted), abs=0.015)
    thrice = difference(NET, [(0.0, gain) for gain in gains], [3 * weight for weight in weights], bits())
    assert thrice == found


@pytest.mark.usefixtures("fewer_draws")
def test_weights_find_nothing_where_there_is_nothing() -> None:
    """Large peers bring more a channel, and less regularly."""
    runs = 400
    found = []
    for seed in range(runs):
        weights = [random.Random(seed + pair).choice((1, 1, 1, 2, 5)) for pair in range(20)]
        pairs = [(weight * a, weight * b) for weight, (a, b) in zip(weights, peers(seed, 20), strict=True)]
        found.append(difference(NET, pairs, weights, bits(seed)))
    shown = sum(one.p_value <= 0.05 for one in found) / runs
    outside = sum(not low <= 0 <= high for low, high in bounds(found)) / runs
    assert abs(shown - 0.05) < 3 * math.sqrt(0.05 * 0.95 / runs)
    assert abs(outside - 0.05) < 3 * math.sqrt(0.05 * 0.95 / runs)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_pairs_have_no_interval(count: int) -> None:
    found = alike([(1.0, 100.0 + number) for number in range(count)], bits())
    assert (found.low_msat, found.high_msat) == (None, None)
    assert found.p_value > 0.05


def test_the_same_bits_give_the_same_figures() -> None:
    pairs = [Pair(node_id(1), number, 1, 1.0, number * 1.0, 2.0, number * 2.0) for number in range(9)]
    assert differences(pairs, bits(3)) == differences(pairs, bits(3))
    assert typical_means([1.0, 2.0], [1, 2], bits(3)) == typical_means([1.0, 2.0], [1, 2], bits(3))


# ---- on markets that are known


def peers(seed: int, pair_count: int, effect_ratio: float = 0.0) -> list[tuple[float, float]]:
    """(A, B) of pairs as a node brings them: a few large payments make most of the income, peers differ by tens, and a
    trend runs through all; who comes first is drawn.
    """
    draw = random.Random(seed)
    pairs = []
    for number in range(pair_count):
        level = 1_000 * math.exp(draw.gauss(0, 1)) * (1 + number / pair_count)
        first, second = (level * math.exp(draw.gauss(0, 0.5)) for _ in range(2))
        a, b = (first, 1.2 * second) if draw.random() < 0.5 else (1.2 * second, first)  # later blocks bring more
        pairs.append((a, b * (1 + effect_ratio)))
    return pairs


@pytest.mark.usefixtures("fewer_draws")
@pytest.mark.parametrize("pair_count", [10, 40])
def test_where_both_are_the_same_a_difference_is_shown_one_time_in_twenty(pair_count: int) -> None:
    runs = 400
    found = [alike(peers(seed, pair_count), bits(seed)) for seed in range(runs)]
    shown = sum(one.p_value <= 0.05 for one in found) / runs
    outside = sum(not low <= 0 <= high for low, high in bounds(found)) / runs
    assert abs(shown - 0.05) < 3 * math.sqrt(0.05 * 0.95 / runs)
    assert abs(outside - 0.05) < 3 * math.sqrt(0.05 * 0.95 / runs)


def bounds(found: Iterable[Any]) -> list[tuple[float, float]]:
    known = [(one.low_msat, one.high_msat) for one in found]
    assert None not in {bound for pair in known for bound in pair}
    return known


@pytest.mark.usefixtures("fewer_draws")
def test_a_large_effect_is_found_and_its_size_is_in_the_interval() -> None:
    runs, true = 60, 0.5
    found = []
    covered = 0
    for seed in range(runs):
        pairs = peers(seed, 140, true)
        one = alike(pairs, bits(seed))
        found.append(one)
        mean = true * 1.5 * 1_000 * math.exp(0.5) * math.exp(0.125) * 1.1
        covered += one.low_msat is not None and one.high_msat is not None and one.low_msat <= mean <= one.high_msat
    assert sum(one.p_value <= 0.05 and one.mean_msat > 0 for one in found) >= 0.9 * runs
    assert covered >= 0.87 * runs


@pytest.mark.usefixtures("fewer_draws")
def test_as_many_blocks_as_are_said_to_be_needed_see_the_effect_four_times_in_five() -> None:
    draw = random.Random(5)
    pilot = [
        Pair(node_id(1), number, 1, 1_000 + draw.gauss(0, 400), 1_000 + draw.gauss(0, 400), 0, 0)
        for number in range(500)
    ]
    _small, need, _large = needs(EXPERIMENT, pilot, peer_count=20)
    assert need.effect_ratio == 0.2
    assert need.missing_count == 0
    count, runs = need.block_count // 2, 300
    assert 50 <= count <= 75  # 7.85 · 2 · 400² / 200² = 63
    found = [
        alike([(1_000 + draw.gauss(0, 400), 1_200 + draw.gauss(0, 400)) for _ in range(count)], bits(seed))
        for seed in range(runs)
    ]
    assert abs(sum(one.p_value <= 0.05 for one in found) / runs - 0.8) < 0.09


def test_what_is_missing_is_told_in_blocks_and_days() -> None:
    pairs = [
        Pair(node_id(number % 4), number // 4, 1, 1_000.0, 1_000.0 + 400 * (-1) ** number, 0, 0) for number in range(8)
    ]
    small, _middle, large = needs(EXPERIMENT, pairs, peer_count=4)
    pair_count = math.ceil((1.960 + 0.842) ** 2 * (8 * 400**2 / 7) / 100**2)
    assert (small.block_count, small.missing_count) == (2 * pair_count, 2 * pair_count - 16)
    assert small.missing_days == math.ceil((pair_count - 8) / 4) * 6  # four pairs in two blocks of three days
    assert (large.missing_count, large.missing_days) == (0, 0)


def test_pairs_that_weigh_alike_need_as_many_as_pairs_of_one_channel_and_unlike_ones_more() -> None:
    def needed(weights: Sequence[int]) -> int:
        pairs = [
            Pair(node_id(1), number, weight, 1_000.0, 1_000.0 + 400 * (-1) ** (number // 2), 0, 0)
            for number, weight in enumerate(weights)
        ]
        return needs(EXPERIMENT, pairs, peer_count=1)[0].block_count

    assert needed([3] * 12) == needed([1] * 12)
    assert needed([1, 5] * 6) > 1.3 * needed([1] * 12)


@pytest.mark.parametrize(("a_msat", "count"), [(0.0, 9), (-5.0, 9), (100.0, 1), (100.0, 0)])
def test_where_a_brings_nothing_no_share_of_it_can_be_needed(a_msat: float, count: int) -> None:
    pairs = [Pair(node_id(1), number, 1, a_msat, 10.0 * number, 0, 0) for number in range(count)]
    assert needs(EXPERIMENT, pairs, peer_count=1) == ()


# ---- harm


def looks(seed: int, effect_ratio: float, peer_count: int = 20) -> bool:
    """Whether an experiment of that many peers is ended early."""
    pairs: list[Pair] = []
    for over in range(1, EXPERIMENT.pair_count):
        made = peers(100 * seed + over, peer_count, effect_ratio)
        pairs += [Pair(node_id(peer), over - 1, 1, a, b, 0, 0) for peer, (a, b) in enumerate(made)]
        if harmful(replace(EXPERIMENT, look_count=over - 1), pairs, over, bits(seed)):
            return True
    return False


@pytest.mark.usefixtures("fewer_draws")
def test_harm_is_found_soon_and_success_ends_nothing() -> None:
    assert all(looks(seed, -0.6) for seed in range(5))
    assert not any(looks(seed, 1.0) for seed in range(5))


@pytest.mark.usefixtures("fewer_draws")
def test_where_both_are_the_same_hardly_any_experiment_is_ended() -> None:
    runs = 100
    assert sum(looks(seed, 0.0, peer_count=5) for seed in range(runs)) <= 0.01 * runs + 3 * math.sqrt(0.01 * runs)


@pytest.mark.parametrize(
    ("pair_count", "look_count", "blocks", "due"),
    [
        (7, 0, 1, None),
        (7, 0, 2, 1),
        (7, 1, 3, None),
        (7, 1, 9, 4),
        (101, 0, 4, None),
        (101, 0, 6, 3),
        (101, 3, 10, None),
    ],
)
def test_looks_are_taken_pair_by_pair_but_no_finer_than_draws_can_tell(
    pair_count: int, look_count: int, blocks: int, due: int | None
) -> None:
    one = replace(EXPERIMENT, block_count=2 * pair_count, look_count=look_count)
    assert look_due(one, NOW + blocks * BLOCK + HOUR) == due
    step = -(-pair_count // experiment_result.MOST_LOOKS)
    assert one.harm_alpha * step / pair_count >= 1.9 / (experiment_result.DRAW_COUNT + 1)


def test_one_look_may_spend_what_the_missed_ones_did_not() -> None:
    assert not harmful(EXPERIMENT, [], 1, bits())
    pairs = [Pair(node_id(peer), 0, 1, 100.0, 50.0 + peer, 0, 0) for peer in range(8)]  # chance: 2^-8 = 0.0039
    assert not harmful(EXPERIMENT, pairs, 1, bits())
    assert harmful(EXPERIMENT, pairs, 5, bits())
    assert not harmful(replace(EXPERIMENT, look_count=4), pairs, 5, bits())
