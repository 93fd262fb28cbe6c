"""What went through each channel, added up by UTC day and for ever, so that no run adds up history again.

A forward is counted in the transaction that stores it, and one that changes is taken out as it was and counted as it
is. When rows are pruned nothing changes here: these sums are of all forwards, whether their rows are still there or
not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final, Protocol

from sqlalchemy import Executable, bindparam, delete, func, or_, select, update

from revops.domain.forward import ForwardStatus
from revops.store.days import DAY_SECONDS, day_of, later
from revops.store.engine import NODE, Tx
from revops.store.failures import count_failures, merge_failures
from revops.store.keys import insert_of, write_rows
from revops.store.tables import EVER, flow_sum, forward, forward_day, node

#: What is added up per day and channel: what entered by it, what left by it, and what failed to.
SUMS: Final = (
    "in_count",
    "in_msat",
    "sourced_msat",
    "out_count",
    "out_msat",
    "earned_msat",
    "refused_count",
    "failed_count",
)
#: The channel of failures for which no exit was chosen.
NO_CHANNEL: Final = 0


def take_turns(tx: Tx) -> None:
    """Wait until nobody else changes the node's forwards and their sums. SQLite has one writer anyway; on PostgreSQL
    two syncs at once, one of which has lost its lock, must not both find a forward new, nor a rollup prune what a sync
    is about to change.
    """
    tx.execute(_turn())


@cache
def _turn() -> Executable:
    return select(node.c.node_key).where(node.c.node_key == NODE).with_for_update()


class Counted(Protocol):
    """What of a forward is counted."""

    @property
    def status(self) -> int: ...
    @property
    def counted_at(self) -> float: ...
    @property
    def in_channel_key(self) -> int: ...
    @property
    def out_channel_key(self) -> int | None: ...
    @property
    def in_msat(self) -> int: ...
    @property
    def out_msat(self) -> int | None: ...
    @property
    def fee_msat(self) -> int | None: ...
    @property
    def failcode(self) -> int | None: ...


#: By day and channel: what SUMS names, and when something settled last.
_Sums = dict[tuple[int, int], list[Any]]


def count_rows(tx: Tx, added: Sequence[Counted], removed: Sequence[Counted] = ()) -> None:
    """Given rows of forwards that are new, and rows as they stood before they changed, keep the sums equal to all."""
    count_failures(tx, added, removed)
    sums: _Sums = {}
    _add(sums, added, 1)
    _add(sums, removed, -1)
    days = list(sums.items())
    for (_, channel_key), part in days:
        ever = sums.setdefault((EVER, channel_key), _nothing())
        for place in range(_LAST):
            ever[place] += part[place]
        ever[_LAST] = max(ever[_LAST], part[_LAST])
    rows = [
        (tx.node_key, day, key, *part[:_LAST], part[_LAST] if part[_LAST] > _NEVER else None)
        for (day, key), part in sums.items()
    ]
    write_rows(tx, _count(tx.connection.dialect.name), _COLUMNS, rows)
    undone = {
        (day, key)
        for row in removed
        if row.status == _SETTLED
        for key in (row.in_channel_key, row.out_channel_key or NO_CHANNEL)
        for day in (day_of(row.counted_at), EVER)
    }
    if undone:
        _find_last(tx, undone)


_COLUMNS: Final = ("node_key", "day", "channel_key", *SUMS, "last_settled_at")
(
    _IN_COUNT, _IN_MSAT, _SOURCED_MSAT, _OUT_COUNT, _OUT_MSAT, _EARNED_MSAT, _REFUSED_COUNT, _FAILED_COUNT, _LAST,
) = range(9)  # fmt: skip
_SETTLED: Final = int(ForwardStatus.SETTLED)
_NEVER: Final = float("-inf")


def _nothing() -> list[Any]:
    return [0] * _LAST + [_NEVER]


def _add(sums: _Sums, rows: Iterable[Counted], sign: int) -> None:
    """What forwards add, by day and channel; nothing while they are only offered."""
    for row in rows:
        status, at = row.status, row.counted_at
        day, exit_key = int(at // DAY_SECONDS), row.out_channel_key or NO_CHANNEL
        out = sums.get((day, exit_key))
        if status == _SETTLED:
            if out is None:
                out = sums[day, exit_key] = _nothing()
            entry = sums.get((day, row.in_channel_key))
            if entry is None:
                entry = sums[day, row.in_channel_key] = _nothing()
            fee_msat = sign * row.fee_msat  # type: ignore[operator]  # a settled one has its amounts (forwards._row)
            entry[_IN_COUNT] += sign
            entry[_IN_MSAT] += sign * row.in_msat
            entry[_SOURCED_MSAT] += fee_msat
            out[_OUT_COUNT] += sign
            out[_OUT_MSAT] += sign * row.out_msat  # type: ignore[operator]  # the same
            out[_EARNED_MSAT] += fee_msat
            if sign > 0:
                if at > entry[_LAST]:
                    entry[_LAST] = at
                if at > out[_LAST]:
                    out[_LAST] = at
        elif status != _OFFERED:
            if out is None:
                out = sums[day, exit_key] = _nothing()
            out[_REFUSED_COUNT if status == _REFUSED else _FAILED_COUNT] += sign


_OFFERED: Final = int(ForwardStatus.OFFERED)
_REFUSED: Final = int(ForwardStatus.LOCAL_FAILED)


@cache
def _count(dialect_name: str) -> Executable:
    row = insert_of(flow_sum, dialect_name)
    sums: dict[str, Any] = {name: flow_sum.c[name] + row.excluded[name] for name in SUMS}
    sums["last_settled_at"] = later(flow_sum.c.last_settled_at, row.excluded.last_settled_at)
    return row.on_conflict_do_update(index_elements=["node_key", "day", "channel_key"], set_=sums)


def _find_last(tx: Tx, keys: Iterable[tuple[int, int]]) -> None:
    """Look for the last settled forward of these days and channels again: what was taken out may have been it."""
    for day, channel_key in sorted(keys, reverse=True):  # EVER comes last: it is the latest of all days
        found = _last_ever(channel_key) if day == EVER else _last_of_day(day, channel_key)
        rows = (flow_sum.c.node_key == NODE, flow_sum.c.day == day, flow_sum.c.channel_key == channel_key)
        tx.execute(update(flow_sum).where(*rows).values(last_settled_at=found))


def _last_ever(channel_key: int) -> Any:
    days = flow_sum.alias()
    rows = (days.c.node_key == NODE, days.c.day != EVER, days.c.channel_key == channel_key)
    return select(func.max(days.c.last_settled_at)).where(*rows).scalar_subquery()


def _last_of_day(day: int, channel_key: int) -> Any:
    raw, days = forward.c, forward_day.c
    last = select(func.max(raw.counted_at).label("at")).where(
        raw.node_key == NODE,
        raw.status == int(ForwardStatus.SETTLED),
        raw.counted_at >= day * DAY_SECONDS,
        raw.counted_at < (day + 1) * DAY_SECONDS,
        or_(raw.in_channel_key == channel_key, raw.out_channel_key == channel_key),
    )
    pruned = select(func.max(days.last_settled_at)).where(
        days.node_key == NODE,
        days.day == day,
        or_(days.in_channel_key == channel_key, days.out_channel_key == channel_key),
    )
    both = last.union_all(pruned).subquery()
    return select(func.max(both.c.at)).scalar_subquery()


def merge_sums(tx: Tx, old_key: int, new_key: int) -> None:
    """Given a placeholder and the channel that it stood for, give the sums of the former to the latter."""
    names = ("day", *SUMS, "last_settled_at")
    old = (flow_sum.c.node_key == NODE, flow_sum.c.channel_key == bindparam("b_key"))
    moved = tx.execute(select(*(flow_sum.c[name] for name in names)).where(*old), b_key=old_key).all()
    if moved:
        rows = [(tx.node_key, row.day, new_key, *row[1:]) for row in moved]
        write_rows(tx, _count(tx.connection.dialect.name), _COLUMNS, rows)
        tx.execute(delete(flow_sum).where(*old), b_key=old_key)
    merge_failures(tx, old_key, new_key)
