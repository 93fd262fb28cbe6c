"""The belief about demand: what it learns from prices, that it is one, and that no numbers break it."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.demand_curve import (
    BURSTINESS,
    HALF_LIFE_SECONDS,
    SCALES_PPM,
    SILENT_HOURS,
    STEEPNESSES,
    Belief,
    best_price,
    elasticity,
    interval,
    learn,
    of_today,
    rate_per_hour,
    rates_per_hour,
    shares,
)
from revops.domain.decision import PriceWindow
from tests.builders import HOUR, NOW

PRICES = [round(10 * 1.05**power) for power in range(110)]


def paying(price_ppm: float, scale_ppm: float, steepness: float) -> float:
    return 1 / (1 + math.pow(price_ppm / scale_ppm, steepness))


def tried(
    scale_ppm: float, steepness: float, per_hour: float, *prices_ppm: int, hours: float = 1e4
) -> list[PriceWindow]:
    """What such customers leave behind at each price, by expectation."""
    return [
        PriceWindow(NOW - HOUR, ppm, hours, per_hour * hours * paying(ppm, scale_ppm, steepness)) for ppm in prices_ppm
    ]


@pytest.mark.parametrize(("scale_ppm", "steepness"), [(48.3, 1.0), (233.0, 3.0), (394.0, 12.0), (1_126.0, 0.5)])
def test_it_finds_the_customers_that_there_are(scale_ppm: float, steepness: float) -> None:
    prices = [round(scale_ppm * factor) for factor in (0.4, 0.6, 0.8, 1.0, 1.25)]
    belief = learn(tried(scale_ppm, steepness, 3.0, *prices), 200, NOW)
    for ppm in prices:
        assert rate_per_hour(belief, ppm) == pytest.approx(3.0 * paying(ppm, scale_ppm, steepness), rel=0.05)
    found, low, high = elasticity(belief, scale_ppm)
    assert found == pytest.approx(steepness / 2, rel=0.15)
    assert low - 0.01 <= found <= high + 0.01
    wanted = max(PRICES, key=lambda ppm: paying(ppm, scale_ppm, steepness) * ppm)
    got = best_price(belief, PRICES, 0.0)
    income = [paying(ppm, scale_ppm, steepness) * ppm for ppm in (got, wanted)]
    assert income[0] > 0.95 * income[1]


def test_what_a_sold_sat_costs_makes_it_dearer_and_what_it_gains_cheaper() -> None:
    belief = learn(tried(233.0, 3.0, 3.0, 120, 180, 260), 200, NOW)
    prices = [best_price(belief, PRICES, cost_ppm) for cost_ppm in (-200.0, 0.0, 200.0, 400.0)]
    assert prices == sorted(set(prices))


def test_where_nothing_is_known_the_market_is_the_guide() -> None:
    """The dearer others are, the fewer customers a higher price costs."""
    guesses = [learn((), market_ppm, NOW) for market_ppm in (50, 200, 800)]
    kept = [rate_per_hour(belief, 400) / rate_per_hour(belief, 100) for belief in guesses]
    assert kept == sorted(set(kept))


def mean_scale_ppm(belief: Belief) -> float:
    scales = [scale for scale in SCALES_PPM for _steepness in STEEPNESSES]
    return math.exp(sum(weight * math.log(scale) for weight, scale in zip(belief.weights, scales, strict=True)))


@pytest.mark.parametrize("count", [0.0, 1.0, 5.0])
def test_a_dear_price_that_few_pay_proves_no_dear_market(count: float) -> None:
    """It may be a dear market with few customers, or a cheap one with many: by itself it says nothing of that."""
    unseen = mean_scale_ppm(learn((), 200, NOW))
    assert mean_scale_ppm(learn([PriceWindow(NOW, 1_000, 200.0, count)], 200, NOW)) < 1.1 * unseen


def test_as_many_at_two_prices_prove_one_and_fewer_at_the_dearer_prove_the_opposite() -> None:
    unseen = mean_scale_ppm(learn((), 200, NOW))
    both = [learn([PriceWindow(NOW, 100, 50.0, 30.0), PriceWindow(NOW, 400, 50.0, n)], 200, NOW) for n in (30.0, 3.0)]
    assert mean_scale_ppm(both[0]) > 2 * unseen > 2 * mean_scale_ppm(both[1])


@pytest.mark.parametrize("hours", [1.0, 24.0, 240.0])
def test_the_level_is_what_came(hours: float) -> None:
    """However many come: the prior doesn't draw towards a usual level."""
    for per_hour in (0.5, 5.0, 500.0):
        belief = learn([PriceWindow(NOW, 100, 10 * hours, per_hour * 10 * hours)], 200, NOW)
        assert rate_per_hour(belief, 100) == pytest.approx(per_hour, rel=0.12)


