"""Splices in flight: what leaves is gone, what comes can't be sold yet and needs no refill, and a payment must fit
before and after. Each rule is a function of the channel; where it decides, its reason has the numbers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.fees import decide_fees
from revops.decide.in_flight import keeps_sling_away, notes
from revops.decide.openness import could_route
from revops.decide.peers import price_together
from revops.decide.rebalance.judge import judge
from revops.decide.rebalance.scene import Scene
from revops.decide.recheck import revalidate
from revops.decide.valve import (
    LEAST_HTLC_MAX_MSAT,
    LEVEL_COUNT,
    ceiling_msat,
    oversized_msat,
    unfit_msat,
    wanted_step,
)
from revops.domain.channel import SPLICING_STATE, Channel, SpliceInFlight
from revops.domain.decision import FeeDecision, Outcome
from revops.domain.policy import FeesConfig, RebalanceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.record import JobRecord
from tests.builders import (
    HOUR,
    NOW,
    SAT,
    make_channel,
    make_fee_input,
    make_fee_snapshot,
    make_rebalance_snapshot,
    make_state,
    make_terms,
    make_view,
    node_id,
    spliced,
)
from tests.planning import DRAINED, FULL, planned
from tests.planning import NO_RETURN as POLICY
from tests.strategies import channels

#: 5,000,000 sat, 4,000,000 of them ours, of which 50,000 are reserve.
RICH = make_channel(local_msat=4_000_000 * SAT)


# What fits before and after.


@pytest.mark.parametrize(
    ("change_sat", "peers_sat", "spendable_sat", "receivable_sat", "coming_sat", "leaving_sat"),
    [
        (0, 0, 3_950_000, 950_000, 0, 0),
        (-3_000_000, 0, 950_000, 950_000, 0, 3_000_000),
        (-4_000_000, 0, 0, 950_000, 0, 4_000_000),  # never below 0
        # Into it: nothing more can be sent before, and the reserve of both grows by 1 % of what comes.
        (2_000_000, 0, 3_950_000, 930_000, 1_980_000, 0),
        # The peer's: our side stays as it is, less what the reserve grows by.
        (0, 10_000_000, 3_850_000, 950_000, 0, 0),
        (0, -500_000, 3_950_000, 450_000, 0, 0),
        (0, -1_000_000, 3_950_000, 0, 0, 0),
    ],
)
def test_what_fits_before_and_after(
    change_sat: int, peers_sat: int, spendable_sat: int, receivable_sat: int, coming_sat: int, leaving_sat: int
) -> None:
    found = spliced(RICH, change_sat, peers_sat)
    assert (found.spendable_msat, found.receivable_msat) == (spendable_sat * SAT, receivable_sat * SAT)
    assert (found.coming_msat, found.leaving_msat) == (coming_sat * SAT, leaving_sat * SAT)
    assert found.spendable_after_msat == (spendable_sat + coming_sat) * SAT
    assert found.capacity_after_msat == (5_000_000 + change_sat + peers_sat) * SAT
    assert found.splicing
    assert found.usable, "forwards go on"


def test_of_several_that_replace_each_other_each_may_be_locked_in() -> None:
    dear = spliced(spliced(RICH, -1_000_000), -1_010_000, number=2)
    assert [one.txid[:2] for one in dear.splices] == ["01", "02"]
    assert dear.leaving_msat == 1_010_000 * SAT
    assert dear.capacity_after_msat == dear.least_capacity_msat == 3_990_000 * SAT
    assert dear.local_ratio == pytest.approx(2_990 / 3_990)


@given(channel=channels())
def test_nothing_is_spent_twice_and_no_share_is_more_than_either(channel: Channel) -> None:
    plain = replace(channel, splices=())
    assert channel.local_ratio <= plain.local_ratio
    assert channel.least_capacity_msat <= channel.capacity_msat
    assert channel.spendable_msat + channel.leaving_msat <= max(channel.local_msat, channel.leaving_msat)
    assert channel.spendable_after_msat >= channel.spendable_msat
    if not channel.splices:
        assert (channel.coming_msat, channel.leaving_msat) == (0, 0)
        assert channel.spendable_after_msat == channel.spendable_msat
        assert channel.capacity_after_msat == channel.least_capacity_msat == channel.capacity_msat


# Fees.


def fee_decision(channel: Channel, policy: FeesConfig, **overrides: Any) -> FeeDecision:
    return decide_fees(make_fee_snapshot(make_fee_input(channel, **overrides)), policy).decisions[0]


def note(decision: FeeDecision) -> Reason:
    return next(reason for reason in decision.reasons if str(reason.code).startswith("splice_"))


@pytest.mark.parametrize("strategy", ["demand", "hill_climb", "proportional", "static"])
@pytest.mark.parametrize(
    ("change_sat", "peers_sat", "said"),
    [
        (-3_000_000, 0, "a splice in flight takes 3,000,000 sat: they count as gone, 950,000 can be sent"),
        (2_000_000, 0, "a splice in flight brings 2,000,000 sat"),
        (0, 1_000_000, "a splice of the peer's is in flight, from 5,000,000 to 6,000,000 sat"),
    ],
)
def test_each_price_says_that_a_splice_is_in_flight(strategy: Any, change_sat: int, peers_sat: int, said: str) -> None:
    decision = fee_decision(spliced(RICH, change_sat, peers_sat), FeesConfig(strategy=strategy))
    assert note(decision).sentence.startswith(said)
    plain = fee_decision(RICH, FeesConfig(strategy=strategy))
    assert not any(str(reason.code).startswith("splice_") for reason in plain.reasons)


def test_a_channel_without_a_strategy_says_so_too() -> None:
    assert note(fee_decision(spliced(RICH, -1), FeesConfig(strategy="off"))).code is ReasonCode.SPLICE_LEAVING


def test_what_leaves_is_not_priced_as_plenty_and_what_comes_not_yet() -> None:
    policy = FeesConfig(strategy="proportional", full_ppm=0, empty_ppm=1_000, max_step_ratio=10)
    proposed = [
        fee_decision(spliced(RICH, change_sat), policy).proposed_ppm for change_sat in (-3_000_000, -1, 2_000_000)
    ]
    # 1,000,000 of 2,000,000 sat are left; of what comes nothing can be sold yet: 4,000,000 of 5,000,000.
    assert proposed == [500, 200, 200]


def test_a_sat_is_worth_more_when_others_leave_and_as_much_when_others_come() -> None:
    signals = make_rebalance_snapshot().signals[DRAINED.channel_id]
    policy = FeesConfig(strategy="static", fixed_ppm=500)
    channels = (RICH, spliced(RICH, -3_900_000), spliced(RICH, 3_000_000))
    values = [fee_decision(one, policy, signals=signals).value_ppm for one in channels]
    assert values[1] is not None
    assert values[0] is not None
    assert values[1] > values[0] == values[2]


def test_channels_of_one_peer_are_priced_without_what_leaves_one_of_them() -> None:
    peer_id = node_id(1)
    other = make_channel(2, local_msat=1_000_000 * SAT, peer_id=peer_id)
    members = (make_fee_input(spliced(RICH, -3_000_000)), make_fee_input(other))
    (peer,) = price_together(members, FeesConfig())
    merged = peer.offer.channel
    assert merged.local_msat == 2_000_000 * SAT
    assert merged.capacity_msat == 7_000_000 * SAT
    assert merged.spendable_msat == (950_000 + 950_000) * SAT
    assert merged.splices == ()


def test_no_ratchet_counts_the_time_in_which_a_splice_leaves_nothing_to_sell() -> None:
    """What a splice takes is no plenty that nobody wants: the channel isn't open for sale meanwhile."""
    idle = make_state(idle_open_seconds=80 * HOUR, counted_at=NOW - 2 * HOUR)
    policy = FeesConfig(strategy="static", fixed_ppm=100)
    drained = fee_decision(spliced(RICH, -3_950_000), policy, state=idle, last_earned_at=None)
    assert not could_route(spliced(RICH, -3_950_000))
    assert drained.new_ppm == 100
    assert drained.state is not None
    assert drained.state.idle_open_seconds == idle.idle_open_seconds
    open_one = fee_decision(RICH, policy, state=idle, last_earned_at=None)
    assert open_one.new_ppm < 100
    assert open_one.state is not None
    assert open_one.state.idle_open_seconds > idle.idle_open_seconds


