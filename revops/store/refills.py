"""What earlier rebalances tell: how attempts ended, and what became of the liquidity that was bought."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, bindparam, func, or_, select

from revops.domain.reason import ReasonCode
from revops.domain.rebalance import Attempt, FailureKind, Lot
from revops.store import lot_marks
from revops.store.codec import load_reasons
from revops.store.days import DAY_SECONDS
from revops.store.engine import NODE, Tx
from revops.store.keys import total
from revops.store.lots import OpenLot, follow
from revops.store.strays import LOST_PLAN
from revops.store.sums import take_turns
from revops.store.tables import channel, rebalance_job, rebalance_payment

#: A mark stays so far behind: what the next sync brings was mostly resolved since this one, and lies before no mark.
UNSETTLED_SECONDS: Final = 3_600.0
#: Why a job ended before failures had a kind, or where a plan's job never became an attempt.
_KINDS: Final = {
    ReasonCode.NO_ROUTE: FailureKind.NO_ROUTE,
    ReasonCode.ROUTE_TOO_DEAR: FailureKind.FEE_TOO_LOW,
    ReasonCode.ROUTE_REFUSED: FailureKind.NO_ROUTE,
    ReasonCode.PAYMENT_FAILED: FailureKind.LIQUIDITY,
}


def attempts(tx: Tx, since_at: float) -> tuple[Attempt, ...]:
    """Return how the attempts that ended since then ended, oldest first.

    Only those that tell something of the way: settled ones, and failures that the way is to blame for.
    """
    found = []
    for row in tx.execute(_ended(), b_since=since_at):
        kind = _kind_of(row)
        if row.status == "settled" or kind is not None:
            found.append(Attempt(row.source_id, row.target_id, row.finished_at, kind))
    return tuple(found)


def _kind_of(row: Any) -> FailureKind | None:
    if row.status == "settled":
        return FailureKind.MISDELIVERED if row.astray_count else None
    if row.failure is not None:
        return FailureKind(row.failure)
    reasons = () if row.reason_json is None else load_reasons(row.reason_json)
    return _KINDS.get(reasons[0].code) if reasons else None


@cache
def _ended() -> Executable:
    source, target, job, paid = channel.alias("source"), channel.alias("target"), rebalance_job.c, rebalance_payment.c
    astray = select(func.count()).where(
        paid.node_key == job.node_key, paid.job_key == job.job_key, paid.target_channel_key != job.target_channel_key
    )
    return (
        select(
            source.c.channel_id.label("source_id"),
            target.c.channel_id.label("target_id"),
            job.status,
            job.finished_at,
            job.failure,
            job.reason_json,
            astray.correlate(rebalance_job).scalar_subquery().label("astray_count"),
        )
        .join(source, (source.c.node_key == job.node_key) & (source.c.channel_key == job.source_channel_key))
        .join(target, (target.c.node_key == job.node_key) & (target.c.channel_key == job.target_channel_key))
        .where(job.node_key == NODE, job.finished_at >= bindparam("b_since"), job.status.in_(("settled", "failed")))
        .order_by(job.finished_at, job.job_key)
    )


def lots(tx: Tx, now: float, horizon_days: int) -> dict[str, tuple[Lot, ...]]:
    """Return what was bought for each channel_id in the last two horizons, oldest first, and what of it was sold.

    Sold within its horizon is what the channel would have lacked without the lot: how far the balance fell, by forwards
    alone, below what was there before it and itself together, less what was there before. What was bought later is left
    out, as if it weren't there, so that each sat is sold once: that of the oldest lot first.

    Forwards are followed from where `mark_lots` has come; without a mark, from the refill on.
    """
    found = _open_lots(tx, now, horizon_days)
    follow(tx, found, now)
    by_channel: dict[str, list[Lot]] = {}
    for one in found:
        by_channel.setdefault(one.channel_id, []).append(one.lot(now))
    return {channel_id: tuple(bought) for channel_id, bought in by_channel.items()}


def mark_lots(tx: Tx, now: float, horizon_days: int) -> None:
    """Follow forwards after each refill of the last two horizons up to shortly before `now`, and note how far."""
    take_turns(tx)
    found = _open_lots(tx, now, horizon_days)
    follow(tx, found, now - UNSETTLED_SECONDS)
    known = lot_marks.marks(tx)
    moved = [one.mark() for one in found if one.moved]
    lot_marks.keep(tx, moved, known.keys() - {one.job_key for one in found})


def spent_by_source(tx: Tx, since_at: float) -> dict[str, int]:
    """Return what refills that settled since then cost, in msat, by the channel_id that they came out of.

    That is what the node's own moves say of each payment. What they don't, or as much as is booked above them, counts
    for the source that was named when the job began.
    """
    paid_msat: dict[str, int] = {}
    seen_msat: dict[int, int] = {}
    for row in tx.execute(_paid_by_source(), b_since=since_at):
        paid_msat[row.channel_id] = paid_msat.get(row.channel_id, 0) + int(row.fee_msat)
        seen_msat[row.job_key] = seen_msat.get(row.job_key, 0) + int(row.fee_msat)
    for row in tx.execute(_booked_by_source(), b_since=since_at):
        rest_msat = max(int(row.fee_msat or 0) - seen_msat.get(row.job_key, 0), 0)
        if rest_msat:
            paid_msat[row.channel_id] = paid_msat.get(row.channel_id, 0) + rest_msat
    return paid_msat


@cache
def _booked_by_source() -> Executable:
    job = rebalance_job.c
    return (
        select(job.job_key, job.fee_msat, channel.c.channel_id)
        .join(channel, (channel.c.node_key == job.node_key) & (channel.c.channel_key == job.source_channel_key))
        .where(job.node_key == NODE, job.status == "settled", job.finished_at >= bindparam("b_since"))
    )


@cache
def _paid_by_source() -> Executable:
    job, paid = rebalance_job.c, rebalance_payment.c
    return (
        select(paid.job_key, channel.c.channel_id, total(paid.fee_msat).label("fee_msat"))
        .join(rebalance_job, (job.node_key == paid.node_key) & (job.job_key == paid.job_key))
        .join(channel, (channel.c.node_key == paid.node_key) & (channel.c.channel_key == paid.source_channel_key))
        .where(paid.node_key == NODE, job.status == "settled", job.finished_at >= bindparam("b_since"))
        .group_by(paid.job_key, channel.c.channel_id)
    )


def _open_lots(tx: Tx, now: float, horizon_days: int) -> list[OpenLot]:
    """The lots of the last two horizons, each as far as its mark has come."""
    rows = tx.execute(_bought(), b_since=now - 2 * horizon_days * DAY_SECONDS).all()
    found = [OpenLot(row, horizon_days) for row in rows]
    if found:
        known = lot_marks.marks(tx)
        for one in found:
            if one.job_key in known:
                one.take_up(known[one.job_key], now)
    return found


@cache
def _bought() -> Executable:
    """Lots are what was bought for a target: by the node's own moves or, as long as these say nothing of a job, what it
    was planned to move. What arrived over another channel is at stake on the target all the same: it was bought for
    it, and can't be sold there. So is what a lost database had bought (plan 0): nobody knows what of it was sold.
    """
    job, paid = rebalance_job.c, rebalance_payment.c
    of_job = (paid.node_key == NODE, paid.job_key >= _first_job())
    arrived = (
        select(
            paid.job_key,
            total(paid.amount_msat).label("amount_msat"),
            total(paid.fee_msat).label("fee_msat"),
        )
        .where(*of_job)
        .group_by(paid.job_key)
        .subquery("arrived")
    )
    amount_msat = func.coalesce(arrived.c.amount_msat, job.amount_msat)
    return (
        select(
            job.job_key,
            channel.c.channel_id,
            channel.c.channel_key,
            amount_msat.label("amount_msat"),
            func.coalesce(arrived.c.fee_msat, job.fee_msat).label("fee_msat"),
            job.finished_at,
            job.local_before_msat,
        )
        .join(channel, (channel.c.node_key == job.node_key) & (channel.c.channel_key == job.target_channel_key))
        .outerjoin(arrived, arrived.c.job_key == job.job_key)
        .where(
            job.node_key == NODE,
            job.finished_at >= bindparam("b_since"),
            job.status == "settled",
            or_(job.local_before_msat.is_not(None), job.plan_key == LOST_PLAN),
            amount_msat > 0,
        )
        .order_by(job.finished_at, job.job_key)
    )


def _first_job() -> Any:
    """The lowest key among jobs that ended in the window: payments of earlier ones needn't be added up."""
    ended = (rebalance_job.c.node_key == NODE, rebalance_job.c.finished_at >= bindparam("b_since"))
    return select(func.min(rebalance_job.c.job_key)).where(*ended).scalar_subquery()
