"""`plan_rebalances`: what holds for every node and every policy, and each reason to refill nothing."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from revops.decide.rebalance import MARGIN_SHARE, MOST_DOUBLINGS, pair_cooldown_seconds, plan_rebalances
from revops.decide.recheck import revalidate
from revops.domain.channel import Channel
from revops.domain.decision import Outcome, RebalanceDecision
from revops.domain.policy import RebalanceConfig
from revops.domain.reason import Reason, ReasonCode
from revops.domain.snapshot import PairHistory, RebalanceSnapshot
from revops.domain.units import forward_fee_msat
from tests.builders import (
    HOUR,
    NOW,
    SAT,
    channel_id,
    make_channel,
    make_flow,
    make_rebalance_snapshot,
    make_terms,
    node_id,
)
from tests.strategies import SUSPENDED, rebalance_policies, rebalance_snapshots

POLICY = RebalanceConfig()
DRAINED = make_channel(1, local_msat=250_000 * SAT)
FULL = make_channel(2, local_msat=4_750_000 * SAT)


def jobs_of(snapshot: RebalanceSnapshot, policy: RebalanceConfig) -> list[tuple[RebalanceDecision, Channel, Channel]]:
    """Each job with its source and target."""
    by_id = {channel.channel_id: channel for channel in snapshot.view.channels}
    return [
        (job, by_id[job.source_channel_id or ""], by_id[job.target_channel_id])
        for job in plan_rebalances(snapshot, policy).jobs
    ]


# What follows holds for any snapshot and policy.


@given(snapshot=rebalance_snapshots(), policy=rebalance_policies())
def test_each_channel_takes_part_in_one_job_at_most_and_none_that_is_in_flight(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig
) -> None:
    used = [one.channel_id for _job, source, target in jobs_of(snapshot, policy) for one in (source, target)]
    assert len(set(used)) == len(used) <= 2 * policy.max_jobs_per_plan
    assert not set(used) & snapshot.in_flight


@given(snapshot=rebalance_snapshots(), policy=rebalance_policies())
def test_all_jobs_together_stay_within_the_budget(snapshot: RebalanceSnapshot, policy: RebalanceConfig) -> None:
    jobs = plan_rebalances(snapshot, policy).jobs
    assert all(job.max_fee_msat >= 0 for job in jobs)
    assert sum(job.max_fee_msat for job in jobs) <= snapshot.budget_left_msat


@given(snapshot=rebalance_snapshots(), policy=rebalance_policies())
def test_amounts_fit_policy_and_channels(snapshot: RebalanceSnapshot, policy: RebalanceConfig) -> None:
    for job, source, target in jobs_of(snapshot, policy):
        assert policy.min_amount_sat * SAT <= job.amount_msat <= policy.max_amount_sat * SAT
        assert job.amount_msat % SAT == 0
        assert job.amount_msat <= source.spendable_msat - source.capacity_msat // MARGIN_SHARE
        assert job.amount_msat <= target.receivable_msat - target.capacity_msat // MARGIN_SHARE
        if target.remote_terms is not None:
            assert target.remote_terms.htlc_min_msat <= job.amount_msat <= target.remote_terms.htlc_max_msat
        # Nothing is moved for a demand that was not there, nor past the middle of the band.
        assert job.amount_msat <= snapshot.flows[target.channel_id].out_msat
        middle = Fraction(policy.low_ratio + policy.high_ratio) / 2
        assert target.local_msat + job.amount_msat <= target.capacity_msat * middle + 1_024
        assert source.local_msat - job.amount_msat >= source.capacity_msat * Fraction(policy.high_ratio) - 1_024


@given(snapshot=rebalance_snapshots(), policy=rebalance_policies())
def test_both_ends_are_usable_channels_of_two_peers_with_no_other_channel(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig
) -> None:
    live = Counter(channel.peer_id for channel in snapshot.view.channels if channel.live)
    for _job, source, target in jobs_of(snapshot, policy):
        assert source.usable
        assert target.usable
        assert source.peer_id != target.peer_id
        assert live[source.peer_id] == live[target.peer_id] == 1
        assert source.local_ratio > policy.high_ratio > policy.low_ratio > target.local_ratio


@given(snapshot=rebalance_snapshots(), policy=rebalance_policies())
def test_no_job_costs_more_than_its_share_of_the_income(snapshot: RebalanceSnapshot, policy: RebalanceConfig) -> None:
    for job, source, target in jobs_of(snapshot, policy):
        sold, given_up = snapshot.flows[target.channel_id], snapshot.flows.get(source.channel_id)
        assert sold.earned_msat > 0
        income = Fraction(sold.earned_msat, sold.out_msat)
        assert job.max_fee_msat <= job.amount_msat * Fraction(policy.max_fee_ppm, 10**6)
        assert job.max_fee_msat <= job.amount_msat * income * Fraction(policy.income_share_ratio)
        assert 0 <= job.expected_gain_msat <= job.amount_msat * income - job.max_fee_msat + 1
        if given_up is not None and given_up.out_msat >= source.local_msat > 0:
            # All of the source's liquidity is used up in the horizon: it is worth what it earns there.
            opportunity = Fraction(given_up.earned_msat, given_up.out_msat) - Fraction(1, 10**6)
            assert job.max_fee_msat <= max(job.amount_msat * (income - opportunity), Fraction(0))


@given(snapshot=rebalance_snapshots(), policy=rebalance_policies())
def test_no_job_is_planned_that_the_last_hop_alone_makes_too_dear(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig
) -> None:
    for job, _source, target in jobs_of(snapshot, policy):
        terms = target.remote_terms
        assert terms is None or job.max_fee_msat >= forward_fee_msat(
            job.amount_msat, terms.fee_base_msat, terms.fee_ppm
        )


@given(snapshot=rebalance_snapshots(), policy=rebalance_policies())
def test_pairs_that_failed_cool_down(snapshot: RebalanceSnapshot, policy: RebalanceConfig) -> None:
    for _job, source, target in jobs_of(snapshot, policy):
        history = snapshot.pair_history.get((source.channel_id, target.channel_id))
        if history is not None:
            assert history.last_failed_at + pair_cooldown_seconds(history, policy) <= NOW


@given(snapshot=rebalance_snapshots(), policy=rebalance_policies(), data=st.data())
def test_the_plan_depends_on_nothing_but_its_arguments_and_not_on_their_order(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig, data: st.DataObject
) -> None:
    before = deepcopy(snapshot)
    plan = plan_rebalances(snapshot, policy)
    assert snapshot == before
    shuffled = replace(
        snapshot,
        view=replace(snapshot.view, channels=tuple(data.draw(st.permutations(snapshot.view.channels)))),
        flows=dict(data.draw(st.permutations(list(snapshot.flows.items())))),
        pair_history=dict(data.draw(st.permutations(list(snapshot.pair_history.items())))),
    )
    assert plan_rebalances(shuffled, policy) == plan == plan_rebalances(snapshot, policy)
    assert (plan.created_at, plan.expires_at) == (NOW, NOW + policy.plan_lifetime_seconds)


@given(snapshot=rebalance_snapshots(), policy=rebalance_policies())
def test_each_live_channel_gets_one_decision_with_its_reasons(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig
) -> None:
    plan = plan_rebalances(snapshot, policy)
    live = sorted(channel.channel_id for channel in snapshot.view.channels if channel.live)
    assert sorted(decision.target_channel_id for decision in plan.decisions) == live
    for decision in plan.decisions:
        assert decision.reasons
        assert all(reason.sentence for reason in decision.reasons)
        assert (decision.source_channel_id is None) is (decision.outcome is Outcome.SKIP)


@given(snapshot=rebalance_snapshots(), policy=rebalance_policies())
def test_while_suspended_there_are_no_jobs_and_every_wish_says_why(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig
) -> None:
    plan = plan_rebalances(snapshot, policy, SUSPENDED)
    assert plan.jobs == ()
    wished = {job.target_channel_id for job in plan_rebalances(snapshot, policy).jobs}
    told = {decision.target_channel_id for decision in plan.decisions if SUSPENDED[0] in decision.reasons}
    assert wished <= told


@given(snapshot=rebalance_snapshots(), policy=rebalance_policies())
def test_without_budget_or_income_there_is_no_cost(snapshot: RebalanceSnapshot, policy: RebalanceConfig) -> None:
    broke = replace(snapshot, budget_left_msat=0)
    assert sum(job.max_fee_msat for job in plan_rebalances(broke, policy).jobs) == 0
    assert plan_rebalances(replace(snapshot, budget_left_msat=-1), policy).jobs == ()
    free = {key: replace(flow, earned_msat=0) for key, flow in snapshot.flows.items()}
    assert plan_rebalances(replace(snapshot, flows=free), policy).jobs == ()
    assert plan_rebalances(replace(snapshot, flows={}), policy).jobs == ()


@given(snapshot=rebalance_snapshots(), policy=rebalance_policies())
def test_a_planned_job_is_still_sound_at_once(snapshot: RebalanceSnapshot, policy: RebalanceConfig) -> None:
    for job, source, target in jobs_of(snapshot, policy):
        assert revalidate(source, target, job.amount_msat, sorted(snapshot.in_flight), {}, NOW) is None


def test_the_strategies_reach_several_jobs() -> None:
    """Guards the properties above against snapshots in which nothing ever happens."""
    found = find(
        rebalance_snapshots(),
        lambda snapshot: len(plan_rebalances(snapshot, POLICY).jobs) >= 2,
        settings=settings(max_examples=500, phases=[Phase.generate]),
    )
    assert len(found.view.channels) >= 4


# And single cases.


def test_a_job_and_its_figures() -> None:
    """5,000,000 sat, 5 % ours: 2,000,000 to the middle, but 1,000,000 is the most, and 500 ppm x 1/2 the price."""
    job = plan_rebalances(make_rebalance_snapshot(), POLICY).jobs[0]
    assert (job.target_name, job.source_name) == (DRAINED.name, FULL.name)
    assert (job.amount_msat, job.max_fee_msat, job.expected_gain_msat) == (1_000_000 * SAT, 250 * SAT, 250 * SAT)
    assert [reason.sentence for reason in job.reasons] == [
        "earned 500 ppm on 2,000,000 sat in 14 days; refill at up to 250 ppm"
    ]


def test_what_the_source_would_earn_itself_is_taken_off() -> None:
    """The source sells at 300 ppm, and half of what it holds: 150 ppm are forgone, 350 / 2 are left to pay."""
    flows = {
        channel_id(1): make_flow(),
        channel_id(2): make_flow(out_msat=FULL.local_msat // 2, earned_msat=FULL.local_msat // 2 * 300 // 10**6),
    }
    job = plan_rebalances(make_rebalance_snapshot(flows=flows), POLICY).jobs[0]
    assert (job.max_fee_msat, job.expected_gain_msat) == (175 * SAT, 175 * SAT)


def test_the_budget_cuts_a_job_and_the_next_one_waits() -> None:
    channels = (DRAINED, FULL, make_channel(3, local_msat=0), make_channel(4, local_msat=4_000_000 * SAT))
    flows = {channel_id(1): make_flow(), channel_id(3): make_flow(earned_msat=999 * SAT)}
    snapshot = make_rebalance_snapshot(channels, flows=flows, budget_left_msat=100 * SAT)
    first, second, *_rest = plan_rebalances(snapshot, POLICY).decisions
    assert (first.outcome, first.amount_msat, first.max_fee_msat) == (Outcome.CHANGE, 400_000 * SAT, 100 * SAT)
    assert (second.outcome, second.amount_msat) == (Outcome.DEFER, 1_000_000 * SAT)
    assert second.reasons[-1].sentence == "budget: 0 sat left, 249 wanted (day and week)"


def test_what_a_deferred_job_wanted_is_the_figure_beside_it() -> None:
    """At 3 ppm, 50,001 sat cost 150 msat: a sat in the plan's column, and in the sentence."""
    target = replace(DRAINED, receivable_msat=150_001 * SAT, remote_terms=make_terms(fee_ppm=0))
    flows = {channel_id(1): make_flow(out_msat=10**9, earned_msat=6_000)}
    broke = make_rebalance_snapshot((target, FULL), flows=flows, budget_left_msat=0)
    deferred = plan_rebalances(broke, POLICY).decisions[0]
    assert (deferred.outcome, deferred.max_fee_msat) == (Outcome.DEFER, 150)
    assert deferred.reasons[-1].sentence == "budget: 0 sat left, 1 wanted (day and week)"


