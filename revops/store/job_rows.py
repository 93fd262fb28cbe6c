"""Rebalance jobs as they are read: the row, its channels' ids, what is reserved for it, and who may pay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, select

from revops.domain.reason import Reason
from revops.domain.rebalance import FailureKind, SourceOffer
from revops.domain.record import JobRecord
from revops.store.codec import load_reasons, load_terms
from revops.store.engine import Tx
from revops.store.keys import chunks
from revops.store.tables import channel, rebalance_job, rebalance_source, spend_ledger


def records(tx: Tx, condition: ColumnElement[bool]) -> tuple[JobRecord, ...]:
    """Given a condition on `rebalance_job`, return the jobs that meet it, in the order of their keys."""
    return _records_of(tx, _select(tx).where(condition).order_by(rebalance_job.c.job_key))


def newest(tx: Tx, limit: int) -> tuple[JobRecord, ...]:
    """Return at most `limit` jobs, the newest first."""
    if limit <= 0:
        return ()
    return _records_of(tx, _select(tx).order_by(rebalance_job.c.job_key.desc()).limit(limit))


def _records_of(tx: Tx, statement: Select[Any]) -> tuple[JobRecord, ...]:
    rows = tx.connection.execute(statement).all()
    offers = _offers(tx, [row.job_key for row in rows])
    return tuple(_record_of(row, tuple(offers.get(row.job_key, ()))) for row in rows)


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


def _offers(tx: Tx, job_keys: Iterable[int]) -> dict[int, list[SourceOffer]]:
    """The sources of each job, best first; a channel goes by the name that it has now."""
    found: dict[int, list[SourceOffer]] = defaultdict(list)
    mine = rebalance_source.c
    joined = (channel.c.node_key == mine.node_key) & (channel.c.channel_key == mine.source_channel_key)
    for some in chunks(job_keys):
        statement = (
            select(rebalance_source, channel.c.channel_id, channel.c.scid, channel.c.alias_local)
            .join(channel, joined)
            .where(mine.node_key == tx.node_key, mine.job_key.in_(some))
            .order_by(mine.job_key, mine.rank)
        )
        for row in tx.connection.execute(statement):
            name = row.scid or row.alias_local or row.channel_id
            found[row.job_key].append(SourceOffer(row.channel_id, name, row.max_fee_msat, row.quoted_fee_msat))
    return found


def _record_of(row: Any, sources: tuple[SourceOffer, ...]) -> JobRecord:
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
        executor=row.executor,
        sources=sources,
        attempt=row.attempt,
        retry_of_key=row.retry_of_key,
        failure=None if row.failure is None else FailureKind(row.failure),
        erring_scidd=row.erring_scidd,
        local_before_msat=row.local_before_msat,
        terms=None if row.terms_json is None else load_terms(row.terms_json),
    )
