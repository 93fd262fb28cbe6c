"""Rebalance jobs with their steps and payments, as they were known at any moment on record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Executable, bindparam, func, or_, select

from revops.domain.job_story import JobPayment, JobStory, RefillTotals
from revops.domain.rebalance import JobStep, Lot
from revops.domain.record import JobRecord
from revops.store.days import DAY_SECONDS
from revops.store.engine import NODE, Tx
from revops.store.job_rows import newest, records
from revops.store.keys import channel_key, chunks, total
from revops.store.tables import channel, rebalance_job, rebalance_payment, rebalance_step

#: A lot is known by when its job ended.
_SAME_SECONDS: Final = 1.0
_SOURCE: Final = channel.alias("source")
_TARGET: Final = channel.alias("target")


def latest(tx: Tx, limit: int, now: float, lots: Mapping[str, Sequence[Lot]]) -> tuple[JobStory, ...]:
    """Given how many, the moment, and what was bought for each channel_id (`refills.lots`), return the newest jobs."""
    return _stories(tx, newest(tx, limit), now, lots)


def settled_between(
    tx: Tx, since_at: float, until_at: float, limit: int, now: float, lots: Mapping[str, Sequence[Lot]]
) -> tuple[JobStory, ...]:
    """As `latest`, of jobs that settled from `since_at` to before `until_at` alone."""
    job = rebalance_job.c
    settled = (job.status == "settled") & (job.finished_at >= since_at) & (job.finished_at < until_at)
    return _stories(tx, newest(tx, limit, settled), now, lots)


def of_job(tx: Tx, job_key: int, now: float, lots: Mapping[str, Sequence[Lot]]) -> tuple[JobStory, ...]:
    """Given a key, return that job; empty where there is none."""
    found = _stories(tx, records(tx, rebalance_job.c.job_key == job_key), now, lots)
    return tuple(replace(story, planned_as_key=_first_attempt(tx, story.job)) for story in found)


def _first_attempt(tx: Tx, job: JobRecord) -> int | None:
    """Which job another attempt was planned as, as far as that is still on record; None where it is none."""
    first_key = job.retry_of_key
    while first_key is not None:
        before = records(tx, rebalance_job.c.job_key == first_key)
        if not before or before[0].retry_of_key is None:
            break
        first_key = before[0].retry_of_key
    return first_key


def of_channel(
    tx: Tx, channel_id: str, at: float, limit: int, lots: Mapping[str, Sequence[Lot]]
) -> tuple[JobStory, ...]:
    """Given a channel and a moment, return the latest jobs by then that filled it or took from it, the newest first, as
    they were known then. Those that were planned and never tried are left out, but for what waits.
    """
    found = newest(tx, limit, _touching(tx, channel_id, at))
    return tuple(_as_known(story, at) for story in _stories(tx, found, at, lots))


def totals_of_channel(tx: Tx, channel_id: str, at: float, lots: Sequence[Lot]) -> RefillTotals:
    """Given a channel, a moment and what was bought for it lately, return what all its refills by then came to."""
    job, paid = rebalance_job.c, rebalance_payment.c
    counted = select(func.count()).select_from(rebalance_job)
    count = tx.connection.execute(counted.where(job.node_key == tx.node_key, _touching(tx, channel_id, at))).scalar()
    got = _moved(tx, channel_id, at, job.target_channel_key, paid.target_channel_key)
    gave = _moved(tx, channel_id, at, job.source_channel_key, paid.source_channel_key)
    return RefillTotals(
        int(count or 0), *got, *gave, sum(lot.amount_msat for lot in lots), sum(lot.sold_msat for lot in lots)
    )


def _touching(tx: Tx, channel_id: str, at: float) -> ColumnElement[bool]:
    """The jobs of a channel by a moment, those that were planned and never tried left out."""
    key, job, paid = channel_key(tx, channel_id), rebalance_job.c, rebalance_payment.c
    through = select(paid.job_key).where(
        paid.node_key == tx.node_key, or_(paid.source_channel_key == key, paid.target_channel_key == key)
    )
    mine = or_(job.source_channel_key == key, job.target_channel_key == key, job.job_key.in_(through))
    return mine & (job.created_at <= at) & (job.status != "expired")


def _moved(tx: Tx, channel_id: str, at: float, of_job: Any, of_payment: Any) -> tuple[int, int, int]:
    """How many settled jobs moved something by an end (a column of each table), how much, and at which fees: by the
    node's moves, and where these say nothing of a job, as it is booked.
    """
    key, job, paid = channel_key(tx, channel_id), rebalance_job.c, rebalance_payment.c
    settled = (job.node_key == tx.node_key, job.status == "settled", job.finished_at <= at)
    joined = (job.node_key == paid.node_key) & (job.job_key == paid.job_key)
    by_moves = select(func.count(paid.job_key.distinct()), total(paid.amount_msat), total(paid.fee_msat)).join_from(
        rebalance_payment, rebalance_job, joined
    )
    seen = select(paid.job_key).where(paid.node_key == tx.node_key)
    booked = select(func.count(), total(job.amount_msat), total(job.fee_msat))
    rows = (
        tx.connection.execute(by_moves.where(*settled, of_payment == key)).one(),
        tx.connection.execute(booked.where(*settled, of_job == key, job.job_key.not_in(seen))).one(),
    )
    count, amount_msat, fee_msat = (sum(int(row[column]) for row in rows) for column in range(3))
    return count, amount_msat, fee_msat


def _stories(tx: Tx, jobs: Sequence[JobRecord], now: float, lots: Mapping[str, Sequence[Lot]]) -> tuple[JobStory, ...]:
    keys = [job.job_key for job in jobs]
    steps: dict[int, list[JobStep]] = defaultdict(list)
    payments: dict[int, list[JobPayment]] = defaultdict(list)
    for some in chunks(keys):
        for row in tx.execute(_steps(), b_jobs=some):
            steps[row.job_key].append(JobStep(row.status, row.stepped_at, row.note, row.run_key))
        for row in tx.execute(_payments(), b_jobs=some):
            payments[row.job_key].append(_payment(row))
    return tuple(
        JobStory(job, tuple(steps[job.job_key]), tuple(payments[job.job_key]), _sold_msat(job, now, lots))
        for job in jobs
    )


def _payment(row: Any) -> JobPayment:
    return JobPayment(
        row.payment_hash.hex(), row.source_id, row.target_id, row.amount_msat, row.fee_msat, row.moved_at
    )  # fmt: skip


def _sold_msat(job: JobRecord, now: float, lots: Mapping[str, Sequence[Lot]]) -> int | None:
    if job.status != "settled" or job.finished_at is None:
        return None
    for lot in lots.get(job.target_channel_id, ()):
        if abs(now - lot.age_days * DAY_SECONDS - job.finished_at) < _SAME_SECONDS:
            return lot.sold_msat
    return None


def _as_known(story: JobStory, at: float) -> JobStory:
    """A story as it stood at a moment: what came later hadn't happened."""
    steps = tuple(step for step in story.steps if step.stepped_at <= at)
    payments = tuple(payment for payment in story.payments if payment.moved_at <= at)
    job = story.job
    if job.finished_at is None or job.finished_at <= at:
        return replace(story, steps=steps, payments=payments)
    status = steps[-1].status if steps else "planned"
    open_again = replace(job, status=status, fee_msat=None, finished_at=None, reason=None, failure=None)
    return JobStory(replace(open_again, erring_scidd=None), steps, payments)


@cache
def _steps() -> Executable:
    step = rebalance_step.c
    return (
        select(rebalance_step)
        .where(step.node_key == NODE, step.job_key.in_(bindparam("b_jobs", expanding=True)))
        .order_by(step.job_key, step.step)
    )


@cache
def _payments() -> Executable:
    paid = rebalance_payment.c
    source = (_SOURCE.c.node_key == paid.node_key) & (_SOURCE.c.channel_key == paid.source_channel_key)
    target = (_TARGET.c.node_key == paid.node_key) & (_TARGET.c.channel_key == paid.target_channel_key)
    return (
        select(
            rebalance_payment,
            _SOURCE.c.channel_id.label("source_id"),
            _TARGET.c.channel_id.label("target_id"),
        )
        .join(_SOURCE, source)
        .join(_TARGET, target)
        .where(paid.node_key == NODE, paid.job_key.in_(bindparam("b_jobs", expanding=True)))
        .order_by(paid.job_key, paid.moved_at, paid.payment_hash)
    )
