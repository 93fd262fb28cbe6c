"""What circular payments moved and cost over a period, whoever sent them.

The node's ledger of moves tells it to the msat. What was booked for a settled job beyond what the ledger says of it is
added, on the channel that it was planned for, until the moves are there: never is less counted than was booked.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Executable, Select, bindparam, case, func, select

from revops.domain.measures import Moved
from revops.store.engine import NODE, Tx
from revops.store.keys import total
from revops.store.tables import rebalance_job, rebalance_payment


@dataclass(slots=True)
class Bought:
    """What arrived on a channel: how much, in how many payments, and for which fees."""

    amount_msat: int = 0
    fee_msat: int = 0
    count: int = 0

    def add(self, amount_msat: int, fee_msat: int, count: int) -> None:
        """Add more."""
        self.amount_msat += int(amount_msat)
        self.fee_msat += int(fee_msat)
        self.count += int(count)


def circular_by_target(tx: Tx, since_at: float, until_at: float) -> dict[int, Bought]:
    """Given a period, return what arrived on each channel_key in it."""
    found: dict[int, Bought] = {}
    for statement in (_by_moves(), _beyond_moves()):
        for row in tx.execute(statement, b_since=since_at, b_until=until_at):
            found.setdefault(row.target_channel_key, Bought()).add(row.amount_msat, row.fee_msat, row.payment_count)
    return found


def moved_ever(tx: Tx) -> dict[int, Moved]:
    """Return what circular payments ever brought to each channel_key, by the node's ledger alone. What is booked and
    not in it yet is left out: it may turn out to have arrived over another channel.
    """
    rows = tx.execute(_by_moves(), b_since=0.0, b_until=1e15)
    return {
        row.target_channel_key: Moved(int(row.amount_msat), int(row.fee_msat), int(row.payment_count)) for row in rows
    }


@cache
def _by_moves() -> Executable:
    paid = rebalance_payment.c
    return (
        select(
            paid.target_channel_key,
            total(paid.amount_msat).label("amount_msat"),
            total(paid.fee_msat).label("fee_msat"),
            func.count().label("payment_count"),
        )
        .where(paid.node_key == NODE, paid.moved_at >= bindparam("b_since"), paid.moved_at < bindparam("b_until"))
        .group_by(paid.target_channel_key)
    )


@cache
def _beyond_moves() -> Executable:
    each = _beyond_each().subquery("each")
    return select(
        each.c.target_channel_key,
        total(each.c.amount_msat).label("amount_msat"),
        total(each.c.fee_msat).label("fee_msat"),
        total(each.c.payment_count).label("payment_count"),
    ).group_by(each.c.target_channel_key)


def _beyond_each() -> Select[Any]:
    """A row for each settled job of a period: what was booked for it beyond the moves, often nothing."""
    job, paid = rebalance_job.c, rebalance_payment.c
    seen = (
        select(paid.job_key, func.sum(paid.fee_msat).label("fee_msat"))
        .where(paid.node_key == NODE, paid.job_key != 0)
        .group_by(paid.job_key)
        .subquery("seen")
    )
    unseen = seen.c.job_key.is_(None)
    beyond_msat = job.fee_msat - func.coalesce(seen.c.fee_msat, 0)
    return (
        select(
            job.finished_at.label("booked_at"),
            job.job_key,
            job.payment_hash,
            job.source_channel_key,
            job.target_channel_key,
            case((unseen, job.amount_msat), else_=0).label("amount_msat"),
            case((beyond_msat > 0, beyond_msat), else_=0).label("fee_msat"),
            case((unseen, 1), else_=0).label("payment_count"),
        )
        .outerjoin(seen, seen.c.job_key == job.job_key)
        .where(
            job.node_key == NODE,
            job.status == "settled",
            job.finished_at >= bindparam("b_since"),
            job.finished_at < bindparam("b_until"),
        )
    )


class Circular(NamedTuple):
    """One circular payment, or (`payment_hash` None) what was booked for a job beyond the moves: of that,
    `payment_count` and amount are 0 where the moves have the payment itself. `job_key` is 0 where no job is known.
    """

    booked_at: float
    payment_hash: bytes | None
    job_key: int
    source_channel_key: int
    target_channel_key: int
    amount_msat: int
    fee_msat: int
    payment_count: int


def circular_each(tx: Tx, since_at: float, until_at: float) -> Iterator[Circular]:
    """Given a period, yield what adds up to `circular_by_target`, oldest first."""
    bounds = {"b_since": since_at, "b_until": until_at}
    moved = (
        Circular(
            row.moved_at, bytes(row.payment_hash), row.job_key, row.source_channel_key, row.target_channel_key,
            row.amount_msat, row.fee_msat, 1,
        )
        for row in tx.execute(_each_move(), **bounds)
    )  # fmt: skip
    beyond = (
        Circular(
            row.booked_at, None, row.job_key, row.source_channel_key, row.target_channel_key, int(row.amount_msat),
            int(row.fee_msat), row.payment_count,
        )
        for row in tx.execute(_each_beyond(), **bounds)
        if row.fee_msat > 0 or row.payment_count > 0
    )  # fmt: skip
    return heapq.merge(moved, beyond, key=lambda one: one.booked_at)


@cache
def _each_move() -> Executable:
    paid = rebalance_payment.c
    during = (paid.moved_at >= bindparam("b_since"), paid.moved_at < bindparam("b_until"))
    return select(rebalance_payment).where(paid.node_key == NODE, *during).order_by(paid.moved_at, paid.payment_hash)


@cache
def _each_beyond() -> Executable:
    job = rebalance_job.c
    return _beyond_each().order_by(job.finished_at, job.job_key)
