"""Circular payments, as the node's own ledger of channel moves has them, and what refills have cost.

A circular payment leaves two kinds of `invoice` rows with one payment hash: a debit on the channel by which it left,
and a credit on the one by which it came back. No other RPC tells these channels (`listsendpays` knows no route). The
rows come apart, in either order, and one payment may have several parts: whatever comes, all rows of the hash are added
up anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, bindparam, case, func, select, union_all

from revops.domain.units import ppm_of_ceil
from revops.store.engine import NODE, Tx
from revops.store.keys import channel_keys, chunks, total, upsert
from revops.store.tables import channel, channel_move, rebalance_job, rebalance_payment, rebalance_step

#: How lightningd tags what is paid and what is received, forwards aside.
INVOICE_TAG: Final = "invoice"
#: Belongs to no job that is known: somebody else's rebalance.
NO_JOB: Final = 0


def record_circular(tx: Tx, payment_hashes: Iterable[bytes]) -> int:
    """Given hashes of which moves were just stored, record those of circular payments; return how many are circular.

    One that is recorded already is brought up to date; whose job it is stays as it was.
    """
    count = 0
    for some in chunks(sorted(set(payment_hashes))):
        rows = [row for row in _added_up(tx, some) if row is not None]
        if not rows:
            continue
        job_keys = _job_keys(tx, [row["payment_hash"] for row in rows])
        for row in rows:
            row["job_key"] = job_keys.get(row["payment_hash"], NO_JOB)
        # Whoever knows our invoice may have us pay for something under its hash, and pay it: no rebalance costs more
        # than it moves.
        rows = [row for row in rows if row["job_key"] != NO_JOB or row["fee_msat"] <= row["amount_msat"]]
        if not rows:
            continue
        statement = upsert(tx, rebalance_payment)
        kept = ("source_channel_key", "target_channel_key", "amount_msat", "fee_msat", "moved_at")
        statement = statement.on_conflict_do_update(
            index_elements=["node_key", "payment_hash"],
            set_={name: getattr(statement.excluded, name) for name in kept},
        )
        tx.connection.execute(statement, rows)
        count += len(rows)
    return count


def _added_up(tx: Tx, payment_hashes: Sequence[bytes]) -> list[dict[str, Any] | None]:
    move = channel_move.c
    statement = (
        select(move.payment_hash, move.account_key, move.credit_msat, move.debit_msat, move.moved_at)
        .where(move.node_key == tx.node_key, move.payment_hash.in_(payment_hashes), move.tag == INVOICE_TAG)
        .order_by(move.created_index)
    )
    moves: dict[bytes, list[Any]] = {}
    for row in tx.connection.execute(statement):
        moves.setdefault(bytes(row.payment_hash), []).append(row)
    return [_payment_of(tx.node_key, payment_hash, rows) for payment_hash, rows in moves.items()]


def _payment_of(node_key: int, payment_hash: bytes, rows: Sequence[Any]) -> dict[str, Any] | None:
    """The payment by its moves; None where it isn't circular, or only one half of it is there yet."""
    credit_msat = sum(row.credit_msat for row in rows)
    debit_msat = sum(row.debit_msat for row in rows)
    if credit_msat <= 0 or debit_msat < credit_msat:
        return None
    return {
        "node_key": node_key,
        "payment_hash": payment_hash,
        "source_channel_key": max(rows, key=lambda row: row.debit_msat).account_key,
        "target_channel_key": max(rows, key=lambda row: row.credit_msat).account_key,
        "amount_msat": credit_msat,
        "fee_msat": debit_msat - credit_msat,
        "moved_at": float(max(row.moved_at for row in rows)),
    }


def _job_keys(tx: Tx, payment_hashes: Iterable[bytes]) -> dict[bytes, int]:
    """The jobs that sent these payments, by their hashes."""
    names = [payment_hash.hex() for payment_hash in payment_hashes]
    statement = select(rebalance_job.c.payment_hash, rebalance_job.c.job_key).where(
        rebalance_job.c.node_key == tx.node_key, rebalance_job.c.payment_hash.in_(names)
    )
    return {bytes.fromhex(row.payment_hash): row.job_key for row in tx.connection.execute(statement)}


def fee_by_moves_msat(tx: Tx, job_key: int) -> int | None:
    """Given a job, return what its payments cost by the node's ledger of moves; None where that has none yet."""
    mine = (rebalance_payment.c.node_key == tx.node_key, rebalance_payment.c.job_key == job_key)
    fee_msat = tx.connection.execute(select(func.sum(rebalance_payment.c.fee_msat)).where(*mine)).scalar()
    return None if fee_msat is None else int(fee_msat)


