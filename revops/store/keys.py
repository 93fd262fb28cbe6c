"""Small integer keys instead of hex ids: giving them out, and finding them again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any, Final, TypeVar, cast

from sqlalchemy import BindParameter, Dialect, Executable, Table, bindparam, func, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import Insert

from revops.errors import BugError
from revops.store.engine import NODE, Tx
from revops.store.tables import channel, peer, serial

_Item = TypeVar("_Item")
#: Values in one IN list; SQLite takes 32,766 parameters in a statement, PostgreSQL 65,535.
_CHUNK: Final = 5_000
#: State of a channel of which only the id is known.
UNKNOWN_STATE: Final = "UNKNOWN"


def upsert(tx: Tx, table: Table) -> Insert:
    """Given a table, return its INSERT that knows ON CONFLICT. Both databases spell it alike; SQLAlchemy keeps two."""
    return insert_of(table, tx.connection.dialect.name)


def insert_of(table: Table, dialect_name: str) -> Insert:
    """Given a table and the name of a dialect, return that INSERT: for statements that are built once."""
    if dialect_name == "postgresql":
        from sqlalchemy.dialects import postgresql  # imported only where it is used: it costs time

        return cast(Insert, postgresql.insert(table))
    return sqlite.insert(table)


def write_rows(tx: Tx, insert: Executable, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
    """Given an INSERT that is built once and has no parameters of its own, the columns and their values, numbers and
    texts only, write the rows.

    SQLite's driver gets them as they are: SQLAlchemy would take longer for each than SQLite to store it.
    """
    if not rows:
        return
    if tx.connection.dialect.name == "sqlite":
        tx.connection.exec_driver_sql(_text_of(insert, names, tx.connection.dialect), list(rows))
    else:
        tx.connection.execute(insert, [dict(zip(names, row, strict=True)) for row in rows])


@cache
def _text_of(insert: Executable, names: tuple[str, ...], dialect: Dialect) -> str:
    compiled: Any = insert.compile(dialect=dialect, column_keys=names)  # type: ignore[attr-defined]  # all but text has it
    if tuple(compiled.positiontup) != names:
        raise BugError(f"an INSERT takes {compiled.positiontup}, and was given {names}")
    return str(compiled)


def chunks(items: Iterable[_Item], size: int = _CHUNK) -> Iterator[list[_Item]]:
    """Given items, yield them in lists of at most `size`."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def next_keys(tx: Tx, name: str, count: int = 1) -> int:
    """Given a kind of key, reserve `count` of them and return the first. The row is locked until the transaction
    ends.
    """
    last_key: int = tx.execute(_reserve_keys(tx.connection.dialect.name), b_name=name, b_count=count).scalar_one()
    return last_key - count + 1


@cache
def _reserve_keys(dialect_name: str) -> Executable:
    count: BindParameter[int] = bindparam("b_count")
    statement = insert_of(serial, dialect_name).values(node_key=NODE, name=bindparam("b_name"), last_key=count)
    statement = statement.on_conflict_do_update(
        index_elements=["node_key", "name"], set_={"last_key": serial.c.last_key + count}
    )
    return statement.returning(serial.c.last_key)


def channel_keys(tx: Tx) -> dict[str, int]:
    """Return the key of every channel_id that was ever seen."""
    return {row[0]: row[1] for row in tx.execute(_channel_keys()).all()}


@cache
def _channel_keys() -> Executable:
    return select(channel.c.channel_id, channel.c.channel_key).where(channel.c.node_key == NODE)


def peer_keys(tx: Tx) -> dict[str, int]:
    """Return the key of every peer_id that was ever seen."""
    return {row[0]: row[1] for row in tx.execute(_peer_keys()).all()}


@cache
def _peer_keys() -> Executable:
    return select(peer.c.peer_id, peer.c.peer_key).where(peer.c.node_key == NODE)


def channel_key(tx: Tx, channel_id: str) -> int:
    """Given a channel_id, return its key. Raise BugError when it was never recorded."""
    key: int | None = tx.execute(_channel_key(), b_id=channel_id).scalar()
    if key is None:
        raise BugError(f"channel {channel_id} was never recorded: sync comes first")
    return key


@cache
def _channel_key() -> Executable:
    return select(channel.c.channel_key).where(channel.c.node_key == NODE, channel.c.channel_id == bindparam("b_id"))


def ensure_peers(tx: Tx, peer_ids: Iterable[str]) -> dict[str, int]:
    """Given peer_ids, add the ones that are new, and return the key of every peer."""
    known = peer_keys(tx)
    new = sorted({peer_id for peer_id in peer_ids if peer_id not in known})
    if new:
        first_key = next_keys(tx, "peer", len(new))
        rows = [
            {"node_key": tx.node_key, "peer_key": key, "peer_id": peer_id, "connected": False}
            for key, peer_id in enumerate(new, first_key)
        ]
        tx.connection.execute(peer.insert(), rows)
        known.update((str(row["peer_id"]), cast(int, row["peer_key"])) for row in rows)
    return known


def ensure_channels(tx: Tx, channel_ids: Iterable[str], seen_at: float) -> dict[str, int]:
    """Given channel_ids, add bare rows for the new ones, and return the key of every channel.

    A bare row stands for a channel that is not listed now (`closed_at` is set); a listing that names it completes it.
    """
    known = channel_keys(tx)
    new = sorted({channel_id for channel_id in channel_ids if channel_id not in known})
    if new:
        first_key = next_keys(tx, "channel", len(new))
        rows: Sequence[dict[str, Any]] = [
            {
                "node_key": tx.node_key,
                "channel_key": key,
                "channel_id": channel_id,
                "state": UNKNOWN_STATE,
                "private": False,
                "connected": False,
                "htlc_count": 0,
                "first_seen_at": seen_at,
                "last_seen_at": seen_at,
                "closed_at": seen_at,
            }
            for key, channel_id in enumerate(new, first_key)
        ]
        tx.connection.execute(channel.insert(), rows)
        known.update((row["channel_id"], row["channel_key"]) for row in rows)
    return known


def total(column: Any) -> Any:
    """Given a column, return its sum, 0 over no rows. PostgreSQL sums bigint into numeric: wrap results in `int`."""
    return func.coalesce(func.sum(column), 0)
