"""Rebalancing by decisions alone: it sees what full cycles see, and comes to about what they come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import revops.cycle.rebalance_plan
from revops.decide.rebalance.scene import Scene
from revops.decide.rebalance.survey import Candidate, survey
from revops.domain.policy import BudgetConfig, FeesConfig, RebalanceConfig
from revops.domain.snapshot import RebalanceSnapshot
from revops.sim.arena import names, rebalancing
from revops.sim.arena.families import DAY_SECONDS
from revops.sim.arena.full import run_full
from revops.sim.arena.market import REFUSED, SETTLED, Market
from revops.sim.arena.policies import Product
from revops.sim.arena.rebalancing import SPENDING, Rebalancing, Spending, route_fee_msat, run_rebalancing
from revops.sim.arena.refills import Refill, RefillRecords
from revops.sim.arena.setting import TUNING
from revops.sim.arena.world import World, make_world, run_policy

SETTING = replace(TUNING, channel_count=4, customers_per_day=200.0, unknown_ratio=0.3)
#: Prices move often enough for two days to tell something.
HASTY: dict[str, Any] = {"min_interval_seconds": 2 * 3_600, "max_channel_updates_per_day": 8}
#: What no plan looks at, and records alone don't keep.
UNSEEN = {"last_stable_connection_at", "htlcs"}


def watched(seen: list[RebalanceSnapshot], *, plans: bool = False) -> Callable[[Scene], tuple[Candidate, ...]]:
    """`survey`, which writes down what it saw, and finds nothing unless plans are to be made."""

    def watch(scene: Scene) -> tuple[Candidate, ...]:
        seen.append(scene.snapshot)
        return survey(scene) if plans else ()

    return watch


@pytest.mark.parametrize(
    "family",
    [
        "mixture",
        *(pytest.param(one, marks=pytest.mark.campaign) for one in ("sink", "jammer", "faucet", "flapping", "dead")),
    ],
)
def test_a_plan_sees_what_that_of_a_full_cycle_sees(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as nobody rebalances, to the last bit, and each hour; what a plan sees of rebalances is tested below."""
    world, policy = make_world(family, 8, 1.25, SETTING), FeesConfig(strategy="demand", **HASTY)
    alone: list[RebalanceSnapshot] = []
    full: list[RebalanceSnapshot] = []
    monkeypatch.setattr(rebalancing, "survey", watched(alone))
    monkeypatch.setattr(revops.cycle.rebalance_plan, "survey", watched(full))
    assert run_rebalancing(world, policy) == run_full(world, policy, SPENDING).result
    assert len(alone) == len(full) == 30
    for there, here in zip(alone, full, strict=True):
        assert here.view.taken_at == there.view.taken_at
        for mine, theirs in zip(here.view.channels, there.view.channels, strict=True):
            assert replace(mine, **{name: getattr(theirs, name) for name in UNSEEN}) == theirs
        flows = {
            name: replace(flow, refused_count=0, last_settled_at=None)
            for name, flow in here.flows.items()
            if flow.in_count or flow.out_count
        }
        assert flows == there.flows
        for field in ("budget_left_msat", "signals", "figures", "congested_since", "in_flight", "lots", "spent_msat"):
            assert getattr(here, field) == getattr(there, field), field
        assert set(here.unstable) == set(there.unstable)
    assert any(one.budget_left_msat > 0 for one in alone) or family == "dead"


KEEN = Spending(
    RebalanceConfig(kelly_fraction=1.0, max_in_flight=4),
    BudgetConfig(daily_sat=50_000, weekly_sat=200_000, revenue_share_ratio=5.0),
)
DEAR = FeesConfig(strategy="static", fixed_ppm=900, max_step_ratio=10.0)


def paying_world(days: float) -> World:
    """A world in which refills pay."""
    setting = replace(SETTING, channel_count=6, low_ppm=100.0, high_ppm=150.0, node_error=0.0, channel_error=0.0)
    return make_world("elasticity 0.5", 3, days, setting)


def test_it_comes_to_about_what_full_cycles_come_to() -> None:
    world = paying_world(3.0)
    (without,) = run_policy(world, Product(DEAR)).spans
    (alone,) = run_rebalancing(world, DEAR, KEEN).spans
    (full,) = run_full(world, DEAR, KEEN).result.spans
    gain_msat, full_gain_msat = (one.earned_msat - one.rebalance_msat - without.earned_msat for one in (alone, full))
    assert full_gain_msat > 0
    assert gain_msat == pytest.approx(full_gain_msat, rel=0.25)
    assert alone.rebalance_msat == pytest.approx(full.rebalance_msat, rel=0.25)


def test_no_msat_is_lost_and_runs_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "OWN_STUCK_RATIO", 0.3)
    world = paying_world(1.5)
    result = run_rebalancing(world, DEAR, KEEN)
    (span,) = result.spans
    assert span.rebalance_msat > 0
    assert sum(span.local_msat) - sum(world.local_msat) == span.earned_msat - span.rebalance_msat
    assert run_rebalancing(world, DEAR, KEEN) == result


def test_what_hangs_holds_its_channels_and_its_money_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """All payments hang. A budget of 300 sat a day pays for one or two of them: what hangs is part of it."""
    monkeypatch.setattr(names, "OWN_STUCK_RATIO", 1.0)
    seen: list[RebalanceSnapshot] = []
    monkeypatch.setattr(rebalancing, "survey", watched(seen, plans=True))
    small = replace(KEEN, budget=BudgetConfig(daily_sat=300, weekly_sat=900, revenue_share_ratio="none"))
    (span,) = run_rebalancing(paying_world(1.0), DEAR, small).spans
    most = KEEN.rebalance.max_in_flight + KEEN.rebalance.max_hung
    assert any(one.in_flight for one in seen)
    assert all(len(one.in_flight) <= 2 * most for one in seen)
    assert any(one.budget_left_msat < 300_000 for one in seen if one.in_flight and not one.attempts)
    assert 0 < span.rebalance_msat <= 300_000


