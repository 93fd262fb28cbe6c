"""Rebalance plans and the jobs in them. A job moves only along the steps below, each written before what it allows.

    planned -> reserved -> sending -> in_flight -> settled | failed | released
       \\-> expired | failed | released

Each step is a compare-and-set on the status: two runs can't both take it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Executable, Select, bindparam, insert, select, update

from revops.domain.decision import RebalancePlan
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.record import JobRecord
from revops.domain.units import ppm_of_ceil
from revops.errors import BugError
from revops.store.codec import dump_reasons, load_reasons
from revops.store.engine import NODE, Tx
from revops.store.keys import channel_keys, next_keys, total
from revops.store.tables import channel, rebalance_job, rebalance_plan, spend_ledger

#: Reserved, or perhaps under way: these must be settled before anything else.
OPEN: Final = ("reserved", "sending", "in_flight")
_BEFORE: Final[dict[str, tuple[str, ...]]] = {
    "reserved": ("planned",),
    "sending": ("reserved",),
    "in_flight": ("sending",),
    "settled": ("sending", "in_flight"),
    "failed": ("planned", *OPEN),
    "released": ("planned", *OPEN),
    "expired": ("planned",),
}
#: A clock is set back by so much now and then without being wrong.
_CLOCK_SLACK_SECONDS: Final = 3_600


def add_plan(tx: Tx, run_key: int, plan: RebalancePlan) -> int:
    """Given a plan, store it with its jobs, best first; return its key. What earlier plans left undone is replaced."""
    for job in planned_jobs(tx):
        reason = why(ReasonCode.PLAN_REPLACED, age_minutes=round((plan.created_at - job.created_at) / 60))
        finish_job(tx, job.job_key, "expired", 0, plan.created_at, reason)
    plan_key = next_keys(tx, "rebalance_plan")
    head = {"node_key": tx.node_key, "plan_key": plan_key, "run_key": run_key}
    tx.connection.execute(insert(rebalance_plan).values(**head, created_at=plan.created_at, expires_at=plan.expires_at))
    if not plan.jobs:
        return plan_key
    keys = channel_keys(tx)
    rows = []
    for job_key, decision in enumerate(plan.jobs, next_keys(tx, "rebalance_job", len(plan.jobs))):
        if decision.source_channel_id is None:
            raise BugError(f"the job for {decision.target_name} has no source")
        rows.append(
            {
                "node_key": tx.node_key,
                "job_key": job_key,
                "plan_key": plan_key,
                "source_channel_key": keys[decision.source_channel_id],
                "target_channel_key": keys[decision.target_channel_id],
                "amount_msat": decision.amount_msat,
                "max_fee_msat": decision.max_fee_msat,
                "expected_gain_msat": decision.expected_gain_msat,
                "status": "planned",
                "created_at": plan.created_at,
                "expires_at": plan.expires_at,
            }
        )
    tx.connection.execute(insert(rebalance_job), rows)
    return plan_key


def expire_jobs(tx: Tx, now: float) -> int:
    """Given the moment, close the planned jobs whose time is over, or was never: a plan from the future was made by
    a clock that was wrong. Return how many.
    """
    wrong = (rebalance_job.c.expires_at <= now) | (rebalance_job.c.created_at > now + _CLOCK_SLACK_SECONDS)
    return _expire(tx, (rebalance_job.c.status == "planned") & wrong, now)


def _expire(tx: Tx, condition: ColumnElement[bool], now: float) -> int:
    jobs = _jobs(tx, condition)
    for job in jobs:
        reason = why(
            ReasonCode.PLAN_EXPIRED,
            age_minutes=round((now - job.created_at) / 60),
            lifetime_minutes=round((job.expires_at - job.created_at) / 60),
        )
        finish_job(tx, job.job_key, "expired", 0, now, reason)
    return len(jobs)


def mark_reserved(tx: Tx, job_key: int, label: str, reserve_key: int) -> None:
    """Given a planned job for which money was reserved in this transaction, name its invoice. Nothing is sent yet."""
    _step(tx, job_key, "reserved", label=label, reserve_key=reserve_key)


def mark_sending(tx: Tx, job_key: int, payment_hash: str) -> None:
    """Given a reserved job, say that its payment is about to be sent: from here on money may be under way."""
    _step(tx, job_key, "sending", payment_hash=payment_hash)


def mark_in_flight(tx: Tx, job_key: int) -> None:
    """Given a job that was being sent, say that the node took it."""
    _step(tx, job_key, "in_flight")


def finish_job(
    tx: Tx,
    job_key: int,
    status: str,
    fee_msat: int,
    finished_at: float,
    reason: Reason,
    *,
    seen: str | None = None,
) -> None:
    """Given how a job ended (settled, failed, released, expired), record it. Raise BugError where it can't end so, or
    is not any more as it was `seen` when its end was judged.
    """
    if status not in {"settled", "failed", "released", "expired"}:
        raise BugError(f"rebalance job {job_key} can't end as {status!r}")
    facts = {"fee_msat": fee_msat, "finished_at": finished_at, "reason_json": dump_reasons([reason])}
    _step(tx, job_key, status, seen, **facts)


def _step(tx: Tx, job_key: int, status: str, seen: str | None = None, **facts: object) -> None:
    before = _BEFORE[status] if seen is None else tuple(one for one in _BEFORE[status] if one == seen)
    row = (
        rebalance_job.c.node_key == tx.node_key,
        rebalance_job.c.job_key == job_key,
        rebalance_job.c.status.in_(before),
    )
    statement = update(rebalance_job).where(*row).values(status=status, **facts)
    if tx.connection.execute(statement).rowcount != 1:
        raise BugError(f"rebalance job {job_key} can't become {status}: it is {job(tx, job_key).status}")


def job(tx: Tx, job_key: int) -> JobRecord:
    """Given a key, return the job. Raise BugError where there is none."""
    found = _jobs(tx, rebalance_job.c.job_key == job_key)
    if not found:
        raise BugError(f"there is no rebalance job {job_key}")
    return found[0]


def open_jobs(tx: Tx) -> tuple[JobRecord, ...]:
    """Return the jobs for which money is reserved or under way, oldest first."""
    return _jobs(tx, rebalance_job.c.status.in_(OPEN))


def planned_jobs(tx: Tx) -> tuple[JobRecord, ...]:
    """Return the jobs that wait to be executed, best first."""
    return _jobs(tx, rebalance_job.c.status == "planned")


def recent_jobs(tx: Tx, limit: int) -> tuple[JobRecord, ...]:
    """Return at most `limit` jobs, the newest first."""
    if limit <= 0:
        return ()
    statement = _select(tx).order_by(rebalance_job.c.job_key.desc()).limit(limit)
    return tuple(_record_of(row) for row in tx.connection.execute(statement))


def in_flight_channels(tx: Tx) -> frozenset[str]:
    """Return the channel_ids, sources and targets, of open jobs."""
    return frozenset(name for job in open_jobs(tx) for name in (job.source_channel_id, job.target_channel_id))


def refill_costs(tx: Tx, since_at: float) -> dict[str, int]:
    """Return what refills of each channel_id that settled since then cost together, as a rate on what they moved."""
    return {
        row.channel_id: ppm_of_ceil(int(row.fee_msat), int(row.amount_msat))
        for row in tx.execute(_refill_costs(), b_since=since_at)
    }


@cache
def _refill_costs() -> Executable:
    settled = (
        rebalance_job.c.node_key == NODE,
        rebalance_job.c.finished_at >= bindparam("b_since"),
        rebalance_job.c.status == "settled",
    )
    target = (channel.c.node_key == rebalance_job.c.node_key) & (
        channel.c.channel_key == rebalance_job.c.target_channel_key
    )
    return (
        select(
            channel.c.channel_id,
            total(rebalance_job.c.fee_msat).label("fee_msat"),
            total(rebalance_job.c.amount_msat).label("amount_msat"),
        )
        .join(channel, target)
        .where(*settled)
        .group_by(channel.c.channel_id)
    )


def _jobs(tx: Tx, condition: ColumnElement[bool]) -> tuple[JobRecord, ...]:
    statement = _select(tx).where(condition).order_by(rebalance_job.c.job_key)
    return tuple(_record_of(row) for row in tx.connection.execute(statement))


def _select(tx: Tx) -> Select[Any]:
    source, target, entry = channel.alias("source"), channel.alias("target"), spend_ledger
    jobs = rebalance_job.c
    return (
        select(
            rebalance_job,
            source.c.channel_id.label("source_channel_id"),
            target.c.channel_id.label("target_channel_id"),
            entry.c.amount_msat.label("reserved_msat"),
        )
        .join(source, (source.c.node_key == jobs.node_key) & (source.c.channel_key == jobs.source_channel_key))
        .join(target, (target.c.node_key == jobs.node_key) & (target.c.channel_key == jobs.target_channel_key))
        .outerjoin(entry, (entry.c.node_key == jobs.node_key) & (entry.c.entry_key == jobs.reserve_key))
        .where(jobs.node_key == tx.node_key)
    )


def _record_of(row: Any) -> JobRecord:
    reasons: Sequence[Reason] = () if row.reason_json is None else load_reasons(row.reason_json)
    return JobRecord(
        job_key=row.job_key,
        plan_key=row.plan_key,
        source_channel_id=row.source_channel_id,
        target_channel_id=row.target_channel_id,
        amount_msat=row.amount_msat,
        max_fee_msat=row.max_fee_msat,
        expected_gain_msat=row.expected_gain_msat,
        status=row.status,
        created_at=row.created_at,
        expires_at=row.expires_at,
        label=row.label,
        payment_hash=row.payment_hash,
        reserve_key=row.reserve_key,
        reserved_msat=row.reserved_msat,
        fee_msat=row.fee_msat,
        finished_at=row.finished_at,
        reason=reasons[0] if reasons else None,
    )
