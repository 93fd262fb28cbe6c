"""The floor by the chain: what a force-close is expected to cost, and the samples that it is reckoned from."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.chain_floor import (
    ANCHOR_WEIGHT,
    COMMITMENT_WEIGHT,
    LEAST_SAMPLES,
    MOST_PREMIUM,
    OLDEST_SECONDS,
    SWEEP_WEIGHT,
    ChainRate,
    chain_rate,
    close_cost_msat,
    exposure_ppm,
    yearly_msat,
)
from revops.domain.node import Feerates
from tests.builders import DAY, HOUR, NOW, SAT, make_channel

perkws = st.one_of(st.none(), st.integers(0, 1_000), st.integers(0, 10**9))


def sample(hours_ago: float = 0.0, perkw: int | None = 250, **rates: int | None) -> Feerates:
    """Feerates of so many hours ago, of which the node estimates only that of a force-close."""
    known: dict[str, int | None] = dict.fromkeys(
        ("opening_perkw", "mutual_close_perkw", "penalty_perkw", "blocks_2_perkw", "blocks_12_perkw")
    )
    known |= {"floor_perkw": 250, "unilateral_close_perkw": perkw} | rates
    return Feerates(sampled_at=NOW - hours_ago * HOUR, **known)


def test_the_weights_are_those_of_the_specification() -> None:
    # BOLT 3, appendix A: commitment with option_anchors. BOLT 5: a penalty on to_local is 324 + 53 x 4 + 2.
    assert (COMMITMENT_WEIGHT, SWEEP_WEIGHT) == (1_124, 538)
    # The anchor's input with its 40 byte script, a P2WPKH input of the wallet's, and change.
    assert ANCHOR_WEIGHT == 280 + 272 + 214


@pytest.mark.parametrize(
    ("perkw", "ours_sat", "theirs_sat"), [(250, 607, 326), (25, 60.7, 32.6), (25_000, 60_700, 32_600)]
)
def test_the_opener_pays_for_the_commitment(perkw: int, ours_sat: float, theirs_sat: float) -> None:
    assert close_cost_msat(make_channel(opener="local"), perkw) == pytest.approx(ours_sat * SAT)
    assert close_cost_msat(make_channel(opener="remote"), perkw) == pytest.approx(theirs_sat * SAT)


def test_the_volume_is_the_larger_of_the_usual_and_the_realised() -> None:
    channel = make_channel(capacity_msat=1_000_000 * SAT)
    assert yearly_msat([channel], 0) == 5_000_000 * SAT
    assert yearly_msat([channel], 3_000_000 * SAT) == 36_500_000 * SAT
    assert yearly_msat([channel, channel], 0) == 10_000_000 * SAT


def test_the_exposure_is_what_earns_the_expected_loss_back() -> None:
    # 6,070 sat at 10 sat/vB, one close in ten years, 25,000,000 sat a year.
    cost_msat = close_cost_msat(make_channel(), 2_500)
    assert exposure_ppm(cost_msat, 25_000_000 * SAT) == pytest.approx(24.28)
    assert exposure_ppm(cost_msat, 0) == 0


@pytest.mark.parametrize(
    ("samples", "perkw", "hours_old"),
    [
        ([], None, None),
        ([sample(0, None)], None, None),
        ([sample(0, 0)], None, None),
        ([sample(0, 900)], 900, 0),
        ([sample(0, 26)], 26, 0),
        # The nearest thing where there is no estimate for a force-close; never the relay floor.
        ([sample(0, None, blocks_12_perkw=300, opening_perkw=400)], 300, 0),
        ([sample(0, None, opening_perkw=400, mutual_close_perkw=500)], 400, 0),
        ([sample(0, None, mutual_close_perkw=500)], 500, 0),
        # A failed estimate changes nothing: the last sample that has one counts, for three days.
        ([sample(5, 900), sample(0, None)], 900, 5),
        ([sample(0, None), sample(5, 900), sample(7, 100)], 900, 5),
        ([sample(71, 900), sample(0, None)], 900, 71),
        ([sample(73, 900), sample(0, None)], None, None),
        # From the future, by a clock that was wrong.
        ([sample(-1, 900)], None, None),
        ([sample(-1, 900), sample(2, 300)], 300, 2),
    ],
)
def test_which_sample_counts(samples: list[Feerates], perkw: int | None, hours_old: float | None) -> None:
    rate = chain_rate(samples, NOW)
    assert (rate.perkw if rate else None) == perkw
    assert (rate.age_seconds / HOUR if rate else None) == hours_old
    if rate is not None:
        assert rate.old is (rate.age_seconds > HOUR)


def history(*hourly: int) -> list[Feerates]:
    """A sample an hour, the last of them now."""
    return [sample(len(hourly) - 1 - place, perkw) for place, perkw in enumerate(hourly)]


@pytest.mark.parametrize(
    ("hourly", "premium"),
    [
        ([250] * 24, 1.0),
        # Within what a day brings.
        ([250] * 23 + [375], 1.0),
        ([250] * 23 + [600], 1.36),
        ([250] * 23 + [1_000], 2.0),
        ([250] * 23 + [50_000], 2.0),
        # Calm again.
        ([250] * 12 + [2_500] * 5 + [250], 1.0),
        # Too few samples are no habit.
        ([250] * (LEAST_SAMPLES - 2) + [5_000], 1.0),
        ([250] * (LEAST_SAMPLES - 1) + [5_000], 2.0),
    ],
)
def test_a_spike_has_a_premium(hourly: list[int], premium: float) -> None:
    rate = chain_rate(history(*hourly), NOW)
    assert rate is not None
    assert rate.premium == pytest.approx(premium)


def test_the_premium_goes_as_the_median_follows() -> None:
    """A step to ten times the rate that lasts: full at first, gone within a day, though the rate stays."""
    premiums = []
    for hours_high in range(1, 25):
        rate = chain_rate(history(*[250] * 48, *[2_500] * hours_high)[-60:], NOW)
        assert rate is not None
        premiums.append(rate.premium)
    assert premiums[0] == MOST_PREMIUM
    assert premiums == sorted(premiums, reverse=True)
    assert set(premiums[12:]) == {1.0}


@given(samples=st.lists(st.builds(sample, st.floats(-48, 200), perkws, opening_perkw=perkws, blocks_12_perkw=perkws)))
def test_whatever_the_samples_the_rate_is_one_of_them_and_the_premium_bounded(samples: list[Feerates]) -> None:
    rate = chain_rate(samples, NOW)
    if rate is None:
        return
    assert 0 <= rate.age_seconds <= OLDEST_SECONDS
    assert 1 <= rate.premium <= MOST_PREMIUM
    assert math.isfinite(rate.ratio)
    assert any(
        rate.perkw in (one.unilateral_close_perkw, one.blocks_12_perkw, one.opening_perkw)
        for one in samples
        if one.sampled_at == pytest.approx(NOW - rate.age_seconds)
    )


@given(samples=st.lists(st.builds(sample, st.floats(0, 70), st.integers(1, 10**6)), min_size=1))
def test_the_order_of_samples_does_not_matter(samples: list[Feerates]) -> None:
    assert chain_rate(samples, NOW) == chain_rate(reversed(samples), NOW) or len(
        {one.sampled_at for one in samples}
    ) < len(samples)


def test_a_sample_of_three_days_ago_is_the_oldest_that_counts() -> None:
    assert OLDEST_SECONDS == 3 * DAY
    assert chain_rate([sample(72, 500)], NOW) == ChainRate(500, 72 * HOUR)
