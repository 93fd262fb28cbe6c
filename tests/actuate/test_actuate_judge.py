"""Plans as `rebalance plan` makes them of a node with a history, and what a run makes of them: a source that gives to
several, and jobs that are judged once more, with money at stake.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from revops.cycle import rebalance, rebalance_plan
from revops.decide.rebalance.moves import Move
from revops.domain.decision import RebalancePlan
from revops.domain.reason import ReasonCode
from revops.domain.record import JobRecord
from revops.domain.summary import RebalanceSummary
from revops.errors import RevopsError
from revops.store import jobs as store_jobs
from revops.store import refills
from tests.actuate.bench import EASY, HOUR, NODE_KEY, Bench, Killed, killing, open_bench

#: A node in whose week one full channel was worth emptying into three others.
WORLD: dict[str, Any] = {"seed": 12, "channel_count": 12, "history_days": 7.0, "forwards_per_day": 300.0}


@pytest.fixture
def bench(template: Path) -> Iterator[Bench]:
    with open_bench(template, **WORLD) as opened:
        opened.settings["rebalance"] |= EASY | {"kelly_fraction": 1.0}
        opened.settings["budget"] |= {"daily_sat": 100_000, "weekly_sat": 300_000}
        yield opened


def made(bench: Bench) -> RebalancePlan:
    plan = rebalance_plan.run(bench.options, bench.clock)
    assert len({job.source_channel_id for job in plan.jobs}) < len(plan.jobs), "no source gives to several"
    return plan


def dry(bench: Bench) -> RebalanceSummary:
    return rebalance.run(replace(bench.options, dry_run=True), bench.clock)


def limits(job: JobRecord) -> dict[str, int]:
    return {one.channel_id: one.max_fee_msat for one in job.sources}


def test_a_source_gives_to_several_jobs_one_after_the_other(bench: Bench) -> None:
    plan = made(bench)
    planned = {job.job_key: job for job in bench.jobs()}
    shared = plan.jobs[0].source_channel_id
    assert shared is not None
    before = bench.node.channel(shared)
    before_msat, capacity_msat = before.to_us_msat, before.capacity_msat
    bench.run()
    done = [job for job in bench.jobs() if job.status == "settled"]
    assert len(done) == len(plan.jobs)
    from_shared = [job for job in done if job.source_channel_id == shared]
    assert len(from_shared) >= 2
    out_msat = sum(job.amount_msat + (job.fee_msat or 0) for job in from_shared)
    assert bench.node.channel(shared).to_us_msat == before_msat - out_msat
    assert before_msat - out_msat >= 0.05 * capacity_msat
    for job in done:
        assert (job.fee_msat or 0) <= limits(planned[job.job_key])[job.source_channel_id]
        assert job.amount_msat <= planned[job.job_key].amount_msat
    # One at a time holds it.
    spans = sorted(
        (step.stepped_at, job.finished_at or 0.0)
        for job in from_shared
        for step in bench.steps(job)
        if step.status == "reserved"
    )
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))
    bench.check(final=True)


def test_a_payment_that_hangs_keeps_its_source_from_the_other_jobs(bench: Bench) -> None:
    made(bench)
    bench.settings["rebalance"]["max_sources"] = 1
    made(bench)
    bench.node.hold_payments()
    bench.run()
    open_jobs = [job for job in bench.jobs() if job.status == "in_flight"]
    waiting = [job for job in bench.jobs() if job.status == "planned"]
    assert open_jobs
    assert waiting
    held = {name for job in open_jobs for name in (job.source_channel_id, job.target_channel_id)}
    assert all(job.target_channel_id in held or set(limits(job)) <= held for job in waiting)
    bench.check()
    bench.node.hold_payments(False)
    bench.node.advance_by(60)
    bench.run()
    assert not [job for job in bench.jobs() if job.status in {*store_jobs.OPEN, "planned"}]
    bench.check(final=True)


def test_a_dry_run_counts_what_the_jobs_before_would_have_moved(bench: Bench, monkeypatch: Any) -> None:
    made(bench)
    moved: list[Move] = []
    from revops.decide.rebalance.scene import Scene

    after = Scene.after

    def noted(self: Scene, move: Move) -> Scene:
        moved.append(move)
        left = after(self, move)
        source, emptier = self.channel(move.source_channel_id), left.channel(move.source_channel_id)
        assert source is not None
        assert emptier is not None
        assert emptier.spendable_msat == source.spendable_msat - move.amount_msat - move.cost_msat
        return left

    monkeypatch.setattr(Scene, "after", noted)
    shown = dry(bench)
    found = [job for job in shown.jobs if job.reason is not None and job.reason.code is ReasonCode.ROUTE_FOUND]
    assert [(one.source_channel_id, one.target_channel_id, one.cost_msat) for one in moved] == [
        (job.source_channel_id, job.target_channel_id, job.fee_msat) for job in found
    ]
    assert len({one.source_channel_id for one in moved}) < len(moved)
    assert not bench.calls("sendpay")
    assert {job.status for job in bench.jobs()} == {"planned"}


def test_a_job_that_is_not_worth_its_route_any_more_is_dropped_and_held_against_nobody(bench: Bench) -> None:
    """What a route may cost at most was lowered since: nothing is asked of the network for it."""
    made(bench)
    with bench.database.read(NODE_KEY) as tx:
        before = refills.attempts(tx, 0.0)
    bench.settings["rebalance"]["max_fee_ppm"] = 1
    shown = dry(bench)
    asked = len(bench.calls("getroutes"))
    bench.run()
    for job, seen in zip(bench.jobs(), shown.jobs, strict=True):
        assert (job.status, job.failure) == ("failed", None)
        assert job.reason is not None
        assert job.reason.code in {ReasonCode.WORTH_GONE, ReasonCode.STAKE_GONE}
        assert seen.reason == job.reason
    assert len(bench.calls("getroutes")) == asked
    assert bench.entries() == []
    with bench.database.read(NODE_KEY) as tx:
        assert refills.attempts(tx, 0.0) == before
    bench.check(final=True)


def cut(bench: Bench) -> list[JobRecord]:
    """A plan after which the operator allows for 600,000 sat at once, no more."""
    made(bench)
    bench.settings["rebalance"]["max_amount_sat"] = 600_000
    return bench.jobs()


def test_a_job_that_is_cut_when_it_starts_is_paid_and_booked_as_it_was_cut(bench: Bench) -> None:
    planned = cut(bench)
    assert {job.amount_msat for job in planned} == {1_000_000_000}
    bench.run()
    done = [job for job in bench.jobs() if job.status == "settled"]
    assert done
    before = {job.job_key: job for job in planned}
    for job in done:
        was = before[job.job_key]
        assert job.amount_msat == 600_000_000
        assert job.max_fee_msat == was.max_fee_msat * 6 // 10
        assert limits(job) == {name: msat * 6 // 10 for name, msat in limits(was).items()}
        assert (job.fee_msat or 0) <= limits(job)[job.source_channel_id]
    arrived = bench.rows("SELECT job_key, amount_msat FROM rebalance_payment WHERE job_key != 0")
    assert {(row.job_key, row.amount_msat) for row in arrived} == {(job.job_key, job.amount_msat) for job in done}
    bench.check(final=True)


def test_another_attempt_is_no_larger_and_no_dearer_than_the_one_that_failed(bench: Bench) -> None:
    bench.settings["rebalance"]["max_attempts"] = 3
    cut(bench)
    bench.node.fail_payments(count=1)
    bench.run()
    failed = next(job for job in bench.jobs() if job.status == "failed" and job.payment_hash is not None)
    again = next(job for job in bench.jobs() if job.retry_of_key == failed.job_key)
    assert failed.amount_msat == 600_000_000
    assert again.amount_msat <= failed.amount_msat
    assert again.max_fee_msat <= failed.max_fee_msat
    assert all(limits(failed)[name] >= msat for name, msat in limits(again).items())
    bench.check(final=True)


@pytest.mark.parametrize("moment", [*range(1, 24, 2), 30, 40])
def test_a_run_that_is_killed_while_it_starts_a_job_that_was_cut_loses_no_count(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    cut(bench)
    with killing(monkeypatch, moment, start_method="getroutes"), contextlib.suppress(Killed, RevopsError):
        bench.run()
    bench.check()
    bench.node.advance_by(HOUR / 4)
    bench.run()
    bench.run()
    bench.check(final=True)


def test_income_that_came_in_since_the_plan_loosens_nothing(bench: Bench) -> None:
    made(bench)
    planned = {job.job_key: job for job in bench.jobs()}
    bench.settings["rebalance"] |= {"kelly_fraction": 1.0, "max_amount_sat": 5_000_000}
    bench.settings["budget"] |= {"daily_sat": 1_000_000, "weekly_sat": 3_000_000}
    bench.node.pause_market(False)
    bench.node.advance_by(HOUR / 2)
    bench.node.pause_market()
    bench.run()
    for job in bench.jobs():
        was = planned.get(job.job_key)
        if was is not None:
            assert job.amount_msat <= was.amount_msat
            assert (job.reserved_msat or 0) <= was.max_fee_msat
    bench.check(final=True)
