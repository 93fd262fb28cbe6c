"""The rails: nothing passes them, whatever a strategy says and however the policy is set."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace as with_settings

from revops.decide.governor import dead_band_ppm
from revops.decide.rails import apply_rails, sane, step_limits_ppm, within_bounds
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode, why
from revops.domain.units import MAX_U32
from tests.builders import HOUR
from tests.strategies import fees_policies, fees_ppm

proposals = st.one_of(
    fees_ppm,
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from((math.nan, math.inf, -math.inf, 2.0**63, -0.0, 2**63)),
)
idle_times = st.one_of(st.floats(0, 100 * 24 * HOUR), st.sampled_from((0.0, -1.0, math.inf)))

#: 10 to 2,500 ppm, steps of a quarter, hold after 24 h, drop after 72 h to 85 %.
QUARTER = FeesConfig(max_step_ratio=0.25)


@given(policy=fees_policies(), current=fees_ppm, proposal=proposals, idle=st.floats(), routable=st.booleans())
def test_nothing_leaves_the_bounds(
    policy: FeesConfig, current: int, proposal: float, idle: float, routable: bool
) -> None:
    ppm, _ = apply_rails(current, proposal, idle, routable, policy)
    assert type(ppm) is int
    assert policy.min_ppm <= ppm <= policy.max_ppm


@given(policy=fees_policies(), current=fees_ppm, proposal=proposals, idle=idle_times, routable=st.booleans())
def test_no_change_is_larger_than_the_step_unless_the_fee_was_out_of_bounds(
    policy: FeesConfig, current: int, proposal: float, idle: float, routable: bool
) -> None:
    ppm, reasons = apply_rails(current, proposal, idle, routable, policy)
    outside = not policy.min_ppm <= current <= policy.max_ppm
    assert outside is any(reason.code is ReasonCode.OUT_OF_BOUNDS for reason in reasons)
    lowest, highest = step_limits_ppm(current, policy)
    assert outside or lowest <= ppm <= highest


@given(policy=fees_policies(), current=fees_ppm, proposal=proposals, idle=idle_times, routable=st.booleans())
@example(policy=FeesConfig(), current=5, proposal=600, idle=30 * HOUR, routable=True)
def test_a_fee_without_revenue_is_never_raised(
    policy: FeesConfig, current: int, proposal: float, idle: float, routable: bool
) -> None:
    ppm, _ = apply_rails(current, proposal, idle, routable, policy)
    if idle >= policy.zero_flow_hold_seconds:
        assert ppm <= max(current, policy.min_ppm)
    if idle >= policy.zero_flow_drop_seconds and routable and policy.min_ppm < current <= policy.max_ppm:
        assert ppm < current


@given(policy=fees_policies(), current=fees_ppm, proposal=proposals, idle=idle_times, routable=st.booleans())
def test_what_the_rails_did_is_said_and_only_that(
    policy: FeesConfig, current: int, proposal: float, idle: float, routable: bool
) -> None:
    ppm, reasons = apply_rails(current, proposal, idle, routable, policy)
    assert all(reason.sentence for reason in reasons)
    assert len({reason.code for reason in reasons}) == len(reasons)
    if ppm != sane(proposal, current):
        assert reasons


@given(current=fees_ppm, proposal=proposals)
def test_a_sane_proposal_is_a_whole_number_that_setchannel_can_express(current: int, proposal: float) -> None:
    ppm = sane(proposal, current)
    assert type(ppm) is int
    assert 0 <= ppm <= MAX_U32
    if isinstance(proposal, float) and not math.isfinite(proposal):
        assert ppm == current
    elif 0 <= proposal <= MAX_U32:
        assert ppm == int(proposal)


@given(policy=fees_policies(), ppm=st.integers(-(2**63), 2**63))
def test_bounds_are_bounds(policy: FeesConfig, ppm: int) -> None:
    bounded = within_bounds(ppm, policy)
    assert policy.min_ppm <= bounded <= policy.max_ppm
    assert bounded == ppm or not policy.min_ppm <= ppm <= policy.max_ppm


F, C, H, D, S, OUT = (
    ReasonCode.FLOOR,
    ReasonCode.CEILING,
    ReasonCode.ZERO_FLOW_HOLD,
    ReasonCode.ZERO_FLOW_DROP,
    ReasonCode.STEP_LIMIT,
    ReasonCode.OUT_OF_BOUNDS,
)


@pytest.mark.parametrize(
    ("current", "proposal", "idle_hours", "routable", "expected", "codes"),
    [
        (100, 110, 0, True, 110, []),
        (100, 110.9, 0, True, 110, []),
        (100, math.nan, 0, True, 100, []),
        (100, math.inf, 0, True, 100, []),
        (100, -5, 0, True, 80, [F, S]),
        (100, 2**63, 0, True, 125, [C, S]),
        (100, 126, 0, True, 125, [S]),
        (100, 79, 0, True, 80, [S]),
        (11, 5, 0, True, 10, [F]),
        (2_450, 2_600, 0, True, 2_500, [C]),
        # Without revenue: held from 24 h on, dropped from 72 h on if the channel could have routed.
        (100, 110, 23.9, True, 110, []),
        (100, 110, 24, True, 100, [H]),
        (100, 101, 24, True, 100, [H]),
        (100, 90, 24, True, 90, []),
        (100, 110, 72, False, 100, [H]),
        (100, 110, 72, True, 85, [D]),
        (100, 90, 72, True, 85, [D]),
        (100, 85, 72, True, 85, []),
        (100, 80, 72, True, 80, []),
        (11, 11, 72, True, 10, [D]),
        (10, 12, 72, True, 10, [H]),
        # Out of bounds: back inside at once, however far, from there a step, and none without revenue.
        (5_000, 5_000, 0, True, 2_500, [C, OUT]),
        (5_000, 6_000, 24, True, 2_500, [H, C, OUT]),
        (5_000, 5_000, 72, True, 2_500, [D, C, OUT]),
        (0, 0, 0, True, 10, [F, OUT]),
        (5, 55, 0, True, 12, [OUT, S]),
        (5_000, 50, 0, True, 2_000, [OUT, S]),
        (5, 55, 24, True, 10, [H, OUT]),
        (5, 55, 72, True, 10, [H, OUT]),
    ],
)
def test_each_rail(
    current: int, proposal: float, idle_hours: float, routable: bool, expected: int, codes: list[ReasonCode]
) -> None:
    ppm, reasons = apply_rails(current, proposal, idle_hours * HOUR, routable, QUARTER)
    assert ppm == expected
    assert [reason.code for reason in reasons] == codes


def test_the_floor_never_beats_the_ceiling() -> None:
    policy = FeesConfig(min_ppm=300, max_ppm=300)
    assert {apply_rails(current, wish, 0, True, policy)[0] for current in (0, 300, 900) for wish in (0, 300, 900)} == {
        300
    }


@pytest.mark.parametrize(
    ("current", "band", "expected"),
    [(1_000, {}, 850), (1_000, {"dead_band_ratio": 0.2}, 800), (100, {"dead_band_ppm": 40}, 60)],
)
def test_a_drop_passes_the_dead_band(current: int, band: dict[str, Any], expected: int) -> None:
    assert apply_rails(current, current, 80 * HOUR, True, FeesConfig(**band))[0] == expected


@example(policy=FeesConfig(dead_band_ratio=0.24, max_step_ratio=0.25), current=10)
@given(policy=fees_policies(), current=fees_ppm)
def test_a_step_is_never_within_the_dead_band(policy: FeesConfig, current: int) -> None:
    """One that is would never be announced."""
    lowest, highest = step_limits_ppm(current, policy)
    assert min(current - lowest, highest - current) >= dead_band_ppm(current, policy)


@pytest.mark.parametrize(
    ("ratio", "current", "limits"),
    [
        (0.25, 0, (-2, 2)),
        (0.25, 7, (5, 9)),
        (0.25, 12, (10, 15)),
        (0.25, 100, (80, 125)),
        (0.25, 2_500, (2_000, 3_125)),
        (1.0, 100, (50, 200)),
        (4.0, 100, (20, 500)),
    ],
)
def test_a_step_is_as_many_times_cheaper_as_dearer_and_passes_the_dead_band(
    ratio: float, current: int, limits: tuple[int, int]
) -> None:
    assert step_limits_ppm(current, FeesConfig(max_step_ratio=ratio)) == limits


@given(policy=fees_policies(), current=st.integers(0, 1_000_000))
def test_a_step_down_takes_a_step_up_back(policy: FeesConfig, current: int) -> None:
    """To the ppm; it goes further only where the dead band, wider at the dearer fee, is wider than the rise."""
    _, highest = step_limits_ppm(current, policy)
    lowest, _ = step_limits_ppm(highest, policy)
    assert lowest == min(current, highest - dead_band_ppm(highest, policy))


@given(policy=fees_policies(), current=st.integers(0, 1_000_000))
def test_a_step_up_takes_a_step_down_back(policy: FeesConfig, current: int) -> None:
    """But for half a ppm that the cut is rounded by, which the rise multiplies, and half a ppm of its own. Without a
    dead band: one that is wider than the step is wider at the dearer fee, and the way down longer than that back.
    """
    free = with_settings(policy, dead_band_ppm=0, dead_band_ratio=0.0)
    lowest, _ = step_limits_ppm(current, free)
    _, back = step_limits_ppm(max(lowest, 0), free)
    assert abs(back - current) <= 0.5 * (1 + free.max_step_ratio) + 0.5 + 1e-6


@given(policy=fees_policies(), current=st.integers(0, 1_000_000))
def test_a_dead_band_wider_than_the_step_is_the_step(policy: FeesConfig, current: int) -> None:
    """And without one a step is as many times dearer, or cheaper, as the policy says, to the nearest ppm."""
    most, band_ppm = 1 + policy.max_step_ratio, dead_band_ppm(current, policy)
    lowest, highest = step_limits_ppm(current, policy)
    assert current - lowest == band_ppm or abs(current / most - lowest) <= 0.5
    assert highest - current == band_ppm or abs(current * most - highest) <= 0.5


@pytest.mark.parametrize(
    ("proposal", "expected", "limit_ppm"), [(1_000, 200, 100), (200, 200, None), (10, 50, 50), (50, 50, None)]
)
def test_by_default_a_step_doubles_the_fee_or_halves_it(proposal: int, expected: int, limit_ppm: int | None) -> None:
    ppm, reasons = apply_rails(100, proposal, 0, True, FeesConfig())
    assert ppm == expected
    assert reasons == (() if limit_ppm is None else (why(ReasonCode.STEP_LIMIT, limit_ppm=limit_ppm),))


def test_even_a_free_channel_can_take_a_step() -> None:
    assert step_limits_ppm(0, FeesConfig(dead_band_ppm=0, dead_band_ratio=0, max_step_ratio=0.01)) == (-1, 1)


@pytest.mark.parametrize(
    ("worth", "proposal", "expected", "code"),
    [
        (0.0, 110, 85, ReasonCode.ZERO_FLOW_DROP),
        (math.nan, 110, 85, ReasonCode.ZERO_FLOW_DROP),
        (60.0, 110, 85, ReasonCode.ZERO_FLOW_DROP),
        # A sat is worth more than the price would fall to: no further, and no dearer either.
        (95.0, 110, 95, ReasonCode.ZERO_FLOW_WORTH),
        (900.0, 110, 100, ReasonCode.ZERO_FLOW_WORTH),
        (math.inf, 110, 100, ReasonCode.ZERO_FLOW_WORTH),
    ],
)
def test_want_of_revenue_lowers_no_price_below_what_a_sat_is_worth(
    worth: float, proposal: int, expected: int, code: ReasonCode
) -> None:
    ppm, reasons = apply_rails(100, proposal, 80 * HOUR, True, QUARTER, worth_ppm=worth)
    assert ppm == expected
    assert [reason.code for reason in reasons] == [code]


def test_a_strategy_may_still_go_below_it() -> None:
    assert apply_rails(100, 90, 80 * HOUR, True, QUARTER, worth_ppm=900.0)[0] == 90
