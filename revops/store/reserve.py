"""Where funds are below their reserve, and since when. What is in here is suspended until funds are well above it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from sqlalchemy import Executable, delete, insert, select

from revops.store.engine import NODE, Tx
from revops.store.tables import reserve_state


def suspended_since(tx: Tx) -> dict[str, float]:
    """Return since when each place whose funds fell below its floor has been suspended (UTC epoch), by place."""
    return {row.place: row.since_at for row in tx.execute(_rows()).all()}


@cache
def _rows() -> Executable:
    return select(reserve_state.c.place, reserve_state.c.since_at).where(reserve_state.c.node_key == NODE)


def record_suspended(tx: Tx, since: Mapping[str, float]) -> None:
    """Given since when each place is suspended, record that; a place that isn't named is suspended no longer."""
    tx.connection.execute(delete(reserve_state).where(reserve_state.c.node_key == tx.node_key))
    rows = [{"node_key": tx.node_key, "place": place, "since_at": at} for place, at in since.items()]
    if rows:
        tx.connection.execute(insert(reserve_state), rows)