def advertising(channel: Channel, htlc_max_sat: int) -> Channel:
    return replace(channel, local_terms=make_terms(htlc_max_msat=htlc_max_sat * SAT))


@pytest.mark.parametrize(
    ("channel", "htlc_max_sat", "cut_sat"),
    [
        # 950,000 sat fit before and after it: a quarter to spare.
        (spliced(RICH, -3_000_000), 950_001, 712_500),
        (spliced(RICH, -3_000_000), 950_000, None),
        (spliced(RICH, -3_940_000), 950_000, 10_000),  # never less
        (spliced(RICH, -3_950_000), 10_000, None),
        # By the growth of our reserve alone: 100,000 sat.
        (spliced(RICH, 0, 10_000_000), 3_850_001, 2_887_500),
        # What comes takes nothing; what a splice doesn't touch is for the node to refuse.
        (spliced(RICH, 3_000_000), 4_000_000, None),
        (RICH, 4_000_000, None),
        (spliced(RICH, -3_990_000, -999_000), 950_000, None),  # too small for any
    ],
)
def test_a_largest_payment_that_does_not_fit_both_is_cut(
    channel: Channel, htlc_max_sat: int, cut_sat: int | None
) -> None:
    assert unfit_msat(advertising(channel, htlc_max_sat)) == (None if cut_sat is None else cut_sat * SAT)


