"""Rebalance plans: what is planned, planned once more after a failure, or given up since its time is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, insert, select

from revops.domain.decision import RebalanceDecision, RebalancePlan
from revops.domain.reason import ReasonCode, why
from revops.domain.rebalance import RebalanceTerms, SourceOffer
from revops.domain.record import JobRecord
from revops.errors import BugError
from revops.store.codec import dump_terms
from revops.store.engine import Tx
from revops.store.job_rows import records
from revops.store.jobs import add_steps, finish_job, first_step, open_jobs, planned_jobs
from revops.store.keys import channel_keys, next_keys
from revops.store.tables import rebalance_job, rebalance_plan, rebalance_source

#: Who executes a job unless it is told.
NATIVE: Final = "native"
#: A clock is set back by so much now and then without being wrong.
_CLOCK_SLACK_SECONDS: Final = 3_600


@dataclass(frozen=True, slots=True)
class _NewJob:
    """What a job begins with."""

    plan_key: int
    target_channel_id: str
    sources: tuple[SourceOffer, ...]
    amount_msat: int
    max_fee_msat: int
    expected_gain_msat: int
    created_at: float
    expires_at: float
    executor: str
    terms: RebalanceTerms | None
    attempt: int = 1
    retry_of_key: int | None = None


def add_plan(tx: Tx, run_key: int, plan: RebalancePlan, executor: str = NATIVE) -> int:
    """Given a plan and who shall execute its jobs, store it with them, best first; return its key. What earlier plans
    left undone is replaced.

    A job whose decision lists no sources has one, its `source_channel_id`.
    """
    for job in planned_jobs(tx):
        reason = why(ReasonCode.PLAN_REPLACED, age_minutes=round((plan.created_at - job.created_at) / 60))
        finish_job(tx, job.job_key, "expired", 0, plan.created_at, reason, run_key=run_key)
    plan_key = next_keys(tx, "rebalance_plan")
    head = {"node_key": tx.node_key, "plan_key": plan_key, "run_key": run_key}
    tx.connection.execute(insert(rebalance_plan).values(**head, created_at=plan.created_at, expires_at=plan.expires_at))
    jobs = [
        _NewJob(
            plan_key=plan_key,
            target_channel_id=decision.target_channel_id,
            sources=_sources_of(decision),
            amount_msat=decision.amount_msat,
            max_fee_msat=decision.max_fee_msat,
            expected_gain_msat=decision.expected_gain_msat,
            created_at=plan.created_at,
            expires_at=plan.expires_at,
            executor=executor,
            terms=decision.terms,
        )
        for decision in plan.jobs
    ]
    _add_jobs(tx, run_key, jobs, plan.created_at)
    return plan_key


def _sources_of(decision: RebalanceDecision) -> tuple[SourceOffer, ...]:
    if decision.sources:
        return decision.sources
    if decision.source_channel_id is None:
        raise BugError(f"the job for {decision.target_name} has no source")
    name = decision.source_name or decision.source_channel_id
    return (SourceOffer(decision.source_channel_id, name, decision.max_fee_msat),)


def add_retry(tx: Tx, run_key: int, failed: JobRecord, sources: Sequence[SourceOffer], now: float) -> int | None:
    """Given a job that failed and the sources that may still pay, plan one more attempt; return its key.

    It is good for as long as the plan that it comes from: None where a newer one has taken its place, which may have
    given its channels to other jobs, or found it not worth its price any more. Raise BugError without a source.
    """
    newest = select(func.max(rebalance_plan.c.plan_key)).where(rebalance_plan.c.node_key == tx.node_key)
    if tx.connection.execute(newest).scalar() != failed.plan_key:
        return None
    if not sources:
        raise BugError(f"rebalance job {failed.job_key} has no source left for another attempt")
    retry = _NewJob(
        plan_key=failed.plan_key,
        target_channel_id=failed.target_channel_id,
        sources=tuple(sources),
        amount_msat=failed.amount_msat,
        max_fee_msat=failed.max_fee_msat,
        expected_gain_msat=failed.expected_gain_msat,
        created_at=failed.created_at,
        expires_at=failed.expires_at,
        executor=failed.executor,
        terms=failed.terms,
        attempt=failed.attempt + 1,
        retry_of_key=failed.job_key,
    )
    return _add_jobs(tx, run_key, [retry], now)[0]


def _add_jobs(tx: Tx, run_key: int, jobs: Sequence[_NewJob], now: float) -> list[int]:
    if not jobs:
        return []
    keys = channel_keys(tx)
    first_key = next_keys(tx, "rebalance_job", len(jobs))
    numbered = list(enumerate(jobs, first_key))
    tx.connection.execute(insert(rebalance_job), [_job_row(tx, keys, *one) for one in numbered])
    offers = [row for job_key, job in numbered for row in _source_rows(tx, keys, job_key, job.sources)]
    tx.connection.execute(insert(rebalance_source), offers)
    add_steps(tx, [first_step(tx, job_key, run_key, now) for job_key, _ in numbered])
    return [job_key for job_key, _ in numbered]


def _job_row(tx: Tx, keys: Mapping[str, int], job_key: int, job: _NewJob) -> dict[str, Any]:
    return {
        "node_key": tx.node_key,
        "job_key": job_key,
        "plan_key": job.plan_key,
        "source_channel_key": keys[job.sources[0].channel_id],
        "target_channel_key": keys[job.target_channel_id],
        "amount_msat": job.amount_msat,
        "max_fee_msat": job.max_fee_msat,
        "expected_gain_msat": job.expected_gain_msat,
        "status": "planned",
        "created_at": job.created_at,
        "expires_at": job.expires_at,
        "executor": job.executor,
        "attempt": job.attempt,
        "retry_of_key": job.retry_of_key,
        "terms_json": None if job.terms is None else dump_terms(job.terms),
    }


def _source_rows(tx: Tx, keys: Mapping[str, int], job_key: int, sources: Sequence[SourceOffer]) -> list[dict[str, Any]]:
    return [
        {
            "node_key": tx.node_key,
            "job_key": job_key,
            "source_channel_key": keys[offer.channel_id],
            "rank": rank,
            "max_fee_msat": offer.max_fee_msat,
            "quoted_fee_msat": offer.quoted_fee_msat,
        }
        for rank, offer in enumerate(sources, 1)
    ]


def expire_jobs(tx: Tx, now: float, run_key: int | None) -> int:
    """Given the moment, close the planned jobs whose time is over, or was never: a plan from the future was made by
    a clock that was wrong. Return how many.
    """
    wrong = (rebalance_job.c.expires_at <= now) | (rebalance_job.c.created_at > now + _CLOCK_SLACK_SECONDS)
    jobs = records(tx, (rebalance_job.c.status == "planned") & wrong)
    for job in jobs:
        reason = why(
            ReasonCode.PLAN_EXPIRED,
            age_minutes=round((now - job.created_at) / 60),
            lifetime_minutes=round((job.expires_at - job.created_at) / 60),
        )
        finish_job(tx, job.job_key, "expired", 0, now, reason, run_key=run_key)
    return len(jobs)


def in_flight_channels(tx: Tx) -> frozenset[str]:
    """Return the channel_ids, sources and targets, of open jobs. Which source pays is known of a native job; any other
    may use all of its sources.
    """
    busy: set[str] = set()
    for job in open_jobs(tx):
        busy |= {job.source_channel_id, job.target_channel_id}
        if job.executor != NATIVE:
            busy |= {offer.channel_id for offer in job.sources}
    return frozenset(busy)
