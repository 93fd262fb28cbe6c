"""The sums by channel and day as they are kept, and as all rows, one by one, make them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import select

from revops.store.engine import Tx
from revops.store.sums import SUMS
from revops.store.tables import EVER, flow_sum, forward, forward_day
from tests.builders import DAY
from tests.store.rows import FAILED, REFUSED, SETTLED

Sums = dict[tuple[int, int], dict[str, Any]]


def kept(tx: Tx) -> Sums:
    """What the sums say, but for rows of which everything was taken out again."""
    rows = tx.connection.execute(select(flow_sum).where(flow_sum.c.node_key == tx.node_key))
    names = (*SUMS, "last_settled_at")
    found = {(row.day, row.channel_key): {name: getattr(row, name) for name in names} for row in rows}
    return {key: sums for key, sums in found.items() if any(sums.values())}


def recounted(tx: Tx) -> Sums:
    """What they must say: all rows, one by one."""
    raw = tx.connection.execute(select(forward).where(forward.c.node_key == tx.node_key))
    pruned = tx.connection.execute(select(forward_day).where(forward_day.c.node_key == tx.node_key))
    return added_up(raw, pruned)


def added_up(raw: Iterable[Any], pruned: Iterable[Any] = ()) -> Sums:
    """The sums of rows of forwards, and of days."""
    found: Sums = defaultdict(lambda: dict.fromkeys(SUMS, 0) | {"last_settled_at": None})

    def add(day: int, key: int | None, last_at: float | None = None, **amounts: int) -> None:
        for one in (day, EVER):
            sums = found[one, key or 0]
            for name, amount in amounts.items():
                sums[name] += amount
            if last_at is not None:
                sums["last_settled_at"] = max(sums["last_settled_at"] or 0.0, last_at)

    for row in raw:
        day, at = int(row.counted_at // DAY), row.counted_at
        if row.status == SETTLED:
            add(day, row.in_channel_key, at, in_count=1, in_msat=row.in_msat, sourced_msat=row.fee_msat)
            add(day, row.out_channel_key, at, out_count=1, out_msat=row.out_msat, earned_msat=row.fee_msat)
        add(day, row.out_channel_key, refused_count=int(row.status == REFUSED), failed_count=int(row.status == FAILED))
    for row in pruned:
        count, fee_msat, at = row.settled_count, row.fee_msat, row.last_settled_at
        add(row.day, row.in_channel_key, at, in_count=count, in_msat=row.settled_in_msat, sourced_msat=fee_msat)
        add(row.day, row.out_channel_key, at, out_count=count, out_msat=row.settled_out_msat, earned_msat=fee_msat)
        add(row.day, row.out_channel_key, refused_count=row.refused_count, failed_count=row.failed_count)
    return {key: sums for key, sums in found.items() if any(sums.values())}