@pytest.mark.parametrize(
    ("channel", "htlc_max_sat", "most_sat"),
    [
        (spliced(RICH, -3_000_000), 2_000_001, 1_950_000),
        (spliced(RICH, -3_000_000), 2_000_000, None),
        # lightningd leaves it as it was when the splice is locked in.
        (make_channel(capacity_msat=2_000_000 * SAT), 4_950_000, 1_980_000),
        (make_channel(capacity_msat=2_000_000 * SAT, max_in_flight_out_msat=10**9), 4_950_000, 1_000_000),
        (make_channel(capacity_msat=10_000 * SAT), 4_950_000, None),  # too small for any
        (RICH, 4_950_000, None),
    ],
)
def test_a_channel_advertises_no_more_than_it_holds(channel: Channel, htlc_max_sat: int, most_sat: int | None) -> None:
    assert oversized_msat(advertising(channel, htlc_max_sat)) == (None if most_sat is None else most_sat * SAT)


@pytest.mark.parametrize(
    ("htlc_max", "htlc_max_sat", "new_sat", "code"),
    [
        ("valve", 1_000_000, 712_500, ReasonCode.HTLC_MAX_UNFIT),
        ("valve", 700_000, None, None),  # the valve rests until it is locked in
        ("keep", 4_950_000, 1_950_000, ReasonCode.HTLC_MAX_OVERSIZED),
        ("keep", 1_000_000, None, None),
    ],
)
def test_a_cut_does_not_wait_and_the_fee_that_has_to_stays(
    htlc_max: Any, htlc_max_sat: int, new_sat: int | None, code: ReasonCode | None
) -> None:
    channel = advertising(spliced(RICH, -3_000_000), htlc_max_sat)
    policy = FeesConfig(strategy="static", fixed_ppm=140, htlc_max=htlc_max)
    decision = fee_decision(channel, policy, last_changed_at=NOW - HOUR, own_updates_last_day_count=9)
    assert decision.new_htlc_max_msat == (None if new_sat is None else new_sat * SAT)
    assert decision.says(ReasonCode.MIN_INTERVAL)
    if code is None:
        assert decision.outcome is Outcome.SKIP
        return
    assert decision.outcome is Outcome.CHANGE
    assert decision.says(code)
    assert (decision.new_ppm, decision.old_ppm, decision.state_if_sent) == (100, 100, decision.state)
    free = fee_decision(channel, policy)
    assert (free.outcome, free.new_ppm, free.new_htlc_max_msat) == (Outcome.CHANGE, 140, decision.new_htlc_max_msat)
    outside = fee_decision(channel, replace_policy(policy, min_ppm=120), last_own_changed_at=NOW - HOUR)
    assert outside.outcome is Outcome.SKIP, "a fee that may not be sent isn't"