def test_a_budget_that_just_suffices_cuts_nothing() -> None:
    """At 3 ppm, 150 msat are the price of 50,001 sat, floored: worked back from the price they would be 50,000."""
    target = replace(DRAINED, receivable_msat=150_001 * SAT, remote_terms=make_terms(fee_ppm=0))
    flows = {channel_id(1): make_flow(out_msat=10**9, earned_msat=6_000)}
    wide = plan_rebalances(make_rebalance_snapshot((target, FULL), flows=flows), POLICY)
    just = plan_rebalances(make_rebalance_snapshot((target, FULL), flows=flows, budget_left_msat=150), POLICY)
    assert (wide.jobs[0].amount_msat, wide.jobs[0].max_fee_msat) == (50_001 * SAT, 150)
    assert just.jobs == wide.jobs


def test_a_peers_channel_that_closes_does_not_count() -> None:
    closing = make_channel(3, peer_id=FULL.peer_id, state="CHANNELD_SHUTTING_DOWN")
    dead = make_channel(4, peer_id=DRAINED.peer_id, state="ONCHAIN")
    assert plan_rebalances(make_rebalance_snapshot((DRAINED, FULL, closing, dead)), POLICY).jobs


def test_a_full_plan_defers_the_rest() -> None:
    channels = (DRAINED, FULL, make_channel(3, local_msat=0), make_channel(4, local_msat=4_000_000 * SAT))
    flows = {channel_id(1): make_flow(), channel_id(3): make_flow(earned_msat=2_000 * SAT)}
    plan = plan_rebalances(make_rebalance_snapshot(channels, flows=flows), RebalanceConfig(max_jobs_per_plan=1))
    assert [job.target_channel_id for job in plan.jobs] == [channel_id(3)]
    assert plan.decisions[1].outcome is Outcome.DEFER
    assert plan.decisions[1].reasons[-1].sentence == "the plan holds 1 better jobs already"


