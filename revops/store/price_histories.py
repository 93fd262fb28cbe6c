"""What chosen channels earned at each price over a period: their fee changes, their days, and single forwards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import BindParameter, Executable, bindparam, select

from revops.domain.forward import ForwardStatus
from revops.domain.period import DAY_SECONDS, Period
from revops.domain.price_history import PriceChange, PriceHistory, Sale, price_history
from revops.store.days import day_of
from revops.store.engine import NODE, Tx
from revops.store.fees import VALVE, fee_changes_until
from revops.store.flows import raw_between
from revops.store.keys import channel_keys
from revops.store.profits import day_bounds
from revops.store.tables import fee_change, flow_sum, forward

#: Rows that are held at a time.
_PAGE_ROWS: Final = 20_000
_SUMS: Final = ("out_msat", "earned_msat", "out_count")


def price_histories(tx: Tx, channel_ids: Sequence[str], period: Period, now: float) -> tuple[PriceHistory, ...]:
    """Given channels, the period and the moment, return what each earned at each of its prices. A forward belongs to
    the price that was in force when it was resolved, as in `explain`.
    """
    known = channel_keys(tx)
    keys = {known[channel_id]: channel_id for channel_id in channel_ids}
    if not keys:
        return ()
    first, end = day_bounds(period.first_day, period.end_day)
    days = _days_of(tx, list(keys), first, end)
    begun = [day for by_day in days.values() for day in by_day] or [first]
    # A period without a beginning begins with what there is of these channels.
    since_at = (min(begun) if period.first_day is None else first) * float(DAY_SECONDS)
    until_at = min(period.until_at, max(now, since_at))
    changes = {
        key: _changes(tx, channel_id, since_at, rows)
        for (key, channel_id), rows in zip(keys.items(), _changed(tx, list(keys), since_at, until_at), strict=True)
    }
    single = _single_sales(tx, list(keys), since_at, period.until_at)
    return tuple(
        price_history(channel_id, changes[key], until_at, days.get(key, {}), single.get(key, {}))
        for key, channel_id in keys.items()
    )


def _changes(tx: Tx, channel_id: str, since_at: float, later: Sequence[PriceChange]) -> list[PriceChange]:
    """The price at the beginning, then those that came."""
    before = fee_changes_until(tx, channel_id, since_at, 1)
    return [PriceChange(since_at, before[0].new_ppm if before else None), *later]


def _changed(tx: Tx, keys: list[int], since_at: float, until_at: float) -> list[list[PriceChange]]:
    found: dict[int, list[PriceChange]] = {key: [] for key in keys}
    for row in tx.execute(_changes_of(), b_keys=keys, b_since=since_at, b_until=until_at).all():
        found[row.channel_key].append(PriceChange(row.changed_at, row.new_ppm))
    return list(found.values())


def _days_of(tx: Tx, keys: list[int], first: int, end: int) -> dict[int, dict[int, Sale]]:
    found: dict[int, dict[int, Sale]] = defaultdict(dict)
    for row in tx.execute(_days(), b_keys=keys, b_first=first, b_end=end).all():
        if row.out_count:
            sale = Sale(row.day * float(DAY_SECONDS), int(row.out_msat), int(row.earned_msat), int(row.out_count))
            found[row.channel_key][row.day] = sale
    return found


def _single_sales(tx: Tx, keys: list[int], since_at: float, until_at: float) -> dict[int, dict[int, list[Sale]]]:
    found: dict[int, dict[int, list[Sale]]] = defaultdict(lambda: defaultdict(list))
    rows = tx.execute(_sales(), b_keys=keys, b_since=since_at, b_until=until_at)
    while page := rows.fetchmany(_PAGE_ROWS):
        for key, counted_at, out_msat, fee_msat in page:
            found[key][day_of(counted_at)].append(Sale(counted_at, out_msat, fee_msat))
    return found


def _keys() -> BindParameter[Any]:
    return bindparam("b_keys", expanding=True)


@cache
def _changes_of() -> Executable:
    change = fee_change.c
    return (
        select(change.channel_key, change.changed_at, change.new_ppm)
        .where(
            change.node_key == NODE,
            change.channel_key.in_(_keys()),
            change.changed_at > bindparam("b_since"),
            change.changed_at < bindparam("b_until"),
            change.source != VALVE,
        )
        .order_by(change.changed_at, change.change_key)
    )


@cache
def _days() -> Executable:
    sums = flow_sum.c
    return select(sums.channel_key, sums.day, *(sums[name] for name in _SUMS)).where(
        sums.node_key == NODE,
        sums.channel_key.in_(_keys()),
        sums.day >= bindparam("b_first"),
        sums.day < bindparam("b_end"),
    )


@cache
def _sales() -> Executable:
    row = forward.c
    return select(row.out_channel_key, row.counted_at, row.out_msat, row.fee_msat).where(
        *raw_between(ForwardStatus.SETTLED), row.out_channel_key.in_(_keys())
    )
