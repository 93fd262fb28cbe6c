"""What was decided, and what was tried, in a period: the latest rows of it, and how many there were."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Executable, Select, bindparam, func, select

from revops.domain.decision import Outcome
from revops.domain.record import DecisionRecord
from revops.domain.review import Attempts
from revops.store.decisions import decision_record
from revops.store.engine import NODE, Tx
from revops.store.tables import channel, decision, rebalance_job


def decisions_between(
    tx: Tx, since_at: float, until_at: float, limit: int, *, skips: bool
) -> tuple[int, tuple[DecisionRecord, ...]]:
    """Given a period, return how many decisions were taken or repeated in it, and at most `limit` of them, the newest
    first: skips, or all but skips.
    """
    bounds = {"b_since": since_at, "b_until": until_at}
    count: int = tx.execute(_counted(skips=skips), **bounds).scalar_one()
    rows = tx.execute(_newest(skips=skips), **bounds, b_limit=limit).all()
    return count, tuple(decision_record(row) for row in rows)


def _in_period(skips: bool) -> tuple[ColumnElement[bool], ...]:
    row = decision.c
    is_skip = row.outcome == Outcome.SKIP
    during = (row.last_at >= bindparam("b_since"), row.first_at < bindparam("b_until"))
    return row.node_key == NODE, *during, is_skip if skips else ~is_skip


@cache
def _counted(*, skips: bool) -> Executable:
    return select(func.count()).select_from(decision).where(*_in_period(skips))


@cache
def _newest(*, skips: bool) -> Select[Any]:
    joined = (channel.c.node_key == decision.c.node_key) & (channel.c.channel_key == decision.c.channel_key)
    return (
        select(decision, channel.c.channel_id)
        .outerjoin(channel, joined)
        .where(*_in_period(skips))
        .order_by(decision.c.last_at.desc(), decision.c.decision_key.desc())
        .limit(bindparam("b_limit"))
    )


def settled_job_count(tx: Tx, since_at: float, until_at: float) -> int:
    """Given a period, return how many rebalance jobs settled in it."""
    count: int = tx.execute(_settled(), b_since=since_at, b_until=until_at).scalar_one()
    return count


@cache
def _settled() -> Executable:
    job = rebalance_job.c
    ended = (job.finished_at >= bindparam("b_since"), job.finished_at < bindparam("b_until"))
    return select(func.count()).select_from(rebalance_job).where(job.node_key == NODE, job.status == "settled", *ended)


def attempts_between(tx: Tx, since_at: float, until_at: float) -> tuple[Attempts, ...]:
    """Given a period, return how many rebalance jobs ended in it without a payment, by how, the most first."""
    rows = tx.execute(_attempts(), b_since=since_at, b_until=until_at).all()
    return tuple(Attempts(row.status, row.failure, row.job_count) for row in rows)


@cache
def _attempts() -> Executable:
    job, count = rebalance_job.c, func.count().label("job_count")
    ended = (job.finished_at >= bindparam("b_since"), job.finished_at < bindparam("b_until"))
    return (
        select(job.status, job.failure, count)
        .where(job.node_key == NODE, job.status.in_(("failed", "released")), *ended)
        .group_by(job.status, job.failure)
        .order_by(count.desc(), job.status, job.failure)
    )
