"""A new channel's first fee: at once, considered, and said why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from revops.decide.fees import decide_fees
from revops.decide.first_fee import NEW_SECONDS, SKEW_SECONDS, is_new, is_young
from revops.domain.decision import FeeDecision, Outcome
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode
from revops.domain.signals import Signals
from revops.domain.snapshot import FeeInput, FeePin
from tests.builders import (
    HOUR,
    NOW,
    channel_id,
    make_channel,
    make_climb,
    make_fee_input,
    make_fee_snapshot,
    make_state,
    make_terms,
    make_view,
    node_id,
)
from tests.strategies import fee_inputs, fees_policies

POLICY = FeesConfig()
ANCHORED = Signals(anchor_ppm=440)


def new(number: int = 1, fee_ppm: int = 10, **overrides: Any) -> FeeInput:
    """A channel of an hour ago with the node's default fee, that nothing is known of."""
    channel = {name: overrides.pop(name) for name in ("peer_id", "opened_at") if name in overrides}
    channel = {"opened_at": int(NOW - HOUR), **channel}
    chosen = make_channel(number, fee_ppm=fee_ppm, **channel)
    base = make_fee_input(chosen, state=None, earned_msat=0, earned_count=0, last_earned_at=None, last_changed_at=None)
    return replace(base, **overrides)


def decide(*inputs: FeeInput, policy: FeesConfig = POLICY) -> FeeDecision:
    return decide_fees(make_fee_snapshot(*inputs), policy).decisions[0]


def codes(decision: FeeDecision) -> list[ReasonCode]:
    return [reason.code for reason in decision.reasons]


PEER, OWN, ANCHOR, START = (
    ReasonCode.FIRST_FEE_PEER,
    ReasonCode.FIRST_FEE_STRATEGY,
    ReasonCode.FIRST_FEE_ANCHOR,
    ReasonCode.FIRST_FEE_START,
)


@pytest.mark.parametrize(
    ("fee_input", "policy", "expected", "expected_codes"),
    [
        (new(), {}, 200, [START]),
        (new(), {"start_ppm": 900}, 900, [START]),
        (new(signals=ANCHORED), {}, 440, [ANCHOR]),
        (new(signals=ANCHORED), {"match_ratio": 0.5}, 220, [ANCHOR]),
        (new(signals=ANCHORED), {"strategy": "match_peer", "match_ratio": 0.5}, 220, [ANCHOR]),
        (new(), {"strategy": "match_peer"}, 200, [START]),
        (new(signals=ANCHORED), {"strategy": "static", "fixed_ppm": 300}, 300, [OWN, ReasonCode.FIXED]),
        (new(), {"strategy": "proportional"}, 255, [OWN, ReasonCode.PROPORTIONAL]),
        # Within floors and bounds.
        (new(), {"max_ppm": 150}, 150, [START, ReasonCode.CEILING]),
        (new(signals=Signals(refill_ppm=500)), {}, 600, [START, ReasonCode.REFILL_FLOOR]),
        (new(fee_ppm=1), {}, 200, [START, ReasonCode.OUT_OF_BOUNDS]),
        # Known from an observing run, just touched, or a little while without revenue: still never priced.
        (new(state=make_state(fee_ppm=10, open_seconds=HOUR, counted_at=NOW)), {}, 200, [START]),
        (new(last_changed_at=NOW - 60), {}, 200, [START]),
    ],
)
def test_the_first_fee(
    fee_input: FeeInput, policy: dict[str, Any], expected: int, expected_codes: list[ReasonCode]
) -> None:
    decision = decide(fee_input, policy=FeesConfig(**policy))
    assert (decision.outcome, decision.new_ppm) == (Outcome.CHANGE, expected)
    assert codes(decision) == expected_codes
    assert all(reason.sentence for reason in decision.reasons)
    assert decision.state_if_sent is not None
    assert decision.state_if_sent.fee_ppm == expected


@pytest.mark.parametrize(
    ("fee_input", "code"),
    [
        (new(opened_at=None), ReasonCode.FIRST_SEEN),
        (new(opened_at=int(NOW - NEW_SECONDS - 1)), ReasonCode.FIRST_SEEN),
        # It was opened in the future: our clock has gone back.
        (new(opened_at=int(NOW + SKEW_SECONDS + 1)), ReasonCode.FIRST_SEEN),
        # We, or somebody else, have priced it.
        (new(last_own_changed_at=NOW - HOUR, state=make_state(fee_ppm=10, open_seconds=HOUR)), ReasonCode.OBSERVING),
        (new(external_since_at=NOW - HOUR), ReasonCode.FIRST_SEEN),
        # It asks for about as much already: it is watched, not announced again and again.
        (new(fee_ppm=201), ReasonCode.FIRST_SEEN),
    ],
)
def test_what_is_not_new_is_watched_first(fee_input: FeeInput, code: ReasonCode) -> None:
    decision = decide(fee_input)
    assert (decision.outcome, codes(decision)) == (Outcome.SKIP, [code])


@pytest.mark.parametrize(
    ("age", "young"), [(-SKEW_SECONDS - 1, False), (-SKEW_SECONDS, True), (0, True), (NEW_SECONDS, True)]
)
def test_who_is_young(age: int, young: bool) -> None:
    assert is_young(make_channel(opened_at=int(NOW) - age), NOW) is young
    assert not is_young(make_channel(opened_at=None), NOW)


