"""What congestion does to fees and to rebalances."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.fees import decide_fees
from revops.decide.occupancy import congestion
from revops.decide.recheck import revalidate
from revops.domain.channel import Htlc
from revops.domain.decision import FeeDecision, Outcome, PriceWindow
from revops.domain.policy import FeesConfig, RebalanceConfig, Strategy
from revops.domain.reason import ReasonCode
from revops.domain.signals import Rate, Signals
from revops.domain.snapshot import FeeInput, FeePin, FeeSnapshot
from tests.builders import (
    HOUR,
    NOW,
    SAT,
    channel_id,
    make_channel,
    make_climb,
    make_demand,
    make_fee_input,
    make_fee_snapshot,
    make_htlc,
    make_rebalance_snapshot,
    make_state,
    node_id,
)
from tests.planning import planned
from tests.strategies import fee_snapshots, fees_policies

#: More comes in than anybody buys: liquidity is worth nothing.
AMPLE = Signals(inflow=Rate(1e14, 1e21))
HOLD, RAISE = make_climb(), make_climb(congestion="raise")


def full(count: int = 28, direction: str = "out", amount_msat: int = 10_000 * SAT) -> dict[str, Any]:
    """A channel's overrides for so many HTLCs in 30 slots."""
    held: tuple[Htlc, ...] = (make_htlc(direction=direction, amount_msat=amount_msat),) * count
    return {"max_accepted_htlcs": 30, "htlcs": held}


def decide(policy: FeesConfig = HOLD, *, state: Any = None, **overrides: Any) -> FeeDecision:
    fee_input = make_fee_input(make_channel(**overrides), state=make_state() if state is None else state)
    return decide_fees(make_fee_snapshot(fee_input), policy).decisions[0]


def test_an_ordinary_channel_would_have_moved() -> None:
    assert decide().outcome is Outcome.CHANGE
    assert decide(**full(24)).outcome is Outcome.CHANGE


@pytest.mark.parametrize("policy", [HOLD, RAISE], ids=["hold", "raise"])
@pytest.mark.parametrize(
    "overrides", [full(amount_msat=300 * SAT), full(direction="in"), full(28, "in", 150_000 * SAT)], ids=str
)
def test_dust_and_what_comes_in_never_raise(policy: FeesConfig, overrides: dict[str, Any]) -> None:
    decision = decide(policy, **overrides)
    assert (decision.outcome, decision.new_ppm) == (Outcome.SKIP, 100)
    assert [reason.code for reason in decision.reasons] == [ReasonCode.CONGESTED_HOLD]


@pytest.mark.parametrize(
    ("overrides", "is_open"),
    [
        (full(), True),
        (full(30), False),
        # What is full inwards keeps nobody from leaving.
        (full(30, "in"), True),
        (full(1, amount_msat=4_500_000 * SAT), True),
        (full(1, amount_msat=4_940_000 * SAT), False),
    ],
    ids=["slots", "all slots", "inwards", "value", "all value"],
)
def test_congested_time_is_never_idle_and_open_as_far_as_payments_can_leave(
    overrides: dict[str, Any], is_open: bool
) -> None:
    known = make_state(idle_open_seconds=5 * HOUR, counted_at=NOW - HOUR / 2, congested_since_at=NOW - 2 * HOUR)
    decision = decide(state=known, **overrides)
    open_seconds = known.open_seconds + (HOUR / 2 if is_open else 0.0)
    assert decision.state == replace(known, counted_at=NOW, open_seconds=open_seconds, strategy="hill_climb")


def test_a_held_fee_says_how_full_its_channel_is() -> None:
    known = make_state(congested_since_at=NOW - 2 * HOUR)
    assert decide(state=known, **full()).reasons[0].sentence == (
        "congested outwards for 2.0 h by slots: 93 % of the HTLC slots and 6 % of the value are taken; the fee is "
        "held meanwhile"
    )
    freed = decide(state=known, **full(17))
    assert freed.state is not None
    assert freed.state.congested_since_at is None


def test_where_payments_of_substance_want_out_the_fee_takes_one_step() -> None:
    decision = decide(RAISE, **full())
    assert (decision.outcome, decision.new_ppm) == (Outcome.CHANGE, 110)
    assert decision.reasons[0].code is ReasonCode.CONGESTED_RAISE
    assert decision.state_if_sent is not None
    assert decision.state_if_sent.congested_since_at == NOW
    by_value = decide(RAISE, **full(1, amount_msat=4_500_000 * SAT))
    assert by_value.reasons[0].numbers["cause"] == "value in flight"
    assert by_value.new_ppm == 110


def test_a_raise_keeps_to_the_rails() -> None:
    assert decide(replace_policy(max_ppm=105), **full()).new_ppm == 105
    idle = make_state(idle_open_seconds=30 * HOUR)
    held = decide_fees(
        make_fee_snapshot(make_fee_input(make_channel(**full()), state=idle, last_earned_at=None)), RAISE
    ).decisions[0]
    assert held.new_ppm == 100
    assert ReasonCode.ZERO_FLOW_HOLD in {reason.code for reason in held.reasons}


