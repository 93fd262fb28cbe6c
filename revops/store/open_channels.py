"""Open channels with what classes are judged by: their value, their last forward, and their balances by day."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Executable, bindparam, select

from revops.domain.channel import LIVE_STATES, SPLICING_STATE
from revops.domain.profit_class import OpenChannel
from revops.store.engine import NODE, Tx
from revops.store.tables import EVER, balance_day, channel, channel_signal, flow_sum, peer


def open_channels(tx: Tx, first_day: int) -> dict[int, OpenChannel]:
    """Given a UTC day, return by channel_key the channels that could forward if their peers were connected, as the last
    sync saw them, with their balances since that day.
    """
    balances: dict[int, dict[int, int]] = {}
    for day, key, local_msat in tx.execute(_balances(), b_first=first_day).all():
        balances.setdefault(key, {})[day] = local_msat
    return {row.channel_key: _channel(row, balances.get(row.channel_key, {})) for row in tx.execute(_channels()).all()}


def _channel(row: Any, balances: Mapping[int, int]) -> OpenChannel:
    return OpenChannel(
        channel_id=row.channel_id,
        name=row.scid or row.alias_local or row.channel_id,
        peer_id=row.peer_id,
        alias=row.alias,
        opener=row.opener,
        connected=row.connected,
        capacity_msat=row.capacity_msat or 0,
        local_msat=row.local_msat or 0,
        reserve_msat=row.our_reserve_msat or 0,
        opened_at=row.opened_at,
        last_stable_at=row.last_stable_connection_at,
        value_ppm=None if row.value_at is None else row.value_ppm,  # without its instant it is a placeholder
        last_settled_at=row.last_settled_at,
        balances_msat=balances,
        value_at=row.value_at,
        fee_ppm=row.fee_ppm,
        splicing=row.state == SPLICING_STATE,
    )


@cache
def _channels() -> Executable:
    names = (
        "channel_key", "channel_id", "scid", "alias_local", "opener", "connected", "capacity_msat", "local_msat",
        "our_reserve_msat", "opened_at", "last_stable_connection_at", "fee_ppm", "state",
    )  # fmt: skip
    own, of_peer = channel.c, peer.c
    signal, ever = channel_signal.c, flow_sum.c
    return (
        select(
            *(own[name] for name in names),
            of_peer.peer_id,
            of_peer.alias,
            signal.value_ppm,
            signal.value_at,
            ever.last_settled_at,
        )
        .outerjoin(peer, (of_peer.node_key == own.node_key) & (of_peer.peer_key == own.peer_key))
        .outerjoin(channel_signal, (signal.node_key == own.node_key) & (signal.channel_key == own.channel_key))
        .outerjoin(
            flow_sum,
            (ever.node_key == own.node_key) & (ever.channel_key == own.channel_key) & (ever.day == EVER),
        )
        .where(own.node_key == NODE, own.closed_at.is_(None), own.state.in_(sorted(LIVE_STATES)))
        .order_by(own.channel_id)
    )


@cache
def _balances() -> Executable:
    row = balance_day.c
    return select(row.day, row.channel_key, row.local_msat).where(row.node_key == NODE, row.day >= bindparam("b_first"))
