"""The htlc_max valve: steps, slack, bounds, and how it travels with the fee."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.fees import decide_fees
from revops.decide.valve import LEAST_HTLC_MAX_MSAT, LEVEL_COUNT, Step, ceiling_msat, wanted_step
from revops.domain.channel import Channel
from revops.domain.decision import Outcome
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode
from revops.domain.snapshot import FeePin
from tests.builders import (
    HOUR,
    NOW,
    SAT,
    make_channel,
    make_climb,
    make_fee_input,
    make_fee_snapshot,
    make_state,
    make_terms,
)
from tests.strategies import channels, fee_inputs, fees_policies

VALVE = make_climb(htlc_max="valve")
TURNS = {ReasonCode.HTLC_MAX, ReasonCode.HTLC_MAX_UNFIT, ReasonCode.HTLC_MAX_OVERSIZED}
#: 5,000,000 sat less 1 %.
MOST_MSAT = 4_950_000 * SAT
QUARTER_MSAT = 1_237_500 * SAT


def valved(local_percent: float, htlc_max_msat: int = MOST_MSAT, **overrides: Any) -> Channel:
    terms = make_terms(htlc_max_msat=htlc_max_msat)
    return make_channel(local_msat=int(5_000_000 * SAT * local_percent / 100), local_terms=terms, **overrides)


@pytest.mark.parametrize(
    ("channel", "step"),
    [
        (valved(100), None),
        (valved(76), None),
        (valved(71), None),  # within the slack of the fourth step
        (valved(69), Step(3, 3 * QUARTER_MSAT)),
        (valved(50), Step(2, 2 * QUARTER_MSAT)),
        (valved(0), Step(1, QUARTER_MSAT)),
        (valved(29, QUARTER_MSAT), None),
        (valved(31, QUARTER_MSAT), Step(2, 2 * QUARTER_MSAT)),
        (valved(100, QUARTER_MSAT), Step(4, MOST_MSAT)),
        # A figure that the node made a little smaller is still the step; somebody else's is none.
        (valved(100, MOST_MSAT - 200_000 * SAT), None),
        (valved(100, 4_000_000 * SAT), Step(4, MOST_MSAT)),
        (valved(100, MOST_MSAT + 1), Step(4, MOST_MSAT)),
        # The peer's own limit is a ceiling, too.
        (valved(100, max_in_flight_out_msat=10**9), Step(4, 10**9)),
        (valved(60, max_in_flight_out_msat=10**9), Step(3, 750_000 * SAT)),
        (valved(0, max_in_flight_out_msat=20_000 * SAT), Step(1, LEAST_HTLC_MAX_MSAT)),
        (valved(0, max_in_flight_out_msat=9_000 * SAT), None),
        (valved(0, remote_terms=make_terms(htlc_min_msat=2 * 10**9)), Step(1, 2 * 10**9)),
        (valved(0, remote_terms=None), Step(1, QUARTER_MSAT)),
        (make_channel(capacity_msat=0), None),
    ],
)
def test_the_step_follows_the_balance_with_slack(channel: Channel, step: Step | None) -> None:
    assert wanted_step(channel) == step


@given(channel=channels())
def test_no_step_leaves_the_bounds_and_none_is_asked_for_twice(channel: Channel) -> None:
    step = wanted_step(channel)
    if step is None:
        return
    assert 1 <= step.level <= LEVEL_COUNT
    assert step.htlc_max_msat <= channel.capacity_msat - channel.our_reserve_msat
    assert step.htlc_max_msat <= ceiling_msat(channel)
    assert step.htlc_max_msat >= LEAST_HTLC_MAX_MSAT
    assert step.htlc_max_msat >= channel.local_terms.htlc_min_msat
    if channel.remote_terms is not None:
        assert step.htlc_max_msat >= channel.remote_terms.htlc_min_msat
    terms = replace(channel.local_terms, htlc_max_msat=step.htlc_max_msat)
    assert wanted_step(replace(channel, local_terms=terms)) is None


@given(percents=st.lists(st.floats(46, 54), min_size=2, max_size=50), start=st.sampled_from((2, 3)))
def test_a_balance_at_the_edge_of_a_step_turns_nothing(percents: list[float], start: int) -> None:
    for percent in percents:
        assert wanted_step(valved(percent, start * QUARTER_MSAT)) is None


@given(fee_input=fee_inputs(), policy=fees_policies())
def test_only_the_valve_touches_the_largest_payment(fee_input: Any, policy: FeesConfig) -> None:
    decision = decide_fees(make_fee_snapshot(fee_input), policy).decisions[0]
    assert decision.old_htlc_max_msat == fee_input.channel.local_terms.htlc_max_msat
    told = [reason.code for reason in decision.reasons if reason.code in TURNS]
    assert len(told) == (decision.new_htlc_max_msat is not None)
    if policy.htlc_max == "keep" and told:
        # But for one that is beyond what the channel holds.
        assert told == [ReasonCode.HTLC_MAX_OVERSIZED]
        assert fee_input.channel.local_terms.htlc_max_msat > fee_input.channel.least_capacity_msat


def drained(**overrides: Any) -> Any:
    """A drained channel in the middle of its window: hill_climb leaves its fee."""
    return make_fee_input(valved(10), state=make_state(open_seconds=2 * HOUR), **overrides)


def test_the_valve_alone_is_worth_an_announcement_and_leaves_the_window() -> None:
    decision = decide_fees(make_fee_snapshot(drained()), VALVE).decisions[0]
    assert decision.outcome is Outcome.CHANGE
    assert (decision.old_ppm, decision.new_ppm) == (100, 100)
    assert (decision.old_htlc_max_msat, decision.new_htlc_max_msat) == (MOST_MSAT, QUARTER_MSAT)
    assert decision.reasons[-1].sentence == "10 % is ours: largest payment 4,950,000 -> 1,237,500 sat, step 1 of 4"
    assert decision.state_if_sent == decision.state
    assert decision.state is not None
    assert (decision.state.open_seconds, decision.state.window_start_at) == (2 * HOUR, NOW - 9 * HOUR)


def test_a_fee_that_moves_takes_the_valve_along() -> None:
    moving = make_fee_input(valved(10))
    decision = decide_fees(make_fee_snapshot(moving), VALVE).decisions[0]
    assert decision.new_ppm != decision.old_ppm
    assert decision.new_htlc_max_msat == QUARTER_MSAT
    assert decision.state_if_sent is not None
    assert decision.state_if_sent.open_seconds == 0


def test_the_valve_waits_for_interval_and_cap_even_where_a_pin_waits_for_nothing() -> None:
    early = drained(last_changed_at=NOW - HOUR)
    decision = decide_fees(make_fee_snapshot(early), VALVE).decisions[0]
    assert (decision.outcome, decision.reasons[-1].code) == (Outcome.SKIP, ReasonCode.MIN_INTERVAL)
    forced = replace(early, pin=FeePin(100, NOW, None, forced=True))
    decision = decide_fees(make_fee_snapshot(forced), VALVE).decisions[0]
    assert (decision.outcome, decision.reasons[-1].code) == (Outcome.SKIP, ReasonCode.MIN_INTERVAL)
    decision = decide_fees(make_fee_snapshot(drained(), updates_last_day_count=100), VALVE).decisions[0]
    assert (decision.outcome, decision.reasons[-1].code) == (Outcome.DEFER, ReasonCode.DAILY_CAP)
