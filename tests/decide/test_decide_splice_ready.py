"""May a planned splice be begun? Only what a plan of this moment would do, too, for no more than either allows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.splice.plan import make_plan
from revops.decide.splice.ready import Ready, obstacle, ready, unpaid
from revops.domain.dead_capital import ChainRates
from revops.domain.policy import SpliceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.splice import SpliceDirection, SpliceJob, SpliceScene
from tests.builders import HOUR, NOW, SAT, make_channel
from tests.decide.splice_scenes import MIN_DAYS, POLICY, WORTH, dead, scene, wallet, winner

IN, OUT = SpliceDirection.IN, SpliceDirection.OUT
SUSPENDED = (why(ReasonCode.OBSERVE_MODE),)


def now(*sites: Any, perkw: int = 400, **changed: Any) -> SpliceScene:
    """A scene of half an hour after the plan, at a feerate."""
    rates = ChainRates(NOW, 300, 800, perkw)
    base = scene(*sites, taken_at=NOW + HOUR / 2, rates=rates, now_perkw=perkw)
    return replace(base, **changed)


def planned(found: SpliceScene, **changed: Any) -> SpliceJob:
    """The best splice of a plan, as it was stored."""
    plan = make_plan(found, POLICY, MIN_DAYS)
    one = plan.jobs[0]
    assert one.terms is not None
    assert one.direction is not None
    base = SpliceJob(
        1, 1, one.channel_id, one.direction, one.amount_sat, one.terms.max_feerate_perkw, one.terms.max_cost_msat,
        one.expected_gain_msat, one.terms, "planned", NOW, plan.expires_at,
    )  # fmt: skip
    return replace(base, **changed)


def judged(job: SpliceJob, found: SpliceScene, suspended: tuple[Reason, ...] = ()) -> Ready | Reason:
    return ready(job, make_plan(found, POLICY, MIN_DAYS, suspended), found, POLICY)


def test_what_still_holds_may_be_begun() -> None:
    job = planned(scene(winner(1)))
    found = judged(job, now(winner(1)))
    assert isinstance(found, Ready)
    assert (found.amount_sat, found.perkw, found.weight) == (job.amount_sat, 400, 772 + 2 * 387)
    assert found.worst_msat == found.weight * 400 + 546 * SAT <= job.max_cost_msat
    out = planned(scene(winner(1), dead(2), wallet=wallet(50_000)))
    given_up = judged(out, now(winner(1), dead(2), wallet=wallet(50_000)))
    assert isinstance(given_up, Ready)
    assert (given_up.weight, given_up.worst_msat) == (772, 772 * 400), "change is no matter there"


def test_the_lesser_of_both_plans_counts() -> None:
    job = planned(scene(winner(1)))
    less = judged(job, now(winner(1, refused_msat=500_000 * SAT)))
    assert isinstance(less, Ready)
    assert 1_499_999 <= less.amount_sat <= 1_500_000 < job.amount_sat
    small = judged(replace(job, amount_sat=250_000), now(winner(1)))
    assert isinstance(small, Ready)
    assert small.amount_sat == 250_000


@pytest.mark.parametrize(
    ("job", "found", "suspended", "code"),
    [
        ({"expires_at": NOW + HOUR / 2}, now(winner(1)), (), ReasonCode.PLAN_EXPIRED),
        ({}, now(winner(2)), (), ReasonCode.SPLICE_GONE),
        ({}, now(winner(1)), SUSPENDED, ReasonCode.OBSERVE_MODE),
        ({}, now(winner(1, exhausted_days=0.0)), (), ReasonCode.SPLICE_NOT_BINDING),
        ({}, now(winner(1, channel={"connected": False})), (), ReasonCode.NOT_USABLE),
        ({}, now(winner(1, replace(WORTH, value_ppm=150.0))), (), ReasonCode.SPLICE_TOO_DEAR),
        ({}, now(winner(1), wallet=wallet(250_000)), (), ReasonCode.SPLICE_WALLET_SHORT),
        ({"direction": OUT}, now(winner(1)), (), ReasonCode.SPLICE_NO_MORE),
        ({}, now(winner(1), now_perkw=None), (), ReasonCode.SPLICE_NO_ESTIMATE),
        ({}, now(winner(1), now_perkw=0), (), ReasonCode.SPLICE_NO_ESTIMATE),
        ({}, now(winner(1), perkw=601), (), ReasonCode.SPLICE_FEERATE_ROSE),
        ({}, now(winner(1), now_perkw=5_001), (), ReasonCode.SPLICE_FEERATE_ROSE),
        ({}, now(winner(1), perkw=5_001), (), ReasonCode.SPLICE_FEERATE),
        ({"max_cost_msat": 900_000}, now(winner(1)), (), ReasonCode.SPLICE_COST_ROSE),
        # Many small coins came: the node may take them all.
        ({}, now(winner(1), wallet=wallet(*[20_000] * 8, 18_000_000)), (), ReasonCode.SPLICE_COST_ROSE),
    ],
)
def test_what_doesnt_hold_any_more_is_left_and_said(
    job: dict[str, Any], found: SpliceScene, suspended: tuple[Reason, ...], code: ReasonCode
) -> None:
    said = judged(planned(scene(winner(1)), **job), found, suspended)
    assert isinstance(said, Reason)
    assert said.code is code
    assert said.sentence


def test_the_reserve_is_looked_at_once_more() -> None:
    """Whatever the plan of now says: after the splice and all that it may cost the reserve is there."""
    job, found = planned(scene(winner(1))), now(winner(1))
    plan = make_plan(found, POLICY, MIN_DAYS)
    short = replace(found, wallet=wallet(5_100_000))
    said = ready(job, plan, short, POLICY)
    assert isinstance(said, Reason)
    assert said.code is ReasonCode.SPLICE_WALLET_SHORT


@pytest.mark.parametrize(
    ("coins_sat", "code"),
    [
        ((18_000_000, 2_000_000), None),
        ((18_000_000,), None),  # fewer can be drawn
        ((5_101_165,), None),  # the amount, 1,164.4 sat that it may cost, and the reserve
        ((5_101_164,), ReasonCode.SPLICE_WALLET_SHORT),
        ((18_000_000, 2_000_000, 10_000), ReasonCode.SPLICE_COST_ROSE),
    ],
)
def test_the_wallet_is_looked_at_just_before(coins_sat: tuple[int, ...], code: ReasonCode | None) -> None:
    found = judged(planned(scene(winner(1))), now(winner(1)))
    assert isinstance(found, Ready)
    said = unpaid(found, wallet(*coins_sat))
    assert (None if said is None else said.code) is code
    out = judged(planned(scene(winner(1), dead(2), wallet=wallet(50_000))), now(winner(1), dead(2), wallet=wallet(50)))
    assert isinstance(out, Ready)
    assert unpaid(out, wallet()) is None, "the channel pays"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"state": "CHANNELD_AWAITING_SPLICE"}, ReasonCode.SPLICE_UNDER_WAY),
        ({"funding_txids": frozenset({"a", "b"})}, ReasonCode.SPLICE_UNDER_WAY),
        ({"connected": False}, ReasonCode.NOT_USABLE),
        ({"state": "CHANNELD_SHUTTING_DOWN"}, ReasonCode.NOT_USABLE),
        ({}, None),
    ],
)
def test_the_channel_is_looked_at_just_before(changed: dict[str, Any], code: ReasonCode | None) -> None:
    found = obstacle(make_channel(1, **changed))
    assert (None if found is None else found.code) is code
    gone = obstacle(None)
    assert gone is not None
    assert gone.code is ReasonCode.SPLICE_GONE


@given(
    st.lists(st.integers(1_000, 10**7), min_size=1, max_size=30), st.integers(253, 6_000), st.integers(0, 10**6),
    st.integers(10_000, 5_000_000), st.integers(1, 10_000_000),
)  # fmt: skip
def test_what_is_begun_crosses_no_limit(
    coins: list[int], perkw: int, reserve_sat: int, amount_sat: int, most_msat: int
) -> None:
    job = planned(scene(winner(1)), amount_sat=amount_sat, max_cost_msat=most_msat)
    found = now(winner(1), perkw=perkw, wallet=wallet(*coins), reserve_msat=reserve_sat * SAT)
    policy = SpliceConfig(mode="act", min_amount_sat=10_000)
    one = ready(job, make_plan(found, policy, MIN_DAYS), found, policy)
    if isinstance(one, Reason):
        return
    assert one.perkw <= min(job.max_feerate_perkw, policy.max_feerate_perkw)
    assert one.worst_msat <= most_msat
    assert one.amount_sat <= amount_sat
    assert sum(coins) * SAT - one.amount_sat * SAT - one.worst_msat >= reserve_sat * SAT
