"""The worlds of the arena: drawn by seed alone, and each of its parts as the setting and the family say."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from random import Random
from statistics import fmean, median, stdev

import pytest

from revops.sim.arena.demand import draw_customers
from revops.sim.arena.families import DAY_SECONDS, FAMILIES, ODD_KINDS, SHAPES, Stream, draw_streams
from revops.sim.arena.setting import FORMER, JUDGED, SETTINGS, TUNING, Setting
from revops.sim.arena.world import LEARNING_DAYS, make_world
from tests.sim.arena_worlds import SEED, SMALL

BOTH = pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)


@pytest.mark.parametrize("family", FAMILIES)
def test_worlds_are_drawn_by_seed_alone(family: str) -> None:
    world = make_world(family, SEED, 3.0, SMALL)
    assert world == make_world(family, SEED, 3.0, SMALL)
    assert world != make_world(family, SEED + 1, 3.0, SMALL)
    assert list(world.customers) == sorted(world.customers)
    assert len(world.between(0.0, 3.0)) + len(world.between(3.0, 10.0)) == len(world.customers)


@pytest.mark.parametrize("other", [TUNING, FORMER], ids=lambda setting: setting.name)
def test_what_policies_are_judged_on_differs_in_its_parameters(other: Setting) -> None:
    """But for how many channels there are, and what was drawn alike by chance."""
    same = {name for name in other.__slots__ if getattr(other, name) == getattr(JUDGED, name)}
    assert "channel_count" in same
    assert len(same) <= 3


def kind_of(stream: Stream) -> str:
    """What a channel's trade gives away of its kind."""
    plagues = {
        "flapping": bool(stream.absences),
        "spammer": stream.tiny_per_day > 0 and stream.failing_per_day > 0,
        "jammer": stream.jams_per_day > 0,
        "shift": bool(stream.shifts),
        "dead": stream.per_day == stream.entry_weight == 0,
        "faucet": stream.per_day == 0,
        "sink": stream.entry_weight == 0,
    }
    return next((kind for kind, plagued in plagues.items() if plagued), None) or shape_of(stream)


def shape_of(stream: Stream) -> str:
    """By what 2,000 customers of the first moment would pay."""
    rng = Random(SEED)
    willing_ppm = sorted(stream.willingness(0.0, rng) for _customer in range(2_000))
    least_ppm, middle_ppm = willing_ppm[0], median(willing_ppm)
    if willing_ppm[-1] < 1.1 * least_ppm:
        return "competitor"
    if least_ppm <= 0:
        return "logistic"
    # (p / s)^-e is 1/2 at p = s 2^(1/e), and nobody is below s.
    elasticity = math.log(2) / math.log(middle_ppm / least_ppm)
    nearest = min((0.5, 1, 2, 4), key=lambda one: abs(math.log(one / elasticity)))
    assert nearest == pytest.approx(elasticity, rel=0.15)
    return f"elasticity {nearest}"


@pytest.mark.parametrize("family", FAMILIES[:-1])
def test_a_family_is_what_its_name_says(family: str) -> None:
    kinds = [kind_of(stream) for stream in draw_streams(family, TUNING, 90.0, Random(SEED))]
    odd = family in ODD_KINDS
    assert kinds == [family if not odd or number % 3 == 0 else "logistic" for number in range(10)]


def test_a_mixture_contains_all_kinds() -> None:
    by_seed = [{kind_of(stream) for stream in draw_streams("mixture", TUNING, 90.0, Random(seed))} for seed in range(9)]
    assert set.union(*by_seed) == {*SHAPES, *ODD_KINDS}
    assert all(len(kinds) > 3 for kinds in by_seed)


@BOTH
def test_customers_come_in_a_rhythm_whose_mean_is_the_rate(setting: Setting) -> None:
    """40 weeks, so that days and weeks are whole and bursts are many."""
    setting = replace(setting, channel_count=2, customers_per_day=60.0)
    rng = Random(SEED)
    streams = draw_streams("logistic", setting, 280.0, rng)
    customers = draw_customers(streams, setting, 280.0, rng)
    for number, stream in enumerate(streams):
        moments = [customer.at for customer in customers if customer.out == number]
        assert len(moments) / 280 == pytest.approx(stream.per_day, rel=0.04)
        by_hour = [0] * 24
        for at in moments:
            by_hour[int(at % DAY_SECONDS / 3_600)] += 1
        quiet, busy = min(by_hour), max(by_hour)
        wave = (1 + setting.daily_swing) / (1 - setting.daily_swing)
        assert 0.6 * wave < busy / quiet < 1.6 * wave


