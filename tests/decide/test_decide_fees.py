"""`decide_fees`: what holds for every node and every policy that the configuration accepts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, assume, find, given, settings
from hypothesis import strategies as st

from revops.decide.fees import decide_fees
from revops.decide.governor import dead_band_ppm
from revops.decide.rails import step_limits_ppm
from revops.decide.strategies.base import EFFECTIVE_AFTER_SECONDS
from revops.domain.channel import Channel
from revops.domain.decision import FeeDecision, FeePlan, FeeState, Outcome
from revops.domain.policy import FeesConfig, Strategy
from revops.domain.reason import ReasonCode, why
from revops.domain.signals import Rate, Signals
from revops.domain.snapshot import FeeInput, FeePin, FeeSnapshot
from revops.domain.units import MAX_MSAT
from tests.builders import (
    HOUR,
    NOW,
    SAT,
    channel_id,
    make_channel,
    make_climb,
    make_fee_input,
    make_fee_snapshot,
    make_state,
    make_terms,
)
from tests.strategies import SUSPENDED, fee_inputs, fee_snapshots, fees_policies

POLICY = make_climb()


def codes(decision: FeeDecision) -> list[ReasonCode]:
    return [reason.code for reason in decision.reasons]


def urgent(decision: FeeDecision) -> bool:
    return ReasonCode.OUT_OF_BOUNDS in codes(decision)


def in_force(snapshot: FeeSnapshot, plan: FeePlan) -> FeeSnapshot:
    """The node and the records just after the plan was carried out."""
    decisions = {decision.channel_id: decision for decision in plan.decisions}

    def after(fee_input: FeeInput) -> FeeInput:
        decision = decisions[fee_input.channel.channel_id]
        if decision.outcome is not Outcome.CHANGE:
            return replace(fee_input, state=decision.state)
        terms = replace(fee_input.channel.local_terms, fee_ppm=decision.new_ppm, fee_base_msat=decision.new_base_msat)
        if decision.new_htlc_max_msat is not None:
            terms = replace(terms, htlc_max_msat=decision.new_htlc_max_msat)
        return replace(
            fee_input,
            channel=replace(fee_input.channel, local_terms=terms),
            state=decision.state_if_sent,
            earned_msat=0,
            earned_count=0,
            score_msat=None,
            score_error_msat=None,
            last_changed_at=snapshot.view.taken_at,
            last_own_changed_at=snapshot.view.taken_at,
            external_since_at=None,
        )

    inputs = tuple(after(one) for one in snapshot.inputs)
    view = replace(snapshot.view, channels=tuple(one.channel for one in inputs))
    return FeeSnapshot(view, inputs, snapshot.updates_last_day_count + len(plan.changes))


# What follows holds for any snapshot and policy.


@given(snapshot=fee_snapshots(), policy=fees_policies(), data=st.data())
def test_the_plan_depends_on_nothing_but_its_arguments_and_not_on_their_order(
    snapshot: FeeSnapshot, policy: FeesConfig, data: st.DataObject
) -> None:
    plan = decide_fees(snapshot, policy)
    shuffled = replace(snapshot, inputs=tuple(data.draw(st.permutations(snapshot.inputs))))
    assert decide_fees(shuffled, policy) == plan == decide_fees(snapshot, policy)
    assert plan.taken_at == NOW


@given(snapshot=fee_snapshots(), policy=fees_policies())
def test_each_channel_gets_one_decision(snapshot: FeeSnapshot, policy: FeesConfig) -> None:
    plan = decide_fees(snapshot, policy)
    inputs = sorted(snapshot.inputs, key=lambda one: one.channel.channel_id)
    assert [decision.channel_id for decision in plan.decisions] == [one.channel.channel_id for one in inputs]
    for decision, fee_input in zip(plan.decisions, inputs, strict=True):
        terms = fee_input.channel.local_terms
        assert (decision.old_ppm, decision.old_base_msat) == (terms.fee_ppm, terms.fee_base_msat)
        assert (decision.peer_id, decision.name) == (fee_input.channel.peer_id, fee_input.channel.name)
        assert decision.reasons
        assert all(reason.sentence for reason in decision.reasons)


@given(snapshot=fee_snapshots(), policy=fees_policies())
def test_the_daily_cap_holds(snapshot: FeeSnapshot, policy: FeesConfig) -> None:
    plan = decide_fees(snapshot, policy)
    assert len(plan.changes) <= max(policy.max_updates_per_day - snapshot.updates_last_day_count, 0)
    deferred = [decision for decision in plan.decisions if decision.outcome is Outcome.DEFER]
    if any(urgent(decision) for decision in deferred):
        assert all(urgent(decision) for decision in plan.changes)


@given(fee_input=fee_inputs(), policy=fees_policies())
def test_a_change_passes_rails_and_governor(fee_input: FeeInput, policy: FeesConfig) -> None:
    decision = decide_fees(make_fee_snapshot(fee_input), policy).decisions[0]
    if decision.outcome is not Outcome.CHANGE:
        return
    assert policy.strategy != "off" or fee_input.pin is not None
    assert fee_input.channel.live
    assert policy.min_ppm <= decision.new_ppm <= policy.max_ppm
    assert decision.new_base_msat == policy.base_msat
    assert not decision.same_fee or decision.new_htlc_max_msat is not None
    assert urgent(decision) is not (policy.min_ppm <= decision.old_ppm <= policy.max_ppm)
    if urgent(decision) or (fee_input.pin is not None and fee_input.pin.forced):
        return
    if ReasonCode.EXTERNAL_OVERWRITTEN in codes(decision):
        return  # what is put back is no step
    change_ppm = abs(decision.new_ppm - decision.old_ppm)
    lowest_ppm, highest_ppm = step_limits_ppm(decision.old_ppm, policy)
    assert lowest_ppm <= decision.new_ppm <= highest_ppm
    if decision.new_base_msat == decision.old_base_msat and decision.new_htlc_max_msat is None:
        last_step = ReasonCode.ZERO_FLOW_DROP in codes(decision) and decision.new_ppm == policy.min_ppm
        assert last_step or change_ppm >= dead_band_ppm(decision.old_ppm, policy)
    if fee_input.last_changed_at is not None:
        assert NOW - fee_input.last_changed_at >= policy.min_interval_seconds


@given(fee_input=fee_inputs(), policy=fees_policies())
def test_without_revenue_beyond_the_hold_time_a_fee_is_not_raised(fee_input: FeeInput, policy: FeesConfig) -> None:
    assume(fee_input.pin is None or not fee_input.pin.forced)
    decision = decide_fees(make_fee_snapshot(fee_input), policy).decisions[0]
    if decision.state is not None and decision.state.idle_open_seconds >= policy.zero_flow_hold_seconds:
        assert decision.new_ppm <= max(decision.old_ppm, policy.min_ppm)


@given(fee_input=fee_inputs(), policy=fees_policies())
def test_what_is_remembered_is_what_would_be_broadcast(fee_input: FeeInput, policy: FeesConfig) -> None:
    decision = decide_fees(make_fee_snapshot(fee_input), policy).decisions[0]
    sent = decision.state_if_sent
    if sent is None:
        assert decision.outcome is Outcome.SKIP
        if fee_input.state is None:
            assert decision.state is None
        else:
            assert decision.state is not None
            known = replace(fee_input.state, demand=decision.state.demand)
            assert replace(decision.state, congested_since_at=known.congested_since_at) == known
            assert decision.state.demand in (None, fee_input.state.demand)
        return
    assert decision.state is not None
    put_back = decision.reasons[0].code is ReasonCode.EXTERNAL_OVERWRITTEN
    assert decision.state.fee_ppm == (decision.proposed_ppm if put_back else decision.old_ppm)
    assert sent.fee_ppm == decision.new_ppm
    if decision.same_fee and decision.new_htlc_max_msat is not None:
        assert sent == decision.state
        return
    assert sent.window_start_at == NOW + EFFECTIVE_AFTER_SECONDS
    assert sent.open_seconds == 0
    assert sent.idle_open_seconds == decision.state.idle_open_seconds
    if decision.new_ppm != decision.old_ppm:
        assert (sent.direction > 0) is (decision.new_ppm > decision.old_ppm)


@given(snapshot=fee_snapshots(), policy=fees_policies())
def test_while_suspended_nothing_is_sent_and_every_wish_says_so(snapshot: FeeSnapshot, policy: FeesConfig) -> None:
    free = decide_fees(snapshot, policy)
    held = decide_fees(snapshot, policy, SUSPENDED)
    assert held.changes == ()
    for before, after in zip(free.decisions, held.decisions, strict=True):
        if before.outcome is Outcome.CHANGE:
            expected = replace(before, outcome=Outcome.DEFER, reasons=(*before.reasons, *SUSPENDED))
            assert after == expected
        else:
            assert after == before


@given(snapshot=fee_snapshots(), policy=fees_policies())
def test_a_second_run_at_once_changes_nothing(snapshot: FeeSnapshot, policy: FeesConfig) -> None:
    plan = decide_fees(snapshot, policy)
    assert decide_fees(in_force(snapshot, plan), policy).changes == ()


@pytest.mark.parametrize(
    "code",
    [
        ReasonCode.CLIMB_KEEP,
        ReasonCode.CLIMB_REVERSE,
        ReasonCode.CLIMB_PROBE,
        ReasonCode.DEMAND,
        ReasonCode.ZERO_FLOW_DROP,
        ReasonCode.OUT_OF_BOUNDS,
        ReasonCode.BASE_FEE,
    ],
)
def test_the_strategies_reach_every_change(code: ReasonCode) -> None:
    """Guards the properties above against snapshots in which nothing ever happens."""
    policy = FeesConfig() if code is ReasonCode.DEMAND else POLICY

    def changes_by(snapshot: FeeSnapshot) -> bool:
        return any(code in codes(decision) for decision in decide_fees(snapshot, policy).changes)

    find(fee_snapshots(), changes_by, settings=settings(max_examples=5_000, phases=[Phase.generate]))


# And single cases.


def test_a_better_rate_keeps_the_direction() -> None:
    decision = decide_fees(make_fee_snapshot(), POLICY).decisions[0]
    assert (decision.outcome, decision.old_ppm, decision.proposed_ppm, decision.new_ppm) == (
        Outcome.CHANGE,
        100,
        113,
        113,
    )
    assert [reason.sentence for reason in decision.reasons] == [
        "100 ppm earned 2,000 msat per open hour, the price before 1,000: on the same way, +13.0 %",
        (
            "what is remembered is of one price alone, which shows no slope; a sat is worth 0 ppm here and 0 ppm where"
            " its payments enter"
        ),
    ]
    # 2,000 msat an hour for a day, times a step of 13 %.
    assert decision.expected_gain_msat == 6_240


def test_each_decision_carries_the_value_of_liquidity() -> None:
    wanted = Signals(demand=Rate(1e9, 1e17))
    empty = make_fee_input(make_channel(1, local_msat=0), signals=wanted)
    full = make_fee_input(make_channel(2, local_msat=5_000_000 * SAT, capacity_msat=10**13), signals=Signals())
    off = make_fee_input(make_channel(3, local_msat=0), signals=wanted, policy=FeesConfig(strategy="off"))
    plan = decide_fees(make_fee_snapshot(empty, full, off), POLICY)
    assert [decision.value_ppm for decision in plan.decisions] == pytest.approx([100, 0, 100])


def test_a_rate_that_is_no_number_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    from revops.decide import fee_peer
    from revops.decide.strategies.base import Proposal, propose_price

    def odd(offer: FeeInput, policy: FeesConfig, now: float) -> Proposal:
        sane = propose_price(offer, 120, why(ReasonCode.FIXED, fixed_ppm=120), now)
        return replace(sane, ppm=float("nan"), rate_msat=float("inf"))

    monkeypatch.setattr(fee_peer, "STRATEGIES", {"hill_climb": odd})
    (decision,) = decide_fees(make_fee_snapshot(), POLICY).decisions
    assert decision.new_ppm == decision.old_ppm
    assert decision.expected_gain_msat == 0


def test_a_gain_is_one_that_a_database_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    from revops.decide import fee_peer
    from revops.decide.strategies.base import Proposal, propose_price

    for rate_msat, expected in ((1e300, MAX_MSAT), (-1e300, -MAX_MSAT), (1.7e308, MAX_MSAT)):

        def rich(offer: FeeInput, policy: FeesConfig, now: float, rate_msat: float = rate_msat) -> Proposal:
            return replace(propose_price(offer, 120, why(ReasonCode.NO_ANCHOR), now), rate_msat=rate_msat)

        monkeypatch.setattr(fee_peer, "STRATEGIES", {"hill_climb": rich})
        (decision,) = decide_fees(make_fee_snapshot(), POLICY).decisions
        assert (decision.outcome, decision.expected_gain_msat) == (Outcome.CHANGE, expected)
    assert MAX_MSAT < 2**63


@pytest.mark.parametrize("broken", ["could_sell", "congestion"])
def test_a_channel_apart_that_can_not_be_decided_on_stops_nobody(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """One that is pinned, or left alone: the others get their turn all the same."""
    from revops.decide import fee_channel

    real = getattr(fee_channel, broken)

    def fail(one: Channel | FeeInput, *rest: Any) -> Any:
        channel = one.channel if isinstance(one, FeeInput) else one
        if channel.channel_id == channel_id(1):
            raise OverflowError("odd")
        return real(one, *rest)

    monkeypatch.setattr(fee_channel, broken, fail)
    pinned = make_fee_input(make_channel(1), pin=FeePin(200, NOW, None, forced=True))
    earning = make_fee_input(make_channel(2))
    first, second = decide_fees(make_fee_snapshot(pinned, earning), POLICY).decisions
    assert (first.outcome, first.strategy, first.state) == (Outcome.SKIP, "pin", pinned.state)
    assert [reason.sentence for reason in first.reasons] == [
        "strategy pin failed (OverflowError: odd): left as it is; please report it"
    ]
    assert second == decide_fees(make_fee_snapshot(earning), POLICY).decisions[0]
    if broken == "congestion":
        off = replace(pinned, pin=None, policy=FeesConfig(strategy="off"))
        assert codes(decide_fees(make_fee_snapshot(off, earning), POLICY).decisions[0]) == [ReasonCode.STRATEGY_FAILED]


def test_a_strategy_that_raises_costs_only_its_own_channels_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    from revops.decide import fee_peer
    from revops.decide.strategies.base import Proposal
    from revops.decide.strategies.registry import STRATEGIES

    def broken(offer: FeeInput, policy: FeesConfig, now: float) -> Proposal:
        raise ZeroDivisionError("float division by zero")

    monkeypatch.setattr(fee_peer, "STRATEGIES", {**STRATEGIES, "static": broken})
    under_it = make_fee_input(make_channel(1), policy=FeesConfig(strategy="static"))
    new_under_it = make_fee_input(
        make_channel(2, opened_at=int(NOW)), policy=FeesConfig(strategy="static"), last_own_changed_at=None
    )
    earning = make_fee_input(make_channel(3))
    first, second, third = decide_fees(make_fee_snapshot(under_it, new_under_it, earning), POLICY).decisions
    for decision in (first, second):
        assert (decision.outcome, decision.new_ppm) == (Outcome.SKIP, decision.old_ppm)
        assert [reason.sentence for reason in decision.reasons] == [
            "strategy static failed (ZeroDivisionError: float division by zero): left as it is; please report it"
        ]
    assert third == decide_fees(make_fee_snapshot(earning), POLICY).decisions[0]


def test_off_is_off() -> None:
    outside = make_fee_input(make_channel(fee_ppm=9_000))
    decision = decide_fees(make_fee_snapshot(outside), FeesConfig(strategy="off")).decisions[0]
    assert (decision.outcome, decision.new_ppm, codes(decision)) == (
        Outcome.SKIP,
        9_000,
        [ReasonCode.STRATEGY_OFF],
    )
    assert decision.state == outside.state


def test_a_channel_that_is_not_live_is_left_alone() -> None:
    closing = make_fee_input(make_channel(state="CHANNELD_SHUTTING_DOWN", fee_ppm=9_000))
    decision = decide_fees(make_fee_snapshot(closing), POLICY).decisions[0]
    assert (decision.outcome, decision.new_ppm) == (Outcome.SKIP, 9_000)
    assert [reason.sentence for reason in decision.reasons] == ["not usable: CHANNELD_SHUTTING_DOWN"]


def test_a_disconnected_channel_keeps_its_price_however_long() -> None:
    state = make_state(counted_at=NOW - HOUR, open_seconds=0.0, idle_open_seconds=200 * HOUR)
    lost = make_fee_input(make_channel(connected=False), state=state, earned_msat=0, earned_count=0)
    decision = decide_fees(make_fee_snapshot(lost), POLICY).decisions[0]
    assert (decision.outcome, codes(decision)) == (Outcome.SKIP, [ReasonCode.OBSERVING])


@pytest.mark.parametrize(
    "settings",
    [
        {"strategy": "static", "fixed_ppm": 1_000},
        {"strategy": "static", "fixed_ppm": 1_000, "dead_band_ratio": 0.2},
        {"strategy": "static", "fixed_ppm": 1_000, "dead_band_ratio": 0.24, "min_ppm": 1},
        {"strategy": "static", "fixed_ppm": 1_000, "dead_band_ppm": 50},
        {"strategy": "static", "fixed_ppm": 1_000, "dead_band_ppm": 2_000, "max_ppm": 5_000},
        {"strategy": "proportional", "full_ppm": 1_000, "empty_ppm": 1_000, "min_ppm": 0},
        {"strategy": "hill_climb", "dead_band_ratio": 0.2},
    ],
)
def test_without_revenue_a_fee_goes_down_to_the_bound_whatever_the_dead_band(settings: dict[str, Any]) -> None:
    """Watched for months, nine hours apart, six of which count."""
    policy, fee_ppm, changed_at = FeesConfig(mode="act", chain_floor=False, **settings), 1_000, NOW - 10 * HOUR
    state: FeeState | None = make_state(fee_ppm=fee_ppm)
    steps = []
    for look in range(500):
        now = NOW + look * 9 * HOUR
        one = make_fee_input(
            make_channel(fee_ppm=fee_ppm), state=state, earned_msat=0, earned_count=0, last_earned_at=None,
            last_changed_at=changed_at, last_own_changed_at=changed_at,
        )  # fmt: skip
        decision = decide_fees(make_fee_snapshot(one, taken_at=now), policy).decisions[0]
        state = decision.state
        if decision.outcome is Outcome.CHANGE:
            steps.append(decision.old_ppm - decision.new_ppm)
            fee_ppm, changed_at, state = decision.new_ppm, now, decision.state_if_sent
    assert fee_ppm == policy.min_ppm
    assert min(steps) > 0
    assert all(step >= policy.dead_band_ppm for step in steps[:-1])


def test_another_base_fee_is_put_right_and_said() -> None:
    channel = make_channel(local_terms=make_terms(fee_ppm=100, fee_base_msat=1_000))
    decision = decide_fees(make_fee_snapshot(make_fee_input(channel, state=None)), POLICY).decisions[0]
    assert (decision.outcome, decision.new_ppm, decision.new_base_msat) == (Outcome.CHANGE, 100, 0)
    assert decision.reasons[-1].sentence == "base fee 1,000 -> 0 msat"
    assert decision.state_if_sent is not None
    assert decision.state_if_sent.direction == 1


def test_a_fee_changed_by_somebody_else_is_learnt_anew_but_kept_in_bounds() -> None:
    inside = make_fee_input(make_channel(1, fee_ppm=700))
    outside = make_fee_input(make_channel(2, fee_ppm=7_000), last_changed_at=NOW)
    first, second = decide_fees(make_fee_snapshot(inside, outside), POLICY).decisions
    assert (first.outcome, first.new_ppm, codes(first)) == (Outcome.SKIP, 700, [ReasonCode.EXTERNAL_CHANGE])
    assert (second.outcome, second.new_ppm) == (Outcome.CHANGE, 2_500)
    for decision in (first, second):
        assert decision.state is not None
        assert decision.state.last_rate_msat is None
        assert decision.state.open_seconds == 0


def test_the_last_updates_of_the_day_go_where_they_matter_most() -> None:
    inputs = [
        make_fee_input(make_channel(1), earned_msat=18_000),
        make_fee_input(make_channel(2), earned_msat=36_000),
        make_fee_input(make_channel(3, fee_ppm=9_000)),
    ]
    plan = decide_fees(make_fee_snapshot(*inputs, updates_last_day_count=98), POLICY)
    assert [decision.channel_id for decision in plan.changes] == [channel_id(2), channel_id(3)]
    assert plan.decisions[0].reasons[-1] == why(ReasonCode.DAILY_CAP, used_count=98, cap_count=100, rank=3)


@pytest.mark.parametrize("strategy", ["hill_climb", "demand"])
def test_a_node_that_no_payment_can_enter_drags_no_price_down(strategy: Strategy) -> None:
    """Everybody's channels are full on our side for a month: that is no market that pays less."""
    policy = FeesConfig(strategy=strategy)
    channels = [make_channel(number, receivable_msat=0) for number in (1, 2)]
    inputs = [make_fee_input(channel, state=make_state(), last_earned_at=None) for channel in channels]
    for number in range(60):
        plan = decide_fees(make_fee_snapshot(*inputs, taken_at=NOW + number * 12 * HOUR), policy)
        assert all(decision.says(ReasonCode.UNREACHABLE) for decision in plan.decisions)
        assert all(decision.new_ppm >= 100 for decision in plan.decisions)
        inputs = [replace(one, state=decision.state) for one, decision in zip(inputs, plan.decisions, strict=True)]


