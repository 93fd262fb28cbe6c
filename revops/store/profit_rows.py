"""Which channel a line of profit and loss is of: its names, its peer, and its life from the opening to the close."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Executable, func, select

from revops.domain.profit import ChannelProfit, ProfitLine
from revops.store.engine import NODE, Tx
from revops.store.tables import chain_move, channel, closed_channel, peer

_NOTHING = ProfitLine()


def channel_profits(tx: Tx, lines: Mapping[int, ProfitLine]) -> tuple[ChannelProfit, ...]:
    """Given lines by channel_key, return the channels that have one, open or closed, the best first."""
    opened, closed = dict[int, int](), dict[int, int]()
    for row in tx.execute(_life()):
        if row.tag == "channel_open":
            opened[row.account_key] = min(row.first_at, opened.get(row.account_key, row.first_at))
        elif "splice" not in row.extra_tags:
            closed[row.account_key] = max(row.last_at, closed.get(row.account_key, 0))
    found = [
        _profit(row, line, opened.get(row.channel_key), closed.get(row.channel_key))
        for row in tx.execute(_channels())
        if (line := lines.get(row.channel_key)) is not None and line != _NOTHING
    ]
    found.sort(key=lambda one: (-one.line.net_msat, -one.line.earned_msat, one.channel_id))
    return tuple(found)


def _profit(row: Any, line: ProfitLine, first_at: int | None, last_at: int | None) -> ChannelProfit:
    """Where the ledger has the opening, it has its cost; one that the peer has opened cost nothing to open."""
    opener = row.opener or row.closed_opener
    closed_at = None if row.closed_at is None else float(last_at or row.closed_at)
    return ChannelProfit(
        channel_id=row.channel_id,
        name=row.scid or row.alias_local or row.channel_id,
        peer_id=row.peer_id,
        alias=row.alias,
        opener=opener,
        capacity_msat=row.capacity_msat or 0,
        opened_at=first_at if row.opened_at is None else row.opened_at,
        closed_at=closed_at,
        line=line,
        cost_is_known=opener != "local" or first_at is not None,
        closer=row.closer,
        close_cause=row.close_cause,
    )


@cache
def _life() -> Executable:
    move = chain_move.c
    kind = (move.account_key, move.tag, move.extra_tags)
    return (
        select(*kind, func.min(move.moved_at).label("first_at"), func.max(move.moved_at).label("last_at"))
        .where(move.node_key == NODE, move.tag.in_(("channel_open", "channel_close")))
        .group_by(*kind)
    )


@cache
def _channels() -> Executable:
    columns = ("channel_key", "channel_id", "scid", "alias_local", "opener", "capacity_msat", "opened_at", "closed_at")
    ended = closed_channel.c
    return (
        select(
            *(channel.c[name] for name in columns),
            peer.c.peer_id,
            peer.c.alias,
            ended.opener.label("closed_opener"),
            ended.closer,
            ended.close_cause,
        )
        .outerjoin(peer, (peer.c.node_key == channel.c.node_key) & (peer.c.peer_key == channel.c.peer_key))
        .outerjoin(
            closed_channel, (ended.node_key == channel.c.node_key) & (ended.channel_key == channel.c.channel_key)
        )
        .where(channel.c.node_key == NODE)
    )
