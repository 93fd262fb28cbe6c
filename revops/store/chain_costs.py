"""What transactions cost, kept beside the chain moves that tell it, and made anew whenever more of them come."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, bindparam, delete, func, select

from revops.domain.chain_cost import WALLET, ChainCost, CostKind
from revops.domain.forward import ChainMove
from revops.domain.units import MAX_U32
from revops.store.accounts import WALLET_KEY, account_names
from revops.store.engine import NODE, Tx
from revops.store.keys import channel_keys, chunks
from revops.store.sums import take_turns
from revops.store.tables import chain_cost, chain_move, node

#: Given all moves of some transactions, returns what each cost.
Booker = Callable[[Sequence[ChainMove]], Sequence[ChainCost]]
#: For so many blocks a transaction without a channel may still turn out to be the funding of one.
UNSETTLED_BLOCKS: Final = 2_016


def rebook(tx: Tx, txids: Collection[str], book: Booker) -> None:
    """Given transactions of which something is new, and what books them, record what each cost, as it is known now."""
    take_turns(tx)
    keys = channel_keys(tx) | {WALLET: WALLET_KEY}
    names = account_names(tx)
    for some in chunks(sorted(txids)):
        moves = [_move(row, names) for row in tx.execute(_of_txids(), b_txids=some)]
        tx.execute(_forget(), b_txids=some)
        rows = [
            {
                "node_key": tx.node_key,
                "txid": cost.txid,
                "account_key": keys[cost.account],
                "kind": cost.kind.value,
                "cost_msat": cost.cost_msat,
                "booked_at": cost.booked_at,
                "blockheight": cost.blockheight,
                "share_count": cost.share_count,
            }
            for cost in book(moves)
        ]
        if rows:
            tx.connection.execute(chain_cost.insert(), rows)


def wrong_costs(tx: Tx, book: Booker) -> list[str]:
    """Given what books transactions, return, for a person, of which it isn't on record what they cost."""
    names = account_names(tx)
    moves = [_move(row, names) for row in tx.execute(_all_moves())]
    wanted = {(cost.txid, cost.account, cost.kind.value, cost.cost_msat) for cost in book(moves)}
    kept = {(row.txid, names[row.account_key], row.kind, row.cost_msat) for row in tx.execute(_all_costs())}
    return [
        f"transaction {txid}: its cost isn't what its moves come to"
        for txid in sorted({one[0] for one in wanted ^ kept})
    ]


@cache
def _all_moves() -> Executable:
    return select(chain_move).where(chain_move.c.node_key == NODE).order_by(chain_move.c.created_index)


@cache
def _all_costs() -> Executable:
    return select(chain_cost).where(chain_cost.c.node_key == NODE)


def unsettled_txids(tx: Tx) -> tuple[str, ...]:
    """Return the latest transactions that were booked to no channel: it may be known by now what they were for."""
    return tuple(tx.execute(_unsettled(), b_blocks=UNSETTLED_BLOCKS).scalars())


@cache
def _unsettled() -> Executable:
    move, cost = chain_move.c, chain_cost.alias()
    # A height that the chain hasn't reached yet is damage, and must not move the window away from all others.
    reached = select(node.c.blockheight).where(node.c.node_key == NODE).scalar_subquery()
    newest = (
        select(func.coalesce(func.max(move.blockheight), 0))
        .where(move.node_key == NODE, move.blockheight <= func.coalesce(reached, MAX_U32))
        .scalar_subquery()
    )
    settled = select(cost.c.txid).where(
        cost.c.node_key == NODE,
        cost.c.txid == move.txid,
        cost.c.kind.not_in((CostKind.WALLET.value, CostKind.UNTOLD.value)),
    )
    return (
        select(move.txid)
        .where(move.node_key == NODE, move.blockheight > newest - bindparam("b_blocks"), ~settled.exists())
        .distinct()
        .order_by(move.txid)
    )


@cache
def _of_txids() -> Executable:
    listed = chain_move.c.txid.in_(bindparam("b_txids", expanding=True))
    return select(chain_move).where(chain_move.c.node_key == NODE, listed).order_by(chain_move.c.created_index)


@cache
def _forget() -> Executable:
    listed = chain_cost.c.txid.in_(bindparam("b_txids", expanding=True))
    return delete(chain_cost).where(chain_cost.c.node_key == NODE, listed)


def _move(row: Any, names: dict[int, str]) -> ChainMove:
    return ChainMove(
        created_index=row.created_index,
        account=names[row.account_key],
        credit_msat=row.credit_msat,
        debit_msat=row.debit_msat,
        moved_at=row.moved_at,
        tag=row.tag,
        extra_tags=tuple(filter(None, row.extra_tags.split(","))),
        outpoint=row.outpoint,
        spending_txid=row.spending_txid,
        output_msat=row.output_msat,
        blockheight=row.blockheight,
        output_count=row.output_count,
    )


def touched(rows: Iterable[ChainMove]) -> set[str]:
    """Given moves, return the transactions by which they happened."""
    return {row.txid for row in rows}
