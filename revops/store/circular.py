"""What circular payments moved and cost over a period, whoever sent them.

The node's ledger of moves tells it to the msat. What was booked for a settled job beyond what the ledger says of it is
added, on the channel that it was planned for, until the moves are there: never is less counted than was booked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from sqlalchemy import Executable, bindparam, case, func, select

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
            job.target_channel_key,
            total(case((unseen, job.amount_msat), else_=0)).label("amount_msat"),
            total(case((beyond_msat > 0, beyond_msat), else_=0)).label("fee_msat"),
            total(case((unseen, 1), else_=0)).label("payment_count"),
        )
        .outerjoin(seen, seen.c.job_key == job.job_key)
        .where(
            job.node_key == NODE,
            job.status == "settled",
            job.finished_at >= bindparam("b_since"),
            job.finished_at < bindparam("b_until"),
        )
        .group_by(job.target_channel_key)
    )
