"""The node's own money movements. Its rows never change: a repeat changes nothing.

`routed` moves are counted, and read past without being stored, since cursors move anyway: the two rows per forward only
say again what the forward itself says. Those of forwards that the node may have forgotten are kept until that is known
(store/forgotten.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Executable, Table, select, update

from revops.domain.forward import OPEN_TAG, PROPOSED_TAG, ChainMove
from revops.domain.listed import ChannelMove
from revops.store.accounts import account_keys
from revops.store.chain_costs import Booker, rebook, touched
from revops.store.cursors import CHANNEL_MOVES, CHANNEL_MOVES_FROM, cursor, set_cursor
from revops.store.engine import NODE, Tx
from revops.store.forgotten import looked_at
from revops.store.keys import upsert
from revops.store.move_sums import ROUTED_TAG, count_moves
from revops.store.payments import INVOICE_TAG, record_circular
from revops.store.resumed import gap
from revops.store.sums import take_turns
from revops.store.tables import chain_move, channel_move


def ingest_channel_moves(tx: Tx, rows: Sequence[ChannelMove]) -> int:
    """Given a page of listchannelmoves, count what the cursor has not passed yet, and store of it what isn't a forward
    that we have; return how many rows were stored. Set the cursor in the same transaction.

    Where another sync has read the page meanwhile (its lock was lost), nothing of it counts twice.

    Circular payments of ours that these rows complete are recorded with them.
    """
    take_turns(tx)
    passed = cursor(tx, CHANNEL_MOVES)
    rows = list({row.created_index: row for row in rows if row.created_index > passed}.values())
    keys = account_keys(tx, rows)
    if rows and cursor(tx, CHANNEL_MOVES_FROM) == 0:
        set_cursor(tx, CHANNEL_MOVES_FROM, min(row.moved_at for row in rows))
    count_moves(tx, rows, keys)
    spans = looked_at(tx), gap(tx)
    kept = [
        row
        for row in rows
        if row.tag != ROUTED_TAG or any(since_at < row.moved_at < before_at for since_at, before_at in spans)
    ]
    count = insert_new(
        tx,
        channel_move,
        [
            {
                "node_key": tx.node_key,
                "created_index": row.created_index,
                "account_key": keys[row.account],
                "credit_msat": row.credit_msat,
                "debit_msat": row.debit_msat,
                "moved_at": row.moved_at,
                "tag": row.tag,
                "payment_hash": None if row.payment_hash is None else bytes.fromhex(row.payment_hash),
                "fees_msat": row.fees_msat,
            }
            for row in kept
        ],
    )
    paid = (row.payment_hash for row in kept if row.tag == INVOICE_TAG and row.payment_hash is not None)
    record_circular(tx, map(bytes.fromhex, paid))
    return count


def ingest_chain_moves(tx: Tx, rows: Sequence[ChainMove], book: Booker) -> int:
    """Given a page of listchainmoves, and what books transactions, store what is new, and what it cost; return how many
    rows were new. A channel that was in use before a block had its funding has its opening in two rows: the first has
    its amount, the other is stored with none.
    """
    take_turns(tx)
    keys = account_keys(tx, rows)
    count = insert_new(
        tx,
        chain_move,
        [
            {
                "node_key": tx.node_key,
                "created_index": row.created_index,
                "account_key": keys[row.account],
                "credit_msat": row.credit_msat,
                "debit_msat": row.debit_msat,
                "moved_at": row.moved_at,
                "tag": row.tag,
                "extra_tags": ",".join(row.extra_tags),
                "outpoint": row.outpoint,
                "spending_txid": row.spending_txid,
                "output_msat": row.output_msat,
                "blockheight": row.blockheight,
                "txid": row.txid,
                "output_count": row.output_count,
            }
            for row in rows
        ],
    )
    rebook(tx, touched(rows) | set(tx.execute(_open_once()).scalars()), book)
    return count


@cache
def _open_once() -> Executable:
    """Take the amount from openings that were told before; of all that are stored, and return their transactions. What
    was paid meanwhile is in the later amount, and has moves of its own.
    """
    move, before = chain_move.c, chain_move.alias()
    told = (
        select(before.c.created_index)
        .where(
            before.c.node_key == NODE,
            before.c.txid == move.txid,
            before.c.outpoint == move.outpoint,
            before.c.account_key == move.account_key,
            before.c.tag == PROPOSED_TAG,
        )
        .correlate(chain_move)
    )
    opened = (move.node_key == NODE, move.tag == OPEN_TAG, move.credit_msat > 0, told.exists())
    return update(chain_move).where(*opened).values(credit_msat=0).returning(move.txid)


def insert_new(tx: Tx, table: Table, rows: list[dict[str, Any]]) -> int:
    """Given a table that goes by created_index, and rows for it, store those that it lacks; return how many."""
    if not rows:
        return 0
    first, last = (edge(row["created_index"] for row in rows) for edge in (min, max))
    here = (table.c.node_key == tx.node_key, table.c.created_index.between(first, last))
    before = set(tx.connection.execute(table.select().with_only_columns(table.c.created_index).where(*here)).scalars())
    insert = upsert(tx, table).on_conflict_do_nothing(index_elements=["node_key", "created_index"])
    tx.connection.execute(insert, rows)
    return len({row["created_index"] for row in rows} - before)
