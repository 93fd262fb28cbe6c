"""What a node holds in its open channels, as the last sync saw it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from sqlalchemy import Executable, func, select

from revops.store.engine import NODE, Tx
from revops.store.keys import total
from revops.store.tables import channel


@dataclass(frozen=True, slots=True)
class Holdings:
    """Sums over open channels."""

    open_count: int
    capacity_msat: int
    local_msat: int


def holdings(tx: Tx) -> Holdings:
    """Return what the node's open channels hold."""
    return Holdings(*map(int, tx.execute(_open()).one()))


@cache
def _open() -> Executable:
    own = channel.c
    sums = (func.count(), total(own.capacity_msat), total(own.local_msat))
    return select(*sums).where(own.node_key == NODE, own.closed_at.is_(None))