def test_an_idle_new_channel_is_not_raised() -> None:
    idle = make_state(fee_ppm=10, open_seconds=HOUR, idle_open_seconds=30 * HOUR)
    decision = decide(new(state=idle))
    assert (decision.outcome, codes(decision)) == (Outcome.SKIP, [ReasonCode.OBSERVING])


def test_it_asks_what_our_other_channel_to_the_peer_does() -> None:
    peer_id = node_id(7)
    known = make_fee_input(make_channel(2, peer_id=peer_id, fee_ppm=333), state=make_state(fee_ppm=333))
    first, second = decide_fees(make_fee_snapshot(new(1, peer_id=peer_id, signals=ANCHORED), known), POLICY).decisions
    assert (first.outcome, first.new_ppm, codes(first)) == (Outcome.CHANGE, 333, [PEER])
    assert PEER not in codes(second)


def test_also_where_only_the_new_one_is_looked_at() -> None:
    peer_id = node_id(7)
    fresh = new(1, peer_id=peer_id)
    snapshot = make_fee_snapshot(fresh)
    old = make_channel(2, peer_id=peer_id, fee_ppm=333)
    view = make_view(fresh.channel, old)
    assert decide_fees(replace(snapshot, view=view), POLICY).decisions[0].new_ppm == 333


def test_two_new_channels_to_one_peer_begin_alike() -> None:
    peer_id = node_id(7)
    both = [new(number, peer_id=peer_id, signals=ANCHORED) for number in (1, 2)]
    decisions = decide_fees(make_fee_snapshot(*both), POLICY).decisions
    assert [(one.new_ppm, codes(one)) for one in decisions] == [(440, [ANCHOR])] * 2


def test_a_first_fee_without_the_market_is_set_once_more_when_it_is_known() -> None:
    """At the node's default of 10 ppm gossip couldn't be read: 200 ppm for now."""
    now_read = replace(ANCHORED, market_read=True)
    blind = decide(new())
    assert blind.state_if_sent is not None
    assert blind.state_if_sent.provisional
    sent_at = NOW - 9 * HOUR
    blindly = replace(blind.state_if_sent, window_start_at=sent_at, counted_at=sent_at)
    priced = new(
        fee_ppm=200, opened_at=int(sent_at), state=blindly, last_own_changed_at=sent_at, last_changed_at=sent_at
    )
    assert codes(decide(priced)) == [ReasonCode.OBSERVING]
    again = decide(replace(priced, signals=now_read))
    assert (again.outcome, again.new_ppm, codes(again)) == (Outcome.CHANGE, 440, [ANCHOR])
    assert again.state_if_sent is not None
    assert not again.state_if_sent.provisional
    # Not before the network can have heard of the first one, and not where the market has no price.
    hasty = decide(replace(priced, signals=now_read, last_changed_at=NOW - HOUR, last_own_changed_at=NOW - HOUR))
    assert hasty.outcome is Outcome.SKIP
    assert hasty.state is not None
    assert hasty.state.provisional
    assert codes(decide(replace(priced, signals=Signals(market_read=True)))) == [ReasonCode.OBSERVING]
    # One that was set though the market had been read is final.
    final = decide(new(signals=Signals(market_read=True)))
    assert final.state_if_sent is not None
    assert not final.state_if_sent.provisional


def test_a_pin_comes_first() -> None:
    decision = decide(new(pin=FeePin(50, NOW, None, forced=True)))
    assert (decision.new_ppm, codes(decision)[0]) == (50, ReasonCode.PINNED)


def test_under_the_daily_cap_a_first_fee_goes_before_a_better_one() -> None:
    earning = make_fee_input(make_channel(2))
    policy = make_climb()
    plan = decide_fees(make_fee_snapshot(new(1), earning, updates_last_day_count=99), policy)
    assert [decision.channel_id for decision in plan.changes] == [channel_id(1)]
    plan = decide_fees(make_fee_snapshot(new(1), earning, updates_last_day_count=100), policy)
    assert [decision.outcome for decision in plan.decisions] == [Outcome.DEFER] * 2


@given(
    fee_input=fee_inputs(),
    policy=fees_policies(),
    age=st.floats(-SKEW_SECONDS + 1, NEW_SECONDS),
    fee_ppm=st.integers(0, 3_000),
)
def test_whatever_is_known_a_first_fee_is_within_bounds_and_given_once(
    fee_input: FeeInput, policy: FeesConfig, age: float, fee_ppm: int
) -> None:
    channel = replace(
        fee_input.channel,
        opened_at=int(NOW - age),
        local_terms=make_terms(fee_ppm=fee_ppm),
    )
    fresh = replace(fee_input, channel=channel, last_own_changed_at=None, external_since_at=None, pin=None)
    assume(policy.strategy != "off")
    assert is_new(fresh, NOW)
    decision = decide_fees(make_fee_snapshot(fresh), policy).decisions[0]
    if decision.outcome is not Outcome.CHANGE:
        return
    assert policy.min_ppm <= decision.new_ppm <= policy.max_ppm
    terms = replace(channel.local_terms, fee_ppm=decision.new_ppm, fee_base_msat=policy.base_msat)
    if decision.new_htlc_max_msat is not None:
        terms = replace(terms, htlc_max_msat=decision.new_htlc_max_msat)
    sent = replace(
        fresh,
        channel=replace(channel, local_terms=terms),
        state=decision.state_if_sent,
        last_changed_at=NOW,
        last_own_changed_at=NOW,
        earned_msat=0,
        earned_count=0,
        score_msat=None,
        score_error_msat=None,
    )
    assert decide_fees(make_fee_snapshot(sent), policy).changes == ()
