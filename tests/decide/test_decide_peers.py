"""Channels to one peer are one demand with several pipes: one price, learnt from all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from revops.decide.fees import decide_fees
from revops.decide.peers import price_together
from revops.domain.decision import FeeDecision, Outcome
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode
from revops.domain.signals import Rate, Signals
from revops.domain.snapshot import FeeInput, FeeSnapshot
from tests.builders import (
    DAY,
    HOUR,
    NOW,
    SAT,
    make_channel,
    make_climb,
    make_fee_input,
    make_fee_snapshot,
    make_state,
    node_id,
)
from tests.strategies import fee_snapshots, fees_policies

POLICY = make_climb()
PEER = node_id(77)


def pipe(number: int, fee_ppm: int = 100, **overrides: Any) -> FeeInput:
    """A channel of the one peer; the first is the largest."""
    capacity_msat = (9 - number) * 1_000_000 * SAT
    channel = make_channel(number, peer_id=PEER, capacity_msat=capacity_msat, fee_ppm=fee_ppm)
    return replace(make_fee_input(channel, state=make_state(fee_ppm=fee_ppm)), **overrides)


def decide(*inputs: FeeInput, policy: FeesConfig = POLICY) -> list[FeeDecision]:
    return list(decide_fees(make_fee_snapshot(*inputs), policy).decisions)


def test_what_all_pipes_carried_counts() -> None:
    first = pipe(1, earned_msat=10_000, earned_count=4, signals=Signals(demand=Rate(5.0, 7.0), value_ppm=100.0))
    second = pipe(2, earned_msat=5_000, earned_count=2, signals=Signals(demand=Rate(1.0, 2.0), value_ppm=15.0))
    (peer,) = price_together([second, first], POLICY)
    offer = peer.offer
    assert peer.leader is first
    assert (offer.earned_msat, offer.earned_count) == (15_000, 6)
    assert offer.channel.capacity_msat == 15_000_000 * SAT
    assert offer.channel.local_ratio == pytest.approx(0.5)
    assert offer.signals.demand == Rate(6.0, 9.0)
    assert offer.signals.value_ppm == pytest.approx((100 * 8 + 15 * 7) / 15)


def test_interest_of_all_pipes_adds_up() -> None:
    first = pipe(1, interest_count=5.0, settled_interest_count=3.0)
    second = pipe(2, interest_count=2.5, settled_interest_count=0.5)
    offer = price_together([second, first], POLICY)[0].offer
    assert (offer.interest_count, offer.settled_interest_count) == (7.5, 3.5)


def test_pipes_that_are_down_offer_nothing() -> None:
    down = pipe(1)
    down = replace(down, channel=replace(down.channel, connected=False))
    (peer,) = price_together([down, pipe(2)], POLICY)
    assert peer.offer.channel.connected
    assert peer.offer.channel.capacity_msat == 7_000_000 * SAT


def test_a_score_that_is_not_known_of_one_is_not_known_of_all() -> None:
    known = pipe(1, score_msat=300.0, score_error_msat=3.0)
    assert price_together([known, pipe(2)], POLICY)[0].offer.score_msat is None
    also = pipe(2, score_msat=-100.0, score_error_msat=4.0)
    offer = price_together([known, also], POLICY)[0].offer
    assert (offer.score_msat, offer.score_error_msat) == (200.0, 5.0)


def test_one_price_for_all_pipes_and_the_odd_one_follows() -> None:
    first, second = decide(pipe(1), pipe(2))
    assert first.outcome is second.outcome is Outcome.CHANGE
    assert first.new_ppm == second.new_ppm
    first, odd = decide(pipe(1), pipe(2, fee_ppm=130))
    assert first.proposed_ppm == odd.proposed_ppm
    assert odd.reasons[0].code is ReasonCode.ALIGNED
    assert abs(odd.new_ppm - 130) <= 32


def test_what_the_governor_keeps_the_leader_from_the_others_wait_for() -> None:
    """Else the peer's channels drift apart, and each run corrects another of them."""
    capped = pipe(1, own_updates_last_day_count=2)
    assert price_together([capped, pipe(2)], POLICY)[0].leader is capped
    first, second = decide(capped, pipe(2))
    assert (first.outcome, second.outcome) == (Outcome.SKIP, Outcome.SKIP)
    assert first.new_ppm > second.new_ppm == first.old_ppm == 100
    _first, odd = decide(capped, pipe(2, fee_ppm=130))
    assert (odd.outcome, odd.proposed_ppm) == (Outcome.CHANGE, 100)
    assert 100 <= odd.new_ppm < 130


