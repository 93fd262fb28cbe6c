"""What earlier rebalances tell: how attempts ended, and what became of the liquidity that was bought."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, bindparam, case, func, or_, select

from revops.domain.forward import ForwardStatus
from revops.domain.reason import ReasonCode
from revops.domain.rebalance import Attempt, FailureKind, Lot
from revops.store.codec import load_reasons
from revops.store.days import DAY_SECONDS
from revops.store.engine import NODE, Tx
from revops.store.flows import status_literal
from revops.store.keys import total
from revops.store.tables import channel, forward, rebalance_job, rebalance_payment

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
        kind = None if row.status == "settled" else _kind_of(row)
        if row.status == "settled" or kind is not None:
            found.append(Attempt(row.source_id, row.target_id, row.finished_at, kind))
    return tuple(found)


def _kind_of(row: Any) -> FailureKind | None:
    if row.failure is not None:
        return FailureKind(row.failure)
    reasons = () if row.reason_json is None else load_reasons(row.reason_json)
    return _KINDS.get(reasons[0].code) if reasons else None


@cache
def _ended() -> Executable:
    source, target, job = channel.alias("source"), channel.alias("target"), rebalance_job.c
    return (
        select(
            source.c.channel_id.label("source_id"),
            target.c.channel_id.label("target_id"),
            job.status,
            job.finished_at,
            job.failure,
            job.reason_json,
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
    """
    bought = tx.execute(_bought(), b_since=now - 2 * horizon_days * DAY_SECONDS).all()
    if not bought:
        return {}
    by_key: dict[int, list[_Open]] = {}
    for row in bought:
        by_key.setdefault(row.channel_key, []).append(_Open(row, horizon_days))
    _sell(tx, by_key, min(one.bought_at for found in by_key.values() for one in found), now)
    names = {row.channel_key: row.channel_id for row in bought}
    return {names[key]: tuple(one.lot(now) for one in found) for key, found in by_key.items()}


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


class _Open:
    """A lot while forwards are added up: the balance since, without later lots, and how low it fell."""

    __slots__ = ("amount_msat", "bought_at", "ends_at", "fee_msat", "level_msat", "lowest_msat")

    def __init__(self, row: Any, horizon_days: int) -> None:
        self.amount_msat, self.fee_msat = int(row.amount_msat), int(row.fee_msat)
        self.bought_at, self.ends_at = row.finished_at, row.finished_at + horizon_days * DAY_SECONDS
        self.level_msat = self.lowest_msat = self.amount_msat + int(row.local_before_msat)

    def move(self, at: float, change_msat: int) -> None:
        if self.bought_at < at <= self.ends_at:
            self.level_msat += change_msat
            self.lowest_msat = min(self.lowest_msat, self.level_msat)

    def lot(self, now: float) -> Lot:
        sold_msat = min(max(self.amount_msat - max(self.lowest_msat, 0), 0), self.amount_msat)
        return Lot(self.amount_msat, self.fee_msat, max(now - self.bought_at, 0.0) / DAY_SECONDS, sold_msat)


@cache
def _bought() -> Executable:
    """Lots are what arrived on the target by the node's own moves; as long as these say nothing of a job, what it was
    planned to move. What arrived over another channel is no lot: its balance before isn't known.
    """
    job, paid = rebalance_job.c, rebalance_payment.c
    arrived = (
        select(
            paid.job_key,
            paid.target_channel_key,
            total(paid.amount_msat).label("amount_msat"),
            total(paid.fee_msat).label("fee_msat"),
        )
        .where(paid.node_key == NODE)
        .group_by(paid.job_key, paid.target_channel_key)
        .subquery("arrived")
    )
    seen = select(paid.job_key).where(paid.node_key == NODE).distinct().subquery("seen")
    unseen = seen.c.job_key.is_(None)
    amount_msat = case((unseen, job.amount_msat), else_=func.coalesce(arrived.c.amount_msat, 0))
    return (
        select(
            channel.c.channel_id,
            channel.c.channel_key,
            amount_msat.label("amount_msat"),
            case((unseen, job.fee_msat), else_=func.coalesce(arrived.c.fee_msat, 0)).label("fee_msat"),
            job.finished_at,
            job.local_before_msat,
        )
        .join(channel, (channel.c.node_key == job.node_key) & (channel.c.channel_key == job.target_channel_key))
        .outerjoin(
            arrived, (arrived.c.job_key == job.job_key) & (arrived.c.target_channel_key == job.target_channel_key)
        )
        .outerjoin(seen, seen.c.job_key == job.job_key)
        .where(
            job.node_key == NODE,
            job.finished_at >= bindparam("b_since"),
            job.status == "settled",
            job.local_before_msat.is_not(None),
            amount_msat > 0,
        )
        .order_by(job.finished_at, job.job_key)
    )


def _sell(tx: Tx, by_key: dict[int, list[_Open]], since_at: float, now: float) -> None:
    for row in tx.connection.execute(_moved(tuple(by_key), tx.node_key, since_at, now)):
        for key, change_msat in ((row.out_channel_key, -row.out_msat), (row.in_channel_key, row.in_msat)):
            for one in by_key.get(key, ()):
                one.move(row.counted_at, change_msat)


def _moved(keys: Sequence[int], node_key: int, since_at: float, now: float) -> Executable:
    row = forward.c
    return (
        select(row.counted_at, row.in_channel_key, row.in_msat, row.out_channel_key, row.out_msat)
        .where(
            row.node_key == node_key,
            row.status == status_literal(ForwardStatus.SETTLED),
            row.counted_at > since_at,
            row.counted_at <= now,
            or_(row.out_channel_key.in_(keys), row.in_channel_key.in_(keys)),
        )
        .order_by(row.counted_at, row.created_index)
    )
