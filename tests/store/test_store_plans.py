"""Rebalance plans: a job takes each step once, in order, and history tells whom to leave alone."""

from __future__ import annotations

import contextlib
import threading
from contextlib import closing
from dataclasses import replace

import pytest

from revops.domain.decision import Outcome, RebalanceDecision, RebalancePlan
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.rebalance import FailureKind, JobStep, RebalanceTerms, SourceOffer
from revops.errors import BugError
from revops.store import jobs, ledger, plans, refills
from revops.store.engine import Database, Tx
from tests.builders import NOW, OWN_ID, channel_id
from tests.store.rows import record

NO_ROUTE = why(ReasonCode.NO_ROUTE, message="none")
SETTLED = why(ReasonCode.PAYMENT_SETTLED, amount_msat=1, fee_msat=1)


def refill(source: int = 2, target: int = 1, gain: int = 5) -> RebalanceDecision:
    return RebalanceDecision(
        target_channel_id=channel_id(target),
        target_name=f"t{target}",
        source_channel_id=channel_id(source),
        source_name=f"s{source}",
        outcome=Outcome.CHANGE,
        amount_msat=10**9,
        max_fee_msat=10**5,
        expected_gain_msat=gain,
        reasons=(why(ReasonCode.NO_SOURCE),),
    )


def skip(target: int = 1) -> RebalanceDecision:
    return RebalanceDecision(channel_id(target), "t", None, None, Outcome.SKIP, 0, 0, 0, (why(ReasonCode.NO_SOURCE),))


def plan(*decisions: RebalanceDecision, at: float = NOW) -> RebalancePlan:
    return RebalancePlan(at, at + 3_600, decisions)


def reserve(tx: Tx, job_key: int, amount_msat: int = 100) -> int:
    limits = (10**9, 10**9)
    return ledger.reserve(tx, run_key=1, job_key=job_key, amount_msat=amount_msat, at=NOW, limits=limits)


@pytest.fixture
def planned(database: Database, node_key: int) -> int:
    """The key of a planned job from channel 2 to channel 1."""
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        plans.add_plan(tx, 1, plan(refill()))
        return jobs.planned_jobs(tx)[0].job_key