@dataclass(frozen=True, slots=True)
class Surprise:
    """A settled job of which the moves say something else than was planned or booked."""

    job_key: int
    booked_msat: int
    moved_msat: int
    planned_target: str
    #: Where the liquidity arrived.
    actual_target: str


def surprises(tx: Tx, since_at: float) -> tuple[Surprise, ...]:
    """Return the jobs, settled since the moment, that cost something else by the node's moves than was booked, or that
    arrived over another channel than planned, as long as nobody has noted that (`jobs.note_moves`).
    """
    planned, actual = channel.alias("planned"), channel.alias("actual")
    job, paid, step = rebalance_job.c, rebalance_payment.c, rebalance_step.c
    moved, arrived = func.sum(paid.fee_msat), func.min(actual.c.channel_id)
    seen = select(func.count()).where(
        step.node_key == job.node_key, step.job_key == job.job_key, step.status == "settled"
    )
    statement = (
        select(job.job_key, job.fee_msat, moved.label("moved_msat"), planned.c.channel_id, arrived.label("arrived"))
        .join(rebalance_payment, (paid.node_key == job.node_key) & (paid.job_key == job.job_key))
        .join(planned, (planned.c.node_key == job.node_key) & (planned.c.channel_key == job.target_channel_key))
        .join(actual, (actual.c.node_key == job.node_key) & (actual.c.channel_key == paid.target_channel_key))
        .where(
            job.node_key == tx.node_key,
            job.status == "settled",
            job.finished_at >= since_at,
            seen.correlate(rebalance_job).scalar_subquery() < 2,
        )
        .group_by(job.job_key, job.fee_msat, planned.c.channel_id)
        .having((moved != job.fee_msat) | (arrived != planned.c.channel_id))
        .order_by(job.job_key)
    )
    return tuple(
        Surprise(row.job_key, row.fee_msat, int(row.moved_msat), row.channel_id, row.arrived)
        for row in tx.connection.execute(statement)
    )


def moved_by_target(tx: Tx, since_at: float) -> dict[int, tuple[int, int]]:
    """Return for each channel_key that refills settled since the moment arrived on: what arrived, and what it cost, in
    msat.

    Liquidity counts where the moves say that it arrived, or where it was planned to, as long as they say nothing. What
    was booked beyond the moves is the planned target's cost: the sum over all channels is what was booked.
    """
    found: dict[int, tuple[int, int]] = {}
    for key, amount_msat, fee_msat in tx.execute(_by_target(), b_since=since_at):
        before = found.get(key, (0, 0))
        found[key] = (before[0] + int(amount_msat), before[1] + int(fee_msat))
    return {key: sums for key, sums in found.items() if sums != (0, 0)}


def refill_costs(tx: Tx, since_at: float, sold_msat: Mapping[str, int]) -> dict[str, int]:
    """Given what left by each channel_id since then, return what refills of it that settled since cost together, as a
    rate on that, or on what they moved where that is more.

    So a channel that bought a tenth of what it sold has a tenth of the price in each sat that it sells: one small
    refill says little of what the rest may be sold for.
    """
    sums = {key: sums for key, sums in moved_by_target(tx, since_at).items() if sums[0] > 0}
    if not sums:
        return {}
    ids = {key: channel_id for channel_id, key in channel_keys(tx).items()}
    return {
        ids[key]: ppm_of_ceil(fee_msat, max(amount_msat, sold_msat.get(ids[key], 0)))
        for key, (amount_msat, fee_msat) in sums.items()
    }


@cache
def _by_target() -> Executable:
    """Two kinds of row: the payments of settled jobs by the moves, and what these leave of the jobs."""
    job, paid = rebalance_job.c, rebalance_payment.c
    settled = (job.node_key == NODE, job.status == "settled", job.finished_at >= bindparam("b_since"))
    by_moves = (
        select(paid.target_channel_key, total(paid.amount_msat), total(paid.fee_msat))
        .join(rebalance_job, (paid.node_key == job.node_key) & (paid.job_key == job.job_key))
        .where(*settled)
        .group_by(paid.target_channel_key)
    )
    seen = (
        select(paid.job_key, func.sum(paid.fee_msat).label("fee_msat"))
        .where(paid.node_key == NODE)
        .group_by(paid.job_key)
        .subquery("seen")
    )
    unseen_msat = case((seen.c.job_key.is_(None), job.amount_msat), else_=0)
    left = (
        select(job.target_channel_key, total(unseen_msat), total(job.fee_msat - func.coalesce(seen.c.fee_msat, 0)))
        .outerjoin(seen, seen.c.job_key == job.job_key)
        .where(*settled)
        .group_by(job.target_channel_key)
    )
    return union_all(by_moves, left)
