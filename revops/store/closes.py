"""Ends of channels, by the node's ledger of chain moves: `domain.forward.ends_channel` in SQL, and what isn't swept."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Executable, and_, func, literal, select

from revops.domain.forward import CLOSE_TAG, SPLICE_TAG
from revops.store.accounts import OUTSIDE_KEY
from revops.store.engine import NODE, Tx
from revops.store.tables import chain_cost, chain_move, closed_channel


def is_close(columns: Any) -> ColumnElement[bool]:
    """Given the columns of `chain_move`, or of an alias of it, return whether a row ends a channel."""
    tags = literal(",") + columns.extra_tags + ","
    return and_(columns.tag == CLOSE_TAG, tags.not_like(f"%,{SPLICE_TAG},%"))


def final_txids(tx: Tx) -> frozenset[str]:
    """Return the transactions that have closed channels which the node has forgotten: whatever output of theirs the
    ledger doesn't have by now wasn't ours, since a node forgets a channel long after all of its own is swept.
    """
    return frozenset(tx.execute(_final()).scalars())


def unbooked_txids(tx: Tx) -> set[str]:
    """Return the transactions that have closed channels, and of which no cost is on record."""
    return {row.txid for row in tx.execute(_unbooked())}


def unswept(tx: Tx) -> dict[int, int]:
    """Return by channel_key what of ours closes have left on the chain that hasn't come home yet, and of which nothing
    is booked: at most so much, since their fees are still in it; msat.
    """
    final = final_txids(tx)
    closes = [row for row in tx.execute(_unbooked()) if row.output_count is not None and row.txid not in final]
    if not closes:
        return {}
    made = Counter(outpoint.partition(":")[0] for outpoint in tx.execute(_outpoints()).scalars())
    waiting = [row for row in closes if made[row.txid] < row.output_count]
    home = {row.txid: int(row.credit_msat) for row in tx.execute(_home())} if waiting else {}
    return {row.account_key: max(row.debit_msat - home.get(row.txid, 0), 0) for row in waiting}


@cache
def _final() -> Executable:
    move, ended = chain_move.c, closed_channel.c
    forgotten = select(ended.channel_key).where(ended.node_key == NODE, ended.channel_key == move.account_key)
    return select(move.txid).where(move.node_key == NODE, is_close(move), forgotten.correlate(chain_move).exists())


@cache
def _unbooked() -> Executable:
    move, cost = chain_move.c, chain_cost.c
    booked = select(cost.txid).where(cost.node_key == NODE, cost.txid == move.txid).correlate(chain_move)
    return select(move.account_key, move.txid, move.debit_msat, move.output_count).where(
        move.node_key == NODE, is_close(move), ~booked.exists()
    )


@cache
def _outpoints() -> Executable:
    """Each output once, whoever made it."""
    return select(chain_move.c.outpoint).where(chain_move.c.node_key == NODE).distinct()


@cache
def _home() -> Executable:
    """What transactions gave to accounts of ours."""
    move = chain_move.c
    return (
        select(move.txid, func.sum(move.credit_msat).label("credit_msat"))
        .where(move.node_key == NODE, move.account_key != OUTSIDE_KEY, move.credit_msat > 0)
        .group_by(move.txid)
    )