@pytest.mark.parametrize(
    ("target", "flow", "code", "sentence"),
    [
        ({"connected": False}, {}, ReasonCode.NOT_USABLE, "not usable: peer is not connected"),
        (
            {"local_msat": 1_500_000 * SAT},
            {},
            ReasonCode.BALANCED,
            "30 % is ours, a refill starts below 30 %",
        ),
        (
            {"peer_id": node_id(7)},
            {},
            ReasonCode.SEVERAL_CHANNELS,
            "its peer has 2 channels with us: arrival can't be verified",
        ),
        (
            {},
            {"earned_msat": 0},
            ReasonCode.NO_INCOME,
            "forwards out of it earned nothing in 14 days: not worth refilling",
        ),
        ({}, {"out_msat": 0}, ReasonCode.NO_INCOME, None),
        (
            {},
            {"out_msat": 49_999_999},
            ReasonCode.TOO_SMALL,
            "49,999 sat is less than the least amount of 50,000",
        ),
        ({"receivable_msat": 149_999_999}, {}, ReasonCode.TOO_SMALL, None),
        ({"receivable_msat": 0}, {}, ReasonCode.TOO_SMALL, "0 sat is less than the least amount of 50,000"),
        ({"remote_terms": make_terms(htlc_max_msat=49_999_999)}, {}, ReasonCode.TOO_SMALL, None),
        ({"capacity_msat": 100_000 * SAT, "local_msat": 10_000 * SAT}, {}, ReasonCode.TOO_SMALL, None),
        (
            {},
            {"earned_msat": 1},
            ReasonCode.NO_SOURCE,
            "no channel has liquidity to spare cheaply enough",
        ),
    ],
)
def test_what_is_not_refilled(
    target: dict[str, object], flow: dict[str, object], code: ReasonCode, sentence: str | None
) -> None:
    channels = (make_channel(1, **{"local_msat": 250_000 * SAT, **target}), FULL, make_channel(7))
    snapshot = make_rebalance_snapshot(channels, flows={channel_id(1): make_flow(**flow)})
    decision = plan_rebalances(snapshot, POLICY).decisions[0]
    assert decision.target_channel_id == channel_id(1)
    assert (decision.outcome, decision.reasons[0].code) == (Outcome.SKIP, code)
    assert sentence is None or decision.reasons[0].sentence == sentence


