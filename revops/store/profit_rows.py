"""Which channel a line of profit and loss is of: its names, its peer, and its life from the opening to the close."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Executable, case, func, select

from revops.domain.forward import CLOSE_TAG, OPEN_TAG
from revops.domain.profit import ChannelProfit, ProfitLine
from revops.store.closes import is_close, unswept
from revops.store.engine import NODE, Tx
from revops.store.tables import chain_move, channel, closed_channel, peer

_NOTHING = ProfitLine()


def channel_profits(tx: Tx, lines: Mapping[int, ProfitLine]) -> tuple[ChannelProfit, ...]:
    """Given lines by channel_key, return the channels that have one, open or closed, the best first."""
    lives = {row.account_key: (row.opened_at, row.closed_at) for row in tx.execute(_lives())}
    left_msat = unswept(tx)
    found = [
        _profit(row, line, *lives.get(row.channel_key, (None, None)), left_msat.get(row.channel_key))
        for row in tx.execute(_channels())
        if (line := lines.get(row.channel_key)) is not None and line != _NOTHING
    ]
    found.sort(key=lambda one: (-one.line.net_msat, -one.line.earned_msat, one.channel_id))
    return tuple(found)


def _profit(
    row: Any, line: ProfitLine, first_at: int | None, last_at: int | None, unswept_msat: int | None
) -> ChannelProfit:
    """Where the ledger has the opening, it has its cost; one that the peer has opened cost nothing to open. Where it
    has the end, that is the end, though lightningd may list the channel for some time yet. Of one
    that was closed before revops saw it, nothing else tells the end: when a sync came upon it depends on the
    installation.
    """
    opener = row.opener or row.closed_opener
    seen_end_at = None if row.closed_at == row.first_seen_at else row.closed_at
    ended_at = seen_end_at if last_at is None else last_at
    return ChannelProfit(
        channel_id=row.channel_id,
        name=row.scid or row.alias_local or row.channel_id,
        peer_id=row.peer_id,
        alias=row.alias,
        opener=opener,
        capacity_msat=row.capacity_msat or 0,
        opened_at=first_at if row.opened_at is None else row.opened_at,
        closed_at=None if ended_at is None else float(ended_at),
        line=line,
        cost_is_known=opener != "local" or first_at is not None,
        closer=row.closer,
        close_cause=row.close_cause,
        unswept_msat=unswept_msat,
        open=row.closed_at is None and last_at is None,
    )


@cache
def _lives() -> Executable:
    move = chain_move.c
    opened_at = case((move.tag == OPEN_TAG, move.moved_at))
    return (
        select(
            move.account_key,
            func.min(opened_at).label("opened_at"),
            func.max(case((is_close(move), move.moved_at))).label("closed_at"),
        )
        .where(move.node_key == NODE, move.tag.in_((OPEN_TAG, CLOSE_TAG)))
        .group_by(move.account_key)
    )


@cache
def _channels() -> Executable:
    columns = (
        "channel_key", "channel_id", "scid", "alias_local", "opener", "capacity_msat", "opened_at", "first_seen_at",
        "closed_at",
    )  # fmt: skip
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