def test_other_records_are_refused() -> None:
    with pytest.raises(TypeError, match="RefillRecords"):
        run_policy(paying_world(0.1), Rebalancing(DEAR, KEEN, 1))


def test_without_income_nothing_is_spent() -> None:
    """A share of nothing is nothing."""
    world = make_world("dead", 3, 3.0, SETTING)
    (span,) = run_rebalancing(world, FeesConfig(strategy="demand")).spans
    assert span.rebalance_msat == 0


def test_where_routes_cost_more_than_sales_earn_nothing_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same world in which refills pay, with hubs that charge more than our fee: all goes as without rebalances."""
    monkeypatch.setattr(names, "HUB_PPM", 1_000)
    world = paying_world(2.0)
    (span,) = run_rebalancing(world, DEAR, KEEN).spans
    assert span.rebalance_msat == 0
    assert (span,) == run_policy(world, Product(DEAR)).spans


def test_a_dead_and_empty_channel_gets_no_job() -> None:
    """In the family of that name some channels are wanted by nobody: others are refilled, these are not."""
    seen: set[int] = set()

    class Watched(Rebalancing):
        def _rebalance(self, snapshot: RebalanceSnapshot, market: Market, records: RefillRecords, now: float) -> None:
            before_msat = list(market.local_msat)
            super()._rebalance(snapshot, market, records, now)
            seen.update(number for number, msat in enumerate(market.local_msat) if msat > before_msat[number])

    setting = replace(
        SETTING,
        channel_count=8,
        customers_per_day=600.0,
        low_ppm=100.0,
        high_ppm=150.0,
        node_error=0.0,
        channel_error=0.0,
    )
    world = make_world("dead", 3, 6.0, setting)
    fees = FeesConfig(strategy="static", fixed_ppm=400, max_step_ratio=10.0)
    run_policy(world, Watched(fees, KEEN, 3), lambda count: RefillRecords(count, KEEN.rebalance.horizon_days))
    dead = set(range(8)) - {customer.out for customer in world.customers}
    assert len(dead) == 3
    assert seen
    assert seen.isdisjoint(dead)


def test_a_way_costs_what_its_hops_charge_on_each_other() -> None:
    # 1,000,000 sat: 10 ppm to us, 300 into the target's peer, 20 out of the source's peer; each on all after it.
    to_us = 1_000_000_000 + 10_000
    into_peer = to_us + to_us * 300 // 1_000_000
    assert route_fee_msat(300, 1_000_000_000) == into_peer + into_peer * 20 // 1_000_000 - 1_000_000_000
    assert route_fee_msat(None, 1_000_000_000) < route_fee_msat(300, 1_000_000_000)


DAY = int(DAY_SECONDS)


def test_flows_are_of_the_horizon_and_only_of_what_settled() -> None:
    records = RefillRecords(3, 14)
    records(10.0, 0, 1, 1_000_000, 500, SETTLED)
    records(20.0, 0, 1, 2_000_000, 700, REFUSED)
    records(13.0 * DAY, 2, 1, 4_000_000, 900, SETTLED)
    flows = records.flows(names.instant(13.5 * DAY))
    assert (flows[names.channel_id(1)].out_msat, flows[names.channel_id(1)].earned_msat) == (5_000_000, 1_400)
    assert (flows[names.channel_id(0)].in_msat, flows[names.channel_id(0)].sourced_msat) == (1_000_500, 500)
    later = records.flows(names.instant(14.5 * DAY))
    assert set(later) == {names.channel_id(1), names.channel_id(2)}
    assert (later[names.channel_id(1)].out_count, later[names.channel_id(1)].out_msat) == (1, 4_000_000)


def test_of_a_lot_is_sold_what_would_have_been_lacking_without_it() -> None:
    """2,000 sat were there, 10,000 were bought: 5,000 leave, 3,000 of them out of what was bought."""
    records = RefillRecords(2, 14)
    records.refilled(Refill(names.instant(0.0), 0, 1, 10_000_000, 100), local_before_msat=2_000_000)
    records(60.0, 0, 1, 5_000_000, 0, SETTLED)
    records(120.0, 1, 0, 4_000_000, 0, SETTLED)
    (lot,) = records.lots(names.instant(DAY))[names.channel_id(1)]
    assert (lot.amount_msat, lot.fee_msat, lot.sold_msat, lot.age_days) == (10_000_000, 100, 3_000_000, 1.0)
    records(15.0 * DAY, 0, 1, 6_000_000, 0, SETTLED)  # after its horizon
    assert records.lots(names.instant(16.0 * DAY))[names.channel_id(1)][0].sold_msat == 3_000_000
    assert records.lots(names.instant(29.0 * DAY)) == {}


def test_what_refills_cost_is_kept_by_source_by_target_and_by_window() -> None:
    records = RefillRecords(3, 14)
    records.refilled(Refill(names.instant(0.0), 0, 1, 10_000_000, 100), 0)
    records.refilled(Refill(names.instant(2.0 * DAY), 0, 2, 10_000_000, 300), 0)
    at = names.instant(2.5 * DAY)
    assert records.spent_by_source(at) == {names.channel_id(0): 400}
    assert (records.spent_msat(at, DAY_SECONDS), records.spent_msat(at, 7 * DAY_SECONDS)) == (300, 400)
    assert [records.refill_ppm(number, at) for number in range(3)] == [None, 10, 30]
    assert records.spent_by_source(names.instant(20.0 * DAY)) == {}
    assert records.refill_ppm(1, names.instant(31.0 * DAY)) is None
