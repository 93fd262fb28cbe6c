"""Full cycles on the market: they decide exactly as records alone do, and the node's books are the market's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

import revops.cycle.fees
from revops.decide.fees import decide_fees
from revops.domain.channel import Channel
from revops.domain.decision import FeePlan
from revops.domain.policy import BudgetConfig, FeesConfig, RebalanceConfig
from revops.domain.reason import Reason
from revops.domain.snapshot import FeeSnapshot
from revops.sim.arena import names, node, policies
from revops.sim.arena.full import FullResult, run_full
from revops.sim.arena.market import Market
from revops.sim.arena.policies import Product
from revops.sim.arena.rebalancing import Spending
from revops.sim.arena.setting import TUNING
from revops.sim.arena.stopwatch import PARTS
from revops.sim.arena.world import World, make_world, run_policy
from revops.sim.payments import STUCK_LEAST_SECONDS
from revops.sim.state import World as NodeWorld

#: Few channels with many customers, feerates that bind as a floor, and spikes of them.
SETTING = replace(
    TUNING, channel_count=4, customers_per_day=200.0, feerate_perkw=20_000, fee_spikes_per_month=40.0, unknown_ratio=0.3
)
#: Prices move often enough for two days to tell something.
HASTY: dict[str, Any] = {"min_interval_seconds": 2 * 3_600, "max_channel_updates_per_day": 8}
#: What a decision doesn't look at, and records alone don't keep.
UNSEEN = {"last_stable_connection_at", "htlcs"}

Seen = tuple[FeeSnapshot, FeePlan, tuple[Reason, ...]]


def recorded(decide: Callable[..., FeePlan], seen: list[Seen]) -> Callable[..., FeePlan]:
    """`decide_fees`, which also writes down what it saw and decided."""

    def record(snapshot: FeeSnapshot, policy: FeesConfig, suspended: tuple[Reason, ...] = ()) -> FeePlan:
        plan = decide(snapshot, policy, suspended)
        seen.append((snapshot, plan, suspended))
        return plan

    return record


def plain(channel: Channel) -> dict[str, Any]:
    """All that a decision can see of a channel."""
    shown = {field.name: getattr(channel, field.name) for field in fields(channel) if field.name not in UNSEEN}
    return shown | {"htlcs": sorted((htlc.direction, htlc.amount_msat) for htlc in channel.htlcs)}


def both(world: World, policy: FeesConfig, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Seen], list[Seen]]:
    """Live through a world by records alone and in full cycles, which must come to the same; return what each saw."""
    alone: list[Seen] = []
    full: list[Seen] = []
    monkeypatch.setattr(policies, "decide_fees", recorded(decide_fees, alone))
    monkeypatch.setattr(revops.cycle.fees, "decide_fees", recorded(decide_fees, full))
    assert run_policy(world, Product(policy)) == run_full(world, policy).result
    return alone, full


@pytest.mark.parametrize(
    ("family", "policy"),
    [
        ("mixture", FeesConfig(strategy="demand", **HASTY)),
        ("spammer", FeesConfig(strategy="hill_climb", **HASTY)),
        *(
            pytest.param(family, policy, marks=pytest.mark.campaign)
            for family, policy in (
                ("mixture", FeesConfig(strategy="hill_climb", **HASTY)),
                ("jammer", FeesConfig(strategy="demand")),
                ("flapping", FeesConfig(strategy="hill_climb")),
                ("dead", FeesConfig(strategy="proportional", **HASTY)),
                ("sink", FeesConfig(strategy="demand", **HASTY)),
            )
        ),
    ],
)
def test_full_cycles_see_and_decide_what_records_alone_do(
    family: str, policy: FeesConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only the same fees and earnings: each figure that each decision rests on is the same, to the last bit."""
    world = make_world(family, 8, 1.25, SETTING)
    alone, full = both(world, policy, monkeypatch)
    assert len(alone) == len(full) == 60
    for (there, plan, _), (here, same, suspended) in zip(alone, full, strict=True):
        assert not suspended
        assert here.view.taken_at == there.view.taken_at
        assert here.feerates == there.feerates
        assert here.updates_last_day_count == there.updates_last_day_count
        assert [plain(one.channel) for one in here.inputs] == [plain(one.channel) for one in there.inputs]
        without = [[replace(one, channel=there.inputs[0].channel) for one in side.inputs] for side in (here, there)]
        assert without[0] == without[1]
        assert same.decisions == plan.decisions
    assert sum(len(plan.changes) for _, plan, _ in full) > 4


def rebalanced(days: float) -> tuple[World, FullResult]:
    """A world in which refills pay, and what comes of it."""
    setting = replace(SETTING, channel_count=6, low_ppm=100.0, high_ppm=150.0, node_error=0.0, channel_error=0.0)
    world = make_world("elasticity 0.5", 3, days, setting)
    spending = Spending(
        RebalanceConfig(kelly_fraction=1.0, max_in_flight=4),
        BudgetConfig(daily_sat=50_000, weekly_sat=200_000, revenue_share_ratio=5.0),
    )
    return world, run_full(world, FeesConfig(strategy="static", fixed_ppm=900, max_step_ratio=10.0), spending)


def test_rebalances_that_the_product_makes_move_the_market() -> None:
    """`Bridge.check` holds market and node together to the msat before and after each run."""
    world, result = rebalanced(0.75)
    (span,) = result.result.spans
    assert result.rebalance_count > 0
    assert span.rebalance_msat > 0
    assert sum(span.local_msat) - sum(world.local_msat) == span.earned_msat - span.rebalance_msat


def test_rebalances_that_hang_settle_or_fail_hours_later(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes: list[NodeWorld] = []

    def kept(world: World, market: Market) -> NodeWorld:
        nodes.append(node.build(world, market))
        return nodes[-1]

    monkeypatch.setattr("revops.sim.arena.full.build", kept)
    monkeypatch.setattr(names, "OWN_STUCK_RATIO", 0.3)
    world, result = rebalanced(0.75)
    (span,) = result.result.spans
    ended = [one for one in nodes[0].payments if one.completed_at is not None]
    late = [one for one in ended if (one.completed_at or 0) - one.created_at >= STUCK_LEAST_SECONDS]
    assert {one.status for one in late} == {"complete", "failed"}
    assert result.rebalance_count == sum(one.status == "complete" for one in ended)
    assert sum(span.local_msat) - sum(world.local_msat) == span.earned_msat - span.rebalance_msat


def test_the_profile_accounts_for_all_the_time() -> None:
    result = run_full(make_world("logistic", 8, 0.1, SETTING), FeesConfig(strategy="hill_climb"), profile=True)
    assert tuple(result.seconds_by_part) == PARTS
    assert min(result.seconds_by_part.values()) > 0
    assert sum(result.seconds_by_part.values()) == pytest.approx(result.seconds, rel=0.1)


@pytest.mark.parametrize("policy", [FeesConfig(base_msat=1_000), FeesConfig(htlc_max="valve")])
def test_what_the_market_does_not_know_is_not_judged(policy: FeesConfig) -> None:
    world = make_world("logistic", 8, 0.1, SETTING)
    for judge in (Product, lambda refused: run_full(world, refused)):
        with pytest.raises(ValueError, match="base_msat and htlc_max"):
            judge(policy)
