"""Each channel's balance at the last sync of each day: what capital a channel held, for ever."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Executable, or_

from revops.domain.channel import Channel
from revops.store.days import day_of
from revops.store.engine import Tx
from revops.store.keys import ensure_channels, insert_of
from revops.store.tables import balance_day


def record_balances(tx: Tx, channels: Sequence[Channel], seen_at: float) -> None:
    """Given the channels that the node lists, record their balances for the day."""
    if not channels:
        return
    keys = ensure_channels(tx, (item.channel_id for item in channels), seen_at)
    rows = [
        {
            "node_key": tx.node_key,
            "day": day_of(seen_at),
            "channel_key": keys[item.channel_id],
            "local_msat": item.local_msat,
            "capacity_msat": item.capacity_msat,
        }
        for item in channels
    ]
    tx.connection.execute(_record(tx.connection.dialect.name), rows)


@cache
def _record(dialect_name: str) -> Executable:
    row = insert_of(balance_day, dialect_name)
    names = ("local_msat", "capacity_msat")
    return row.on_conflict_do_update(
        index_elements=["node_key", "day", "channel_key"],
        set_={name: row.excluded[name] for name in names},
        where=or_(*(balance_day.c[name] != row.excluded[name] for name in names)),
    )
