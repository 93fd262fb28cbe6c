"""Leases out of channels on the simulated node: what `ads adjust` proposes, what `splice plan` plans, and what coins
that came by a splice cost those who lease them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update

from revops.cycle import ads, ads_input, splice_plan, splice_scene
from revops.domain.ads import AdsDecision
from revops.domain.capital import RatioRange
from revops.domain.dead_capital import Standing
from revops.domain.decision import Outcome
from revops.domain.reason import ReasonCode
from revops.domain.splice import SpliceDecision, SplicePlan
from revops.report import ads as page
from revops.report.text import page as rendered
from revops.store import splices, tables
from tests.actuate.bench import NODE_KEY, Bench, open_bench

SAT = 1_000
#: What the wallet pays to somebody, so that it lacks that.
LACKING_SAT = 6_000_000


@pytest.fixture
def poor(template: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A lender whose wallet holds no more than a little above its reserve, and whose channels all lie dead."""
    monkeypatch.setattr(ads_input, "cost_of_capital", lambda *_: RatioRange(0.01, 0.02, 0.10))
    monkeypatch.setattr(splice_scene, "standing", lambda *_: Standing.DEAD)
    with open_bench(template, dual_fund=True, lessor_count=10) as bench:
        bench.settings |= {"ads": {"mode": "act"}, "splice": {"mode": "act"}}
        bench.node.world.feerate_perkw = 1_000
        bench.node.withdraw(LACKING_SAT)
        bench.node.advance_by(700)
        yield bench


def decided(bench: Bench) -> AdsDecision:
    decision = ads.run(bench.options, clock=bench.clock).decision
    assert decision is not None
    return decision


def planned(bench: Bench) -> SplicePlan:
    return splice_plan.run(bench.options, clock=bench.clock)


def for_leases(made: SplicePlan) -> list[SpliceDecision]:
    return [one for one in made.decisions if ReasonCode.SPLICE_LEASE in {reason.code for reason in one.reasons}]


def test_what_is_lacking_is_proposed_and_planned(poor: Bench) -> None:
    before = len(poor.node.call_log.writing_calls())
    report = ads.run(poor.options, clock=poor.clock)
    found = report.decision
    assert found is not None
    assert found.new.withdrawn
    assert found.funding is not None
    assert found.funding.sold
    dead = poor.node.channel(found.funding.channel_id)
    assert found.funding.amount_sat * SAT < dead.to_us_msat
    shown = rendered(page.adjusted(report, dry_run=False))
    assert f"a splice of {found.funding.amount_sat:,} sat" in shown
    assert "would be asked for that" in shown
    (one,) = for_leases(planned(poor))
    assert (one.channel_id, one.amount_sat, one.outcome) == (
        found.funding.channel_id, found.funding.amount_sat, Outcome.CHANGE
    )  # fmt: skip
    assert {method for method, _ in poor.node.call_log.writing_calls()[before:]} <= {"funderupdate"}
    with poor.database.read(NODE_KEY) as tx:
        assert [job.channel_id for job in splices.planned(tx)] == [one.channel_id]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda bench: bench.settings["ads"].update(mode="observe"),
        lambda bench: bench.settings["ads"].update(market_quantile_ratio=0.0, risk_ratio=10.0),
        lambda bench: setattr(bench.node.world, "feerate_perkw", 250_000),
        lambda bench: bench.settings["ads"].update(max_total_sat=0),
    ],
    ids=["observing", "market", "feerate", "limit"],
)
def test_nothing_is_planned_for_a_lease_that_is_not_to_be(poor: Bench, spoil: Any) -> None:
    spoil(poor)
    poor.node.advance_by(700)
    assert for_leases(planned(poor)) == []


def test_a_node_without_dual_funding_has_no_use_for_leases(template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splice_scene, "standing", lambda *_: Standing.DEAD)
    with open_bench(template) as bench:
        bench.settings |= {"ads": {"mode": "act"}, "splice": {"mode": "act"}}
        assert for_leases(planned(bench)) == []
        asked = {method for method, _ in bench.node.call_log}
        assert "funderupdate" not in asked


def test_coins_of_a_splice_are_dearer_until_they_are_spent(poor: Bench) -> None:
    """As if the planned splice had been carried out: its coin lies in the wallet, its transaction is on record."""
    (one,) = for_leases(planned(poor))
    poor.node.splice_channel(one.channel_id, -one.amount_sat, lock_in=True)
    poor.node.advance_by(700)
    (coin,) = (row for row in poor.node.handle("listfunds")["outputs"] if row["amount_msat"] == one.amount_sat * SAT)
    with poor.database.transaction(NODE_KEY) as tx:
        job = tables.splice_job
        tx.connection.execute(update(job).where(job.c.node_key == NODE_KEY).values(txid=coin["txid"], status="settled"))
    dear = decided(poor)
    assert not dear.new.withdrawn
    (reason,) = (reason for reason in dear.reasons if reason.code is ReasonCode.ADS_SPLICED)
    booked = "SELECT sum(cost_msat) FROM chain_cost WHERE txid = :txid"
    with poor.database.read(NODE_KEY) as tx:
        cost_msat = tx.connection.execute(text(booked), {"txid": coin["txid"]}).scalar_one()
    assert reason.numbers["splice_sat"] == -(-cost_msat // SAT) > 0
    # Spent by whatever it is: as it paid for one lease, which was charged for it, so here for nothing.
    poor.node.consolidate()
    poor.node.advance_by(1_400)
    usual = decided(poor)
    assert not usual.new.withdrawn
    assert ReasonCode.ADS_SPLICED not in {reason.code for reason in usual.reasons}
    assert usual.cost_msat is not None
    assert dear.cost_msat is not None
    assert usual.cost_msat <= dear.cost_msat - cost_msat * 1.25