def replace_policy(**changes: Any) -> FeesConfig:
    return make_climb(congestion="raise", **changes)


def test_without_revenue_a_held_fee_is_not_lowered_either() -> None:
    idle = make_state(idle_open_seconds=200 * HOUR)
    one = make_fee_input(make_channel(**full(25)), state=idle, last_earned_at=None)
    decision = decide_fees(make_fee_snapshot(one), HOLD).decisions[0]
    assert (decision.outcome, decision.new_ppm) == (Outcome.SKIP, 100)


def test_the_operators_hand_and_a_fee_put_back_come_first() -> None:
    one = make_fee_input(make_channel(**full()), pin=FeePin(120, NOW, None, forced=False))
    decision = decide_fees(make_fee_snapshot(one), HOLD).decisions[0]
    assert (decision.new_ppm, decision.reasons[0].code) == (120, ReasonCode.PINNED)
    assert decision.state is not None
    assert decision.state.congested_since_at == NOW
    changed = make_fee_input(make_channel(fee_ppm=90, **full()))
    put_back = decide_fees(make_fee_snapshot(changed), make_climb(external="overwrite")).decisions[0]
    assert (put_back.new_ppm, put_back.reasons[0].code) == (100, ReasonCode.EXTERNAL_OVERWRITTEN)


def test_a_change_from_outside_is_told_and_the_first_sight_is_held_too() -> None:
    changed = decide(fee_ppm=90, **full())
    assert [reason.code for reason in changed.reasons] == [ReasonCode.EXTERNAL_CHANGE, ReasonCode.CONGESTED_HOLD]
    first = make_fee_input(make_channel(**full()), state=None)
    decision = decide_fees(make_fee_snapshot(first), HOLD).decisions[0]
    assert [reason.code for reason in decision.reasons] == [ReasonCode.CONGESTED_HOLD]


def test_a_peer_is_congested_when_all_its_channels_together_are() -> None:
    def both(second: dict[str, Any]) -> FeeSnapshot:
        one = make_fee_input(make_channel(1, **full(30)))
        other = make_fee_input(make_channel(2, peer_id=node_id(1), **second))
        return make_fee_snapshot(one, other)

    held = decide_fees(both(full(28)), HOLD).decisions
    assert [decision.reasons[-1].code for decision in held] == [ReasonCode.CONGESTED_HOLD] * 2
    free = decide_fees(both(full(2)), HOLD).decisions
    assert all(ReasonCode.CONGESTED_HOLD not in {reason.code for reason in one.reasons} for one in free)


def test_what_no_strategy_looks_at_is_remembered_all_the_same() -> None:
    off = FeesConfig(strategy="off")
    known = make_state(congested_since_at=NOW - HOUR)
    for count, since_at in ((20, NOW - HOUR), (17, None)):
        decision = decide(off, state=known, **full(count))
        assert decision.state == replace(known, congested_since_at=since_at)


@pytest.mark.parametrize("policy", [HOLD, RAISE], ids=["hold", "raise"])
def test_no_soft_floor_raises_a_channel_that_is_held(policy: FeesConfig) -> None:
    dear = replace(make_fee_input(make_channel(**full(direction="in"))), signals=Signals(refill_ppm=900))
    decision = decide_fees(make_fee_snapshot(dear), policy).decisions[0]
    assert decision.new_ppm == decision.old_ppm
    assert ReasonCode.CONGESTED_HOLD in {reason.code for reason in decision.reasons}


@given(snapshot=fee_snapshots(), policy=fees_policies())
def test_a_held_channel_keeps_its_fee_unless_it_is_out_of_bounds(snapshot: FeeSnapshot, policy: FeesConfig) -> None:
    for decision in decide_fees(snapshot, policy).decisions:
        codes = {reason.code for reason in decision.reasons}
        if ReasonCode.CONGESTED_HOLD in codes and ReasonCode.ALIGNED not in codes:
            assert decision.new_ppm == decision.old_ppm or ReasonCode.OUT_OF_BOUNDS in codes
            assert decision.state is not None


@given(counts=st.lists(st.sampled_from((17, 18, 22, 24, 25, 30)), min_size=10, max_size=48))
def test_time_counts_as_open_while_a_slot_is_free(counts: list[int]) -> None:
    fee_input: FeeInput = make_fee_input(make_channel(**full(0)))
    for number, count in enumerate(counts):
        now = NOW + number * HOUR
        channel = make_channel(**full(count))
        decision = decide_fees(make_fee_snapshot(replace(fee_input, channel=channel), taken_at=now), HOLD)
        state = decision.decisions[0].state
        assert state is not None
        known = fee_input.state
        before = known.congested_since_at if known is not None else None
        congested = congestion(channel, before, now) is not None
        assert (state.congested_since_at is not None) is congested
        if known is not None and known.window_start_at == state.window_start_at:
            counted_seconds = state.open_seconds - known.open_seconds
            assert counted_seconds == (0 if count == 30 else now - known.counted_at)
        fee_input = replace(fee_input, state=state)


