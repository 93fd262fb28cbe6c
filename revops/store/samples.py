"""Measurements of the surroundings: feerates on the chain, and clock and block height read together."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Final

from sqlalchemy import delete, func, or_, select

from revops.domain.node import Feerates
from revops.domain.snapshot import ClockMark
from revops.store.engine import Tx
from revops.store.keys import upsert
from revops.store.tables import clock_mark, feerate_sample

#: An hour of blocks. The clock doesn't decide when to look at the clock: one that was set back would leave no mark.
_MARK_INTERVAL_BLOCKS: Final = 6
#: Two days of blocks: more than anyone looks back.
_KEPT_BLOCKS: Final = 288


def record_feerates(tx: Tx, feerates: Feerates) -> None:
    """Given the feerates of one moment, record them; a second sample of the same moment changes nothing."""
    insert = upsert(tx, feerate_sample).values(node_key=tx.node_key, **asdict(feerates))
    tx.connection.execute(insert.on_conflict_do_nothing(index_elements=["node_key", "sampled_at"]))


def feerates_since(tx: Tx, since_at: float) -> tuple[Feerates, ...]:
    """Return the feerates that were sampled at `since_at` or later, oldest first."""
    columns = [feerate_sample.c[field.name] for field in fields(Feerates)]
    statement = (
        select(*columns)
        .where(feerate_sample.c.node_key == tx.node_key, feerate_sample.c.sampled_at >= since_at)
        .order_by(feerate_sample.c.sampled_at)
    )
    return tuple(Feerates(**row._mapping) for row in tx.connection.execute(statement))


def record_clock_mark(tx: Tx, at: float, blockheight: int) -> None:
    """Given the clock and the height read together, record them, about once an hour of blocks; forget old marks, and
    those above the present height, which were read while the node erred.
    """
    mine = clock_mark.c.node_key == tx.node_key
    newest = select(func.max(clock_mark.c.blockheight)).where(mine, clock_mark.c.blockheight <= blockheight)
    last: int | None = tx.connection.execute(newest).scalar()
    if last is not None and blockheight - last < _MARK_INTERVAL_BLOCKS:
        return
    insert = upsert(tx, clock_mark).values(node_key=tx.node_key, marked_at=at, blockheight=blockheight)
    tx.connection.execute(insert.on_conflict_do_nothing(index_elements=["node_key", "marked_at"]))
    outside = or_(clock_mark.c.blockheight < blockheight - _KEPT_BLOCKS, clock_mark.c.blockheight > blockheight)
    tx.connection.execute(delete(clock_mark).where(mine, outside))


def clock_marks(tx: Tx, since_at: float) -> tuple[ClockMark, ...]:
    """Return the marks whose clock showed `since_at` or later, in the clock's order."""
    statement = (
        select(clock_mark.c.marked_at, clock_mark.c.blockheight)
        .where(clock_mark.c.node_key == tx.node_key, clock_mark.c.marked_at >= since_at)
        .order_by(clock_mark.c.marked_at)
    )
    return tuple(ClockMark(row.marked_at, row.blockheight) for row in tx.connection.execute(statement))
