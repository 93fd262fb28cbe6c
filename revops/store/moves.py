"""The node's own money movements, and its peers' comings and goings. Their rows never change: a repeat changes
nothing.

Three kinds of row are read past without being stored, since cursors move anyway: `ping` events (one a minute and
peer), events of strangers with whom we never had a channel, and `routed` moves, whose two rows per forward only say
again what the forward itself says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Table, func, or_, select

from revops.domain.forward import ChainMove, ChannelMove
from revops.domain.node import NodeEvent
from revops.store.engine import Tx
from revops.store.keys import ensure_channels, peer_keys, upsert
from revops.store.payments import INVOICE_TAG, record_circular
from revops.store.tables import chain_move, channel_move, peer, peer_event

#: Accounts that are no channel.
WALLET_KEY: Final = 0
OUTSIDE_KEY: Final = -1
_OTHER_ACCOUNTS: Final = {"wallet": WALLET_KEY, "external": OUTSIDE_KEY}
_ROUTED: Final = "routed"
_PING: Final = "ping"


def ingest_channel_moves(tx: Tx, rows: Sequence[ChannelMove]) -> int:
    """Given a page of listchannelmoves, store what is new and isn't a forward; return how many rows were stored.

    Circular payments of ours that these rows complete are recorded with them.
    """
    kept = [row for row in rows if row.tag != _ROUTED]
    keys = _account_keys(tx, kept)
    count = _insert(
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
    return _insert(
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


def ingest_events(tx: Tx, rows: Sequence[NodeEvent]) -> int:
    """Given a page of listnetworkevents, store the new ones of peers that we know; return how many rows were stored."""
    keys = peer_keys(tx)
    return _insert(
        tx,
        peer_event,
        [
            {
                "node_key": tx.node_key,
                "created_index": row.created_index,
                "peer_key": keys[row.peer_id],
                "kind": row.kind,
                "happened_at": row.happened_at,
                "duration_seconds": row.duration_seconds,
            }
            for row in rows
            if row.kind != _PING and row.peer_id in keys
        ],
    )


def comings_and_goings(tx: Tx, since_at: float) -> tuple[float | None, dict[str, list[NodeEvent]]]:
    """Given a moment, return since when the node's record of its peers reaches back (None: there is none), and each
    peer_id's connects and disconnects since the moment, in order, with the last one before it.
    """
    mine = (peer_event.c.node_key == tx.node_key, peer_event.c.kind.in_(("connect", "disconnect")))
    first_at: float | None = tx.connection.execute(select(func.min(peer_event.c.happened_at)).where(*mine)).scalar()
    last_before = (
        select(func.max(peer_event.c.created_index))
        .where(*mine, peer_event.c.happened_at < since_at)
        .group_by(peer_event.c.peer_key)
    )
    statement = (
        select(peer_event, peer.c.peer_id)
        .join(peer, (peer.c.node_key == peer_event.c.node_key) & (peer.c.peer_key == peer_event.c.peer_key))
        .where(*mine, or_(peer_event.c.happened_at >= since_at, peer_event.c.created_index.in_(last_before)))
        .order_by(peer_event.c.created_index)
    )
    events: dict[str, list[NodeEvent]] = defaultdict(list)
    for row in tx.connection.execute(statement):
        events[row.peer_id].append(
            NodeEvent(row.created_index, row.peer_id, row.kind, row.happened_at, row.duration_seconds)
        )
    return first_at, events


def _account_keys(tx: Tx, rows: Iterable[ChannelMove | ChainMove]) -> dict[str, int]:
    """The key of each account. A channel that is no longer listed anywhere gets a bare row."""
    seen = {row.account: float(row.moved_at) for row in rows}
    channels = [account for account in seen if account not in _OTHER_ACCOUNTS]
    if not channels:
        return dict(_OTHER_ACCOUNTS)
    return ensure_channels(tx, channels, max(seen.values())) | _OTHER_ACCOUNTS


def _insert(tx: Tx, table: Table, rows: list[dict[str, Any]]) -> int:
    if not rows:
        return 0
    first, last = (edge(row["created_index"] for row in rows) for edge in (min, max))
    here = (table.c.node_key == tx.node_key, table.c.created_index.between(first, last))
    before = set(tx.connection.execute(table.select().with_only_columns(table.c.created_index).where(*here)).scalars())
    insert = upsert(tx, table).on_conflict_do_nothing(index_elements=["node_key", "created_index"])
    tx.connection.execute(insert, rows)
    return len({row["created_index"] for row in rows} - before)
