"""The climb: what it proposes, what it remembers, and that it waits until it can tell."""

from __future__ import annotations

import pytest
from hypothesis import assume, given

from revops.decide.governor import dead_band_ppm
from revops.decide.strategies.hill_climb import (
    LEAST_STEP_RATIO,
    PATIENCE,
    STEP_GROWTH,
    STEP_SHRINK,
    propose,
)
from revops.domain.decision import FeeState
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode
from revops.domain.snapshot import FeeInput
from tests.builders import HOUR, NOW, make_channel, make_fee_input, make_state
from tests.strategies import fee_inputs, fees_policies

POLICY = FeesConfig()


def test_a_channel_seen_for_the_first_time_is_only_watched() -> None:
    proposal = propose(make_fee_input(state=None), POLICY, NOW)
    assert proposal.ppm == 100
    assert [reason.code for reason in proposal.reasons] == [ReasonCode.FIRST_SEEN]
    assert proposal.state == FeeState(100, NOW, NOW)


def test_a_fee_that_somebody_else_changed_is_learnt_anew() -> None:
    known = make_state(fee_ppm=90, last_rate_msat=5_000.0, direction=-1, idle_open_seconds=30 * HOUR)
    proposal = propose(make_fee_input(state=known, last_earned_at=None), POLICY, NOW)
    assert proposal.ppm == 100
    assert [reason.sentence for reason in proposal.reasons] == [
        "fee changed outside revops, 90 -> 100 ppm: learning starts anew"
    ]
    assert proposal.state == FeeState(100, NOW, NOW, idle_open_seconds=30 * HOUR)


def test_a_fee_that_somebody_else_changed_was_not_idle_while_it_earned() -> None:
    known = make_state(fee_ppm=90, counted_at=NOW - HOUR, idle_open_seconds=80 * HOUR)
    proposal = propose(make_fee_input(state=known, last_earned_at=NOW - 60), POLICY, NOW)
    assert proposal.state.idle_open_seconds == 60


WATCH, UNCLEAR = ReasonCode.OBSERVING, ReasonCode.INCONCLUSIVE


@pytest.mark.parametrize(
    ("open_hours", "earned_msat", "count", "last", "last_error", "waiting"),
    [
        (7.9, 18_000, 9, None, None, WATCH),
        (7.9, 18_000, 9, 1.0, 0.0, WATCH),
        (8, 18_000, 9, None, None, None),
        (0, 0, 0, None, None, WATCH),
        # 8 h x 1,000 msat/h from 16 forwards: an error of 250 msat/h, 320 together with one of 200.
        (8, 8_000, 16, 1_250.0, 0.0, UNCLEAR),
        (8, 8_000, 16, 1_251.0, 0.0, None),
        (8, 8_000, 16, 749.0, 0.0, None),
        (8, 8_000, 16, 1_300.0, 200.0, UNCLEAR),
        (8, 8_000, 16, 1_330.0, 200.0, None),
        (8, 8_000, 16, 1_251.0, None, None),
        (8 * PATIENCE, 8_000 * PATIENCE, 16, 1_250.0, 0.0, None),
        (8 * PATIENCE - 0.1, 8_000 * PATIENCE, 16, 1_003.0, 0.0, UNCLEAR),
    ],
)
def test_it_waits_until_it_can_tell(
    open_hours: float,
    earned_msat: int,
    count: int,
    last: float | None,
    last_error: float | None,
    waiting: ReasonCode | None,
) -> None:
    state = make_state(open_seconds=open_hours * HOUR, last_rate_msat=last, last_rate_error_msat=last_error)
    proposal = propose(make_fee_input(state=state, earned_msat=earned_msat, earned_count=count), POLICY, NOW)
    if waiting is None:
        assert proposal.reasons[0].code not in (WATCH, UNCLEAR)
        assert proposal.ppm != 100
    else:
        assert [reason.code for reason in proposal.reasons] == [waiting]
        assert (proposal.ppm, proposal.state) == (100, state)
    assert all(reason.sentence for reason in proposal.reasons)


KEEP, REVERSE, PROBE = ReasonCode.CLIMB_KEEP, ReasonCode.CLIMB_REVERSE, ReasonCode.CLIMB_PROBE