@pytest.mark.parametrize("strategy", ["hill_climb", "demand"])
def test_who_fills_the_slots_every_few_hours_keeps_no_price_from_being_judged(strategy: Strategy) -> None:
    policy = FeesConfig(strategy=strategy)
    fee_input = make_fee_input(make_channel(**full(0)))
    codes = []
    for number in range(4 * 24):
        channel = make_channel(**full(30 if number % 4 == 0 else 0, direction="in"))
        snapshot = make_fee_snapshot(replace(fee_input, channel=channel), taken_at=NOW + number * HOUR)
        decision = decide_fees(snapshot, policy).decisions[0]
        codes.append(decision.reasons[0].code)
        fee_input = replace(fee_input, state=decision.state)
    assert codes.count(ReasonCode.CONGESTED_HOLD) == 24
    assert set(codes) - {ReasonCode.CONGESTED_HOLD, ReasonCode.OBSERVING, ReasonCode.FIRST_SEEN}


@pytest.mark.parametrize("direction", ["in", "out"])
@pytest.mark.parametrize("number", [0, 1])
def test_dust_held_while_a_price_is_dear_does_not_make_it_look_as_if_many_paid_it(direction: str, number: int) -> None:
    """Three payments an hour came at 100 ppm, one an hour at 200 ppm, for which the slots are nearly full but for one
    hour in eight.
    """
    cheap = PriceWindow(NOW, 100, 24.0, 72.0)
    state = make_state(
        fee_ppm=200, window_start_at=NOW, counted_at=NOW, open_seconds=0.0, windows=(cheap,), strategy="demand"
    )
    fee_input = make_fee_input(make_channel(fee_ppm=200), state=state, last_changed_at=NOW)
    for hour in range(1, 30):
        now = NOW + hour * HOUR
        held = full(28 if hour % 8 != number else 0, direction, 300 * SAT)
        paid: dict[str, Any] = {"earned_count": hour, "earned_msat": hour * 10_000, "last_earned_at": now - 60}
        seen = replace(fee_input, channel=make_channel(fee_ppm=200, **held), signals=AMPLE, **paid)
        decision = decide_fees(make_fee_snapshot(seen, taken_at=now), FeesConfig(strategy="demand")).decisions[0]
        if decision.outcome is Outcome.CHANGE:
            break
        fee_input = replace(fee_input, state=decision.state)
    assert decision.new_ppm < 200


def test_a_held_channel_keeps_the_value_that_its_strategy_knows() -> None:
    learnt = replace(make_state(), demand=make_demand(), strategy="demand")
    one = replace(make_fee_input(make_channel(**full()), state=learnt), signals=Signals(value_ppm=77.0))
    decision = decide_fees(make_fee_snapshot(one), FeesConfig(strategy="demand", congestion="hold")).decisions[0]
    assert (decision.reasons[0].code, decision.value_ppm) == (ReasonCode.CONGESTED_HOLD, 77.0)


SOURCE = make_channel(2, local_msat=4_750_000 * SAT)
TARGET = make_channel(1, local_msat=250_000 * SAT)
SPENDS = RebalanceConfig(mode="act", min_return_ratio=0.0)


@pytest.mark.parametrize(
    ("target", "source", "since", "target_reason"),
    [
        (TARGET, SOURCE, {}, ReasonCode.WORTH),
        (replace(TARGET, **full()), SOURCE, {}, ReasonCode.CONGESTED),
        (TARGET, replace(SOURCE, **full(direction="in")), {}, ReasonCode.NOBODY_SPARES),
        (replace(TARGET, **full(20)), SOURCE, {}, ReasonCode.WORTH),
        (replace(TARGET, **full(20)), SOURCE, {channel_id(1): NOW - HOUR}, ReasonCode.CONGESTED),
        (TARGET, replace(SOURCE, **full(20)), {channel_id(2): NOW - HOUR}, ReasonCode.NOBODY_SPARES),
    ],
)
def test_a_congested_channel_is_neither_refilled_nor_drained(
    target: Any, source: Any, since: dict[str, float], target_reason: ReasonCode
) -> None:
    snapshot = replace(make_rebalance_snapshot((target, source)), congested_since=since)
    decisions = {one.target_channel_id: one for one in planned(snapshot, SPENDS).decisions}
    assert decisions[target.channel_id].reasons[0].code is target_reason
    again = revalidate(source, target, 100_000 * SAT, [], since, snapshot.view)
    if target_reason is ReasonCode.WORTH:
        assert again is None
    else:
        assert again is not None
        assert again.code is ReasonCode.CONGESTED
