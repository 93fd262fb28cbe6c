"""What went through channels hour by hour, from raw forwards: exact, as far back as these are kept.

What a rollup has pruned is known by its day only. It is in no hour, and `day_only` says how much of it there is.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any, Final

from sqlalchemy import BigInteger, Executable, Integer, bindparam, cast, func, literal_column, null, select, union_all

from revops.domain.flow_hours import HOUR_SECONDS, DayOnly
from revops.domain.forward import ForwardStatus
from revops.store.days import DAY_SECONDS
from revops.store.engine import NODE, Tx
from revops.store.flows import FlowSum, raw_between
from revops.store.keys import total
from revops.store.sums import NO_CHANNEL
from revops.store.tables import forward, forward_day

_ENTRY, _EXIT, _REFUSED, _FAILED = range(4)


def hour_sums(tx: Tx, since_at: float, until_at: float) -> dict[tuple[int, int], FlowSum]:
    """Given a window, return its sums by hour (counted from 1970-01-01) and channel_key, of those that have any; of
    failures for which no exit was chosen by NO_CHANNEL. Together they are `flows.flow_sums` of the same window, as far
    as its rows are still there.
    """
    found: dict[tuple[int, int], FlowSum] = {}
    statement = _between(tx.connection.dialect.name)
    for row in tx.execute(statement, b_since=since_at, b_until=until_at).all():
        one = found.setdefault((int(row.hour), row.channel_key or NO_CHANNEL), FlowSum())
        _add(one, row)
    return found


def _add(one: FlowSum, row: Any) -> None:
    count = int(row.forward_count)
    if row.kind == _EXIT:
        one.out_count += count
        one.out_msat += int(row.amount_msat)
        one.earned_msat += int(row.fee_msat)
        one.settled_at(row.last_at)
    elif row.kind == _ENTRY:
        one.in_count += count
        one.in_msat += int(row.amount_msat)
        one.sourced_msat += int(row.fee_msat)
        one.settled_at(row.last_at)
    elif row.kind == _REFUSED:
        one.refused_count += count
    else:
        one.failed_count += count


@cache
def _between(dialect_name: str) -> Executable:
    raw = forward.c
    return union_all(
        _part(dialect_name, _EXIT, ForwardStatus.SETTLED, raw.out_channel_key, raw.out_msat, raw.fee_msat),
        _part(dialect_name, _ENTRY, ForwardStatus.SETTLED, raw.in_channel_key, raw["in_msat"], raw.fee_msat),
        _part(dialect_name, _REFUSED, ForwardStatus.LOCAL_FAILED, raw.out_channel_key),
        _part(dialect_name, _FAILED, ForwardStatus.FAILED, raw.out_channel_key),
    )


def _part(dialect_name: str, kind: int, status: ForwardStatus, side: Any, *amounts: Any) -> Any:
    """One side of the forwards of one status. What fails has no amounts here: nobody asks for them."""
    hour = _hour(dialect_name)
    sums = [total(column) for column in amounts] or [cast(null(), BigInteger)] * 2
    return (
        select(
            literal_column(str(kind), Integer).label("kind"),
            hour.label("hour"),
            side.label("channel_key"),
            func.count().label("forward_count"),
            sums[0].label("amount_msat"),
            sums[1].label("fee_msat"),
            func.max(forward.c.counted_at).label("last_at"),
        )
        .where(*raw_between(status))
        .group_by(hour, side)
    )


def _hour(dialect_name: str) -> Any:
    """Whole seconds first, so that no quotient of floats is rounded at the full hour. PostgreSQL rounds where SQLite
    cuts, and SQLite may be built without floor().
    """
    at = forward.c.counted_at
    seconds = cast(func.floor(at) if dialect_name == "postgresql" else at, BigInteger)
    return seconds // literal_column(str(HOUR_SECONDS), Integer)


def day_only(
    tx: Tx, since_at: float, until_at: float, channel_keys: Collection[int] | None = None
) -> tuple[DayOnly, ...]:
    """Given a window and channels (None: all), return the days that it touches of which forwards are known by the day
    only, and what these were; those of its first and last day may lie outside it.
    """
    days: dict[int, list[int]] = {}
    bounds = {"b_first": int(since_at // DAY_SECONDS), "b_end": int(-(-until_at // DAY_SECONDS))}
    for row in tx.execute(_pruned(), **bounds).all():
        if channel_keys is None or row.in_channel_key in channel_keys or row.out_channel_key in channel_keys:
            sums = days.setdefault(row.day, [0] * len(_DAY_SUMS))
            for place, name in enumerate(_DAY_SUMS):
                sums[place] += int(getattr(row, name))
    return tuple(DayOnly(float(day * DAY_SECONDS), *sums) for day, sums in sorted(days.items()))


#: In the order of DayOnly.
_DAY_SUMS: Final = ("settled_count", "failed_count", "refused_count", "fee_msat")


@cache
def _pruned() -> Executable:
    days = forward_day.c
    columns = (days.day, days.in_channel_key, days.out_channel_key, *(days[name] for name in _DAY_SUMS))
    return select(*columns).where(
        days.node_key == NODE, days.day >= bindparam("b_first"), days.day < bindparam("b_end")
    )
