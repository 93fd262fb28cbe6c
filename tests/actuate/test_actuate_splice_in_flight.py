"""What commands make of a splice in flight, and what splices may cost and have cost.

The node is spliced by hand, as its operator or its peer would: none of this rests on splices of our own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from revops.cycle import budget, fees, history, profit, reconcile, report, status
from revops.cycle.verdict import splice_limits_in_force
from revops.domain.budget import Category, Limit
from revops.domain.decision import Outcome
from revops.domain.policy import SpliceConfig
from revops.domain.reason import ReasonCode
from revops.report.blocks import Table
from revops.report.status import status as rendered
from revops.store import ledger
from revops.store.open_channels import open_channels
from tests.actuate.bench import NODE_KEY, Bench

OUT_SAT, IN_SAT = -300_000, 200_000


def row_of(bench: Bench, channel_id: str) -> dict[str, Any]:
    (row,) = bench.node.answer("listpeerchannels", {"channel_id": channel_id})["channels"]
    return dict(row)


def fullest(bench: Bench) -> str:
    """The channel of ours that can send the most."""
    rows = [row for row in bench.node.answer("listpeerchannels", {})["channels"] if "short_channel_id" in row]
    return str(max(rows, key=lambda row: row["spendable_msat"])["channel_id"])


def wealth_msat(bench: Bench) -> int:
    """All that is ours, in channels and in the wallet; what a transaction in flight spends is ours until then."""
    listed = bench.node.answer("listfunds", {})
    in_wallet = sum(row["amount_msat"] for row in listed["outputs"] if row["status"] == "confirmed")
    in_channels = sum(row["to_us_msat"] for row in bench.node.answer("listpeerchannels", {})["channels"])
    return int(in_wallet) + int(in_channels)


def splice_costs_msat(bench: Bench) -> dict[str, int]:
    """What splices of each channel have cost, by `report pnl` and `history` alike, whose balances add up."""
    pnl, life = profit.run(bench.options, clock=bench.clock), history.run(bench.options, clock=bench.clock)
    assert pnl.balance is not None
    assert life.balance is not None
    assert (pnl.balance.unbooked_msat, life.balance.unbooked_msat) == (0, 0)
    found = [{one.channel_id: one.line.splice_msat for one in page.channels} for page in (pnl, life)]
    costs = [{name: msat for name, msat in one.items() if msat} for one in found]
    assert costs[0] == costs[1]
    assert sum(costs[0].values()) == pnl.total.splice_msat == life.total.splice_msat
    listed = report.run(bench.options, clock=bench.clock).channels
    assert all(one.lifetime_chain_msat >= costs[0].get(one.channel_id, 0) for one in listed)
    return costs[0]


def recorded(bench: Bench, channel_id: str) -> Any:
    (row,) = bench.rows(f"SELECT * FROM channel WHERE channel_id = '{channel_id}'")
    return row


def test_splices_are_paid_within_limits_of_their_own(bench: Bench) -> None:
    bench.sync()
    assert [one.category for one in budget.run(bench.options, bench.clock).categories] == [Category.REBALANCE]
    bench.settings["splice"] = {"daily_sat": 5, "weekly_sat": 20}
    limits = splice_limits_in_force(SpliceConfig(daily_sat=5, weekly_sat=20))
    with bench.database.transaction(NODE_KEY) as tx:
        held = ledger.reserve(
            tx, run_key=1, job_key=None, amount_msat=4_000, at=bench.clock(), limits=limits, category=Category.SPLICE
        )
        with pytest.raises(ledger.BudgetExceededError, match="has 1 sat left"):
            ledger.reserve(
                tx, run_key=1, job_key=None, amount_msat=1_001, at=bench.clock(), limits=limits,
                category=Category.SPLICE,
            )  # fmt: skip
    rebalances, splices = budget.run(bench.options, bench.clock).categories
    assert (rebalances.daily.reserved_msat, splices.category) == (0, Category.SPLICE)
    assert (splices.daily.limit, splices.weekly.limit) == (Limit(5_000), Limit(20_000))
    assert (splices.daily.reserved_msat, splices.daily.left_msat, splices.weekly.left_msat) == (4_000, 1_000, 16_000)
    with bench.database.transaction(NODE_KEY) as tx:
        ledger.settle(tx, held, 3_000, bench.clock(), 1)
    assert budget.run(bench.options, bench.clock).categories[1].daily.spent_msat == 3_000


def test_what_the_budget_of_splices_holds_is_in_the_metrics_and_no_second_cost(bench: Bench, tmp_path: Path) -> None:
    bench.settings |= {"splice": {"daily_sat": 5, "weekly_sat": 20}, "metrics": {"textfile_dir": str(tmp_path)}}
    bench.sync()
    before = profit.run(bench.options, clock=bench.clock).total
    with bench.database.transaction(NODE_KEY) as tx:
        limits = splice_limits_in_force(SpliceConfig(daily_sat=5, weekly_sat=20))
        held = ledger.reserve(
            tx, run_key=1, job_key=None, amount_msat=4_000, at=bench.clock(), limits=limits, category=Category.SPLICE
        )
        ledger.settle(tx, held, 3_000, bench.clock(), 1)
    bench.sync()
    metrics = (tmp_path / "revops_node.prom").read_text()
    assert 'revops_splice_budget_limit_msat{node="node",window="weekly"} 20000.0' in metrics
    assert 'revops_splice_budget_spent_msat{node="node",window="daily"} 3000.0' in metrics
    (table,) = [
        block
        for block in rendered(status.run(bench.options, bench.clock))
        if isinstance(block, Table) and block.headings[0] == "splices"
    ]
    assert table.rows[0] == ("day", "5", "60 %", "3", "0", "2")
    # The ledger is the budget's; what a splice cost is told by the node's moves.
    assert profit.run(bench.options, clock=bench.clock).total.cost_msat == before.cost_msat
    assert reconcile.run(bench.options, bench.clock).agrees


@pytest.mark.parametrize("change_sat", [OUT_SAT, IN_SAT])
def test_what_a_splice_cost_is_booked_once_to_its_channel_when_it_is_locked_in(bench: Bench, change_sat: int) -> None:
    bench.sync()
    spliced, before_msat = fullest(bench), wealth_msat(bench)
    assert splice_costs_msat(bench) == {}
    bench.node.splice_channel(spliced, change_sat, lock_in=False)
    bench.sync()
    assert splice_costs_msat(bench) == {}, "nothing is booked before its moves are there"
    assert reconcile.run(bench.options, bench.clock).agrees
    bench.node.lock_in_splice(spliced)
    bench.sync()
    cost_msat = before_msat - wealth_msat(bench)
    assert cost_msat > 0
    assert splice_costs_msat(bench) == {spliced: cost_msat}
    assert reconcile.run(bench.options, bench.clock).agrees
    bench.sync()
    assert splice_costs_msat(bench) == {spliced: cost_msat}, "once"


def test_while_it_is_in_flight_what_leaves_counts_as_gone(bench: Bench, tmp_path: Path) -> None:
    bench.settings["metrics"] = {"textfile_dir": str(tmp_path)}
    bench.sync()
    spliced = fullest(bench)
    listed = row_of(bench, spliced)
    left = status.run(bench.options, bench.clock).channels_spendable_msat
    assert left is not None
    bench.node.splice_channel(spliced, OUT_SAT, lock_in=False)
    (splice,) = row_of(bench, spliced)["inflight"]
    bench.sync()
    fits_msat = listed["spendable_msat"] + splice["splice_amount"] * 1_000
    assert recorded(bench, spliced).spendable_msat == fits_msat < row_of(bench, spliced)["spendable_msat"]
    assert recorded(bench, spliced).local_msat == listed["to_us_msat"]
    found = status.run(bench.options, bench.clock)
    assert found.channels.splicing == 1
    assert found.channels_spendable_msat == left + splice["splice_amount"] * 1_000
    assert any("splices in flight: 1 channel" in getattr(block, "text", "") for block in rendered(found))
    with bench.database.read(NODE_KEY) as tx:
        assert [one.channel_id for one in open_channels(tx, 0).values() if one.splicing] == [spliced]
    name = listed["short_channel_id"]
    metrics = (tmp_path / "revops_node.prom").read_text()
    assert (
        f'revops_channel_splice_in_flight{{channel="{name}",node="node",peer_id="{listed["peer_id"]}"}} 1.0' in metrics
    )
    bench.node.lock_in_splice(spliced)
    bench.sync()
    found = status.run(bench.options, bench.clock)
    assert found.channels.splicing == 0
    assert not any("splices in flight" in getattr(block, "text", "") for block in rendered(found))


def test_a_fee_is_set_during_a_splice_which_its_reasons_tell(bench: Bench) -> None:
    bench.settings["fees"] |= {"strategy": "static", "fixed_ppm": 777, "max_step_ratio": 10.0}
    bench.sync()
    spliced = fullest(bench)
    bench.node.splice_channel(spliced, OUT_SAT, lock_in=False)
    plan = fees.run(bench.options, clock=bench.clock)
    (decision,) = (one for one in plan.decisions if one.channel_id == spliced)
    assert decision.outcome is Outcome.CHANGE
    assert decision.reasons[-1].code is ReasonCode.SPLICE_LEAVING
    row = row_of(bench, spliced)
    assert row["updates"]["local"]["fee_proportional_millionths"] == decision.new_ppm
    assert row["state"] == "CHANNELD_AWAITING_SPLICE"


def test_a_splice_begun_between_plan_and_run_stops_what_no_longer_fits(bench: Bench) -> None:
    bench.plan()
    job = bench.job()
    spendable_sat = row_of(bench, job.source_channel_id)["spendable_msat"] // 1_000
    bench.node.splice_channel(job.source_channel_id, -(spendable_sat - 10_000), lock_in=False)
    assert row_of(bench, job.source_channel_id)["spendable_msat"] > job.amount_msat, "the node's own figure says yes"
    bench.run()
    ended = bench.job()
    assert (ended.status, bench.payments()) == ("failed", [])
    assert ended.reason is not None
    assert ended.reason.code is ReasonCode.SPLICE_SHORT
    bench.check(final=True)


def test_a_splice_that_leaves_enough_stops_nothing(bench: Bench) -> None:
    bench.plan()
    job = bench.job()
    bench.node.splice_channel(job.source_channel_id, -10_000, lock_in=False)
    bench.run()
    assert bench.job().status == "settled"
    bench.node.lock_in_splice(job.source_channel_id)
    bench.check(final=True)
