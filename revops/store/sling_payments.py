"""Payments that the plugin sling made for a job: their hashes are known only once they were made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import select

from revops.domain.sling import Circular
from revops.store.engine import Tx
from revops.store.keys import chunks, ensure_channels, upsert
from revops.store.payments import NO_JOB
from revops.store.tables import rebalance_job, rebalance_payment


def of_others(tx: Tx, job_key: int, payment_hashes: Iterable[str]) -> frozenset[str]:
    """Given a job and payment hashes, return those that belong to another job: no payment belongs to two."""
    found: set[str] = set()
    for some in chunks(sorted(set(payment_hashes))):
        names = [bytes.fromhex(payment_hash) for payment_hash in some]
        paid, job = rebalance_payment.c, rebalance_job.c
        claimed = select(paid.payment_hash).where(
            paid.node_key == tx.node_key, paid.payment_hash.in_(names), paid.job_key.not_in((NO_JOB, job_key))
        )
        found |= {bytes(name).hex() for name in tx.connection.execute(claimed).scalars()}
        native = select(job.payment_hash).where(job.node_key == tx.node_key, job.payment_hash.in_(some))
        found |= set(tx.connection.execute(native).scalars())
    return frozenset(found)


def claim(tx: Tx, job_key: int, payments: Sequence[Circular], seen_at: float) -> None:
    """Given a job and the payments that were made for it, record whose they are. One that is recorded as nobody's
    becomes the job's.
    """
    if not payments:
        return
    names = {name for one in payments for name in (one.source_channel_id, one.target_channel_id)}
    keys = ensure_channels(tx, sorted(names), seen_at)
    rows = [
        {
            "node_key": tx.node_key,
            "payment_hash": bytes.fromhex(one.payment_hash),
            "job_key": job_key,
            "source_channel_key": keys[one.source_channel_id],
            "target_channel_key": keys[one.target_channel_id],
            "amount_msat": one.amount_msat,
            "fee_msat": one.fee_msat,
            "moved_at": float(one.moved_at),
        }
        for one in payments
    ]
    statement = upsert(tx, rebalance_payment)
    statement = statement.on_conflict_do_update(
        index_elements=["node_key", "payment_hash"],
        set_={"job_key": statement.excluded.job_key},
        where=rebalance_payment.c.job_key == NO_JOB,
    )
    tx.connection.execute(statement, rows)