@pytest.mark.parametrize("strategy", ["hill_climb", "demand"])
@pytest.mark.parametrize("local_msat", [2_500_000 * SAT, 400_000 * SAT, 0])
def test_a_peer_that_is_away_drives_no_price_up_at_a_node_with_two(strategy: Strategy, local_msat: int) -> None:
    """What payments wanted before, and what others charge, is no reason to get dearer without any payment."""
    policy = FeesConfig(strategy=strategy)
    signals = Signals(demand=Rate(1e12, 1e21), anchor_ppm=500, market_read=True)
    channel, away = make_channel(1, local_msat=local_msat), make_channel(2, connected=False)
    state = make_state(window_start_at=NOW, counted_at=NOW, open_seconds=0.0)
    one = make_fee_input(channel, state=state, earned_msat=0, earned_count=0, signals=signals)
    for number in range(1, 40):
        snapshot = make_fee_snapshot(one, make_fee_input(away), taken_at=NOW + number * HOUR)
        decision = decide_fees(snapshot, policy).decisions[0]
        assert (decision.outcome, decision.new_ppm) == (Outcome.SKIP, 100)
        one = replace(one, state=decision.state)


@pytest.mark.parametrize("strategy", ["hill_climb", "demand"])
@pytest.mark.parametrize("local_msat", [2_500_000 * SAT, 0])
def test_a_peer_that_is_away_does_not_find_a_dearer_price_when_it_is_back(strategy: Strategy, local_msat: int) -> None:
    signals = Signals(demand=Rate(1e12, 1e21), anchor_ppm=500, market_read=True)
    state = make_state(window_start_at=NOW, counted_at=NOW, open_seconds=0.0)
    gone = make_channel(1, local_msat=local_msat, connected=False)
    one = make_fee_input(gone, state=state, earned_msat=0, earned_count=0, signals=signals)
    others = [make_fee_input(make_channel(number)) for number in (2, 3)]
    for number in range(1, 40):
        snapshot = make_fee_snapshot(one, *others, taken_at=NOW + number * HOUR)
        decision = decide_fees(snapshot, FeesConfig(strategy=strategy)).decisions[0]
        assert (decision.outcome, decision.new_ppm) == (Outcome.SKIP, 100)
        one = replace(one, state=decision.state)
