"""Why a further sat is worth nothing, and what keeps a route from costing more: said by name, with the figures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from revops.decide.rebalance.bound import bound
from revops.decide.rebalance.offers import Offer
from revops.decide.rebalance.scene import Scene
from revops.decide.rebalance.worth import STALE_SECONDS
from revops.decide.rebalance.worthless import why_nothing
from revops.domain.channel import Channel
from revops.domain.decision import Outcome, RebalanceDecision
from revops.domain.demand import DemandFigures
from revops.domain.forward import Flow
from revops.domain.policy import RebalanceConfig
from revops.domain.reason import ReasonCode
from revops.domain.rebalance import bet_chance_ratio
from revops.domain.signals import Signals
from revops.domain.snapshot import RebalanceSnapshot
from tests.builders import (
    NOW,
    SAT,
    channel_id,
    make_channel,
    make_demand,
    make_flow,
    make_rebalance_snapshot,
    make_terms,
    make_wanted,
)
from tests.planning import DRAINED, FULL, at_ppm, planned
from tests.planning import NO_RETURN as POLICY

#: It loses hardly a payment by a dearer price, and its sats are scarce.
STEADY = make_demand(judged_at=NOW - 60, elasticity_low=0.42, values_ppm=(400.0,))


def market(target: Channel = DRAINED, **overrides: Any) -> RebalanceSnapshot:
    return replace(make_rebalance_snapshot((target, FULL)), **overrides)


def first(snapshot: RebalanceSnapshot, policy: RebalanceConfig = POLICY, route_ppm: int = 50) -> RebalanceDecision:
    (found,) = [
        one for one in planned(snapshot, policy, at_ppm(route_ppm)).decisions if one.target_channel_id == channel_id(1)
    ]
    return found


def judged(figures: DemandFigures) -> dict[str, DemandFigures]:
    return {channel_id(1): figures}


def test_where_asking_for_more_earns_more_than_selling_more_nothing_is_bought_and_that_is_said() -> None:
    found = first(market(figures=judged(STEADY)))
    assert found.outcome is Outcome.SKIP
    assert found.reasons[0].sentence == (
        "a refill's first sat is worth 0 ppm here: a fee 1 % above 500 ppm may lose as few as 0.42 % of the payments,"
        " so that asking for more earns more than having more to sell"
    )


@pytest.mark.parametrize(("ceiling_ppm", "outcome"), [(501, Outcome.SKIP), (500, Outcome.CHANGE)])
def test_a_price_at_its_ceiling_cant_rise_so_that_a_sat_more_is_worth_its_sale(
    ceiling_ppm: int, outcome: Outcome
) -> None:
    snapshot = market(figures=judged(STEADY), ceilings_ppm={channel_id(1): ceiling_ppm})
    assert first(snapshot).outcome is outcome
    if outcome is Outcome.CHANGE:
        alone = first(market())
        assert first(snapshot).amount_msat <= alone.amount_msat
        assert first(snapshot).max_fee_msat <= alone.max_fee_msat


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ({"signals": {}}, ReasonCode.NOT_WANTED),
        ({"figures": judged(replace(STEADY, values_ppm=(0.0,)))}, ReasonCode.PLENTY),
        ({"figures": judged(replace(STEADY, elasticity_low=3.0, values_ppm=(0.2,)))}, ReasonCode.PLENTY),
        (
            {"figures": judged(replace(STEADY, values_ppm=(0.2,))), "ceilings_ppm": {channel_id(1): 500}},
            ReasonCode.PLENTY,
        ),
        ({"signals": make_wanted({channel_id(1): make_flow(out_msat=1_000 * SAT)})}, ReasonCode.PLENTY),
        ({"figures": judged(STEADY)}, ReasonCode.DEARER_INSTEAD),
    ],
)
def test_each_way_of_being_worth_nothing_has_its_own_reason(overrides: dict[str, Any], code: ReasonCode) -> None:
    assert first(market(**overrides)).reasons[0].code is code


def test_what_is_there_and_what_is_wanted_are_told() -> None:
    calm = make_wanted({channel_id(1): make_flow(out_msat=14_000 * SAT, in_msat=7_000 * SAT)})
    told = first(market(signals=calm)).reasons[0].sentence
    assert "200,000 sat can be sent, and in 14 days about 14,000 want to leave and 7,000 come in" in told


def test_figures_that_are_too_old_are_said_to_count_for_nothing() -> None:
    old = replace(STEADY, judged_at=NOW - STALE_SECONDS)
    scene = Scene(market(signals={}, figures=judged(old)), POLICY)
    assert [reason.code for reason in why_nothing(scene, DRAINED)] == [
        ReasonCode.NOT_WANTED, ReasonCode.FIGURES_STALE
    ]  # fmt: skip
    assert "is 2.0 days old" in why_nothing(scene, DRAINED)[1].sentence
    assert why_nothing(Scene(market(figures=judged(old)), POLICY), DRAINED) == ()


def test_room_that_payments_want_makes_a_sat_worth_less_than_nothing() -> None:
    full = make_channel(1, local_msat=4_000_000 * SAT, fee_ppm=500)
    flow = make_flow(in_msat=40_000_000 * SAT, in_count=800, sourced_msat=40_000 * SAT, out_msat=38_000_000 * SAT)
    snapshot = make_rebalance_snapshot((full, FULL), flows={channel_id(1): flow})
    (reason,) = why_nothing(Scene(snapshot, POLICY), full)
    assert reason.code is ReasonCode.ROOM_SHORT
    assert float(reason.numbers["worth_ppm"]) < 0


def test_a_plan_that_speaks_of_a_worth_of_nothing_says_why() -> None:
    """Room on the source alone pays for it: its entries have earned 1,000 ppm elsewhere."""
    entered = Flow(in_msat=40_000_000 * SAT, in_count=800, sourced_msat=40_000 * SAT)
    flows = {channel_id(1): make_flow(), channel_id(2): entered}
    snapshot = replace(make_rebalance_snapshot((DRAINED, FULL), flows=flows), figures=judged(STEADY))
    for route_ppm, first_code in ((50, ReasonCode.WORTH), (1_200, ReasonCode.ROUTE_ABOVE_WORTH)):
        codes = [reason.code for reason in first(snapshot, route_ppm=route_ppm).reasons]
        assert (codes[0], codes[-1]) == (first_code, ReasonCode.DEARER_INSTEAD)
    assert ReasonCode.DEARER_INSTEAD not in {reason.code for reason in first(market()).reasons}


def test_what_gains_nothing_names_the_cheapest_source_and_the_last_hop() -> None:
    dear = replace(DRAINED, remote_terms=make_terms(fee_ppm=600, fee_base_msat=0))
    (reason,) = first(market(dear)).reasons
    assert reason.sentence == (
        f"a refill's first sat is worth 500 ppm here; the cheapest to have is worth 0 on {FULL.name}, and its peer asks"
        " 600 ppm to let one in: nothing is gained"
    )


def test_a_return_that_is_asked_for_is_named_where_it_is_what_fails() -> None:
    dear = replace(DRAINED, remote_terms=make_terms(fee_ppm=300, fee_base_msat=0))
    (reason,) = first(market(dear), RebalanceConfig(min_return_ratio=1.0)).reasons
    assert reason.code is ReasonCode.RETURN_TOO_SMALL
    assert (reason.numbers["gain_ppm"], reason.numbers["asked_ppm"]) == (200, 300)
    assert "less than the return of 300 ppm" in reason.sentence
    assert "min_return_ratio = 1.0 asks for" in reason.sentence
    assert first(market(dear)).outcome is Outcome.CHANGE  # with no return asked for


def an_offer(**overrides: Any) -> Offer:
    base = Offer(FULL, 1_000_000 * SAT, 400.0, 0.0, 0.0, 200, 50.0, 0.6)
    return replace(base, **overrides)


@pytest.mark.parametrize(
    ("one", "policy", "told"),
    [
        (an_offer(), RebalanceConfig(min_return_ratio=1.0), "min_return_ratio = 1; without a return 400 ppm"),
        (an_offer(limit_ppm=150), RebalanceConfig(), "by the lower bound of the chance that it is sold, more would"),
        (an_offer(limit_ppm=400), RebalanceConfig(min_return_ratio=0.0), "the difference, less the risk"),
        (an_offer(target_ppm=4_000.0, limit_ppm=1_000), RebalanceConfig(), "max_fee_ppm"),
        (
            an_offer(target_ppm=-9.0, limit_ppm=0),
            RebalanceConfig(min_return_ratio=1.0),
            "min_return_ratio = 1; without a return 0 ppm",
        ),
    ],
)
def test_the_bound_in_force_is_named(one: Offer, policy: RebalanceConfig, told: str) -> None:
    assert bound(one, policy).startswith(told)


def test_a_route_that_only_the_return_refuses_says_so() -> None:
    reason = first(market(), RebalanceConfig(min_return_ratio=1.0), 300).reasons[0]
    assert reason.code is ReasonCode.ROUTE_ABOVE_WORTH
    assert "min_return_ratio = 1; without a return" in reason.sentence


# The bet.


def test_the_bet_s_figures_make_its_share() -> None:
    """What is printed can be reckoned again: f = p - (1 - p) / b."""
    job = first(market())
    told = next(reason for reason in job.reasons if reason.code is ReasonCode.KELLY).numbers
    p, odds = float(told["p_percent"]) / 100, float(told["odds"])
    assert float(told["kelly_percent"]) / 100 == pytest.approx(p - (1 - p) / odds, abs=0.011)
    assert odds == pytest.approx(float(told["income_ppm"]) / float(told["cost_ppm"]) - 1)
    assert (told["p_percent"], told["room"]) == (told["low_percent"], "")
    assert job.terms is not None
    assert job.terms.kelly_fraction == 0.5
    assert bet_chance_ratio(job.terms.odds_ratio, job.terms.kelly_ratio) == pytest.approx(
        job.terms.sale_low_ratio, abs=0.002
    )


def test_a_bet_that_cant_lose_is_not_told_by_its_odds() -> None:
    job = first(market(), route_ppm=0)
    reason = next(reason for reason in job.reasons if reason.code in {ReasonCode.KELLY, ReasonCode.KELLY_FREE})
    assert reason.code is ReasonCode.KELLY_FREE
    assert reason.sentence.startswith("the bet is free of risk at this price")
    assert "1,000,000 to 1" not in reason.sentence
    assert bet_chance_ratio(float("inf"), 0.7) == 0.7
    assert bet_chance_ratio(0.0, -1.0) == 0.0


def test_signals_of_nothing_are_no_demand() -> None:
    scene = Scene(market(signals={channel_id(1): Signals()}), POLICY)
    assert [reason.code for reason in why_nothing(scene, DRAINED)] == [ReasonCode.NOT_WANTED]


def test_a_sale_whose_fee_belongs_to_the_room_is_worth_nothing_here() -> None:
    """There is plenty elsewhere to sell at twice the price, and no room to enter."""
    entered = Flow(in_msat=40_000_000 * SAT, in_count=800, sourced_msat=40_000 * SAT)
    plenty = Flow(out_msat=36_000_000 * SAT, out_count=720, earned_msat=36_000 * SAT)
    other = make_channel(9, local_msat=2_500_000 * SAT, local_terms=make_terms(fee_ppm=1_000, fee_base_msat=0))
    flows = {channel_id(1): make_flow(), channel_id(2): entered, channel_id(9): plenty}
    snapshot = make_rebalance_snapshot((DRAINED, FULL, other), flows=flows)
    scene = Scene(replace(snapshot, signals={**snapshot.signals, channel_id(9): Signals()}), POLICY)
    (reason,) = why_nothing(scene, DRAINED)
    assert reason.code is ReasonCode.ROOM_ELSEWHERE
    assert "sold, it earns 500, and the room that its payment takes where it enters is worth 97" in reason.sentence
