"""What went through each channel, added up by UTC day and for ever, so that no run adds up history again.

A forward is counted in the transaction that stores it, and one that changes is taken out as it was and counted as it
is. When rows are pruned nothing changes here: these sums are of all forwards, whether their rows are still there or
not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, bindparam, delete, func, or_, select, update

from revops.domain.forward import ForwardStatus
from revops.store.days import DAY_SECONDS, day_of, later
from revops.store.engine import NODE, Tx
from revops.store.failures import count_failures, merge_failures
from revops.store.keys import insert_of
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


def count_rows(tx: Tx, added: Iterable[Mapping[str, Any]], removed: Iterable[Mapping[str, Any]] = ()) -> None:
    """Given rows of forwards that are new, and rows as they stood before they changed, keep the sums equal to all."""
    added, removed = list(added), list(removed)
    count_failures(tx, added, removed)
    sums: dict[tuple[int, int], dict[str, Any]] = defaultdict(_nothing)
    for row in added:
        for key, part in _parts(row):
            _add(sums[key], part, 1)
    undone = set()
    for row in removed:
        for key, part in _parts(row):
            _add(sums[key], part, -1)
            if row["status"] == ForwardStatus.SETTLED:
                undone.add(key)
    if sums:
        rows = [
            {"node_key": tx.node_key, "day": day, "channel_key": channel_key, **sums_}
            for (day, channel_key), sums_ in sums.items()
        ]
        tx.connection.execute(_count(tx.connection.dialect.name), rows)
    if undone:
        _find_last(tx, undone)


def _nothing() -> dict[str, Any]:
    return dict.fromkeys(SUMS, 0) | {"last_settled_at": None}


def _parts(row: Mapping[str, Any]) -> Iterable[tuple[tuple[int, int], Mapping[str, Any]]]:
    """What a forward adds, by day and channel; nothing while it is only offered."""
    status, at = row["status"], row["counted_at"]
    exit_key, fee_msat = row["out_channel_key"] or NO_CHANNEL, row["fee_msat"]
    parts: tuple[tuple[int, Mapping[str, Any]], ...] = ()
    if status == ForwardStatus.SETTLED:
        entered = {"in_count": 1, "in_msat": row["in_msat"], "sourced_msat": fee_msat, "last_settled_at": at}
        left = {"out_count": 1, "out_msat": row["out_msat"], "earned_msat": fee_msat, "last_settled_at": at}
        parts = ((row["in_channel_key"], entered), (exit_key, left))
    elif status == ForwardStatus.LOCAL_FAILED:
        parts = ((exit_key, {"refused_count": 1}),)
    elif status == ForwardStatus.FAILED:
        parts = ((exit_key, {"failed_count": 1}),)
    return [((day, key), part) for key, part in parts for day in (day_of(at), EVER)]


def _add(sums: dict[str, Any], part: Mapping[str, Any], sign: int) -> None:
    for name, value in part.items():
        if name != "last_settled_at":
            sums[name] += sign * value
        elif sign > 0 and (sums[name] is None or value > sums[name]):
            sums[name] = value


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
        rows = [{"node_key": tx.node_key, "channel_key": new_key, **row._asdict()} for row in moved]
        tx.connection.execute(_count(tx.connection.dialect.name), rows)
        tx.execute(delete(flow_sum).where(*old), b_key=old_key)
    merge_failures(tx, old_key, new_key)
