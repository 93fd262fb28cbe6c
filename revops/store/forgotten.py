"""Forwards that the node no longer lists, found again in its ledger.

lightningd's autoclean deletes forwards by their age; the two `routed` moves that each has left stay. So what was
deleted before we came, or while we were away, is known by them: entry, exit, amounts and the moment, all but how long
it took. They go straight into the sums, like forwards that were pruned.

What is deleted by age is the oldest part of what is new: only moves from before the first new forward that is listed
need a look. They are stored until a sync has seen all forwards that the node has; then those that belong to none of
them are added up, and all are dropped. A half of a forward waits for the other.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Executable, bindparam, delete, func, literal_column, select

from revops.domain.forward import ForwardStatus
from revops.domain.traffic import size_permille
from revops.errors import TemporaryError
from revops.store.cursors import FORWARDS_UNTIL, cursor, set_cursor
from revops.store.days import add_days, day_of
from revops.store.engine import NODE, Tx
from revops.store.flows import status_literal
from revops.store.keys import chunks
from revops.store.lot_marks import forget_behind
from revops.store.matched import ANY_KEY, APART_SECONDS, Listed, match
from revops.store.routed import Halves, Pair
from revops.store.scids import placeholder_keys
from revops.store.sums import count_rows, take_turns
from revops.store.tables import EVER, channel_move, flow_sum, forward
from revops.store.under_way import LONGEST_SECONDS

_MOVES_AT_ONCE: Final = 20_000
_ALWAYS: Final = float("inf")


@dataclass(slots=True)
class Found:
    """What was found again: forwards, and what they earned."""

    forward_count: int = 0
    earned_msat: int = 0

    def add(self, lost: Sequence[Pair], tx: Tx, seen_at: float) -> None:
        """Given forwards that nothing else has, add them up in the records, and here, and drop their moves."""
        _drop(tx, [index for pair in lost for index in pair.indexes])
        _add_up(tx, lost, seen_at)
        self.forward_count += len(lost)
        self.earned_msat += sum(pair.in_msat - pair.out_msat for pair in lost)


def looked_at(tx: Tx) -> tuple[float, float]:
    """Return between which moments `routed` moves are to be stored: their forwards may have been deleted."""
    until_at = cursor(tx, FORWARDS_UNTIL)
    return until_at - APART_SECONDS, _first_new_at(tx, until_at) + APART_SECONDS


def _first_new_at(tx: Tx, until_at: int) -> float:
    """When the first forward settled, after that moment, that we have."""
    first_at: float | None = tx.execute(_first_listed(), b_until=float(until_at)).scalar()
    return _ALWAYS if first_at is None else first_at


@cache
def _first_listed() -> Executable:
    return select(func.min(forward.c.counted_at)).where(
        forward.c.node_key == NODE,
        forward.c.status == status_literal(ForwardStatus.SETTLED),
        forward.c.counted_at > bindparam("b_until"),
    )


def find(begin: Callable[[], AbstractContextManager[Tx]], seen_at: float) -> Found:
    """Given what begins a transaction, and the time, add up the forwards that only the stored moves know; return how
    many. None is counted later than `seen_at`: what a wrong clock dated into the future would never leave a window.

    To be called when all forwards are copied that the node lists, once more after these moves were read. It may be
    killed at any moment, and called again.

    What is far older than all that is new was deleted, and goes piece by piece. What lies near to forwards that we have
    is held against them, in one transaction with its end: of equal ones as many are lost as the list lacks.
    """
    found, halves, near = Found(), Halves(), list[Pair]()
    with begin() as tx:
        until_at = cursor(tx, FORWARDS_UNTIL)
        since_at, before_at = until_at + APART_SECONDS, _first_new_at(tx, until_at) - APART_SECONDS
    after = 0
    while True:
        with begin() as tx:
            take_turns(tx)
            rows = tx.execute(_routed(), b_after=after, b_limit=_MOVES_AT_ONCE).all()
            if not rows:
                lost, dropped = _settle(tx, near, halves.rows())
                found.add(lost, tx, seen_at)
                _drop(tx, dropped)
                last_at = tx.execute(_last_settled()).scalar()
                set_cursor(tx, FORWARDS_UNTIL, 0 if last_at is None else math.ceil(last_at))
                return found
            after = rows[-1].created_index
            pairs = list(halves.join(rows))
            old = [pair for pair in pairs if since_at < pair.settled_at < before_at]
            near += [pair for pair in pairs if not since_at < pair.settled_at < before_at]
            found.add(old, tx, seen_at)


@cache
def _last_settled() -> Executable:
    ever = (flow_sum.c.node_key == NODE, flow_sum.c.day == EVER)
    return select(func.max(flow_sum.c.last_settled_at)).where(*ever)


@cache
def _routed() -> Executable:
    move = channel_move.c
    return (
        select(move.created_index, move.account_key, move.credit_msat, move.debit_msat, move.moved_at,
               move.payment_hash, move.fees_msat)
        .where(move.node_key == NODE, move.tag == literal_column("'routed'"), move.created_index > bindparam("b_after"))
        .order_by(move.created_index)
        .limit(bindparam("b_limit"))
    )  # fmt: skip


def _settle(tx: Tx, near: Sequence[Pair], waiting: Sequence[Any]) -> tuple[list[Pair], list[int]]:
    """Given forwards by the ledger that lie near to what we have, and halves, return the forwards that we lack, and the
    indexes of moves whose forward we have, or whose other half won't come any more.
    """
    listed = _near(tx, [pair.settled_at for pair in near] + [row.moved_at for row in waiting])
    lost, dropped = match(near, waiting, listed)
    last_at = tx.execute(_last_settled()).scalar() or 0.0
    gone = set(dropped)
    dropped += [
        row.created_index
        for row in waiting
        if row.moved_at < last_at - LONGEST_SECONDS and row.created_index not in gone
    ]
    return lost, dropped


def _near(tx: Tx, moments: Iterable[int]) -> Listed:
    """The settled forwards that we have around these moments. A channel that nobody can name goes by ANY_KEY: the
    ledger knows which it was.
    """
    unknown = placeholder_keys(tx)

    def shown(key: int) -> int:
        return ANY_KEY if key in unknown else key

    return Listed(
        ((shown(row[0]), shown(row[1]), row.in_msat, row.out_msat), row.counted_at)
        for since_at, until_at in _spans(moments)
        for row in tx.execute(_settled_between(), b_since=since_at, b_until=until_at)
    )


def _spans(moments: Iterable[int]) -> Iterator[tuple[float, float]]:
    """What lies around some moments, not all that lies between: a half may be years older than the next."""
    span: tuple[float, float] | None = None
    for at in sorted(set(moments)):
        if span is not None and at - APART_SECONDS <= span[1]:
            span = (span[0], at + float(APART_SECONDS))
            continue
        if span is not None:
            yield span
        span = (at - float(APART_SECONDS), at + float(APART_SECONDS))
    if span is not None:
        yield span


@cache
def _settled_between() -> Executable:
    raw = forward.c
    return select(raw.in_channel_key, raw.out_channel_key, raw.in_msat, raw.out_msat, raw.counted_at).where(
        raw.node_key == NODE,
        raw.status == status_literal(ForwardStatus.SETTLED),
        raw.counted_at >= bindparam("b_since"),
        raw.counted_at < bindparam("b_until"),
    )


class _Lost(NamedTuple):
    """A forward as it is counted."""

    status: int
    counted_at: float
    in_channel_key: int
    out_channel_key: int
    in_msat: int
    out_msat: int
    fee_msat: int
    failcode: None = None


def _add_up(tx: Tx, lost: Sequence[Pair], seen_at: float) -> None:
    if not lost:
        return
    rows = [
        _Lost(
            int(ForwardStatus.SETTLED),
            min(seen_at, float(pair.settled_at)),
            pair.entry.account_key,
            pair.leave.account_key,
            pair.in_msat,
            pair.out_msat,
            pair.in_msat - pair.out_msat,
        )
        for pair in lost
    ]
    add_days(tx, _days(rows))
    count_rows(tx, rows)
    forget_behind(tx, rows)


def _days(rows: Iterable[_Lost]) -> list[dict[str, Any]]:
    """Nobody learns from them: they score what they earned."""
    sums: dict[tuple[int, int, int], dict[str, Any]] = {}
    for row in rows:
        key = (day_of(row.counted_at), row.in_channel_key, row.out_channel_key)
        entry = sums.setdefault(key, Counter())
        entry["settled_count"] += 1
        entry["settled_in_msat"] += row.in_msat
        entry["settled_out_msat"] += row.out_msat
        entry["fee_msat"] += row.fee_msat
        entry["score_msat"] += row.fee_msat
        entry["settled_interest_permille"] += size_permille(row.out_msat)
        entry["last_settled_at"] = max(entry["last_settled_at"], row.counted_at)
    return [
        {"day": day, "in_channel_key": entry_key, "out_channel_key": exit_key, **dict.fromkeys(_UNSETTLED, 0), **entry}
        for (day, entry_key, exit_key), entry in sums.items()
    ]


_UNSETTLED: Final = ("failed_count", "failed_in_msat", "refused_count", "refused_in_msat", "failed_interest_permille")


def _drop(tx: Tx, indexes: Sequence[int]) -> None:
    """Two syncs at once, one of which has lost its lock, must not both add up what these moves tell."""
    count = 0
    for some in chunks(indexes):
        gone = (channel_move.c.node_key == tx.node_key, channel_move.c.created_index.in_(some))
        count += tx.connection.execute(delete(channel_move).where(*gone)).rowcount
    if count != len(indexes):
        raise TemporaryError("sync: another run adds up the same forwards; the next run tries again")