def test_tables_are_as_exact_as_prices_are_told_apart() -> None:
    """To 2 %: a share is off by at most a quarter of its steepness times half of that."""
    grid = [(scale, steepness) for scale in SCALES_PPM for steepness in STEEPNESSES]
    for price_ppm in (1, 7, 10, 99, 100, 101, 333, 2_499, 10**6):
        for share, (scale_ppm, steepness) in zip(shares(price_ppm), grid, strict=True):
            assert share == pytest.approx(paying(price_ppm, scale_ppm, steepness), abs=steepness * 0.0026)
    assert shares(0) == shares(1)
    belief = learn(tried(233.0, 3.0, 3.0, 120, 180, 260), 200, NOW)
    assert rates_per_hour(belief, PRICES) == [rate_per_hour(belief, ppm) for ppm in PRICES]


def test_windows_of_one_price_are_one() -> None:
    cut = [PriceWindow(NOW, 150, 10.0, 4.0), PriceWindow(NOW, 150, 30.0, 26.0)]
    parts, whole = learn(cut, 200, NOW), learn([PriceWindow(NOW, 150, 40.0, 30.0)], 200, NOW)
    assert parts.interest_count == pytest.approx(whole.interest_count)
    assert parts.weights == pytest.approx(whole.weights)


ALIVE = (PriceWindow(NOW, 100, 40.0, 40.0), PriceWindow(NOW, 200, 40.0, 20.0))


@pytest.mark.parametrize(
    ("after", "kept_count"),
    [
        ((), 0),
        # Long enough, and no chance.
        ([(200, 40.0, 0.0)], 1),
        ([(100, 40.0, 0.5)], 1),
        ([(200, 10.0, 0.0), (150, 10.0, 0.0), (80, 10.0, 0.0)], 3),
        ([(60, 700.0, 3.0)], 1),
        # A night; a price that was never paid; fewer, but some; what had been rare before.
        ([(200, SILENT_HOURS - 1, 0.0)], 0),
        ([(201, 400.0, 0.0)], 0),
        ([(200, 40.0, 3.0)], 0),
        ([(200, 40.0, 0.0), (100, 10.0, 8.0)], 0),
    ],
)
def test_a_silence_ends_what_was_known(after: list[tuple[int, float, float]], kept_count: int) -> None:
    windows = (*ALIVE, *(PriceWindow(NOW, *one) for one in after))
    assert of_today(windows) == (windows[-kept_count:] if kept_count else windows)


def test_where_payments_are_rare_or_the_price_was_never_open_a_silence_is_none() -> None:
    silence = PriceWindow(NOW, 200, 100.0, 0.0)
    burst = (PriceWindow(NOW, 200, 0.1, 0.5), PriceWindow(NOW, 200, 100.0, 1.0))
    assert of_today(burst) == burst
    rare, shut = PriceWindow(NOW, 200, 100.0, 8.0), PriceWindow(NOW, 200, 0.0, 0.0)
    for windows in ((rare, silence), (shut, silence), (silence, silence), (silence,), ()):
        assert of_today(windows) == windows


