"""How far each list of the node was read. A cursor never moves back."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select

from revops.store.engine import Tx
from revops.store.keys import upsert
from revops.store.tables import cursor as cursor_table

#: The two indexes of listforwards, and the lists that have one.
FORWARDS_CREATED: Final = "forwards_created"
FORWARDS_UPDATED: Final = "forwards_updated"
CHANNEL_MOVES: Final = "channelmoves_created"
CHAIN_MOVES: Final = "chainmoves_created"
NETWORK_EVENTS: Final = "networkevents_created"
#: The highest created_index of a forward that a rollup has pruned.
PRUNED: Final = "forwards_pruned"


def cursor(tx: Tx, name: str) -> int:
    """Given a cursor's name, return the last index that was read; 0 before the first."""
    statement = select(cursor_table.c.value).where(cursor_table.c.node_key == tx.node_key, cursor_table.c.name == name)
    value: int | None = tx.connection.execute(statement).scalar()
    return value or 0


def set_cursor(tx: Tx, name: str, value: int) -> None:
    """Given a cursor's name and the last index that was read, remember it; a lower one than before changes nothing."""
    insert = upsert(tx, cursor_table).values(node_key=tx.node_key, name=name, value=value)
    tx.connection.execute(
        insert.on_conflict_do_update(
            index_elements=["node_key", "name"],
            set_={"value": insert.excluded.value},
            where=cursor_table.c.value < insert.excluded.value,
        )
    )