@BOTH
def test_what_others_charge_is_off_the_price_as_the_setting_says(setting: Setting) -> None:
    errors: list[list[float]] = []
    unknown_count, seeds = 0, 200
    for seed in range(seeds):
        streams = draw_streams("competitor", replace(setting, channel_count=20), 1.0, Random(seed))
        known = [(stream, stream.others_ppm) for stream in streams if stream.others_ppm is not None]
        unknown_count += len(streams) - len(known)
        # A competitor's customers pay its price, give or take 3 %.
        errors.append([math.log(ppm[0] / stream.willingness(0.0, Random(seed))) for stream, ppm in known])
    assert unknown_count / (20 * seeds) == pytest.approx(setting.unknown_ratio, abs=0.03)
    assert math.sqrt(fmean(stdev(node) ** 2 for node in errors)) == pytest.approx(setting.channel_error, rel=0.1)
    assert stdev(fmean(node) for node in errors) == pytest.approx(
        math.hypot(setting.node_error, setting.channel_error / math.sqrt(20)), rel=0.15
    )
    assert fmean(map(fmean, errors)) == pytest.approx(0.0, abs=0.1)


def test_what_others_charge_drifts_with_the_competitor() -> None:
    (stream,) = draw_streams("competitor", replace(SMALL, channel_count=1, unknown_ratio=0.0), 90.0, Random(SEED))
    assert stream.others_ppm is not None
    prices = [stream.willingness(day * DAY_SECONDS, Random(SEED)) for day in range(90)]
    assert max(prices) > 1.5 * min(prices)
    errors = [math.log(ppm / price) for ppm, price in zip(stream.others_ppm, prices, strict=False)]
    assert max(errors) - min(errors) < 0.1


@pytest.mark.parametrize("seed", range(4))
def test_price_and_volume_jump_once_in_the_first_month_and_once_after_it(seed: int) -> None:
    """A week of customers before, and three between and after; no bursts, whose number is chance.

    Prices are low, so that two jumps upwards stay below what anybody pays at all.
    """
    setting = replace(
        SMALL,
        channel_count=2,
        customers_per_day=100.0,
        customers_spread=0.0,
        burst_factor=1.0,
        low_ppm=30.0,
        high_ppm=60.0,
    )
    rng = Random(seed)
    streams = draw_streams("shift", setting, 97.0, rng)
    stream = streams[0]
    (first_at, first), (second_at, second) = stream.shifts
    assert 0 < first_at / DAY_SECONDS < LEARNING_DAYS < second_at / DAY_SECONDS < 90
    assert {first, second} <= {0.4, 2.5}
    came = [customer for customer in draw_customers(streams, setting, 97.0, rng) if customer.out == 0]
    rates, prices = [], []
    for from_day, to_day in ((0, 7), (20, 41), (76, 97)):
        there = [one.willing_ppm for one in came if from_day * DAY_SECONDS <= one.at < to_day * DAY_SECONDS]
        rates.append(len(there) / (to_day - from_day))
        prices.append(median(there))
    assert rates == pytest.approx([100.0, 100.0 * first, 100.0 * first * second], rel=0.2)
    for before, after in pairwise(prices):
        assert after / before == pytest.approx(3.0 if after > before else 1 / 3, rel=0.15)


def test_where_payments_can_enter_by_no_other_channel_nobody_comes() -> None:
    """As in a small mixture of sinks and dead channels."""
    entry, sink = (
        Stream(100.0, weight, lambda _at, _rng: 500.0, None, jams_per_day=9.0, tiny_per_day=9.0)
        for weight in (1.0, 0.0)
    )
    customers = draw_customers([entry, sink], SMALL, 3.0, Random(SEED))
    assert {(one.out, one.first, one.second) for one in customers} == {(1, 0, 0)}


def test_the_node_is_of_middle_size() -> None:
    ranks = [ratio for seed in range(20) for ratio in make_world("dead", seed, 1.0, SMALL).size_rank_ratio]
    assert 0.4 <= min(ranks) < 0.45 < 0.55 < max(ranks) <= 0.6
