"""The node's own money movements. Their rows never change: a repeat changes nothing.

`routed` moves are read past without being stored, since cursors move anyway: the two rows per forward only say again
what the forward itself says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Table

from revops.domain.forward import ChainMove, ChannelMove
from revops.store.engine import Tx
from revops.store.keys import ensure_channels, upsert
from revops.store.payments import INVOICE_TAG, record_circular
from revops.store.tables import chain_move, channel_move

#: Accounts that are no channel.
WALLET_KEY: Final = 0
OUTSIDE_KEY: Final = -1
_OTHER_ACCOUNTS: Final = {"wallet": WALLET_KEY, "external": OUTSIDE_KEY}
_ROUTED: Final = "routed"


def ingest_channel_moves(tx: Tx, rows: Sequence[ChannelMove]) -> int:
    """Given a page of listchannelmoves, store what is new and isn't a forward; return how many rows were stored.

    Circular payments of ours that these rows complete are recorded with them.
    """
    kept = [row for row in rows if row.tag != _ROUTED]
    keys = _account_keys(tx, kept)
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


def ingest_chain_moves(tx: Tx, rows: Sequence[ChainMove]) -> int:
    """Given a page of listchainmoves, store what is new; return how many rows were."""
    keys = _account_keys(tx, rows)
    return insert_new(
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
            }
            for row in rows
        ],
    )


def _account_keys(tx: Tx, rows: Iterable[ChannelMove | ChainMove]) -> dict[str, int]:
    """The key of each account. A channel that is no longer listed anywhere gets a bare row."""
    seen = {row.account: float(row.moved_at) for row in rows}
    channels = [account for account in seen if account not in _OTHER_ACCOUNTS]
    if not channels:
        return dict(_OTHER_ACCOUNTS)
    return ensure_channels(tx, channels, max(seen.values())) | _OTHER_ACCOUNTS


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