def test_a_dead_market_is_forgotten_sooner_than_it_fades() -> None:
    dead = learn((*ALIVE, PriceWindow(NOW, 100, 100.0, 0.0)), 200, NOW)
    assert rate_per_hour(dead, 100) < 0.01
    assert rate_per_hour(learn(ALIVE, 200, NOW), 100) > 0.5


def test_old_evidence_counts_less() -> None:
    fresh = tried(233.0, 3.0, 3.0, 120, hours=100)
    old = [PriceWindow(NOW - HALF_LIFE_SECONDS, one.fee_ppm, one.open_hours, one.interest_count) for one in fresh]
    counts = [learn(windows, 200, NOW).interest_count for windows in (old, fresh)]
    assert counts[0] == pytest.approx(counts[1] / 2, rel=0.01)


def test_few_payments_by_chance_leave_it_unsure() -> None:
    rng = Random(5)
    few = [PriceWindow(NOW - HOUR, ppm, 8.0, float(rng.randrange(3))) for ppm in (150, 200, 260)]
    many = tried(233.0, 3.0, 3.0, 150, 200, 260)
    narrow, wide = (elasticity(learn(windows, 200, NOW), 200) for windows in (many, few))
    assert wide[2] - wide[1] > 3 * (narrow[2] - narrow[1])


windows = st.lists(
    st.builds(PriceWindow, st.floats(0, 2 * NOW), st.integers(0, 2**32 - 1), st.floats(0, 1e6), st.floats(0, 1e6)),
    max_size=30,
)


@given(windows=windows)
def test_what_is_left_of_memory_is_its_end(windows: list[PriceWindow]) -> None:
    left = of_today(windows)
    assert list(left) == windows[len(windows) - len(left) :]
    assert len(left) == len(windows) or sum(one.open_hours for one in left) >= SILENT_HOURS


@given(
    windows=windows, market_ppm=st.one_of(st.integers(0, 10**6), st.floats(1e-9, 1e9)), cost_ppm=st.floats(-1e6, 1e6)
)
def test_it_is_a_belief_whatever_was_seen(windows: list[PriceWindow], market_ppm: float, cost_ppm: float) -> None:
    belief = learn(windows, market_ppm, NOW)
    assert sum(belief.weights) == pytest.approx(1)
    assert min(belief.weights) >= 0
    assert all(math.isfinite(level) and level > 0 for level in belief.levels_per_hour)
    assert best_price(belief, PRICES, cost_ppm) in PRICES
    rates = [rate_per_hour(belief, ppm) for ppm in PRICES]
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in pairwise(rates))
    low, high = interval(belief.weights, shares(200))
    assert low <= high


@given(price_ppm=st.integers(0, 2**32 - 1))
def test_a_share_is_one(price_ppm: int) -> None:
    assert all(0 <= share <= 1 for share in shares(price_ppm))


@pytest.mark.parametrize(
    ("windows", "contrast"),
    [
        ([], 0.0),
        ([(100, 10.0, 50.0)], 0.0),
        ([(100, 10.0, 50.0), (100, 20.0, 10.0)], 0.0),
        # Half the time each, at prices that are a factor of two apart: each is half of ln 2 from the middle.
        ([(100, 10.0, 50.0), (200, 10.0, 10.0)], 60 * (math.log(2) / 2) ** 2),
        ([(100, 10.0, 60.0), (200, 10.0, 0.0)], 60 * (math.log(2) / 2) ** 2),
        ([(100, 30.0, 40.0), (200, 10.0, 0.0)], 40 * 3 / 16 * math.log(2) ** 2),
    ],
)
def test_the_contrast_is_what_prices_and_hours_could_tell(
    windows: list[tuple[int, float, float]], contrast: float
) -> None:
    belief = learn([PriceWindow(NOW, ppm, hours, count) for ppm, hours, count in windows], 200, NOW)
    assert belief.contrast * BURSTINESS == pytest.approx(contrast, rel=0.03)
