"""Payments of ours that this database has forgotten: it was put back from an older backup, or there is another one.

They are found by their labels (cycle/strays.py). What they cost is booked here: money that is gone must not be spent
once more, whatever is remembered of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import insert, or_, select, update

from revops.domain.reason import ReasonCode, why
from revops.domain.sling import SentPayment
from revops.store import ledger
from revops.store.codec import dump_reasons
from revops.store.engine import Tx
from revops.store.jobs import add_steps, first_step
from revops.store.keys import chunks, next_keys, upsert
from revops.store.tables import rebalance_job, rebalance_payment, rebalance_plan

#: The plan of jobs that no plan is known of: never the newest, which alone is executed.
LOST_PLAN: Final = 0


def known(tx: Tx, rows: Iterable[SentPayment]) -> frozenset[str]:
    """Given payments with labels, return the payment hashes of those that belong to a job on record."""
    job, found = rebalance_job.c, set[str]()
    for some in chunks(rows):
        hashes, labels = {row.payment_hash for row in some}, {row.label for row in some if row.label is not None}
        either = or_(job.payment_hash.in_(sorted(hashes)), job.label.in_(sorted(labels)))
        statement = select(job.payment_hash, job.label).where(job.node_key == tx.node_key, either)
        jobs = tx.connection.execute(statement).all()
        named = {row.payment_hash for row in jobs}, {row.label for row in jobs if row.label is not None}
        found |= {row.payment_hash for row in some if row.payment_hash in named[0] or row.label in named[1]}
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Moved:
    """A circular payment by the node's ledger of moves."""

    source_channel_key: int
    target_channel_key: int
    amount_msat: int
    fee_msat: int
    moved_at: float


def moved(tx: Tx, payment_hash: str) -> Moved | None:
    """Given a payment hash, return what the moves have of it; None where they lack a half."""
    paid = rebalance_payment.c
    columns = (paid.source_channel_key, paid.target_channel_key, paid.amount_msat, paid.fee_msat, paid.moved_at)
    mine = (paid.node_key == tx.node_key, paid.payment_hash == bytes.fromhex(payment_hash))
    row = tx.connection.execute(select(*columns).where(*mine)).one_or_none()
    return None if row is None else Moved(*row)


def adopt(tx: Tx, payment: SentPayment, by_moves: Moved, *, run_key: int, at: float) -> tuple[int, int]:
    """Given a completed payment that belongs to no job, make it one that has settled, and book what it cost, as of now:
    no limit is asked, since the money is gone. Return the job's key and the cost in msat. The dearer of two prices
    counts.
    """
    ledger.take_fence(tx, run_key)
    fee_msat = by_moves.fee_msat
    if payment.amount_msat is not None:
        fee_msat = max(fee_msat, payment.amount_sent_msat - payment.amount_msat)
    lost = {"plan_key": LOST_PLAN, "run_key": run_key, "created_at": at, "expires_at": at}
    plan = upsert(tx, rebalance_plan).values(node_key=tx.node_key, **lost)
    tx.connection.execute(plan.on_conflict_do_nothing(index_elements=["node_key", "plan_key"]))
    job_key = next_keys(tx, "rebalance_job")
    reason = why(ReasonCode.PAYMENT_SETTLED, amount_msat=by_moves.amount_msat, fee_msat=fee_msat)
    row = {
        "node_key": tx.node_key,
        "job_key": job_key,
        "plan_key": LOST_PLAN,
        "source_channel_key": by_moves.source_channel_key,
        "target_channel_key": by_moves.target_channel_key,
        "amount_msat": by_moves.amount_msat,
        "max_fee_msat": fee_msat,
        "expected_gain_msat": 0,
        "status": "settled",
        "created_at": float(payment.created_at),
        "expires_at": float(payment.created_at),
        "label": payment.label,
        "payment_hash": payment.payment_hash,
        "fee_msat": fee_msat,
        "finished_at": by_moves.moved_at,
        "reason_json": dump_reasons([reason]),
    }
    tx.connection.execute(insert(rebalance_job).values(row))
    note = "found on the node: this database knew nothing of it"
    add_steps(tx, [first_step(tx, job_key, run_key, at, note) | {"status": "settled"}])
    mine = (
        rebalance_payment.c.node_key == tx.node_key,
        rebalance_payment.c.payment_hash == bytes.fromhex(payment.payment_hash),
    )
    tx.connection.execute(update(rebalance_payment).where(*mine).values(job_key=job_key))
    if fee_msat > 0:
        ledger.correct(tx, run_key=run_key, job_key=job_key, amount_msat=fee_msat, at=at)
    return job_key, fee_msat