def replace_policy(policy: FeesConfig, **changes: Any) -> FeesConfig:
    return msgspec.structs.replace(policy, **changes)


@given(channel=channels(), htlc_max=st.sampled_from(("keep", "valve")))
def test_what_is_let_through_fits_before_and_after(channel: Channel, htlc_max: Any) -> None:
    sizes = [channel.capacity_msat, *(one.capacity_msat for one in channel.splices)]
    assert all(ceiling_msat(channel) <= max(size - channel.our_reserve_msat, 0) for size in sizes)
    for wished_msat in (unfit_msat(channel), oversized_msat(channel)):
        if wished_msat is not None:
            assert LEAST_HTLC_MAX_MSAT <= wished_msat <= ceiling_msat(channel)
            cut = replace(channel, local_terms=replace(channel.local_terms, htlc_max_msat=wished_msat))
            assert oversized_msat(cut) is None
    cut_msat = unfit_msat(channel)
    if cut_msat is not None:
        cut = replace(channel, local_terms=replace(channel.local_terms, htlc_max_msat=cut_msat))
        assert unfit_msat(cut) is None, "one cut is enough"
    step = wanted_step(channel)
    assert step is None or channel.unsendable_msat == 0
    assert step is None or (step.htlc_max_msat <= ceiling_msat(channel) and 1 <= step.level <= LEVEL_COUNT)


# Rebalances.


def refill(*changed: Channel, policy: RebalanceConfig = POLICY) -> Any:
    channels = [DRAINED, FULL]
    for one in changed:
        channels[int(one.channel_id, 16) - 1] = one
    plan = planned(make_rebalance_snapshot(channels), policy)
    return next(one for one in plan.decisions if one.target_channel_id == DRAINED.channel_id)


def test_nothing_is_bought_for_a_channel_that_gets_it_by_a_splice() -> None:
    plain = refill()
    assert plain.outcome is Outcome.CHANGE
    supplied = refill(spliced(DRAINED, 4_000_000))
    assert supplied.outcome is Outcome.SKIP
    assert supplied.reasons[-1] == why(ReasonCode.SPLICE_COMING, amount_sat=4_000_000)
    less = refill(spliced(DRAINED, 500_000))
    assert less.outcome is Outcome.CHANGE
    assert less.expected_gain_msat < plain.expected_gain_msat, "its need is what is left after the splice"
    assert less.reasons[-1].code is ReasonCode.SPLICE_COMING


def test_a_source_gives_no_more_than_is_left_before_and_after() -> None:
    scene = Scene(make_rebalance_snapshot([DRAINED, spliced(FULL, -4_000_000)]), POLICY)
    source = scene.channel(FULL.channel_id)
    assert source is not None
    plain = Scene(make_rebalance_snapshot(), POLICY)
    assert plain.spare_msat(FULL) == 3_000_000 * SAT
    # 750,000 of 1,000,000 sat stay, of which low_ratio keeps 350,000.
    assert scene.spare_msat(source) == 400_000 * SAT
    assert refill(spliced(FULL, -4_700_000)).outcome is Outcome.SKIP


