"""How far forwards were followed after each refill, so that no plan follows all of them again.

A mark holds what forwards changed the target's balance by since the refill, and the lowest that this ever was. Both go
on from where they stand: the forwards after `until_at` are all that is needed to move a mark on. A forward that is
stored, changed or moved to another channel behind a mark drops it, in the same transaction, and the next plan follows
from the refill on again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, bindparam, delete, func, select

from revops.domain.forward import ForwardStatus
from revops.store.engine import NODE, Tx
from revops.store.keys import chunks, insert_of
from revops.store.sums import NO_CHANNEL, Counted
from revops.store.tables import lot_mark

_MOVED: Final = ("until_at", "net_msat", "low_msat")


def marks(tx: Tx) -> dict[int, Any]:
    """Return the mark of each job_key that has one, with `channel_key`, `until_at`, `net_msat` and `low_msat`."""
    return {row.job_key: row for row in tx.execute(_all()).all()}


@cache
def _all() -> Executable:
    return select(lot_mark).where(lot_mark.c.node_key == NODE)


def keep(tx: Tx, rows: Sequence[Mapping[str, Any]], gone: Iterable[int]) -> None:
    """Given marks as they stand now, and the jobs whose marks nobody needs any more, store the ones, drop the others.

    The caller has taken its turn (`sums.take_turns`) before it read the forwards: a sync must not store one behind a
    mark that is on its way.
    """
    for some in chunks(gone):
        tx.connection.execute(delete(lot_mark).where(lot_mark.c.node_key == tx.node_key, lot_mark.c.job_key.in_(some)))
    if rows:
        tx.connection.execute(_keep(tx.connection.dialect.name), [{"node_key": tx.node_key, **row} for row in rows])


@cache
def _keep(dialect_name: str) -> Executable:
    insert = insert_of(lot_mark, dialect_name)
    moved = {name: insert.excluded[name] for name in ("channel_key", *_MOVED)}
    return insert.on_conflict_do_update(index_elements=["node_key", "job_key"], set_=moved)


def forget_behind(tx: Tx, rows: Iterable[Counted]) -> None:
    """Given rows of forwards that were just stored, and rows as they stood before they changed, drop the marks that
    have passed them without them.
    """
    furthest_at = tx.execute(_furthest()).scalar()
    if furthest_at is None:
        return
    passed: dict[int, float] = {}
    for row in rows:
        at = row.counted_at
        if row.status == ForwardStatus.SETTLED and at <= furthest_at:
            for key in (row.in_channel_key, row.out_channel_key or NO_CHANNEL):
                passed[key] = min(passed.get(key, at), at)
    if passed:
        _forget(tx, passed, lot_mark.c.until_at >= min(passed.values()))


@cache
def _furthest() -> Executable:
    return select(func.max(lot_mark.c.until_at)).where(lot_mark.c.node_key == NODE)


def forget_channels(tx: Tx, channel_keys: Collection[int]) -> None:
    """Given channels whose forwards have become others, drop their marks."""
    _forget(tx, channel_keys)


def _forget(tx: Tx, channel_keys: Collection[int], *condition: Any) -> None:
    for some in chunks(channel_keys):
        listed = lot_mark.c.channel_key.in_(bindparam("b_keys", expanding=True))
        statement = delete(lot_mark).where(lot_mark.c.node_key == tx.node_key, listed, *condition)
        tx.connection.execute(statement, {"b_keys": some})
