"""What an operator reads of rebalances while they are under way, and when they are over."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from revops.cycle import explain, job_stories, rebalance
from revops.domain.explanation import Explained
from revops.domain.summary import RebalanceSummary
from revops.domain.units import sat_exact
from revops.errors import UnknownName
from revops.report.explanation import explained
from revops.report.job_stories import SOLD, rebalances
from revops.report.rebalances import rebalance_run
from revops.report.text import page
from tests.actuate.bench import HOUR, MAX_FEE_MSAT, Bench


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


def test_a_job_is_told_with_its_steps_its_payments_and_what_was_sold_of_it(bench: Bench) -> None:
    bench.plan()
    bench.run()
    done = bench.job()
    assert done.status == "settled"
    bench.sync()
    found = job_stories.run(bench.options, clock=bench.clock)
    (story,) = found.stories
    assert [step.status for step in story.steps] == ["planned", "reserved", "sending", "in_flight", "settled"]
    (paid,) = story.payments
    assert (paid.payment_hash, paid.fee_msat) == (done.payment_hash, done.fee_msat)
    assert (paid.source_channel_id, paid.target_channel_id) == (done.source_channel_id, done.target_channel_id)
    assert story.sold_msat == 0
    assert found.under_way == ()
    names = {name: found.names[name] for name in (done.source_channel_id, done.target_channel_id)}
    brief = page(rebalances(found, each_step=False, alone=False))
    assert "in flight" not in brief
    assert "settled: 50,000 sat moved for " in brief
    each = page(rebalances(found, each_step=True, alone=False))
    assert re.search(r"planned.*reserved, sending, in flight.*settled: 50,000 sat moved for", each)
    assert done.payment_hash is not None
    assert done.payment_hash in each
    assert all(name in each for name in names.values())
    alone = job_stories.run(bench.options, done.job_key, clock=bench.clock)
    assert [one.job.job_key for one in alone.stories] == [done.job_key]
    assert "Steps" in page(rebalances(alone, each_step=True, alone=True))
    with pytest.raises(UnknownName, match="no rebalance job 99"):
        job_stories.run(bench.options, 99, clock=bench.clock)


def test_a_channel_is_explained_with_the_refills_that_it_got_and_paid_for(bench: Bench) -> None:
    bench.plan()
    before_at = bench.clock()
    bench.node.advance_by(60)
    bench.run()
    done = bench.job()
    bench.sync()

    def told(channel_id: str, at: float | None = None) -> tuple[Explained, str]:
        found = explain.run(bench.options, channel_id, at, clock=bench.clock)
        return found, page(explained(found))

    for channel_id, role, other in (
        (done.target_channel_id, "target", done.source_channel_id),
        (done.source_channel_id, "source", done.target_channel_id),
    ):
        found, text = told(channel_id)
        (story,) = found.channels[0].refills
        assert (story.job.job_key, story.sold_msat) == (done.job_key, 0)
        assert re.search(rf"job {done.job_key} +{role} +{found.names[other]} +50,000", text)
        assert "settled: 50,000 sat moved for " in text
        verb = "got" if role == "target" else "gave"
        assert done.fee_msat is not None
        assert f"all in all it {verb} 50,000 sat by 1 refill, for {sat_exact(done.fee_msat)} sat" in text
        assert ("; of the 50,000 sat bought lately 0 % was sold" in text) is (role == "target")
        assert "aren't shown" not in text
        assert SOLD in " ".join(text.split())
    others = {row.channel_id for row in bench.rows("SELECT channel_id FROM channel")} - {
        done.target_channel_id, done.source_channel_id
    }  # fmt: skip
    assert told(min(others))[0].channels[0].refills == ()
    # Then it was planned, and nothing more.
    found, text = told(done.target_channel_id, before_at)
    (story,) = found.channels[0].refills
    assert (story.job.status, story.job.fee_msat, story.payments, story.sold_msat) == ("planned", None, (), None)
    assert "settled" not in text
    assert f"at most {MAX_FEE_MSAT // 1_000}" in text
    assert told(done.target_channel_id, before_at - HOUR)[0].channels[0].refills == ()


def test_refills_that_are_not_shown_are_counted_and_part_of_the_total(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain, "REFILL_COUNT", 1)
    for _time in range(2):
        bench.plan()
        bench.run()
        bench.node.advance_by(HOUR)
    done = bench.jobs()
    assert [job.status for job in done] == ["settled", "settled"]
    assert len({job.target_channel_id for job in done}) == 1
    bench.sync()
    found = explain.run(bench.options, done[0].target_channel_id, clock=bench.clock)
    assert len(found.channels[0].refills) == 1
    text = page(explained(found))
    assert "1 earlier ones aren't shown" in text
    fees_msat = sum(job.fee_msat or 0 for job in done)
    assert f"all in all it got 100,000 sat by 2 refills, for {sat_exact(fees_msat)} sat" in text


def test_a_refill_that_failed_names_the_channel_where(bench: Bench) -> None:
    bench.plan()
    bench.node.hold_payments()
    bench.settings["rebalance"]["wait_seconds"] = 0
    bench.run()
    under_way = page(explained(explain.run(bench.options, bench.job().target_channel_id, clock=bench.clock)))
    assert "1 of them under way" in under_way
    assert " reserved" in under_way
    hanging = job_stories.run(bench.options, clock=bench.clock)
    assert "Under way" in page(rebalances(hanging, each_step=False, alone=False))
    bench.fail_held()
    bench.run()
    done = bench.job()
    assert (done.status, done.erring_scidd is None) == ("failed", False)
    text = page(rebalances(job_stories.run(bench.options, clock=bench.clock), each_step=False, alone=False))
    assert f"; at {done.erring_scidd}" in text
    assert "failed: failed" not in text
    assert re.search(r"payment failed: WIRE_", text)


def test_a_payment_under_way_costs_nothing_known_yet(bench: Bench) -> None:
    """It was shown as one that had cost 0."""
    bench.settings["rebalance"]["wait_seconds"] = 0
    bench.node.hold_payments()
    bench.plan()
    found = bench.run()
    assert [(job.status, job.fee_msat) for job in found.jobs] == [("in_flight", None)]
    assert [held.job_key for held in found.under_way] == [job.job_key for job in found.jobs]
    assert " reserved" in page(rebalance_run(found, dry_run=False))
