"""The reconciliation: what the node says that it earned in its life, against the forwards that we hold."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Executable, bindparam, select

from revops.domain.record import Books
from revops.store.engine import NODE, Tx
from revops.store.flows import settled_fees_msat
from revops.store.keys import insert_of, upsert
from revops.store.tables import books as books_table


def set_opening(tx: Tx, opening_msat: int) -> None:
    """Given what the node earned before the forwards that we found, record it; once recorded it never changes."""
    insert = upsert(tx, books_table).values(node_key=tx.node_key, opening_msat=opening_msat)
    tx.connection.execute(
        insert.on_conflict_do_update(
            index_elements=["node_key"],
            set_={"opening_msat": insert.excluded.opening_msat},
            where=books_table.c.opening_msat.is_(None),
        )
    )


def record_reconciliation(tx: Tx, node_fees_msat: int, checked_at: float) -> None:
    """Given the node's own sum at a moment when all its forwards were copied, record it.

    The first time, what our rows don't explain becomes the opening. It is never negative: rows that add up to more
    than the node says are a difference to be shown, not to be booked away.
    """
    told = {"b_fees": node_fees_msat, "b_at": checked_at}
    opening_msat = tx.execute(_reconcile(tx.connection.dialect.name), **told).scalar_one()
    if opening_msat is None:  # the sum over all of history is asked for once, not by every sync
        set_opening(tx, max(0, node_fees_msat - settled_fees_msat(tx, None)))


@cache
def _reconcile(dialect_name: str) -> Executable:
    insert = insert_of(books_table, dialect_name).values(
        node_key=NODE, node_fees_msat=bindparam("b_fees"), checked_at=bindparam("b_at"), opening_msat=None
    )
    return insert.on_conflict_do_update(
        index_elements=["node_key"],
        set_={"node_fees_msat": insert.excluded.node_fees_msat, "checked_at": insert.excluded.checked_at},
    ).returning(books_table.c.opening_msat)


def books(tx: Tx) -> Books | None:
    """Return the last reconciliation against the rows as they are now; None before the first."""
    row = tx.execute(_books()).one_or_none()
    if row is None or row.node_fees_msat is None or row.checked_at is None:
        return None
    return Books(
        node_fees_msat=row.node_fees_msat,
        recorded_fees_msat=settled_fees_msat(tx, None),
        opening_msat=row.opening_msat,
        checked_at=row.checked_at,
    )


@cache
def _books() -> Executable:
    return select(books_table).where(books_table.c.node_key == NODE)
