"""What an operator reads of rebalances while they are under way, and when they are over."""

from __future__ import annotations

from dataclasses import replace

from revops.cycle import rebalance
from revops.domain.summary import RebalanceSummary
from revops.report.rebalances import rebalance_run
from revops.report.text import page
from tests.actuate.bench import Bench


def dry_run(bench: Bench) -> RebalanceSummary:
    return rebalance.run(replace(bench.options, dry_run=True), bench.clock)


def test_a_dry_run_lists_what_is_under_way_and_what_it_may_cost(bench: Bench) -> None:
    bench.settings["rebalance"] |= {"max_in_flight": 1, "wait_seconds": 0}
    bench.node.hold_payments()
    bench.plan(2)
    bench.run()
    bench.node.advance_by(3 * 3_600)
    bench.settings["rebalance"]["plan_lifetime_seconds"] = 86_400
    hung = next(job for job in bench.jobs() if job.status == "in_flight")
    bench.plan(1, busy={hung.source_channel_id, hung.target_channel_id})
    found = dry_run(bench)
    assert [(held.job_key, held.amount_msat, held.status) for held in found.under_way] == [
        (hung.job_key, hung.reserved_msat, "in_flight")
    ]
    text = page(rebalance_run(found, dry_run=True))
    assert "3 h ago" in text
    assert f"rebalance {hung.job_key}: " in text
    assert text.count(" quoted") == 1
    bench.node.hold_payments(False)
    bench.fail_held()
    bench.settings["rebalance"]["wait_seconds"] = 20
    bench.run()
    assert dry_run(bench).under_way == ()


def test_a_payment_under_way_costs_nothing_known_yet(bench: Bench) -> None:
    """It was shown as one that had cost 0."""
    bench.settings["rebalance"]["wait_seconds"] = 0
    bench.node.hold_payments()
    bench.plan()
    found = bench.run()
    assert [(job.status, job.fee_msat) for job in found.jobs] == [("in_flight", None)]
    assert [held.job_key for held in found.under_way] == [job.job_key for job in found.jobs]
    assert " reserved" in page(rebalance_run(found, dry_run=False))