@pytest.mark.parametrize(
    ("fee_ppm", "base_msat", "planned"), [(250, 0, True), (251, 0, False), (249, 1_000, True), (249, 1_001, False)]
)
def test_a_last_hop_dearer_than_the_refill_may_be_is_not_tried(fee_ppm: int, base_msat: int, planned: bool) -> None:
    """500 ppm of income, half of it for the route: 250 ppm of a million sat."""
    target = replace(DRAINED, remote_terms=make_terms(fee_ppm=fee_ppm, fee_base_msat=base_msat))
    plan = plan_rebalances(make_rebalance_snapshot((target, FULL)), POLICY)
    assert bool(plan.jobs) is planned
    if not planned:
        assert plan.decisions[0].reasons[0].sentence == (
            "its peer alone asks 251 ppm to let a refill in, which may cost 250 ppm at most"
        )


def test_the_last_hops_base_fee_weighs_on_what_the_budget_leaves_of_a_job() -> None:
    """Of 250 sat 30 are left, for 120,000 sat: 30 sat of base fee are within that, a msat more is not."""
    for base_msat, planned in ((30_000, True), (30_001, False)):
        target = replace(DRAINED, remote_terms=make_terms(fee_ppm=0, fee_base_msat=base_msat))
        snapshot = make_rebalance_snapshot((target, FULL), budget_left_msat=30 * SAT)
        assert bool(plan_rebalances(snapshot, POLICY).jobs) is planned


