"""A rebalance plan: what holds for every node, policy and market, and each reason to refill nothing."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import replace
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from revops.decide.rebalance.bands import band
from revops.decide.rebalance.obstacles import kept_out, mode_reasons, permission_reason
from revops.decide.rebalance.offers import fitting_msat
from revops.decide.rebalance.plan import without_layer
from revops.decide.rebalance.priced import (
    SOURCES_ASKED,
    Question,
    cost_msat,
    estimate_msat,
    priced_offers,
    questions,
)
from revops.decide.rebalance.scene import MARGIN_SHARE, Scene
from revops.decide.rebalance.survey import survey
from revops.domain.channel import Channel
from revops.domain.decision import Outcome, RebalanceDecision, RebalancePlan
from revops.domain.forward import Flow
from revops.domain.policy import RebalanceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.rebalance import Attempt, FailureKind, Lot, Quote
from revops.domain.signals import Signals
from revops.domain.snapshot import RebalanceSnapshot
from revops.report import amounts
from tests.builders import (
    HOUR,
    NOW,
    SAT,
    channel_id,
    make_channel,
    make_demand,
    make_flow,
    make_rebalance_snapshot,
    make_terms,
    node_id,
)
from tests.planning import DRAINED, FULL, Market, at_ppm, by_source, no_route, planned
from tests.planning import NO_RETURN as POLICY
from tests.strategies import SUSPENDED, rebalance_policies, rebalance_snapshots

#: It sells 2,000,000 sat in 14 days at 500 ppm, and asks for as much now.
PLENTY = make_channel(9, local_msat=2_500_000 * SAT, local_terms=make_terms(fee_ppm=250, fee_base_msat=0))
snapshots = rebalance_snapshots()
policies = rebalance_policies()
markets: st.SearchStrategy[Market] = st.one_of(st.just(no_route), st.integers(0, 2_000).map(at_ppm))


def two(target: Channel = DRAINED, source: Channel = FULL, **overrides: Any) -> RebalanceSnapshot:
    """A drained channel and a full one."""
    return replace(make_rebalance_snapshot((target, source)), **overrides)


def first(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig = POLICY, market: Market | None = None
) -> RebalanceDecision:
    """The decision on channel 1."""
    decided = planned(snapshot, policy, market).decisions
    return next(one for one in decided if one.target_channel_id == channel_id(1))


def first_of(plan: RebalancePlan) -> RebalanceDecision:
    return next(one for one in plan.decisions if one.target_channel_id == channel_id(1))


def reason_of(decision: RebalanceDecision, code: ReasonCode) -> Reason:
    return next(one for one in decision.reasons if one.code is code)


# What follows holds for any snapshot, policy and market.


@given(snapshot=snapshots, policy=policies, market=markets)
def test_each_channel_is_filled_once_at_most_and_none_is_a_source_too_or_in_flight(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig, market: Market
) -> None:
    jobs = planned(snapshot, policy, market).jobs
    targets = [job.target_channel_id for job in jobs]
    sources = {one.channel_id for job in jobs for one in job.sources}
    assert len(set(targets)) == len(targets)
    assert not set(targets) & sources
    assert not (set(targets) | sources) & snapshot.in_flight
    assert len(jobs) <= policy.max_jobs_per_plan
    for job in jobs:
        assert 1 <= len(job.sources) <= policy.max_sources
        assert job.source_channel_id == job.sources[0].channel_id
        assert len({one.channel_id for one in job.sources}) == len(job.sources)


@given(snapshot=snapshots, policy=policies, market=markets)
def test_what_all_jobs_take_out_of_a_source_is_what_it_has_to_spare(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig, market: Market
) -> None:
    scene, taken_msat = Scene(snapshot, policy), Counter[str]()
    for job in planned(snapshot, policy, market).jobs:
        assert job.source_channel_id is not None
        taken_msat[job.source_channel_id] += job.amount_msat
    for channel in snapshot.view.channels:
        assert taken_msat[channel.channel_id] <= scene.spare_msat(channel)


@given(snapshot=snapshots, policy=policies, market=markets)
def test_no_job_costs_more_than_the_node_quoted_for_its_amount_or_a_larger_one(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig, market: Market
) -> None:
    """With a base fee a smaller amount is dearer by the sat: no price is scaled down in proportion."""
    base_msat = 3_000

    def with_base(asked: Question) -> Quote:
        quote = market(asked)
        return quote if quote.fee_msat is None else replace(quote, fee_msat=quote.fee_msat + base_msat)

    for job in planned(snapshot, policy, with_base).jobs:
        for one in job.sources:
            assert one.quoted_fee_msat is not None
            true_msat = with_base(Question(DRAINED, FULL, job.amount_msat, 0)).fee_msat
            assert true_msat is not None
            assert true_msat - 1 <= one.quoted_fee_msat <= one.max_fee_msat + 1


@given(snapshot=snapshots, policy=policies, market=markets)
def test_all_jobs_together_stay_within_the_budget_and_each_within_its_stake(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig, market: Market
) -> None:
    left_msat = snapshot.budget_left_msat
    for job in planned(snapshot, policy, market).jobs:
        assert job.terms is not None
        assert job.terms.kelly_ratio > 0
        assert 0 <= job.max_fee_msat <= job.terms.stake_msat <= policy.kelly_fraction * max(left_msat, 0) + 1
        assert job.max_fee_msat == max(one.max_fee_msat for one in job.sources)
        assert all((one.quoted_fee_msat or 0) <= one.max_fee_msat + 1 for one in job.sources[:1])
        left_msat -= job.max_fee_msat
    assert left_msat >= min(snapshot.budget_left_msat, 0)


@given(snapshot=snapshots, policy=policies, market=markets)
def test_amounts_fit_policy_channels_and_bands(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig, market: Market
) -> None:
    channels = {channel.channel_id: channel for channel in snapshot.view.channels}
    for job in planned(snapshot, policy, market).jobs:
        target = channels[job.target_channel_id]
        assert policy.min_amount_sat * SAT <= job.amount_msat <= policy.max_amount_sat * SAT
        assert job.amount_msat % SAT == 0
        assert job.amount_msat <= target.receivable_msat - target.capacity_msat // MARGIN_SHARE
        if target.remote_terms is not None:
            assert target.remote_terms.htlc_min_msat <= job.amount_msat <= target.remote_terms.htlc_max_msat
        high_ratio = Fraction(band(snapshot.flows[target.channel_id], policy).high_ratio)
        assert target.local_msat + job.amount_msat <= target.capacity_msat * high_ratio + 1_024
        for name in (one.channel_id for one in job.sources):
            source = channels[name]
            low_ratio = Fraction(band(snapshot.flows.get(name, Flow()), policy).low_ratio)
            assert source.local_msat - job.amount_msat >= source.capacity_msat * low_ratio - 1_024
            assert job.amount_msat <= source.spendable_msat - source.capacity_msat // MARGIN_SHARE


@given(snapshot=snapshots, policy=policies, market=markets)
def test_both_ends_are_usable_channels_of_two_peers_and_arrival_can_be_told(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig, market: Market
) -> None:
    channels = {channel.channel_id: channel for channel in snapshot.view.channels}
    for job in planned(snapshot, policy, market).jobs:
        target = channels[job.target_channel_id]
        assert sum(1 for other in channels.values() if other.live and other.peer_id == target.peer_id) == 1
        for one in job.sources:
            source = channels[one.channel_id]
            assert source.usable
            assert target.usable
            assert source.peer_id != target.peer_id


@given(snapshot=snapshots, policy=policies, market=markets)
def test_no_job_may_cost_more_than_realised_sales_earned_or_the_policy_allows(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig, market: Market
) -> None:
    for job in planned(snapshot, policy, market).jobs:
        sold = snapshot.flows[job.target_channel_id]
        assert sold.earned_msat > 0
        assert job.max_fee_msat <= job.amount_msat * Fraction(sold.earned_msat, sold.out_msat)
        assert job.max_fee_msat <= job.amount_msat * Fraction(policy.max_fee_ppm, 10**6)
        assert policy.min_gain_sat * SAT <= job.expected_gain_msat
        assert job.expected_gain_msat <= job.amount_msat * Fraction(sold.earned_msat, sold.out_msat) + 1


@given(snapshot=snapshots, policy=policies)
def test_a_market_without_routes_gets_no_job(snapshot: RebalanceSnapshot, policy: RebalanceConfig) -> None:
    assert planned(snapshot, policy, no_route).jobs == ()


@given(snapshot=snapshots, policy=policies, market=markets)
def test_each_live_channel_is_decided_once_with_a_reason_that_reads(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig, market: Market
) -> None:
    decided = planned(snapshot, policy, market).decisions
    live = [channel.channel_id for channel in snapshot.view.channels if channel.live]
    assert sorted(one.target_channel_id for one in decided) == sorted(live)
    assert all(one.reasons and all(reason.sentence for reason in one.reasons) for one in decided)


@given(snapshot=snapshots, policy=policies, market=markets)
def test_a_plan_depends_on_nothing_but_its_arguments(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig, market: Market
) -> None:
    shuffled = replace(snapshot, view=replace(snapshot.view, channels=snapshot.view.channels[::-1]))
    before = deepcopy(snapshot)
    plan = planned(snapshot, policy, market)
    assert planned(shuffled, policy, market) == plan == planned(snapshot, policy, market)
    assert snapshot == before


@given(snapshot=snapshots, policy=policies, market=markets)
def test_what_suspends_spending_puts_every_job_off(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig, market: Market
) -> None:
    plan = planned(snapshot, policy, market, SUSPENDED)
    assert plan.jobs == ()
    for job in planned(snapshot, policy, market).jobs[:1]:
        put_off = next(one for one in plan.decisions if one.target_channel_id == job.target_channel_id)
        assert put_off.outcome is Outcome.DEFER
        assert put_off.reasons[-1] in SUSPENDED


@given(snapshot=snapshots, policy=policies, market=markets)
def test_without_budget_income_or_demand_nothing_is_planned(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig, market: Market
) -> None:
    assert planned(replace(snapshot, budget_left_msat=-1), policy, market).jobs == ()
    free = {name: replace(flow, earned_msat=0) for name, flow in snapshot.flows.items()}
    assert planned(replace(snapshot, flows=free), policy, market).jobs == ()
    assert planned(replace(snapshot, flows={}), policy, market).jobs == ()
    assert planned(replace(snapshot, signals={}), policy, market).jobs == ()


@given(snapshot=snapshots, policy=policies)
def test_no_more_routes_are_asked_for_than_the_policy_allows(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig
) -> None:
    scene = Scene(snapshot, policy)
    asked = questions(survey(scene), scene)
    assert len(asked) <= policy.max_quotes
    assert len({(one.source.channel_id, one.target.channel_id) for one in asked}) == len(asked)
    assert all(one.max_fee_msat >= 0 < one.amount_msat for one in asked)


def test_strategies_yield_plans_with_several_jobs() -> None:
    """Else what holds for any plan would hold for want of plans."""
    found = find(
        rebalance_snapshots(),
        lambda snapshot: len(planned(snapshot, POLICY, at_ppm(20)).jobs) >= 2,
        settings=settings(max_examples=20_000, phases=(Phase.generate,), deadline=None),
    )
    assert found


# Figures by hand.


def test_a_drained_channel_that_sells_is_filled_from_a_full_one() -> None:
    """500 ppm are earned; 142,857 sat a day want to leave, so that what is left is sold within 14 days as good as
    surely; the route costs 50.
    """
    job = first(two())
    assert job.outcome is Outcome.CHANGE
    assert (job.source_channel_id, job.amount_msat) == (channel_id(2), 1_000_000 * SAT)
    assert job.terms is not None
    assert job.terms.income_ppm == 500
    assert job.terms.target_ppm == pytest.approx(490, abs=15)
    assert (job.terms.source_ppm, job.terms.route_ppm, job.terms.risk_ppm) == (0, 50, 0)
    assert job.terms.gain_ppm == pytest.approx(job.terms.target_ppm - 50, abs=0.1)
    # What is expected of it: with a chance of 60 %, for want of anything known of the pair.
    assert job.expected_gain_msat == pytest.approx(0.6 * job.terms.gain_ppm * SAT, rel=0.01)
    # 2 such amounts were sold in the horizon, as good as two lots.
    low_ratio = job.terms.sale_low_ratio
    assert low_ratio == pytest.approx(0.7, abs=0.05)
    odds = 500 / 50 - 1
    assert job.terms.odds_ratio == odds
    assert job.terms.kelly_ratio == pytest.approx(low_ratio - (1 - low_ratio) / odds, abs=0.001)
    # It may cost what keeps the bet worth a stake, not what is left after its price was taken off.
    # (350 ppm here), as far as the stake at that price is as much: the dearer, the less is staked.
    assert job.max_fee_msat / SAT == pytest.approx(low_ratio * 500, rel=0.05)
    assert job.max_fee_msat / SAT < low_ratio * 500
    assert [reason.code for reason in job.reasons] == [ReasonCode.WORTH, ReasonCode.FOR_SALE, ReasonCode.KELLY]
    assert reason_of(job, ReasonCode.FOR_SALE).sentence.endswith(f"worth {round(job.terms.target_ppm)} ppm")


def test_the_limit_does_not_depend_on_the_price_that_was_quoted() -> None:
    limits = {first(two(), market=at_ppm(price)).max_fee_msat for price in (10, 50, 150)}
    assert len(limits) == 1


def test_what_the_source_would_earn_itself_is_taken_off() -> None:
    flows = {channel_id(1): make_flow(), channel_id(2): make_flow(out_msat=20_000_000 * SAT, earned_msat=2_000 * SAT)}
    busy = make_rebalance_snapshot((DRAINED, FULL), flows=flows)
    job, alone = first(busy), first(two())
    assert job.terms is not None
    assert job.terms.source_ppm > 50
    assert job.max_fee_msat < alone.max_fee_msat


def test_no_more_is_moved_than_gains_at_its_price() -> None:
    """The dearer the route, the less of it pays: later sats are less likely to be sold."""
    wide = RebalanceConfig(max_amount_sat=5_000_000)
    amounts = [first(two(), wide, at_ppm(price)).amount_msat for price in (1, 100, 200, 300)]
    assert amounts == sorted(amounts, reverse=True)
    assert amounts[0] > amounts[-1]


def test_half_of_the_kelly_share_is_staked_and_cuts_the_amount() -> None:
    """Of 100 sat a stake of about 33 is left; at 50 ppm that buys 660,000 sat."""
    job = first(two(budget_left_msat=100 * SAT))
    assert job.terms is not None
    # The smaller amount is the surer one, so that the stake was that of the whole.
    assert job.terms.stake_msat > 0.5 * 0.667 * 100 * SAT
    assert job.amount_msat == pytest.approx(0.5 * 0.667 * 100 * SAT * 10**6 / 50, rel=0.02)
    assert job.terms.wanted_msat == 1_000_000 * SAT
    assert job.sources[0].quoted_fee_msat is not None
    assert job.sources[0].quoted_fee_msat <= job.max_fee_msat <= job.terms.stake_msat
    told = reason_of(job, ReasonCode.KELLY)
    assert told.numbers["amount_sat"] == job.amount_msat // SAT
    assert "of the 1,000,000 sat that gain" in told.sentence
    assert f"kelly_fraction = 0.5 is staked, {job.terms.stake_msat // SAT} sat" in told.sentence


@pytest.mark.parametrize("every_hours", [1, 2, 4, 6, 12, 24, 168])
def test_in_whatever_rhythm_plans_are_made_each_target_is_asked_about_once(every_hours: int) -> None:
    terms = make_terms(fee_ppm=500, fee_base_msat=0)
    drained = [make_channel(number, local_msat=250_000 * SAT, local_terms=terms) for number in range(1, 29)]
    full = [make_channel(100 + number, local_msat=4_750_000 * SAT) for number in range(4)]
    flows = {channel.channel_id: make_flow() for channel in drained}
    asked: set[str] = set()
    for turn in range(100):
        now = NOW + turn * every_hours * HOUR
        scene = Scene(make_rebalance_snapshot((*drained, *full), flows=flows, taken_at=now), POLICY)
        asked |= {one.target.channel_id for one in questions(survey(scene), scene)}
    assert len(asked) == 28


def test_a_return_is_asked_for_on_top_of_the_price() -> None:
    """At 100 % a sat that is worth 490 ppm may cost 245, and no more is moved than still brings as much."""
    bare, keen = first(two()), first(two(), RebalanceConfig(min_return_ratio=1.0))
    assert keen.terms is not None
    assert keen.max_fee_msat / SAT == pytest.approx(keen.terms.target_ppm / 2, abs=1)
    assert bare.max_fee_msat > keen.max_fee_msat
    assert first(two(), RebalanceConfig(min_return_ratio=1.0), at_ppm(240)).outcome is Outcome.CHANGE
    assert first(two(), RebalanceConfig(min_return_ratio=1.0), at_ppm(260)).outcome is Outcome.SKIP


def test_a_stake_that_does_not_buy_the_least_amount_puts_the_job_off() -> None:
    job = first(two(budget_left_msat=5 * SAT))
    assert job.outcome is Outcome.DEFER
    assert reason_of(job, ReasonCode.STAKE_TOO_SMALL).numbers["min_sat"] == POLICY.min_amount_sat
    assert first(two(budget_left_msat=0)).outcome is Outcome.DEFER


def test_a_bet_that_does_not_pay_is_refused_with_its_numbers() -> None:
    """What few sales tell leaves the bound low: worth buying at 350 ppm or less, and the route costs 400."""
    decision = first(two(), market=at_ppm(400))
    assert decision.outcome is Outcome.SKIP
    (reason,) = decision.reasons
    assert reason.code is ReasonCode.KELLY_REFUSED
    assert reason.numbers["cost_ppm"] == 400
    assert 0 < float(reason.numbers["dearest_ppm"]) < 400


def test_a_route_above_what_a_sat_is_worth_is_refused_with_the_difference() -> None:
    decision = first(two(), market=at_ppm(700))
    (reason,) = decision.reasons
    assert reason.code is ReasonCode.ROUTE_ABOVE_WORTH
    assert (reason.numbers["route_ppm"], reason.numbers["source"]) == (700, FULL.name)
    # Not what the next sat is worth, of which other reasons tell.
    assert f"0 on {FULL.name}, on average over the amount: a route may cost" in reason.sentence
    assert 300 < float(reason.numbers["limit_ppm"]) < 500


def test_a_channel_to_which_no_route_leads_says_so() -> None:
    (reason,) = first(two(), market=no_route).reasons
    assert (reason.code, reason.numbers["message"]) == (ReasonCode.NO_QUOTE, "nowhere to go")
    # With what its sibling says of a route that is too dear.
    (dear,) = first(two(), market=at_ppm(700)).reasons
    for name in ("target_ppm", "source_ppm", "limit_ppm", "bound"):
        assert reason.numbers[name] == dear.numbers[name]


def test_a_target_whose_turn_has_not_come_waits_for_it() -> None:
    decision = first(two(), RebalanceConfig(max_quotes=0))
    assert decision.outcome is Outcome.DEFER
    assert decision.reasons[0].code is ReasonCode.NOT_QUOTED
    assert decision.reasons[0].sentence.endswith("max_quotes routes are asked for at most, in turns")


def test_rows_and_plan_agree_where_the_layer_is_missing() -> None:
    plan = without_layer(planned(two(), RebalanceConfig(max_quotes=0)), "revops")
    assert [reason.code for reason in plan.reasons] == [ReasonCode.NO_LAYER]
    (reason,) = first_of(plan).reasons
    assert reason.sentence.endswith("the routing layer revops isn't there now")


def test_what_suspends_is_said_of_the_plan_also_where_no_job_waits() -> None:
    plan = planned(two(), POLICY, at_ppm(700), (why(ReasonCode.OBSERVE_MODE),))
    assert first_of(plan).outcome is Outcome.SKIP
    assert [reason.code for reason in plan.reasons] == [ReasonCode.OBSERVE_MODE]


def test_the_last_hop_alone_may_be_too_dear() -> None:
    target = replace(DRAINED, remote_terms=make_terms(fee_ppm=600, fee_base_msat=0))
    assert first(two(target)).reasons[0].code is ReasonCode.NOTHING_CHEAPER
    dear = replace(DRAINED, remote_terms=make_terms(fee_ppm=450, fee_base_msat=0))
    (reason,) = first(two(dear)).reasons
    assert reason.code is ReasonCode.LAST_HOP_ABOVE_WORTH
    assert reason.numbers["last_hop_ppm"] == 450


def test_a_gain_of_less_than_the_least_is_not_worth_the_trouble() -> None:
    (reason,) = first(two(), RebalanceConfig(min_gain_sat=100_000)).reasons
    assert reason.code is ReasonCode.GAIN_TOO_SMALL


def test_the_cheapest_source_pays_and_others_stand_by() -> None:
    others = tuple(make_channel(number, local_msat=4_750_000 * SAT) for number in (3, 4, 5, 6))
    prices = {channel_id(2): 120, channel_id(3): 40, channel_id(4): 80}
    job = first(make_rebalance_snapshot((DRAINED, FULL, *others)), market=by_source(prices))
    assert [one.channel_id for one in job.sources] == [channel_id(3), channel_id(4), channel_id(2)]
    quoted = [(one.quoted_fee_msat or 0) * 10**6 // job.amount_msat for one in job.sources]
    assert quoted == [40, 80, 120]
    alone = first(make_rebalance_snapshot((DRAINED, FULL, *others)), RebalanceConfig(max_sources=1), by_source(prices))
    assert len(alone.sources) == 1


def test_jobs_choose_by_gain_and_what_one_takes_is_gone_for_the_next() -> None:
    """3,000,000 sat are there to spare: a job for 1,000,000 each, and one for what is left. The last finds nothing."""
    flows = {channel_id(1): make_flow(), channel_id(3): make_flow(earned_msat=1_800 * SAT)}
    second = make_channel(3, local_msat=100_000 * SAT, local_terms=make_terms(fee_ppm=900, fee_base_msat=0))
    plan = planned(make_rebalance_snapshot((DRAINED, FULL, second), flows=flows), POLICY)
    assert [job.target_channel_id for job in plan.jobs] == [channel_id(3), channel_id(1)]
    assert {job.source_channel_id for job in plan.jobs} == {channel_id(2)}
    full = planned(
        make_rebalance_snapshot((DRAINED, FULL, second), flows=flows), RebalanceConfig(max_jobs_per_plan=1)
    ).decisions[1]
    assert full.reasons[-1].code is ReasonCode.PLAN_FULL
    little = replace(FULL, local_msat=3_300_000 * SAT, spendable_msat=3_200_000 * SAT)
    plan = planned(make_rebalance_snapshot((DRAINED, little, second), flows=flows), POLICY)
    assert plan.jobs[0].amount_msat == 1_000_000 * SAT
    assert plan.jobs[1].amount_msat < 550_000 * SAT
    less = replace(FULL, local_msat=2_760_000 * SAT, spendable_msat=2_700_000 * SAT)
    plan = planned(make_rebalance_snapshot((DRAINED, less, second), flows=flows), POLICY)
    assert [job.target_channel_id for job in plan.jobs] == [channel_id(3)]
    assert plan.decisions[1].reasons[0].code is ReasonCode.SOURCES_TAKEN


def test_what_suspends_a_job_is_its_last_reason() -> None:
    decision = first_of(planned(two(), POLICY, suspended=SUSPENDED))
    assert (decision.outcome, decision.reasons[-1]) == (Outcome.DEFER, SUSPENDED[-1])
    assert decision.amount_msat == first(two()).amount_msat


def test_who_cannot_give_the_amount_does_not_stand_in() -> None:
    """The third has 500,000 sat to spare, at a price at which the second gains more."""
    poor = make_channel(3, local_msat=2_250_000 * SAT)
    job = first(make_rebalance_snapshot((DRAINED, FULL, poor)))
    assert [one.channel_id for one in job.sources] == [channel_id(2)]
    small = first(make_rebalance_snapshot((DRAINED, FULL, poor)), RebalanceConfig(max_amount_sat=400_000))
    assert {one.channel_id for one in small.sources} == {channel_id(2), channel_id(3)}


def test_a_second_job_pays_for_what_the_first_leaves_of_a_source() -> None:
    """The source sells as well: the further it is drained, the dearer is what it gives."""
    twin = make_channel(3, local_msat=250_000 * SAT, local_terms=make_terms(fee_ppm=500, fee_base_msat=0))
    own = Flow(out_msat=4_500_000 * SAT, out_count=200, earned_msat=450 * SAT)
    flows = {channel_id(1): make_flow(), channel_id(3): make_flow(), channel_id(2): own}
    first_job, second_job = planned(make_rebalance_snapshot((DRAINED, FULL, twin), flows=flows), POLICY).jobs
    assert first_job.terms is not None
    assert second_job.terms is not None
    assert second_job.terms.source_ppm > first_job.terms.source_ppm > 0
    assert second_job.max_fee_msat < first_job.max_fee_msat


def test_room_that_was_earned_is_staked_once() -> None:
    """Each target has earned 5 sat, the room on their source 15: both together may cost 25 sat, not 40."""
    twin = make_channel(3, local_msat=250_000 * SAT, local_terms=make_terms(fee_ppm=500, fee_base_msat=0))
    little = {"earned_msat": 5 * SAT, "out_msat": 10_000 * SAT}
    snapshot = crowded(800, 39_985, **little)
    flows = {**snapshot.flows, channel_id(3): make_flow(**little)}
    snapshot = replace(
        make_rebalance_snapshot((DRAINED, FULL, twin), flows=flows, budget_left_msat=10**9 * SAT),
        spent_msat=snapshot.spent_msat,
    )
    jobs = planned(snapshot, RebalanceConfig(min_return_ratio=0.0, min_amount_sat=1_000)).jobs
    assert jobs
    assert sum(job.max_fee_msat for job in jobs) <= 25 * SAT


def test_a_channel_that_gives_is_not_filled_in_the_same_plan() -> None:
    """The middle one would be worth filling, and gives to the one that is worth more."""
    middle = make_channel(2, local_msat=3_500_000 * SAT, local_terms=make_terms(fee_ppm=100, fee_base_msat=0))
    flows = {
        channel_id(1): make_flow(),
        channel_id(2): make_flow(out_msat=40_000_000 * SAT, earned_msat=4_000 * SAT),
    }
    policy = RebalanceConfig(min_return_ratio=0.0, low_ratio=0.2, high_ratio=0.9, max_sources=5)
    snapshot = make_rebalance_snapshot((DRAINED, middle, make_channel(3, local_msat=4_750_000 * SAT)), flows=flows)
    plan = planned(snapshot, policy, by_source({channel_id(2): 1, channel_id(3): 60}))
    assert [job.target_channel_id for job in plan.jobs] == [channel_id(1)]
    assert channel_id(2) in {one.channel_id for one in plan.jobs[0].sources}
    other = next(one for one in plan.decisions if one.target_channel_id == channel_id(2))
    assert other.reasons[0].code is ReasonCode.TAKEN


def test_targets_that_are_alike_are_asked_about_different_sources() -> None:
    drained = [make_channel(number, local_msat=200_000 * SAT) for number in range(1, 5)]
    full = [make_channel(number, local_msat=4_750_000 * SAT) for number in range(11, 19)]
    flows = {one.channel_id: make_flow() for one in drained}
    scene = Scene(make_rebalance_snapshot((*drained, *full), flows=flows), POLICY)
    asked = Counter(one.source.channel_id for one in questions(survey(scene), scene))
    assert sum(asked.values()) == 4 * SOURCES_ASKED
    assert set(asked) == {one.channel_id for one in full}
    assert max(asked.values()) == 2


def with_base(base_msat: int, route_ppm: int = 50, log: list[int] | None = None) -> Market:
    """A market in which each route costs a base fee too."""

    def market(asked: Question) -> Quote:
        if log is not None:
            log.append(asked.amount_msat)
        return Quote(asked.amount_msat, base_msat + asked.amount_msat * route_ppm // 10**6)

    return market


def test_an_amount_that_is_cut_is_asked_for_again() -> None:
    """At 100 sat of budget about two thirds are bought; of a base fee of 5 sat each sat of the smaller pays more."""
    log: list[int] = []
    job = first(two(budget_left_msat=100 * SAT), market=with_base(5 * SAT, log=log))
    assert job.amount_msat in log[1:]
    assert job.sources[0].quoted_fee_msat == 5 * SAT + job.amount_msat * 50 // 10**6
    assert job.terms is not None
    assert job.terms.route_ppm == pytest.approx(
        (job.sources[0].quoted_fee_msat or 0) / job.amount_msat * 10**6, abs=0.1
    )
    assert job.terms.route_ppm > 55
    assert len(log) <= 3


def test_where_no_question_is_left_a_smaller_amount_costs_what_the_larger_one_does() -> None:
    """Three questions, and none is kept for what is cut: 1,000,000 sat cost 50 sat, and 33 are staked."""
    none_left = RebalanceConfig(min_return_ratio=0.0, max_quotes=1)
    job = first(two(budget_left_msat=100 * SAT), none_left)
    assert job.outcome is Outcome.DEFER
    assert job.reasons[-1].code is ReasonCode.STAKE_TOO_SMALL
    # What isn't cut by the stake, but since more of it wouldn't gain, is bought at the price of the larger amount.
    wide = RebalanceConfig(min_return_ratio=0.0, max_quotes=1, max_amount_sat=5_000_000)
    job = first(two(budget_left_msat=10**9 * SAT), wide, at_ppm(100))
    exact = first(two(budget_left_msat=10**9 * SAT), msgspec.structs.replace(wide, max_quotes=24), at_ppm(100))
    assert job.amount_msat == exact.amount_msat
    assert (job.sources[0].quoted_fee_msat or 0) > (exact.sources[0].quoted_fee_msat or 0)
    assert exact.sources[0].quoted_fee_msat == pytest.approx(exact.amount_msat * 100 / 10**6, rel=0.02)


@pytest.mark.parametrize(
    ("quotes", "amount_msat", "most_msat", "estimated_msat"),
    [
        ([], 10, None, None),
        ([Quote(100, None)], 10, None, None),
        ([Quote(100, 50)], 100, 50, 50),
        ([Quote(100, 50)], 50, 50, 25),
        ([Quote(100, 50)], 101, None, None),
        ([Quote(100, 50), Quote(60, 40)], 60, 40, 40),
        ([Quote(100, 50), Quote(60, 40)], 40, 40, 35),
        ([Quote(100, 50), Quote(60, 40)], 80, 50, 40),
        ([Quote(100, 50), Quote(60, 60)], 40, 50, 60),
        ([Quote(100, 90), Quote(60, 10)], 30, 10, 5),
        ([Quote(100, 50), Quote(100, 40)], 50, 40, 20),
        ([Quote(100, 50), Quote(60, None)], 50, 50, 25),
    ],
)
def test_what_a_smaller_amount_costs(
    quotes: list[Quote], amount_msat: int, most_msat: int | None, estimated_msat: float | None
) -> None:
    assert cost_msat(quotes, amount_msat) == most_msat
    assert estimate_msat(quotes, amount_msat) == estimated_msat


def test_routes_are_asked_for_the_best_first_and_for_the_rest_in_turn() -> None:
    drained = [
        make_channel(number, local_msat=200_000 * SAT, local_terms=make_terms(fee_ppm=500)) for number in range(1, 9)
    ]
    flows = {one.channel_id: make_flow(earned_msat=(1_000 - number) * SAT) for number, one in enumerate(drained)}
    policy = RebalanceConfig(max_quotes=11)
    full = [make_channel(number, local_msat=4_750_000 * SAT) for number in range(11, 15)]
    seen: set[str] = set()
    for hours in range(12):
        snapshot = make_rebalance_snapshot((*drained, *full), flows=flows, taken_at=NOW + hours * HOUR)
        scene = Scene(snapshot, policy)
        candidates = survey(scene)
        asked = [one.target.channel_id for one in questions(candidates, scene)]
        assert asked[: 2 * SOURCES_ASKED] == [
            one.target.channel_id for one in candidates[:2] for _source in range(SOURCES_ASKED)
        ]
        seen |= set(asked)
    assert seen == {one.channel_id for one in drained}


@pytest.mark.parametrize(
    ("target", "flow", "code"),
    [
        ({"connected": False}, {}, ReasonCode.NOT_USABLE),
        ({"local_msat": 4_600_000 * SAT}, {}, ReasonCode.FULL_ENOUGH),
        ({}, {"out_msat": 0}, ReasonCode.NO_INCOME),
        ({}, {"earned_msat": 0}, ReasonCode.NO_INCOME),
        ({"local_terms": make_terms(fee_ppm=0, fee_base_msat=0)}, {}, ReasonCode.NO_INCOME),
        ({"remote_terms": make_terms(htlc_max_msat=40_000 * SAT)}, {}, ReasonCode.FULL_ENOUGH),
    ],
)
def test_what_is_not_refilled(target: dict[str, Any], flow: dict[str, Any], code: ReasonCode) -> None:
    channels = (replace(DRAINED, **target), FULL, make_channel(7))
    snapshot = make_rebalance_snapshot(channels, flows={channel_id(1): make_flow(**flow)})
    decision = first(snapshot)
    assert (decision.outcome, decision.reasons[0].code) == (Outcome.SKIP, code)


def test_a_reason_rounds_a_balance_as_tables_do() -> None:
    (reason,) = first(two(replace(DRAINED, local_msat=4_597_000 * SAT))).reasons  # 91.94 %
    assert (reason.code, reason.numbers["local_percent"]) == (ReasonCode.FULL_ENOUGH, 91)
    assert amounts.share(4_597_000 * SAT, DRAINED.capacity_msat) == "91 %"


def test_a_peer_with_two_channels_is_no_target_but_may_be_a_source() -> None:
    twin = replace(make_channel(3, local_msat=100_000 * SAT), peer_id=node_id(1))
    assert first(make_rebalance_snapshot((DRAINED, FULL, twin))).reasons[0].code is ReasonCode.SEVERAL_CHANNELS
    other = replace(make_channel(4, local_msat=100_000 * SAT), peer_id=node_id(2))
    assert first(make_rebalance_snapshot((DRAINED, FULL, other))).outcome is Outcome.CHANGE


def test_a_drained_and_dead_channel_gets_no_job() -> None:
    """Nothing wants to leave by it, however empty it is, and whatever it once earned."""
    dead = replace(make_rebalance_snapshot((DRAINED, FULL)), signals={})
    assert first(dead).reasons[0].code is ReasonCode.NOT_WANTED


def test_two_channels_of_one_peer_do_not_fill_each_other() -> None:
    closing = replace(FULL, state="CHANNELD_SHUTTING_DOWN")
    assert first(two(DRAINED, closing)).reasons[0].code is ReasonCode.NOBODY_SPARES
    own = replace(FULL, peer_id=DRAINED.peer_id)
    assert first(two(DRAINED, own)).reasons[0].code is ReasonCode.SEVERAL_CHANNELS


def test_what_did_not_sell_is_not_bought_again() -> None:
    lots = {channel_id(1): (Lot(1_000_000 * SAT, 100 * SAT, 20.0, 0),)}
    assert first(two(lots=lots)).reasons[0].code is ReasonCode.STOP_LOSS


def test_lots_that_sold_allow_for_a_dearer_route() -> None:
    sold = (Lot(1_000_000 * SAT, 100 * SAT, 20.0, 1_000_000 * SAT),) * 6
    assert first(two(lots={channel_id(1): sold}), market=at_ppm(400)).outcome is Outcome.CHANGE
    assert first(two(), market=at_ppm(400)).outcome is Outcome.SKIP


def test_an_unstable_peer_takes_part_in_nothing() -> None:
    shaky = why(ReasonCode.NOT_USABLE, state="shaky")
    assert first(two(unstable={channel_id(1): shaky})).reasons == (shaky,)
    assert first(two(unstable={channel_id(2): shaky})).reasons[0].code is ReasonCode.NOBODY_SPARES


@pytest.mark.parametrize(("side", "number"), [("target", 1), ("source", 2)])
def test_a_rule_keeps_a_channel_out(side: str, number: int) -> None:
    for permission in ("both", side):
        assert first(two(permissions={channel_id(number): permission})).outcome is Outcome.CHANGE
    other = "source" if side == "target" else "target"
    for permission in ("none", other):
        assert first(two(permissions={channel_id(number): permission})).outcome is Outcome.SKIP
    assert permission_reason("both", side) is None
    reason = permission_reason(other, side)
    assert reason is not None
    assert reason.sentence == f'a rule says rebalance = "{other}": never a {side}'


@pytest.mark.parametrize("number", [1, 2])
def test_a_channel_with_a_payment_under_way_takes_part_in_nothing(number: int) -> None:
    snapshot = two(in_flight=frozenset({channel_id(number)}))
    assert planned(snapshot, POLICY).jobs == ()
    kept = kept_out(snapshot.view.channels[number - 1], "target", snapshot)
    assert kept is not None
    assert kept.code is ReasonCode.IN_FLIGHT


def test_a_pair_that_failed_waits_and_another_source_may_pay() -> None:
    failed = (Attempt(channel_id(2), channel_id(1), NOW - HOUR, FailureKind.FEE_TOO_LOW),)
    decision = first(two(attempts=failed))
    assert (
        decision.reasons[0].sentence == "failures in a row: 1; next try in 60 min (cooldown_seconds, longer with each)"
    )
    third = make_channel(3, local_msat=4_750_000 * SAT)
    job = first(replace(make_rebalance_snapshot((DRAINED, FULL, third)), attempts=failed))
    assert job.source_channel_id == channel_id(3)


def test_a_target_that_failed_with_all_waits_itself() -> None:
    failed = tuple(Attempt(channel_id(9), channel_id(1), NOW - HOUR, FailureKind.FEE_TOO_LOW) for _ in range(8))
    assert first(two(attempts=failed)).reasons[0].code is ReasonCode.COOLING_DOWN


def test_a_pair_that_hangs_costs_its_risk() -> None:
    hung = (Attempt(channel_id(2), channel_id(1), NOW - 30 * HOUR, FailureKind.TIME_OUT),)
    job = first(two(attempts=hung))
    assert job.terms is not None
    assert 0 < job.terms.risk_ppm < 50
    assert job.expected_gain_msat < first(two()).expected_gain_msat


def test_too_little_to_spare_is_too_small() -> None:
    """A source that may give 40,000 sat gives nothing, one that may give more gives as far as that gains."""
    poor = make_channel(2, capacity_msat=1_000_000 * SAT, local_msat=390_000 * SAT)
    assert first(two(DRAINED, poor)).reasons[0].code is ReasonCode.NOBODY_SPARES
    nearly = make_channel(
        1, capacity_msat=5_000_000 * SAT, local_msat=2_000_000 * SAT, local_terms=make_terms(fee_ppm=500)
    )
    small = first(two(nearly, FULL), RebalanceConfig(min_amount_sat=900_000), at_ppm(450))
    assert small.outcome is Outcome.SKIP


def test_what_gains_nothing_at_once_is_not_moved() -> None:
    scene = Scene(two(), POLICY)
    assert fitting_msat(scene, FULL, DRAINED, 10**9, 10_000) == 0
    assert fitting_msat(scene, FULL, DRAINED, 10**9, 0) == 10**9


def test_an_answer_without_an_amount_is_no_price() -> None:
    scene = Scene(two(), POLICY)
    candidate = survey(scene)[0]
    pair = (channel_id(2), channel_id(1))
    assert priced_offers(scene, candidate, {pair: (Quote(0, 5),)}) == []
    assert priced_offers(scene, candidate, {}) == []
    elsewhere = Scene(two(DRAINED, make_channel(9)), POLICY)
    assert priced_offers(elsewhere, candidate, {pair: (Quote(10**9, 5),)}) == []
    assert priced_offers(elsewhere, replace(candidate, target=make_channel(8)), {}) == []


def test_what_keeps_everything_from_being_executed() -> None:
    assert mode_reasons(RebalanceConfig(mode="act")) == ()
    codes = [reason.code for reason in mode_reasons(RebalanceConfig(executor="none"))]
    assert codes == [ReasonCode.OBSERVE_MODE, ReasonCode.EXECUTOR_NONE]


def test_no_more_is_staked_on_a_target_than_it_has_earned() -> None:
    """It earned 1,000 sat; lots that cost 980 and aren't sold leave 20 sat, for 400,000 sat at 50 ppm; 999 leave too
    little for the least amount. What is sold is at stake no more.
    """
    budget_msat = 10**6 * SAT

    def with_lots(fee_sat: int, sold_sat: int) -> RebalanceDecision:
        lot = Lot(1_000_000 * SAT, fee_sat * SAT, 1.0, sold_sat * SAT)
        return first(two(lots={channel_id(1): (lot,)}, budget_left_msat=budget_msat))

    some = with_lots(980, 0)
    assert some.outcome is Outcome.CHANGE
    assert some.max_fee_msat <= 20 * SAT
    assert some.amount_msat == pytest.approx(400_000 * SAT, rel=0.02)
    none = with_lots(999, 0)
    assert none.outcome is Outcome.DEFER
    assert reason_of(none, ReasonCode.EARNED_AT_STAKE).numbers["unsold_sat"] == 1_000_000
    assert with_lots(999, 1_000_000).amount_msat == 1_000_000 * SAT


def crowded(in_count: int, spent_sat: int = 0, **flow: Any) -> RebalanceSnapshot:
    """The source is full, and what enters by it has earned 250 ppm elsewhere, most of it where there is plenty."""
    entered = Flow(in_msat=40_000_000 * SAT, in_count=in_count, sourced_msat=10_000 * SAT)
    plenty = Flow(out_msat=36_000_000 * SAT, out_count=720, earned_msat=9_000 * SAT)
    flows = {channel_id(1): make_flow(**flow), channel_id(2): entered, channel_id(9): plenty}
    snapshot = make_rebalance_snapshot((DRAINED, FULL, PLENTY), flows=flows)
    signals = {**snapshot.signals, channel_id(9): Signals()}
    permissions = {channel_id(9): "none"}
    return replace(snapshot, signals=signals, permissions=permissions, spent_msat={channel_id(2): spent_sat * SAT})


def test_room_that_is_wanted_is_part_of_the_bet_by_its_own_lower_bound() -> None:
    """Nine tenths of what was earned left where there was plenty, so of 250 ppm the room has 225; with a chance of at
    least 85 % by 40 such amounts that entered. A sale takes room, too: 225 ppm of its 500 aren't the liquidity's.
    """
    much = 10**9 * SAT
    job, plain = first(replace(crowded(800), budget_left_msat=much)), first(two(budget_left_msat=much))
    assert job.terms is not None
    assert plain.terms is not None
    assert job.terms.source_ppm < -100
    assert job.terms.room_ppm == pytest.approx(225, abs=1)
    assert job.terms.entries_ppm == pytest.approx(225, abs=1)
    assert job.terms.target_ppm == pytest.approx(plain.terms.target_ppm * 275 / 500, abs=1)
    assert job.terms.room_low_ratio > 0.85
    assert (plain.terms.room_ppm, plain.terms.room_low_ratio) == (0, 0)
    assert (plain.terms.entries_ppm, plain.terms.source_ppm) == (0, 0)
    low_ppm = job.terms.sale_low_ratio * 275 + min(job.terms.room_low_ratio * 225, -job.terms.source_ppm)
    assert job.max_fee_msat / SAT == pytest.approx(low_ppm, abs=2)  # a million sat
    assert ReasonCode.ROOM in {reason.code for reason in job.reasons}
    for_sale = reason_of(job, ReasonCode.FOR_SALE).sentence
    assert for_sale.endswith(f", and for room on {FULL.name}, worth {round(-job.terms.source_ppm)} ppm")
    told = reason_of(job, ReasonCode.KELLY).sentence
    assert "earns 500, less 225 for the room that its payment takes, plus 225 for the room at its source, once" in told
    assert ReasonCode.ROOM not in {reason.code for reason in plain.reasons}


def test_a_job_into_a_channel_where_a_sat_is_worth_nothing_says_that_it_drains_the_source() -> None:
    """A fee a little dearer would lose hardly a payment: a sat more is worth nothing there."""
    inelastic = make_demand(judged_at=NOW - 60, elasticity_low=0.4, values_ppm=(400.0,))
    snapshot = replace(crowded(800), figures={channel_id(1): inelastic}, budget_left_msat=2_000 * SAT)
    job = first(snapshot, market=at_ppm(20))
    assert job.outcome is Outcome.CHANGE
    assert job.terms is not None
    assert round(job.terms.target_ppm) == 0
    sentence = reason_of(job, ReasonCode.FOR_ROOM).sentence
    assert sentence.startswith(
        f"in truth it drains {FULL.name}, where room is worth {round(-job.terms.source_ppm)} ppm"
    )


def test_of_a_single_payment_little_room_is_believed() -> None:
    once, often = first(crowded(1)), first(crowded(800))
    assert once.terms is not None
    assert often.terms is not None
    assert once.terms.room_low_ratio < 0.5 < often.terms.room_low_ratio
    assert once.max_fee_msat < often.max_fee_msat


def test_no_more_is_staked_on_room_than_its_entries_earned_less_what_was_spent_on_it() -> None:
    """The target has earned 5 sat; of 10,000 that entries earned all but 15 were spent: 20 sat."""
    rich = replace(crowded(800, 9_985, earned_msat=5 * SAT, out_msat=10_000 * SAT), budget_left_msat=10**9 * SAT)
    job = first(rich)
    assert job.outcome is Outcome.CHANGE
    assert job.max_fee_msat <= 20 * SAT
    spent = replace(crowded(800, 10_000, earned_msat=1 * SAT, out_msat=2_000 * SAT), budget_left_msat=10**9 * SAT)
    assert first(spent).outcome is Outcome.DEFER


def test_who_stands_in_may_not_spend_what_another_ones_room_has_earned() -> None:
    """Of 1,000 sat that the target has earned all but 30 are at stake; the first source's room has earned more. A route
    of 20 sat may cost the second 30 at most, one of 40 none.
    """
    third = make_channel(3, local_msat=4_750_000 * SAT)
    snapshot = crowded(800)
    snapshot = replace(snapshot, view=replace(snapshot.view, channels=(*snapshot.view.channels, third)))
    lots = {channel_id(1): (Lot(1_000_000 * SAT, 970 * SAT, 0.0, 0),)}
    snapshot = replace(snapshot, budget_left_msat=10**9 * SAT)

    def limits_msat(snapshot: RebalanceSnapshot, route_ppm: int) -> dict[str, int]:
        return {one.channel_id: one.max_fee_msat for one in first(snapshot, market=at_ppm(route_ppm)).sources}

    assert limits_msat(snapshot, 40)[channel_id(3)] > 30 * SAT
    at_stake = replace(snapshot, lots=lots)
    assert limits_msat(at_stake, 20)[channel_id(3)] == 30 * SAT
    assert limits_msat(at_stake, 20)[channel_id(2)] > 100 * SAT
    assert set(limits_msat(at_stake, 40)) == {channel_id(2)}


def test_no_job_is_planned_whose_own_quote_is_above_its_limit() -> None:
    """At what a sat is just worth, rounding decides: then it is a near miss."""
    for price in range(330, 370):

        def market(asked: Question, price: int = price) -> Quote:
            return Quote(asked.amount_msat, asked.amount_msat * price // 10**6 + 3)

        decision = first(two(), market=market)
        if decision.outcome is Outcome.CHANGE:
            assert (decision.sources[0].quoted_fee_msat or 0) <= decision.sources[0].max_fee_msat
