"""Failures by kind, added up by UTC day and exit: for ever, whatever is pruned."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Executable, bindparam, delete, select

from revops.domain.forward import ForwardStatus
from revops.store.days import day_of
from revops.store.engine import NODE, Tx
from revops.store.keys import insert_of, total, write_rows
from revops.store.tables import failure_sum

if TYPE_CHECKING:  # it counts failures with all else
    from revops.store.sums import Counted

_FAILED: Final = (int(ForwardStatus.LOCAL_FAILED), int(ForwardStatus.FAILED))
_KEY: Final = ("day", "channel_key", "status", "failcode")
_COLUMNS: Final = ("node_key", *_KEY, "failure_count", "in_msat")


def count_failures(tx: Tx, added: Iterable[Counted], removed: Iterable[Counted]) -> None:
    """Given rows of forwards that are new, and rows as they stood before they changed, keep the sums equal to all."""
    sums: dict[tuple[int, int, int, int], list[int]] = {}
    for rows, sign in ((added, 1), (removed, -1)):
        for row in rows:
            if row.status in _FAILED:
                key = day_of(row.counted_at), row.out_channel_key or 0, int(row.status), row.failcode or 0
                entry = sums.setdefault(key, [0, 0])
                entry[0] += sign
                entry[1] += sign * row.in_msat
    rows_ = [(tx.node_key, *key, *entry) for key, entry in sums.items()]
    write_rows(tx, _count(tx.connection.dialect.name), _COLUMNS, rows_)


@cache
def _count(dialect_name: str) -> Executable:
    row = insert_of(failure_sum, dialect_name)
    sums = {name: failure_sum.c[name] + row.excluded[name] for name in ("failure_count", "in_msat")}
    return row.on_conflict_do_update(index_elements=["node_key", *_KEY], set_=sums)


def merge_failures(tx: Tx, old_key: int, new_key: int) -> None:
    """Given a placeholder and the channel that it stood for, give the failures of the former to the latter."""
    old = (failure_sum.c.node_key == NODE, failure_sum.c.channel_key == bindparam("b_old"))
    rows = [
        row._asdict() | {"channel_key": new_key} for row in tx.execute(select(failure_sum).where(*old), b_old=old_key)
    ]
    if rows:
        tx.connection.execute(_count(tx.connection.dialect.name), rows)
        tx.execute(delete(failure_sum).where(*old), b_old=old_key)


def failures(tx: Tx, first_day: int, end_day: int) -> list[Any]:
    """Return failures of the days from the first to before the last: rows of channel_key, status, failcode,
    failure_count and in_msat.
    """
    return list(tx.execute(_between(), b_first=first_day, b_end=end_day).all())


@cache
def _between() -> Executable:
    sums = failure_sum.c
    kind = (sums.channel_key, sums.status, sums.failcode)
    return (
        select(*kind, total(sums.failure_count).label("failure_count"), total(sums.in_msat).label("in_msat"))
        .where(sums.node_key == NODE, sums.day >= bindparam("b_first"), sums.day < bindparam("b_end"))
        .group_by(*kind)
    )
