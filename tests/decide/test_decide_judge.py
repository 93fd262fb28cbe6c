"""A stored job, judged once more: what was planned may only be tightened, and goes where nothing is gained any more."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from revops.decide.rebalance.judge import judge
from revops.decide.rebalance.moves import Move, counted, moves_of
from revops.decide.rebalance.offers import last_hop_ppm
from revops.decide.rebalance.priced import Question
from revops.decide.rebalance.scene import Scene
from revops.domain.channel import Channel, Htlc
from revops.domain.decision import RebalanceDecision
from revops.domain.forward import Flow
from revops.domain.policy import RebalanceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.rebalance import Attempt, FailureKind, Lot, Quote, SourceOffer
from revops.domain.record import JobRecord
from revops.domain.snapshot import RebalanceSnapshot
from revops.domain.units import PPM, share_msat
from tests.builders import HOUR, NOW, SAT, channel_id, make_channel, make_flow, make_rebalance_snapshot, make_terms
from tests.planning import DRAINED, FULL, Market, at_ppm, no_route, planned
from tests.planning import NO_RETURN as POLICY
from tests.strategies import rebalance_policies, rebalance_snapshots

#: It sells 2,000,000 sat in 14 days at 500 ppm.
OTHER = make_channel(3, local_msat=4_750_000 * SAT)
MUCH = 10**9 * SAT
markets: st.SearchStrategy[Market] = st.one_of(st.just(no_route), st.integers(0, 1_000).map(at_ppm))


def at(*channels: Channel, **overrides: Any) -> RebalanceSnapshot:
    return replace(make_rebalance_snapshot(channels or (DRAINED, FULL, OTHER), budget_left_msat=MUCH), **overrides)


def record_of(decision: RebalanceDecision, job_key: int = 1) -> JobRecord:
    """A decision as it is stored."""
    assert decision.source_channel_id is not None
    return JobRecord(
        job_key, 1, decision.source_channel_id, decision.target_channel_id, decision.amount_msat, decision.max_fee_msat,
        decision.expected_gain_msat, "planned", NOW, NOW + HOUR, sources=decision.sources, terms=decision.terms,
    )  # fmt: skip


def stored(snapshot: RebalanceSnapshot | None = None, policy: RebalanceConfig = POLICY) -> JobRecord:
    (decision,) = planned(at() if snapshot is None else snapshot, policy).jobs
    return record_of(decision)


def judged(job: JobRecord, snapshot: RebalanceSnapshot, policy: RebalanceConfig = POLICY) -> JobRecord:
    found = judge(Scene(snapshot, policy), job)
    assert isinstance(found, JobRecord), found
    return found


def refused(job: JobRecord, snapshot: RebalanceSnapshot, policy: RebalanceConfig = POLICY) -> ReasonCode:
    found = judge(Scene(snapshot, policy), job)
    assert isinstance(found, Reason)
    assert found.sentence
    return found.code


# Whatever was planned, and whatever the node has become.


@given(before=rebalance_snapshots(), policy=rebalance_policies(), market=markets, after=rebalance_snapshots())
def test_nothing_is_ever_above_what_was_stored_and_no_limit_buys_a_loss(
    before: RebalanceSnapshot, policy: RebalanceConfig, market: Market, after: RebalanceSnapshot
) -> None:
    for decision in planned(before, policy, market).jobs:
        for snapshot in (before, after):
            assert_tightened(record_of(decision), snapshot, policy)


def assert_tightened(job: JobRecord, snapshot: RebalanceSnapshot, policy: RebalanceConfig) -> None:
    scene = Scene(snapshot, policy)
    found = judge(scene, job)
    if isinstance(found, Reason):
        assert found.sentence
        return
    assert job.terms is not None
    assert found.terms is not None
    target = scene.channel(found.target_channel_id)
    assert target is not None
    limits = {one.channel_id: one.max_fee_msat for one in job.sources}
    assert 0 < found.amount_msat <= job.amount_msat
    assert scene.least_msat(target) <= found.amount_msat <= scene.room_msat(target)
    assert found.max_fee_msat == max(one.max_fee_msat for one in found.sources) <= job.max_fee_msat
    assert found.terms.stake_msat <= job.terms.stake_msat
    for one in found.sources:
        source = scene.channel(one.channel_id)
        assert source is not None
        assert not {source.channel_id, target.channel_id} & snapshot.in_flight
        assert found.amount_msat <= scene.spare_msat(source)
        # Neither dearer as a whole nor by the sat.
        assert 0 < one.max_fee_msat <= limits[one.channel_id]
        assert Fraction(one.max_fee_msat, found.amount_msat) <= Fraction(limits[one.channel_id], job.amount_msat)
        there, here = scene.worth(target), scene.worth(source)
        low_msat = source.spendable_msat - found.amount_msat
        gained_ppm = there.mean_ppm(target.spendable_msat, target.spendable_msat + found.amount_msat)
        gained_ppm -= here.mean_ppm(low_msat, source.spendable_msat)
        assert one.max_fee_msat * 10**6 <= gained_ppm * found.amount_msat + 1
        assert one.max_fee_msat <= policy.kelly_fraction * max(snapshot.budget_left_msat, 0)


def test_strategies_yield_jobs_that_stand_and_jobs_that_fall() -> None:
    """Else what holds for any judgement would hold for want of some."""

    def both(pair: tuple[RebalanceSnapshot, RebalanceSnapshot]) -> bool:
        jobs = [record_of(one) for one in planned(pair[0], POLICY, at_ppm(20)).jobs]
        found = [judge(Scene(snapshot, POLICY), job) for job in jobs for snapshot in pair]
        return {type(one) for one in found} == {JobRecord, Reason}

    assert find(
        st.tuples(rebalance_snapshots(), rebalance_snapshots()),
        both,
        settings=settings(max_examples=20_000, phases=(Phase.generate,), deadline=None),
    )


@given(snapshot=rebalance_snapshots(), policy=rebalance_policies(), price_ppm=st.integers(1, 400))
def test_a_plan_that_is_executed_at_once_stands_as_each_job_leaves_the_scene(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig, price_ppm: int
) -> None:
    """Judging what nothing has changed about changes nothing of it, to a rounding of prices."""
    scene = Scene(snapshot, policy)

    def market(asked: Question) -> Quote:
        """No way costs less than its last hop."""
        last_msat = math.ceil(last_hop_ppm(asked.target, asked.amount_msat) * asked.amount_msat / PPM)
        return Quote(asked.amount_msat, max(share_msat(asked.amount_msat, price_ppm), last_msat))

    for decision in planned(snapshot, policy, market).jobs:
        job = record_of(decision)
        found = judge(scene, job)
        if isinstance(found, Reason):  # just worth it, at a price that was rounded
            assert decision.terms is not None
            assert decision.expected_gain_msat < 2 * max(policy.min_gain_sat, 1) * SAT or decision.terms.gain_ppm < 5
            continue
        assert found.amount_msat == pytest.approx(job.amount_msat, rel=0.05)
        scene = scene.after(Move(job.source_channel_id, job.target_channel_id, job.amount_msat, job.max_fee_msat))


# By hand.


def test_what_has_not_changed_stands_as_it_was_planned() -> None:
    job = stored()
    assert judged(job, at()) == job
    assert {one.channel_id for one in job.sources} == {channel_id(2), channel_id(3)}


def test_what_has_become_better_loosens_nothing() -> None:
    job = stored(at(budget_left_msat=100 * SAT))
    dearer = replace(DRAINED, local_terms=make_terms(fee_ppm=2_000, fee_base_msat=0))
    flows = {channel_id(1): make_flow(earned_msat=4_000 * SAT)}
    better = replace(make_rebalance_snapshot((dearer, FULL, OTHER), flows=flows), budget_left_msat=MUCH)
    assert judged(job, better) == job


@pytest.mark.parametrize(("fee_ppm", "share"), [(900, 1.0), (250, 0.5), (100, 0.2)])
def test_a_job_is_worth_less_once_the_fee_was_lowered(fee_ppm: int, share: float) -> None:
    job = stored()
    target = replace(DRAINED, local_terms=make_terms(fee_ppm=fee_ppm, fee_base_msat=0))
    found = judged(job, at(target, FULL, OTHER))
    assert found.max_fee_msat * 10**6 / found.amount_msat == pytest.approx(
        share * job.max_fee_msat * 10**6 / job.amount_msat, rel=0.1
    )
    assert found.amount_msat <= job.amount_msat


@pytest.mark.parametrize(
    ("channels", "overrides", "code"),
    [
        ((FULL, OTHER), {}, ReasonCode.NOT_USABLE),
        ((replace(DRAINED, connected=False), FULL, OTHER), {}, ReasonCode.NOT_USABLE),
        ((DRAINED,), {}, ReasonCode.NOT_USABLE),
        ((DRAINED, replace(FULL, connected=False)), {}, ReasonCode.NOT_USABLE),
        ((), {"in_flight": frozenset({channel_id(1)})}, ReasonCode.IN_FLIGHT),
        ((), {"in_flight": frozenset({channel_id(2), channel_id(3)})}, ReasonCode.IN_FLIGHT),
        ((), {"permissions": {channel_id(1): "source"}}, ReasonCode.NOT_PERMITTED),
        ((), {"unstable": {channel_id(1): why(ReasonCode.NO_SOURCE)}}, ReasonCode.NO_SOURCE),
        ((), {"flows": {}}, ReasonCode.NO_INCOME),
        ((), {"signals": {}}, ReasonCode.WORTH_GONE),
        ((), {"lots": {channel_id(1): (Lot(10**9, 10**5, 20.0, 0),)}}, ReasonCode.STOP_LOSS),
        # 1,000 sat were earned, and are at stake since.
        ((), {"lots": {channel_id(1): (Lot(10**9, 1_000 * SAT, 0.1, 0),)}}, ReasonCode.STAKE_GONE),
        ((), {"budget_left_msat": 0}, ReasonCode.NOTHING_LEFT),
        # Somebody has filled it meanwhile; the sources have sold what they had.
        ((make_channel(1, local_msat=4_500_000 * SAT), FULL, OTHER), {}, ReasonCode.FULL_ENOUGH),
        ((DRAINED, make_channel(2, local_msat=1_760_000 * SAT)), {}, ReasonCode.LIQUIDITY_CHANGED),
        # Its customers pay next to nothing by now; its peer asks for more than it is worth.
        ((replace(DRAINED, local_terms=make_terms(fee_ppm=20, fee_base_msat=0)), FULL), {}, ReasonCode.WORTH_GONE),
        ((replace(DRAINED, remote_terms=make_terms(fee_ppm=480, fee_base_msat=0)), FULL), {}, ReasonCode.WORTH_GONE),
    ],
)
def test_why_a_job_is_dropped(channels: tuple[Channel, ...], overrides: dict[str, Any], code: ReasonCode) -> None:
    assert refused(stored(), at(*channels, **overrides)) is code


def test_a_peer_that_got_a_second_channel_is_no_target() -> None:
    twin = replace(make_channel(9), peer_id=DRAINED.peer_id)
    assert refused(stored(), at(DRAINED, FULL, OTHER, twin)) is ReasonCode.SEVERAL_CHANNELS


def test_a_job_whose_gain_is_below_what_the_policy_asks_for_now_is_dropped() -> None:
    assert refused(stored(), at(), msgspec.structs.replace(POLICY, min_gain_sat=10**6)) is ReasonCode.GAIN_TOO_SMALL


def test_a_source_that_is_gone_leaves_the_job_to_the_others() -> None:
    job = stored()
    left = judged(job, at(DRAINED, OTHER))
    assert [one.channel_id for one in left.sources] == [channel_id(3)]
    assert left.amount_msat == job.amount_msat
    assert [one.channel_id for one in judged(job, at(in_flight=frozenset({channel_id(3)}))).sources] == [channel_id(2)]


def test_a_source_that_has_given_meanwhile_gives_no_more_than_is_left_at_no_dearer_a_sat() -> None:
    """3,000,000 of 4,750,000 sat are gone: down to its band of 35 % it has 750,000 left."""
    job = stored(at(DRAINED, FULL))
    half = replace(FULL, local_msat=2_500_000 * SAT, spendable_msat=2_450_000 * SAT)
    found = judged(job, at(DRAINED, half))
    assert (job.amount_msat, found.amount_msat) == (1_000_000 * SAT, 750_000 * SAT)
    assert found.max_fee_msat == found.sources[0].max_fee_msat <= job.max_fee_msat * 3 // 4
    # Where another source still gives all of it, that one does.
    both = stored()
    found = judged(both, at(DRAINED, half, OTHER))
    assert found.amount_msat == both.amount_msat
    assert [one.channel_id for one in found.sources] == [channel_id(3)]


def test_the_stake_is_that_of_the_budget_of_now() -> None:
    job = stored()
    poor = judged(job, at(budget_left_msat=200 * SAT))
    assert job.terms is not None
    assert poor.terms is not None
    assert poor.max_fee_msat <= 100 * SAT < job.max_fee_msat
    assert poor.terms.stake_msat <= 100 * SAT < job.terms.stake_msat
    # The dearer, the less is staked: the limit is where both are the same.
    (offer, _) = poor.sources
    low_ratio = job.terms.sale_low_ratio
    odds = 500 / (offer.max_fee_msat * 10**6 / poor.amount_msat) - 1
    assert offer.max_fee_msat == pytest.approx(0.5 * (low_ratio - (1 - low_ratio) / odds) * 200 * SAT, rel=0.01)


def test_the_way_back_after_a_failure_is_not_barred_by_it() -> None:
    """A plan leaves a pair alone for hours; the next attempt of a job goes another way at once."""
    job = stored()
    failed = tuple(Attempt(channel_id(2), channel_id(1), NOW - 1, FailureKind.LIQUIDITY) for _ in range(9))
    assert planned(at(attempts=failed), POLICY).jobs == ()
    assert {one.channel_id for one in judged(job, at(attempts=failed)).sources} == {channel_id(2), channel_id(3)}


def test_a_job_without_terms_is_held_against_rules_and_peers_alone() -> None:
    job = replace(stored(), terms=None)
    assert judged(job, at(flows={}, budget_left_msat=0)) == job
    steady = at(unstable={channel_id(2): why(ReasonCode.NO_SOURCE)})
    assert [one.channel_id for one in judged(job, steady).sources] == [channel_id(3)]
    out = {channel_id(2): "target", channel_id(3): "none"}
    assert refused(job, at(permissions=out)) is ReasonCode.NOT_PERMITTED
    assert refused(job, at(permissions={channel_id(1): "none"})) is ReasonCode.NOT_PERMITTED
    assert refused(replace(job, sources=()), at()) is ReasonCode.NO_SOURCE
    assert refused(replace(stored(), sources=()), at()) is ReasonCode.NO_SOURCE


# What is under way counts as done.


def test_a_move_takes_from_the_source_and_gives_to_the_target_once() -> None:
    move = Move(channel_id(2), channel_id(1), 10_000 * SAT, 7 * SAT)
    after = counted(at(), (move,))
    target, source, _ = after.view.channels
    assert source.local_msat == FULL.local_msat - 10_007 * SAT
    assert source.spendable_msat == FULL.spendable_msat - 10_007 * SAT
    assert target.local_msat == DRAINED.local_msat + 10_000 * SAT
    assert target.spendable_msat == DRAINED.spendable_msat + 10_000 * SAT
    assert target.receivable_msat == DRAINED.receivable_msat - 10_000 * SAT
    assert after.spent_msat == {channel_id(2): 7 * SAT}
    assert after.lots == {channel_id(1): (Lot(10_000 * SAT, 7 * SAT, 0.0, 0),)}
    assert at().spent_msat == {}


def test_what_the_node_lists_as_under_way_is_not_taken_off_twice() -> None:
    out = Htlc("out", 10_007 * SAT, 1, "ab", "SENT_ADD_ACK_REVOCATION")
    in_ = Htlc("in", 10_000 * SAT, 1, "ab", "RCVD_ADD_ACK_REVOCATION")
    snapshot = at(replace(DRAINED, htlcs=(in_,)), replace(FULL, htlcs=(out,)))
    move = Move(channel_id(2), channel_id(1), 10_000 * SAT, 7 * SAT, "ab")
    target, source = counted(snapshot, (move,)).view.channels
    assert (source.local_msat, source.spendable_msat) == (FULL.local_msat - 10_007 * SAT, FULL.spendable_msat)
    assert (target.local_msat, target.receivable_msat) == (DRAINED.local_msat + 10_000 * SAT, DRAINED.receivable_msat)
    other = counted(snapshot, (replace(move, payment_hash="cd"),)).view.channels
    assert other[1].spendable_msat < FULL.spendable_msat


def test_no_balance_falls_below_nothing_and_unknown_channels_are_passed_over() -> None:
    big = Move(channel_id(2), channel_id(1), 10**14, 5)
    target, source, _ = counted(at(), (big, Move("gone", "away", 1, 1))).view.channels
    assert (source.local_msat, source.spendable_msat, target.receivable_msat) == (0, 0, 0)
    assert target.local_msat == target.spendable_msat == target.capacity_msat


def test_of_a_job_by_sling_each_source_may_give_all_and_it_arrives_once() -> None:
    job = replace(stored(), status="in_flight", executor="sling", reserved_msat=900, payment_hash=None)
    moves = moves_of(job)
    assert [(one.source_channel_id, one.cost_msat) for one in moves] == [(channel_id(2), 900), (channel_id(3), 900)]
    target, *sources = counted(at(), moves).view.channels
    assert target.local_msat == DRAINED.local_msat + job.amount_msat
    assert all(one.local_msat == FULL.local_msat - job.amount_msat - 900 for one in sources)
    native = replace(job, executor="native", source_channel_id=channel_id(3), reserved_msat=None)
    assert [(one.source_channel_id, one.cost_msat) for one in moves_of(native)] == [(channel_id(3), job.max_fee_msat)]


def test_a_job_finds_what_those_before_it_leave_of_a_source() -> None:
    """Two targets, one source: after the first job it has less to give, and a sat of it is worth more."""
    twin = make_channel(3, local_msat=250_000 * SAT, local_terms=make_terms(fee_ppm=500, fee_base_msat=0))
    own = Flow(out_msat=4_500_000 * SAT, out_count=200, earned_msat=450 * SAT)
    flows = {channel_id(1): make_flow(), channel_id(3): make_flow(), channel_id(2): own}
    snapshot = make_rebalance_snapshot((DRAINED, FULL, twin), flows=flows, budget_left_msat=MUCH)
    (job, *_) = (record_of(one) for one in planned(snapshot, POLICY).jobs)
    move = Move(channel_id(2), channel_id(3), 1_000_000 * SAT, 100 * SAT, None)
    job = replace(job, target_channel_id=channel_id(1), sources=(SourceOffer(channel_id(2), "2", job.max_fee_msat),))
    alone, second = judged(job, snapshot), judged(job, Scene(snapshot, POLICY).after(move).snapshot)
    assert second.max_fee_msat < alone.max_fee_msat <= job.max_fee_msat