@given(channel=channels())
def test_what_may_be_given_and_got_fits_before_and_after(channel: Channel) -> None:
    scene = Scene(make_rebalance_snapshot([channel]), RebalanceConfig())
    spare_msat, room_msat = scene.spare_msat(channel), scene.room_msat(channel)
    band = scene.band(channel)
    assert spare_msat <= channel.spendable_msat
    assert room_msat <= channel.receivable_msat
    for local_msat, size_msat in channel.balances_msat:
        assert spare_msat == 0 or local_msat - spare_msat >= int(size_msat * band.low_ratio)
        assert room_msat == 0 or local_msat + room_msat <= int(size_msat * band.high_ratio)


def job() -> JobRecord:
    decision = refill()
    assert decision.source_channel_id is not None
    return JobRecord(
        1, 1, decision.source_channel_id, decision.target_channel_id, decision.amount_msat, decision.max_fee_msat,
        decision.expected_gain_msat, "planned", NOW, NOW + HOUR, sources=decision.sources, terms=decision.terms,
    )  # fmt: skip


def test_a_splice_between_plan_and_run_stops_what_it_makes_needless() -> None:
    found = judge(Scene(make_rebalance_snapshot([spliced(DRAINED, 4_000_000), FULL]), POLICY), job())
    assert isinstance(found, Reason)
    assert found.code is ReasonCode.SPLICE_SUPPLIES
    assert found.sentence.startswith("a splice in flight brings 3,960,000 sat to the target: one more than that is")


def test_a_splice_between_plan_and_run_stops_what_no_longer_fits() -> None:
    found = judge(Scene(make_rebalance_snapshot([DRAINED, spliced(FULL, -4_700_000)]), POLICY), job())
    assert isinstance(found, Reason)
    assert found.code is ReasonCode.SPLICE_SHORT
    assert "the source has a splice in flight: 0 sat fit before and after it" in found.sentence
    plain = judge(Scene(make_rebalance_snapshot([DRAINED, make_channel(2, local_msat=10**6)]), POLICY), job())
    assert isinstance(plain, Reason)
    assert plain.code is ReasonCode.LIQUIDITY_CHANGED


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [
        (FULL, DRAINED, None),
        (spliced(FULL, -4_000_000), DRAINED, None),
        (spliced(FULL, -4_700_000), DRAINED, ReasonCode.SPLICE_SHORT),
        (FULL, spliced(DRAINED, 0, -4_700_000), ReasonCode.SPLICE_SHORT),
        (make_channel(2, local_msat=0), DRAINED, ReasonCode.LIQUIDITY_CHANGED),
    ],
)
def test_a_payment_is_held_against_what_fits_just_before_it_is_sent(
    source: Channel, target: Channel, code: ReasonCode | None
) -> None:
    found = revalidate(source, target, 500_000 * SAT, (), {}, make_view(source, target))
    assert (None if found is None else found.code) is code


@pytest.mark.parametrize(
    ("channel", "code"),
    [
        (RICH, None),
        (spliced(RICH, 1), ReasonCode.SPLICE_SLING),
        (spliced(RICH, 0, 1), ReasonCode.SPLICE_SLING),
        (make_channel(state=SPLICING_STATE), ReasonCode.SPLICE_SLING),
    ],
)
def test_sling_has_no_job_on_a_channel_that_gets_another_name(channel: Channel, code: ReasonCode | None) -> None:
    found = keeps_sling_away(channel, "the source")
    assert (None if found is None else found.code) is code


@given(local_sat=st.integers(-(10**6), 10**6), remote_sat=st.integers(-(10**6), 10**6))
def test_a_note_is_of_the_last_one(local_sat: int, remote_sat: int) -> None:
    channel = spliced(RICH, local_sat, remote_sat)
    earlier = replace(channel, splices=(SpliceInFlight("00" * 32, 5, 5, 10**9), *channel.splices))
    assert notes(earlier) == notes(channel)
    assert len(notes(channel)) == 1
    assert notes(RICH) == ()