def test_another_source_may_be_worth_a_dear_last_hop() -> None:
    """What the first would earn itself leaves 175 ppm for the route, the second's idle liquidity 250."""
    sold_msat = FULL.local_msat // 2
    flows = {
        channel_id(1): make_flow(),
        channel_id(2): make_flow(out_msat=sold_msat, earned_msat=sold_msat * 3 // 10**4),
    }
    target = replace(DRAINED, remote_terms=make_terms(fee_ppm=200))
    third = make_channel(3, local_msat=4_750_000 * SAT)
    alone = plan_rebalances(make_rebalance_snapshot((target, FULL), flows=flows), POLICY)
    assert alone.decisions[0].reasons[0].code is ReasonCode.LAST_HOP_TOO_DEAR
    both = plan_rebalances(make_rebalance_snapshot((target, FULL, third), flows=flows), POLICY)
    assert [job.source_channel_id for job in both.jobs] == [channel_id(3)]


def test_a_refill_that_the_peer_would_not_forward_is_not_planned() -> None:
    target = replace(DRAINED, remote_terms=make_terms(htlc_min_msat=1_000_001 * SAT))
    plan = plan_rebalances(make_rebalance_snapshot((target, FULL)), POLICY)
    assert plan.jobs == ()
    assert plan.decisions[0].reasons[0].code is ReasonCode.TOO_SMALL


def test_a_channel_with_a_payment_under_way_is_neither_refilled_nor_drained() -> None:
    for busy, code in ((1, ReasonCode.IN_FLIGHT), (2, ReasonCode.NO_SOURCE)):
        plan = plan_rebalances(make_rebalance_snapshot(in_flight=[channel_id(busy)]), POLICY)
        assert plan.decisions[0].reasons[0].code is code


@pytest.mark.parametrize(
    "source",
    [
        {"connected": False},
        {"state": "CHANNELD_SHUTTING_DOWN"},
        {"local_msat": 3_000_000 * SAT},
        {"local_msat": 3_049_999 * SAT},
        {"spendable_msat": 149_999_999},
        {"peer_id": node_id(1)},
        {"peer_id": node_id(7)},
    ],
)
def test_who_does_not_give(source: dict[str, object]) -> None:
    giver = make_channel(2, **{"local_msat": 4_750_000 * SAT, **source})
    snapshot = make_rebalance_snapshot((DRAINED, giver, make_channel(7)))
    assert plan_rebalances(snapshot, POLICY).jobs == ()


def test_the_source_that_promises_most_is_taken() -> None:
    busy = make_flow(out_msat=FULL.local_msat, earned_msat=FULL.local_msat // 4_000)
    channels = (DRAINED, FULL, make_channel(3, local_msat=4_750_000 * SAT), make_channel(4, local_msat=3_200_000 * SAT))
    snapshot = make_rebalance_snapshot(channels, flows={channel_id(1): make_flow(), channel_id(2): busy})
    assert plan_rebalances(snapshot, POLICY).jobs[0].source_channel_id == channel_id(3)


def test_the_best_earner_chooses_first() -> None:
    channels = (DRAINED, FULL, make_channel(3, local_msat=250_000 * SAT))
    flows = {channel_id(1): make_flow(), channel_id(3): make_flow(earned_msat=1_001 * SAT)}
    plan = plan_rebalances(make_rebalance_snapshot(channels, flows=flows), POLICY)
    assert [job.target_channel_id for job in plan.jobs] == [channel_id(3)]
    assert plan.decisions[1].reasons[0].code is ReasonCode.NO_SOURCE


@pytest.mark.parametrize(
    ("count", "hours"), [(0, 0), (1, 2), (2, 4), (3, 8), (1 + MOST_DOUBLINGS, 128), (50, 128), (10**9, 128)]
)
def test_a_pair_waits_twice_as_long_after_each_failure(count: int, hours: int) -> None:
    assert pair_cooldown_seconds(PairHistory(count, NOW), POLICY) == hours * HOUR


def test_a_pair_without_history_need_not_wait() -> None:
    assert pair_cooldown_seconds(None, POLICY) == 0


@pytest.mark.parametrize(
    ("count", "failed_hours_ago", "planned"), [(1, 2, True), (1, 1.99, False), (2, 3.99, False), (1, -5, False)]
)
def test_a_failed_pair_is_left_alone_for_a_while(count: int, failed_hours_ago: float, planned: bool) -> None:
    history = {(channel_id(2), channel_id(1)): PairHistory(count, NOW - failed_hours_ago * HOUR)}
    plan = plan_rebalances(make_rebalance_snapshot(pair_history=history), POLICY)
    assert bool(plan.jobs) is planned
    if not planned:
        assert plan.decisions[0].reasons[0].code is ReasonCode.COOLING_DOWN


def test_the_pair_that_may_try_again_first_is_named_in_any_order() -> None:
    third = make_channel(3, local_msat=4_750_000 * SAT)
    history = {
        (channel_id(2), channel_id(1)): PairHistory(3, NOW),
        (channel_id(3), channel_id(1)): PairHistory(1, NOW - HOUR),
    }
    for channels in ((DRAINED, FULL, third), (third, FULL, DRAINED)):
        plan = plan_rebalances(make_rebalance_snapshot(channels, pair_history=history), POLICY)
        assert plan.decisions[0].reasons[0].sentence == "1 failures in a row, next try in 60 min"


NEED_MSAT = 100_000 * SAT


@pytest.mark.parametrize(
    ("source", "target", "in_flight", "sentence"),
    [
        (FULL, DRAINED, [], None),
        (replace(FULL, spendable_msat=NEED_MSAT), replace(DRAINED, receivable_msat=NEED_MSAT), [], None),
        (FULL, DRAINED, [channel_id(9)], None),
        (None, DRAINED, [], "not usable: the source is gone"),
        (FULL, None, [], "not usable: the target is gone"),
        (replace(FULL, state="ONCHAIN"), DRAINED, [], "not usable: the source is ONCHAIN"),
        (FULL, replace(DRAINED, connected=False), [], "not usable: the target is not connected"),
        (FULL, DRAINED, [channel_id(2)], "a payment is already under way on it"),
        (FULL, DRAINED, [channel_id(1)], "a payment is already under way on it"),
        (
            replace(FULL, spendable_msat=NEED_MSAT - 1),
            DRAINED,
            [],
            "the source can move 99,999 sat now, 100,000 wanted",
        ),
        (
            FULL,
            replace(DRAINED, receivable_msat=NEED_MSAT - 1),
            [],
            "the target can move 99,999 sat now, 100,000 wanted",
        ),
    ],
)
def test_a_stored_job_is_judged_by_the_node_as_it_is(
    source: Channel | None, target: Channel | None, in_flight: list[str], sentence: str | None
) -> None:
    reason: Reason | None = revalidate(source, target, NEED_MSAT, in_flight, {}, NOW)
    assert (reason and reason.sentence) == sentence
