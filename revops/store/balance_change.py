"""What changed the node's balances over a period beside what it earned and cost, by the node's own ledger."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, ScalarSelect, bindparam, case, func, select

from revops.domain.balance_change import BalanceChange
from revops.domain.chain_cost import THEIR_TAGS
from revops.store.accounts import OUTSIDE_KEY, WALLET_KEY
from revops.store.engine import NODE, Tx
from revops.store.keys import total
from revops.store.move_sums import ROUTED_IN, ROUTED_OUT
from revops.store.payments import INVOICE_TAG
from revops.store.profits import LEASE_TAG, Lines, day_bounds
from revops.store.tables import chain_move, move_sum, rebalance_payment, splice_job

_PUSHED_TAG: Final = "pushed"
#: An HTLC that was claimed by a transaction: its forward has it already.
_FULFILLED_TAG: Final = "htlc_fulfill"


def balance_change(tx: Tx, first_day: int | None, end_day: int | None, found: Lines) -> BalanceChange:
    """Given UTC days (from the first to before the last; None: no bound) and their lines, return what changed all that
    the node holds.

    Forwards are taken from the lines: the ledger is kept by day without them. A circular payment counts where the lines
    have it, on the day on which it came back.
    """
    first, end = day_bounds(first_day, end_day)
    days = {"b_first": first, "b_end": end}
    instants = {"b_since": first * 86_400, "b_until": end * 86_400}
    moved = {row.tag: (int(row.credit_msat), int(row.debit_msat)) for row in tx.execute(_moves(), **days)}
    came_msat, left_msat = moved.pop(INVOICE_TAG, (0, 0))
    pushed_in_msat, pushed_out_msat = moved.pop(_PUSHED_TAG, (0, 0))
    lease_in_msat, lease_out_msat = moved.pop(LEASE_TAG, (0, 0))
    other_msat = sum(credit_msat - debit_msat for credit_msat, debit_msat in moved.values())
    circular = tx.execute(_circular(), **instants).one()
    arrived_msat, fee_msat = int(circular.amount_msat), int(circular.fee_msat)
    chain = tx.execute(_chain(), **instants).one()
    forwarded_msat = found.total.in_msat - found.total.out_msat
    return BalanceChange(
        net_msat=found.total.net_msat,
        pushed_in_msat=pushed_in_msat,
        pushed_out_msat=pushed_out_msat,
        received_msat=came_msat - arrived_msat,
        paid_msat=left_msat - arrived_msat - fee_msat,
        deposited_msat=int(tx.execute(_deposited(), **instants).scalar_one()),
        sent_msat=int(chain.sent_msat),
        untold_msat=found.untold_msat,
        other_msat=other_msat,
        change_msat=(
            forwarded_msat
            + came_msat - left_msat
            + pushed_in_msat - pushed_out_msat
            + lease_in_msat - lease_out_msat
            + other_msat
            + int(chain.changed_msat)
        ),
    )  # fmt: skip


@cache
def _moves() -> Executable:
    sums = move_sum.c
    return (
        select(sums.tag, total(sums.credit_msat).label("credit_msat"), total(sums.debit_msat).label("debit_msat"))
        .where(
            sums.node_key == NODE,
            sums.day >= bindparam("b_first"),
            sums.day < bindparam("b_end"),
            sums.tag.not_in((ROUTED_IN, ROUTED_OUT)),
        )
        .group_by(sums.tag)
    )


@cache
def _circular() -> Executable:
    paid = rebalance_payment.c
    during = (paid.moved_at >= bindparam("b_since"), paid.moved_at < bindparam("b_until"))
    sums = total(paid.amount_msat).label("amount_msat"), total(paid.fee_msat).label("fee_msat")
    return select(*sums).where(paid.node_key == NODE, *during)


def _during() -> Sequence[Any]:
    move = chain_move.c
    return move.node_key == NODE, move.moved_at >= bindparam("b_since"), move.moved_at < bindparam("b_until")


@cache
def _chain() -> Executable:
    """What accounts of ours changed by, but for HTLCs of forwards, and what went to others: that is told when it is
    broadcast, and may be replaced. As long as the transaction has taken nothing of ours nothing is gone.
    """
    move = chain_move.c
    outside, fulfilled = move.account_key == OUTSIDE_KEY, move.tag == _FULFILLED_TAG
    ours_msat = case((outside, 0), (fulfilled, -move.debit_msat), else_=move.credit_msat - move.debit_msat)
    claimed_msat = case((outside & fulfilled, move.credit_msat), else_=0)
    gone = outside & (_taken() > 0)
    sent_msat = case((gone & move.tag.not_in((*sorted(THEIR_TAGS), _FULFILLED_TAG)), move.credit_msat), else_=0)
    return select(
        total(ours_msat + claimed_msat).label("changed_msat"), total(sent_msat).label("sent_msat")
    ).where(*_during())  # fmt: skip


@cache
def _deposited() -> Executable:
    """What came to the wallet by transactions that took nothing of ours.

    What a splice takes out comes home some blocks before the node tells of what the channel gave. One that revops made
    is known by its transaction; one made by hand counts as a deposit till then.
    """
    move, job = chain_move.c, splice_job.c
    spliced = select(job.txid).where(job.node_key == NODE, job.txid.is_not(None))
    mine = (move.account_key == WALLET_KEY, move.txid.not_in(spliced), _taken() == 0)
    return select(total(move.credit_msat)).where(*_during(), *mine)


def _taken() -> ScalarSelect[int]:
    """In how many rows a move's transaction takes something of ours."""
    move, spent = chain_move.c, chain_move.alias()
    return (
        select(func.count())
        .where(
            spent.c.node_key == NODE,
            spent.c.txid == move.txid,
            spent.c.account_key != OUTSIDE_KEY,
            spent.c.debit_msat > 0,
        )
        .correlate(chain_move)
        .scalar_subquery()
    )