@pytest.mark.parametrize(
    ("fee", "rate", "last", "direction", "step", "code", "proposed", "next_direction", "next_step"),
    [
        (100, 1_000, None, -1, 0.1, PROBE, 110, 1, 0.1),
        (100, 0, None, 1, 0.1, PROBE, 90, -1, 0.1),
        (100, 1_000, 900, 1, 0.1, KEEP, 112, 1, 0.1 * STEP_GROWTH),
        (100, 1_000, 1_000, 1, 0.1, KEEP, 112, 1, 0.1 * STEP_GROWTH),
        (100, 1_000, 900, -1, 0.1, KEEP, 88, -1, 0.1 * STEP_GROWTH),
        (100, 1_000, 1_100, 1, 0.1, REVERSE, 95, -1, 0.1 * STEP_SHRINK),
        (100, 1_000, 1_100, -1, 0.1, REVERSE, 105, 1, 0.1 * STEP_SHRINK),
        # Steps stay between the least and the policy's largest, and are never within the dead band.
        (100, 1_000, 1_100, 1, 0.05, REVERSE, 96, -1, LEAST_STEP_RATIO),
        (100, 1_000, 900, 1, 0.24, KEEP, 125, 1, 0.25),
        (12, 1_000, 900, 1, 0.05, KEEP, 14, 1, 0.05 * STEP_GROWTH),
        # Nothing earned: only a cheaper price can tell something.
        (100, 0, 900, 1, 0.1, REVERSE, 90, -1, 0.1),
        (100, 0, 900, -1, 0.1, KEEP, 90, -1, 0.1),
        (100, 0, 0, -1, 0.1, KEEP, 90, -1, 0.1),
        # At a bound there is one way to go, but none without revenue at the lower one.
        (2_500, 1_000, 900, 1, 0.1, KEEP, 2_200, -1, 0.1 * STEP_GROWTH),
        (2_500, 0, None, 1, 0.1, PROBE, 2_250, -1, 0.1),
        (10, 1_000, 900, -1, 0.1, KEEP, 12, 1, 0.1 * STEP_GROWTH),
        (10, 0, None, 1, 0.1, PROBE, 8, -1, 0.1),
        (10, 0, 900, 1, 0.1, REVERSE, 8, -1, 0.1),
    ],
)
def test_each_step(
    fee: int,
    rate: int,
    last: float | None,
    direction: int,
    step: float,
    code: ReasonCode,
    proposed: int,
    next_direction: int,
    next_step: float,
) -> None:
    state = make_state(fee_ppm=fee, open_seconds=40 * HOUR, direction=direction, step_ratio=step, last_rate_msat=last)
    fee_input = make_fee_input(make_channel(fee_ppm=fee), state=state, earned_msat=40 * rate, earned_count=min(rate, 9))
    proposal = propose(fee_input, POLICY, NOW)
    assert [reason.code for reason in proposal.reasons] == [code]
    assert proposal.ppm == proposed
    assert proposal.if_sent.direction == next_direction
    assert proposal.if_sent.step_ratio == pytest.approx(next_step)
    assert proposal.if_sent.last_rate_msat == proposal.rate_msat == rate
    assert proposal.if_sent.open_seconds == 0
    # Unless it is sent, nothing is learnt but time.
    assert proposal.state == state


@pytest.mark.parametrize("fee", [10, 60, 67, 101, 134, 1_000, 2_400])
@pytest.mark.parametrize("ratio", [0.03, 0.04, 0.1, 0.2])
def test_the_smallest_step_passes_the_dead_band(fee: int, ratio: float) -> None:
    """A step that is never announced is never learnt from: the climb would stand still for good."""
    policy = FeesConfig(dead_band_ratio=ratio)
    state = make_state(fee_ppm=fee, step_ratio=LEAST_STEP_RATIO, last_rate_msat=9_000.0)
    proposal = propose(make_fee_input(make_channel(fee_ppm=fee), state=state), policy, NOW)
    assert abs(proposal.ppm - fee) >= dead_band_ppm(fee, policy)


@given(fee_input=fee_inputs(), policy=fees_policies())
def test_a_proposal_is_the_fee_in_force_or_a_step_that_passes_the_dead_band(
    fee_input: FeeInput, policy: FeesConfig
) -> None:
    proposal = propose(fee_input, policy, NOW)
    fee_ppm = fee_input.channel.local_terms.fee_ppm
    assert [reason.sentence for reason in proposal.reasons]
    if proposal.reasons[0].code in (KEEP, REVERSE, PROBE):
        assert abs(proposal.ppm - fee_ppm) >= dead_band_ppm(fee_ppm, policy)
        assert (proposal.ppm > fee_ppm) is (proposal.if_sent.direction > 0)
        assert proposal.if_sent.step_ratio <= policy.max_step_ratio
    else:
        assert proposal.ppm == fee_ppm


@given(fee_input=fee_inputs(), policy=fees_policies())
def test_without_revenue_it_never_proposes_a_raise(fee_input: FeeInput, policy: FeesConfig) -> None:
    assume(fee_input.earned_count == 0)
    assert propose(fee_input, policy, NOW).ppm <= fee_input.channel.local_terms.fee_ppm


@given(fee_input=fee_inputs(), policy=fees_policies())
def test_the_rate_is_the_score_per_open_hour(fee_input: FeeInput, policy: FeesConfig) -> None:
    """What was earned where nothing better is known: weighted by reputation, net of liquidity."""
    proposal = propose(fee_input, policy, NOW)
    score_msat = fee_input.earned_msat if fee_input.score_msat is None else fee_input.score_msat
    assert proposal.rate_msat * proposal.state.open_seconds in (0.0, pytest.approx(score_msat * 3600))
