"""Days: the sums into which pruned forwards go, for ever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Double, case, func, literal_column

from revops.store.engine import Tx
from revops.store.keys import upsert
from revops.store.tables import forward_day

DAY_SECONDS: Final = 86_400
#: What is added up per day, entry and exit.
DAY_SUMS: Final = (
    "settled_count",
    "settled_in_msat",
    "settled_out_msat",
    "fee_msat",
    "score_msat",
    "failed_count",
    "failed_in_msat",
    "refused_count",
    "refused_in_msat",
    "settled_interest_permille",
    "failed_interest_permille",
)


def day_of(counted_at: float) -> int:
    """Given an instant, return its UTC day, counted from 1970-01-01."""
    return int(counted_at // DAY_SECONDS)


def add_days(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Given rows of sums with distinct keys (day, entry, exit), add them to what is there."""
    insert = upsert(tx, forward_day)
    sums: dict[str, Any] = {name: forward_day.c[name] + insert.excluded[name] for name in DAY_SUMS}
    sums["last_settled_at"] = later(forward_day.c.last_settled_at, insert.excluded.last_settled_at)
    insert = insert.on_conflict_do_update(
        index_elements=["node_key", "day", "in_channel_key", "out_channel_key"], set_=sums
    )
    tx.connection.execute(insert, [{"node_key": tx.node_key, **row} for row in rows])


def later(one: Any, other: Any) -> Any:
    """Given two instants, either of which may be NULL, return the later in SQL. There SQLite's max() and PostgreSQL's
    greatest() differ.
    """
    never = literal_column("0.0", Double)
    return case((func.coalesce(one, never) >= func.coalesce(other, never), one), else_=other)