def aged(one: FeeInput, days: float | None) -> FeeInput:
    """The same, opened so many days ago; None: the node doesn't know."""
    opened_at = None if days is None else int(NOW - days * DAY)
    return replace(one, channel=replace(one.channel, opened_at=opened_at))


@pytest.mark.parametrize("days", [300, None])
@pytest.mark.parametrize("known", [False, True])
def test_a_larger_newcomer_learns_from_the_old_one_and_never_leads(days: float | None, known: bool) -> None:
    """Also once it was watched for a run, when it still asks for the node's default."""
    newcomer = aged(pipe(1, fee_ppm=10), 4)
    if not known:
        newcomer = replace(newcomer, state=None, earned_msat=0, earned_count=0)
    old = aged(pipe(2), days)
    assert price_together([newcomer, old], POLICY)[0].leader is old
    decisions = decide(newcomer, old)
    assert [decision.strategy for decision in decisions] == ["hill_climb"] * 2
    assert decisions[0].proposed_ppm == decisions[1].proposed_ppm > 100
    assert decisions[0].reasons[0].code is ReasonCode.ALIGNED


def test_pipes_under_different_rules_are_priced_apart() -> None:
    fixed = replace(pipe(2), policy=FeesConfig(strategy="static", fixed_ppm=120))
    first, second = decide(pipe(1), fixed)
    assert second.proposed_ppm == 120
    assert first.proposed_ppm != 120
    assert all(reason.code is not ReasonCode.ALIGNED for reason in (*first.reasons, *second.reasons))


def test_a_fee_set_by_somebody_else_is_respected_while_it_stands() -> None:
    policy = make_climb(external="respect")
    theirs = replace(make_fee_input(), external_since_at=NOW - 3 * HOUR)
    (decision,) = decide(theirs, policy=policy)
    assert (decision.outcome, decision.state_if_sent) == (Outcome.SKIP, None)
    assert decision.reasons[0].sentence == "set outside revops to 100 ppm 3.0 h ago: left alone"
    (decision,) = decide(make_fee_input(), policy=policy)
    assert decision.outcome is Outcome.CHANGE


def test_a_fee_set_by_somebody_else_is_put_back_where_the_policy_says_so() -> None:
    policy = make_climb(external="overwrite")
    # At once: it is our own last update that has to be an interval ago, not theirs.
    theirs = replace(
        make_fee_input(make_channel(fee_ppm=120)),
        external_since_at=NOW,
        last_changed_at=NOW,
        last_own_changed_at=NOW - 9 * HOUR,
    )
    (decision,) = decide(theirs, policy=policy)
    assert (decision.outcome, decision.new_ppm) == (Outcome.CHANGE, 100)
    assert decision.reasons[0].sentence == "set outside revops, 100 -> 120 ppm: to be put back"
    (again,) = decide(replace(theirs, last_own_changed_at=NOW - HOUR), policy=policy)
    assert (again.outcome, again.reasons[-1].code) == (Outcome.SKIP, ReasonCode.MIN_INTERVAL)
    # What was learnt at our own fee isn't thrown away.
    assert decision.state_if_sent is not None
    assert decision.state_if_sent.last_rate_msat == make_state().last_rate_msat


@given(snapshot=fee_snapshots(), policy=fees_policies())
def test_each_channel_belongs_to_one_group(snapshot: FeeSnapshot, policy: FeesConfig) -> None:
    groups = price_together(snapshot.inputs, policy)
    members = [member.channel.channel_id for group in groups for member in group.members]
    assert sorted(members) == sorted(one.channel.channel_id for one in snapshot.inputs)
    for group in groups:
        assert group.leader in group.members
        assert len({member.channel.peer_id for member in group.members}) == 1
        assert group.offer.earned_msat == sum(member.earned_msat for member in group.members)
