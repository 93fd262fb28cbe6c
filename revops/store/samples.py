"""Measurements of the surroundings: feerates on the chain, and clock and block height read together."""

from __future__ import annotations

from dataclasses import asdict, fields
from functools import cache
from typing import Final

from sqlalchemy import Executable, bindparam, delete, func, or_, select

from revops.domain.node import Feerates
from revops.domain.snapshot import ClockMark
from revops.store.engine import NODE, Tx
from revops.store.keys import insert_of, upsert
from revops.store.tables import clock_mark, feerate_sample

#: An hour of blocks. The clock doesn't decide when to look at the clock: one that was set back would leave no mark.
_MARK_INTERVAL_BLOCKS: Final = 6
#: Two days of blocks: more than anyone looks back.
_KEPT_BLOCKS: Final = 288


def record_feerates(tx: Tx, feerates: Feerates) -> None:
    """Given the feerates of one moment, record them; a second sample of the same moment changes nothing."""
    row = {"node_key": tx.node_key, **asdict(feerates)}
    tx.connection.execute(_record_feerates(tx.connection.dialect.name), row)


@cache
def _record_feerates(dialect_name: str) -> Executable:
    return insert_of(feerate_sample, dialect_name).on_conflict_do_nothing(index_elements=["node_key", "sampled_at"])


def feerates_since(tx: Tx, since_at: float) -> tuple[Feerates, ...]:
    """Return the feerates that were sampled at `since_at` or later, oldest first."""
    return tuple(Feerates(*row) for row in tx.execute(_feerates_since(), b_since=since_at).all())


@cache
def _feerates_since() -> Executable:
    return (
        select(*(feerate_sample.c[field.name] for field in fields(Feerates)))
        .where(feerate_sample.c.node_key == NODE, feerate_sample.c.sampled_at >= bindparam("b_since"))
        .order_by(feerate_sample.c.sampled_at)
    )


def last_feerates(tx: Tx) -> Feerates | None:
    """Return the feerates that were sampled last; None where none were."""
    row = tx.execute(_last_feerates()).one_or_none()
    return None if row is None else Feerates(*row)


@cache
def _last_feerates() -> Executable:
    columns = (feerate_sample.c[field.name] for field in fields(Feerates))
    return (
        select(*columns).where(feerate_sample.c.node_key == NODE).order_by(feerate_sample.c.sampled_at.desc()).limit(1)
    )


def record_clock_mark(tx: Tx, at: float, blockheight: int) -> None:
    """Given the clock and the height read together, record them, about once an hour of blocks; forget old marks, and
    those above the present height, which were read while the node erred.
    """
    last: int | None = tx.execute(_newest_mark(), b_height=blockheight).scalar()
    if last is not None and blockheight - last < _MARK_INTERVAL_BLOCKS:
        return
    insert = upsert(tx, clock_mark).values(node_key=tx.node_key, marked_at=at, blockheight=blockheight)
    tx.connection.execute(insert.on_conflict_do_nothing(index_elements=["node_key", "marked_at"]))
    outside = or_(clock_mark.c.blockheight < blockheight - _KEPT_BLOCKS, clock_mark.c.blockheight > blockheight)
    tx.connection.execute(delete(clock_mark).where(clock_mark.c.node_key == tx.node_key, outside))


@cache
def _newest_mark() -> Executable:
    below = clock_mark.c.blockheight <= bindparam("b_height")
    return select(func.max(clock_mark.c.blockheight)).where(clock_mark.c.node_key == NODE, below)


def clock_marks(tx: Tx, since_at: float) -> tuple[ClockMark, ...]:
    """Return the marks whose clock showed `since_at` or later, in the clock's order."""
    return tuple(ClockMark(*row) for row in tx.execute(_clock_marks(), b_since=since_at).all())


@cache
def _clock_marks() -> Executable:
    return (
        select(clock_mark.c.marked_at, clock_mark.c.blockheight)
        .where(clock_mark.c.node_key == NODE, clock_mark.c.marked_at >= bindparam("b_since"))
        .order_by(clock_mark.c.marked_at)
    )