def test_plan_keeps_its_jobs_in_order_and_only_those(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        plan_key = plans.add_plan(tx, 7, plan(refill(2, 1, gain=9), skip(3), refill(3, 1, gain=4)))
        first, second = jobs.planned_jobs(tx)
        assert (first.source_channel_id, first.target_channel_id) == (channel_id(2), channel_id(1))
        assert (first.plan_key, first.amount_msat, first.max_fee_msat) == (plan_key, 10**9, 10**5)
        assert (first.expected_gain_msat, second.expected_gain_msat) == (9, 4)
        assert (first.status, first.created_at, first.expires_at) == ("planned", NOW, NOW + 3_600)
        assert (first.label, first.payment_hash, first.reserve_key, first.reserved_msat) == (None,) * 4
        assert jobs.job(tx, first.job_key) == first
        with pytest.raises(BugError):
            jobs.job(tx, 99)


def test_plan_without_jobs(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1)
        plans.add_plan(tx, 1, plan(skip()))
        assert jobs.planned_jobs(tx) == ()


def test_job_without_a_source_is_a_bug(database: Database, node_key: int) -> None:
    aimless = RebalanceDecision(channel_id(1), "t", None, None, Outcome.CHANGE, 1, 1, 1, ())
    with database.transaction(node_key) as tx:
        record(tx, 1)
        with pytest.raises(BugError, match="no source"):
            plans.add_plan(tx, 1, plan(aimless))


def test_new_plan_takes_the_place_of_what_was_not_begun(database: Database, node_key: int, planned: int) -> None:
    with database.transaction(node_key) as tx:
        plans.add_plan(tx, 2, plan(refill(3, 1), refill(2, 3), at=NOW + 600))
        old = jobs.job(tx, planned)
        assert (old.status, old.finished_at) == ("expired", NOW + 600)
        assert old.reason == why(ReasonCode.PLAN_REPLACED, age_minutes=10)
        begun = jobs.planned_jobs(tx)[0].job_key
        jobs.mark_reserved(tx, begun, run_key=3, at=NOW, reserve_key=reserve(tx, begun), label="label")
        plans.add_plan(tx, 3, plan(at=NOW + 700))
        assert jobs.job(tx, begun).status == "reserved"
        assert jobs.planned_jobs(tx) == ()


def test_overdue_jobs_expire(database: Database, node_key: int, planned: int) -> None:
    with database.transaction(node_key) as tx:
        assert plans.expire_jobs(tx, NOW + 3_599, 1) == 0
        assert plans.expire_jobs(tx, NOW + 3_600, 1) == 1
        assert plans.expire_jobs(tx, NOW + 3_600, 1) == 0
        assert jobs.job(tx, planned).status == "expired"
        assert refills.attempts(tx, 0) == ()


def test_job_from_plan_to_settlement(database: Database, node_key: int, planned: int) -> None:
    with database.transaction(node_key) as tx:
        reserve_key = reserve(tx, planned, 123)
        jobs.mark_reserved(tx, planned, run_key=1, at=NOW, reserve_key=reserve_key, label="revops-1")
        job = jobs.job(tx, planned)
        assert (job.status, job.label, job.reserve_key, job.reserved_msat) == ("reserved", "revops-1", reserve_key, 123)
        assert jobs.open_jobs(tx) == (job,)
        assert plans.in_flight_channels(tx) == {channel_id(1), channel_id(2)}
        jobs.mark_sending(tx, planned, "ab" * 32, run_key=1, at=NOW)
        jobs.mark_in_flight(tx, planned, run_key=1, at=NOW)
        assert (jobs.job(tx, planned).status, jobs.job(tx, planned).payment_hash) == ("in_flight", "ab" * 32)
        jobs.finish_job(tx, planned, "settled", 77, NOW + 5, SETTLED, run_key=1)
        done = jobs.job(tx, planned)
        assert (done.status, done.fee_msat, done.finished_at, done.reason) == ("settled", 77, NOW + 5, SETTLED)
        assert jobs.open_jobs(tx) == jobs.planned_jobs(tx) == ()
        assert plans.in_flight_channels(tx) == frozenset()


STEPS = {
    "reserved": lambda tx, key: jobs.mark_reserved(
        tx, key, run_key=1, at=NOW, reserve_key=reserve(tx, key), label=f"label-{key}"
    ),
    "sending": lambda tx, key: jobs.mark_sending(tx, key, "ab" * 32, run_key=1, at=NOW),
    "in_flight": lambda tx, key: jobs.mark_in_flight(tx, key, run_key=1, at=NOW),
    "settled": lambda tx, key: jobs.finish_job(tx, key, "settled", 1, NOW, SETTLED, run_key=1),
    "failed": lambda tx, key: jobs.finish_job(tx, key, "failed", 0, NOW, NO_ROUTE, run_key=1),
    "released": lambda tx, key: jobs.finish_job(tx, key, "released", 0, NOW, NO_ROUTE, run_key=1),
    "expired": lambda tx, key: jobs.finish_job(tx, key, "expired", 0, NOW, NO_ROUTE, run_key=1),
}
WAYS = {
    "planned": (),
    "reserved": ("reserved",),
    "sending": ("reserved", "sending"),
    "in_flight": ("reserved", "sending", "in_flight"),
    "settled": ("reserved", "sending", "settled"),
    "failed": ("failed",),
    "released": ("reserved", "released"),
    "expired": ("expired",),
}
#: What may follow what: nothing follows an end, and money is never under way without a reservation.
ALLOWED = {
    "planned": {"reserved", "failed", "released", "expired"},
    "reserved": {"sending", "failed", "released"},
    "sending": {"in_flight", "settled", "failed", "released"},
    "in_flight": {"settled", "failed", "released"},
}


@pytest.mark.parametrize("status", WAYS)
@pytest.mark.parametrize("step", STEPS)
def test_steps(database: Database, node_key: int, planned: int, status: str, step: str) -> None:
    with database.transaction(node_key) as tx:
        for earlier in WAYS[status]:
            STEPS[earlier](tx, planned)
        if step in ALLOWED.get(status, set()):
            STEPS[step](tx, planned)
            assert jobs.job(tx, planned).status == step
        else:
            with pytest.raises(BugError, match=f"can't become {step}: it is {status}"):
                STEPS[step](tx, planned)
            assert jobs.job(tx, planned).status == status


def test_a_job_that_is_cut_when_money_is_reserved_gets_no_sat_dearer(database: Database, node_key: int) -> None:
    offers = (SourceOffer(channel_id(2), "2", 90_000, 50_000), SourceOffer(channel_id(3), "3", 7))
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        plans.add_plan(tx, 1, plan(replace(refill(), sources=offers), refill(3, 2)))
        key, other = (job.job_key for job in jobs.planned_jobs(tx))
        jobs.mark_reserved(tx, key, run_key=1, at=NOW, reserve_key=reserve(tx, key), amount_msat=333_333_333)
        cut, untouched = jobs.job(tx, key), jobs.job(tx, other)
    assert (cut.amount_msat, cut.max_fee_msat, cut.status) == (333_333_333, 33_333, "reserved")
    assert [(one.max_fee_msat, one.quoted_fee_msat) for one in cut.sources] == [(29_999, 16_667), (2, None)]
    assert (untouched.amount_msat, untouched.max_fee_msat) == (10**9, 10**5)


@pytest.mark.parametrize("amount_msat", [0, -1, 10**9 + 1])
def test_no_more_than_was_planned_is_moved(database: Database, node_key: int, planned: int, amount_msat: int) -> None:
    with pytest.raises(BugError), database.transaction(node_key) as tx:
        jobs.mark_reserved(tx, planned, run_key=1, at=NOW, reserve_key=reserve(tx, planned), amount_msat=amount_msat)
    with database.read(node_key) as tx:
        assert jobs.job(tx, planned).status == "planned"


def test_since_when_open_jobs_are_under_way(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        plans.add_plan(tx, 1, plan(refill(2, 1), refill(3, 1), refill(3, 2)))
        first, second, _ = (job.job_key for job in jobs.planned_jobs(tx))
        jobs.mark_reserved(tx, first, run_key=1, at=NOW + 5, reserve_key=reserve(tx, first), label="a")
        jobs.mark_sending(tx, first, "00" * 32, run_key=1, at=NOW + 9)
        jobs.mark_reserved(tx, second, run_key=1, at=NOW + 6, reserve_key=reserve(tx, second), label="b")
        assert jobs.under_way_since(tx) == {first: NOW + 5, second: NOW + 6}
        jobs.finish_job(tx, second, "failed", 0, NOW + 7, SETTLED, run_key=1)
        assert jobs.under_way_since(tx) == {first: NOW + 5}


def test_a_job_can_not_end_as_it_likes(database: Database, node_key: int, planned: int) -> None:
    with database.transaction(node_key) as tx, pytest.raises(BugError, match="can't end as 'reserved'"):
        jobs.finish_job(tx, planned, "reserved", 0, NOW, NO_ROUTE, run_key=1)


def test_two_runs_can_not_take_the_same_step(url: str) -> None:
    with closing(Database.open(url)) as database:
        node_key = database.node_key(OWN_ID, "ours", "bitcoin")
        with database.transaction(node_key) as tx:
            record(tx, 1, 2)
            plans.add_plan(tx, 1, plan(refill()))
            job_key = jobs.planned_jobs(tx)[0].job_key
    start = threading.Barrier(2)
    taken: list[str] = []

    def take(label: str) -> None:
        with closing(Database.open(url)) as mine:
            start.wait()
            try:
                with mine.transaction(node_key) as tx:
                    jobs.mark_reserved(tx, job_key, run_key=1, at=NOW, reserve_key=reserve(tx, job_key), label=label)
                taken.append(label)
            except BugError:
                taken.append("refused")

    threads = [threading.Thread(target=take, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 2
    assert taken.count("refused") == 1
    with closing(Database.open(url)) as database, database.read(node_key) as tx:
        assert jobs.job(tx, job_key).label in taken
        assert ledger.totals(tx, NOW).reserved_msat == 100  # the other one's was undone with its transaction


def fail(tx: Tx, source: int, target: int, at: float, reason: Reason = NO_ROUTE, status: str = "failed") -> None:
    plans.add_plan(tx, 1, plan(refill(source, target), at=at))
    job_key = jobs.planned_jobs(tx)[-1].job_key
    if status == "settled":
        jobs.mark_reserved(tx, job_key, run_key=1, at=NOW, reserve_key=reserve(tx, job_key), label=f"label-{job_key}")
        jobs.mark_sending(tx, job_key, "ab" * 32, run_key=1, at=NOW)
    jobs.finish_job(tx, job_key, status, 0, at, reason, run_key=1)


@pytest.mark.parametrize(
    "reason",
    [
        why(ReasonCode.BUDGET_EXHAUSTED, left_sat=0, wanted_sat=1, window="daily"),
        why(ReasonCode.LIQUIDITY_CHANGED, side="the source", have_sat=0, wanted_sat=1),
        why(ReasonCode.NOT_USABLE, state="gone"),
    ],
)
def test_failures_that_are_not_the_ways_fault_do_not_count(database: Database, node_key: int, reason: Reason) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        fail(tx, 2, 1, NOW, reason)
        fail(tx, 2, 1, NOW, NO_ROUTE, "released")
        assert refills.attempts(tx, 0) == ()


def test_recent_jobs_newest_first(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        for at in (1, 2, 3):
            fail(tx, 2, 1, NOW + at)
        assert [job.finished_at for job in jobs.recent_jobs(tx, 2)] == [NOW + 3, NOW + 2]


TERMS = RebalanceTerms(
    target_ppm=500.5, source_ppm=20.0, route_ppm=99.0, risk_ppm=5.0, gain_ppm=376.5, income_ppm=640.0, sale_ratio=0.8,
    sale_low_ratio=0.6, lot_count=7.25, horizon_days=14.0, odds_ratio=2.5, kelly_ratio=0.4, stake_msat=10**8,
    wanted_msat=2 * 10**9,
)  # fmt: skip


def many(target: int = 1) -> RebalanceDecision:
    """Channels 3 and 2 may pay, the former first."""
    offers = (SourceOffer(channel_id(3), "three", 90_000, 40_000), SourceOffer(channel_id(2), "two", 100_000))
    return replace(refill(3, target), sources=offers, terms=TERMS)


def test_a_job_is_read_as_it_was_planned(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        plans.add_plan(tx, 7, plan(many(), refill(2, 3)), executor="sling")
        first, second = jobs.planned_jobs(tx)
        assert [offer.channel_id for offer in first.sources] == [channel_id(3), channel_id(2)]
        assert [(offer.max_fee_msat, offer.quoted_fee_msat) for offer in first.sources] == [
            (90_000, 40_000),
            (100_000, None),
        ]
        assert (first.terms, first.executor, first.attempt, first.retry_of_key) == (TERMS, "sling", 1, None)
        assert [(offer.channel_id, offer.max_fee_msat) for offer in second.sources] == [(channel_id(2), 10**5)]
        assert second.terms is None
        assert jobs.steps(tx, first.job_key) == (JobStep("planned", NOW, None, 7),)


def test_each_step_is_a_row_of_the_transaction_that_takes_it(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        plans.add_plan(tx, 1, plan(many()))
        (job,) = jobs.planned_jobs(tx)
        jobs.mark_reserved(
            tx,
            job.job_key,
            run_key=2,
            at=NOW + 1,
            reserve_key=reserve(tx, job.job_key),
            label="x",
            source_channel_id=channel_id(2),
            executor="native",
            local_before_msat=77,
        )
    with contextlib.suppress(ZeroDivisionError), database.transaction(node_key) as tx:
        jobs.mark_sending(tx, job.job_key, "ab" * 32, run_key=2, at=NOW + 2)
        raise ZeroDivisionError
    with database.transaction(node_key) as tx:
        jobs.mark_sending(tx, job.job_key, "ab" * 32, run_key=2, at=NOW + 3, note="sent")
        jobs.finish_job(
            tx,
            job.job_key,
            "failed",
            0,
            NOW + 4,
            NO_ROUTE,
            run_key=3,
            failure=FailureKind.LIQUIDITY,
            erring_scidd="1x2x3/0",
        )
        assert jobs.steps(tx, job.job_key) == (
            JobStep("planned", NOW, None, 1),
            JobStep("reserved", NOW + 1, None, 2),
            JobStep("sending", NOW + 3, "sent", 2),
            JobStep("failed", NOW + 4, NO_ROUTE.sentence, 3),
        )
        done = jobs.job(tx, job.job_key)
        assert (done.source_channel_id, done.executor, done.local_before_msat) == (channel_id(2), "native", 77)
        assert (done.failure, done.erring_scidd) == (FailureKind.LIQUIDITY, "1x2x3/0")


def test_another_attempt_is_a_job_of_its_own(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        plans.add_plan(tx, 1, plan(many()))
        (first,) = jobs.planned_jobs(tx)
        jobs.finish_job(tx, first.job_key, "failed", 0, NOW + 9, NO_ROUTE, run_key=1)
        key = plans.add_retry(tx, 2, first, first.sources[1:], NOW + 9)
        (again,) = jobs.planned_jobs(tx)
        assert (again.job_key, again.retry_of_key, again.attempt) == (key, first.job_key, 2)
        assert again.sources == first.sources[1:]
        assert again.source_channel_id == channel_id(2)
        same = ("plan_key", "target_channel_id", "amount_msat", "expires_at", "created_at", "terms", "executor")
        assert [getattr(again, name) for name in same] == [getattr(first, name) for name in same]
        assert jobs.steps(tx, again.job_key) == (JobStep("planned", NOW + 9, None, 2),)
        with pytest.raises(BugError, match="no source left"):
            plans.add_retry(tx, 2, first, (), NOW + 9)
        plans.add_plan(tx, 3, plan(at=NOW + 10))  # it wants nothing any more
        assert plans.add_retry(tx, 4, first, first.sources[1:], NOW + 11) is None
        assert jobs.planned_jobs(tx) == ()


def test_who_is_busy_depends_on_who_executes(database: Database, node_key: int) -> None:
    """sling may use each of its candidates."""
    for executor, busy in (("native", {1, 3}), ("sling", {1, 2, 3})):
        with database.transaction(node_key) as tx:
            record(tx, 1, 2, 3)
            plans.add_plan(tx, 1, plan(many()), executor=executor)
            (job,) = jobs.planned_jobs(tx)
            jobs.mark_reserved(tx, job.job_key, run_key=1, at=NOW, reserve_key=reserve(tx, job.job_key))
            assert plans.in_flight_channels(tx) == {channel_id(number) for number in busy}
            jobs.finish_job(tx, job.job_key, "failed", 0, NOW, NO_ROUTE, run_key=1)
