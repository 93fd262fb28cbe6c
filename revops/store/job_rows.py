"""Rebalance jobs as they are read: the row, its channels' ids, what is reserved for it, and who may pay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Executable, Select, bindparam, select

from revops.domain.reason import Reason
from revops.domain.rebalance import FailureKind, SourceOffer
from revops.domain.record import JobRecord
from revops.store.codec import load_reasons, load_terms
from revops.store.engine import NODE, Tx
from revops.store.keys import chunks
from revops.store.tables import channel, rebalance_job, rebalance_source, spend_ledger

#: Aliases cost time: these are made once.
_SOURCE: Final = channel.alias("source")
_TARGET: Final = channel.alias("target")


def records(tx: Tx, condition: ColumnElement[bool]) -> tuple[JobRecord, ...]:
    """Given a condition on `rebalance_job`, return the jobs that meet it, in the order of their keys."""
    return _records_of(tx, _select().where(condition).order_by(rebalance_job.c.job_key))


def newest(tx: Tx, limit: int, condition: ColumnElement[bool] | None = None) -> tuple[JobRecord, ...]:
    """Return at most `limit` jobs, of those that meet the condition (None: of all), the newest first."""
    if limit <= 0:
        return ()
    chosen = _select() if condition is None else _select().where(condition)
    return _records_of(tx, chosen.order_by(rebalance_job.c.job_key.desc()).limit(limit))


def _records_of(tx: Tx, statement: Select[Any]) -> tuple[JobRecord, ...]:
    rows = tx.execute(statement).all()
    offers = _offers(tx, [row.job_key for row in rows])
    return tuple(_record_of(row, tuple(offers.get(row.job_key, ()))) for row in rows)


@cache
def _select() -> Select[Any]:
    jobs, entry = rebalance_job.c, spend_ledger.c
    return (
        select(
            rebalance_job,
            _SOURCE.c.channel_id.label("source_channel_id"),
            _TARGET.c.channel_id.label("target_channel_id"),
            entry.amount_msat.label("reserved_msat"),
        )
        .join(_SOURCE, (_SOURCE.c.node_key == jobs.node_key) & (_SOURCE.c.channel_key == jobs.source_channel_key))
        .join(_TARGET, (_TARGET.c.node_key == jobs.node_key) & (_TARGET.c.channel_key == jobs.target_channel_key))
        .outerjoin(spend_ledger, (entry.node_key == jobs.node_key) & (entry.entry_key == jobs.reserve_key))
        .where(jobs.node_key == NODE)
    )


def _offers(tx: Tx, job_keys: Iterable[int]) -> dict[int, list[SourceOffer]]:
    """The sources of each job, best first; a channel goes by the name that it has now."""
    found: dict[int, list[SourceOffer]] = defaultdict(list)
    for some in chunks(job_keys):
        for row in tx.execute(_offers_of(), b_jobs=some):
            name = row.scid or row.alias_local or row.channel_id
            found[row.job_key].append(SourceOffer(row.channel_id, name, row.max_fee_msat, row.quoted_fee_msat))
    return found


@cache
def _offers_of() -> Executable:
    mine = rebalance_source.c
    joined = (channel.c.node_key == mine.node_key) & (channel.c.channel_key == mine.source_channel_key)
    return (
        select(rebalance_source, channel.c.channel_id, channel.c.scid, channel.c.alias_local)
        .join(channel, joined)
        .where(mine.node_key == NODE, mine.job_key.in_(bindparam("b_jobs", expanding=True)))
        .order_by(mine.job_key, mine.rank)
    )


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
