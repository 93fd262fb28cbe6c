"""How far each list of the node was read. A cursor never moves back."""

from __future__ import annotations

from functools import cache
from typing import Final

from sqlalchemy import Executable, bindparam, select

from revops.store.engine import NODE, Tx
from revops.store.keys import insert_of
from revops.store.tables import cursor as cursor_table

#: The two indexes of listforwards, and the lists that have one.
FORWARDS_CREATED: Final = "forwards_created"
FORWARDS_UPDATED: Final = "forwards_updated"
CHANNEL_MOVES: Final = "channelmoves_created"
CHAIN_MOVES: Final = "chainmoves_created"
#: When the node's ledger of channel moves begins (UTC epoch).
CHANNEL_MOVES_FROM: Final = "channelmoves_from"
#: When the last forward settled at a moment when all that the node listed were known (UTC epoch, rounded up).
FORWARDS_UNTIL: Final = "forwards_until"
#: Between which moments (UTC epoch) the node may have deleted forwards while they were read.
GAP_FROM: Final = "forwards_gap_from"
GAP_UNTIL: Final = "forwards_gap_until"
NETWORK_EVENTS: Final = "networkevents_created"
#: Up to which payment of the node all of ours are known here.
SENT_PAYMENTS: Final = "sendpays_known"
#: From which row on, and since when (UTC epoch), no network event of a peer that we know is missing here.
EVENTS_FROM: Final = "networkevents_from"
EVENTS_SINCE: Final = "networkevents_since"
#: The highest created_index of a forward that a rollup has pruned.
PRUNED: Final = "forwards_pruned"


def cursor(tx: Tx, name: str) -> int:
    """Given a cursor's name, return the last index that was read; 0 before the first."""
    return cursors(tx).get(name, 0)


def cursors(tx: Tx) -> dict[str, int]:
    """Return the last index that was read, of each cursor that was ever set."""
    return {row[0]: row[1] for row in tx.execute(_cursors())}


@cache
def _cursors() -> Executable:
    return select(cursor_table.c.name, cursor_table.c.value).where(cursor_table.c.node_key == NODE)


def ledger_is_read(tx: Tx) -> bool:
    """Return whether the node's ledger was read, or there was nothing to read before. Right after an upgrade that reads
    it anew it is not.
    """
    known = cursors(tx)
    return CHAIN_MOVES in known or CHANNEL_MOVES in known or FORWARDS_CREATED not in known


def set_cursor(tx: Tx, name: str, value: int) -> None:
    """Given a cursor's name and the last index that was read, remember it; a lower one than before changes nothing."""
    tx.execute(_set_cursor(tx.connection.dialect.name), b_name=name, b_value=value)


@cache
def _set_cursor(dialect_name: str) -> Executable:
    values = {"node_key": NODE, "name": bindparam("b_name"), "value": bindparam("b_value")}
    insert = insert_of(cursor_table, dialect_name).values(values)
    return insert.on_conflict_do_update(
        index_elements=["node_key", "name"],
        set_={"value": insert.excluded.value},
        where=cursor_table.c.value < insert.excluded.value,
    )
