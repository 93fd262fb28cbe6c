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
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, bindparam, delete, func, literal_column, select

from revops.domain.forward import ForwardStatus
from revops.domain.traffic import size_permille
from revops.store.cursors import FORWARDS_UNTIL, cursor, set_cursor
from revops.store.days import DAY_SECONDS, add_days, day_of
from revops.store.engine import NODE, Tx
from revops.store.flows import status_literal
from revops.store.keys import chunks
from revops.store.listed import APART_SECONDS, Pair, listed_halves, unlisted
from revops.store.lot_marks import forget_behind
from revops.store.sums import count_rows, take_turns
from revops.store.tables import EVER, channel_move, flow_sum, forward, forward_day

_MOVES_AT_ONCE: Final = 20_000
_ALWAYS: Final = float("inf")


@dataclass(slots=True)
class Found:
    """What was found again: forwards, and what they earned."""

    forward_count: int = 0
    earned_msat: int = 0


def kept_before_at(tx: Tx) -> float:
    """Return before which moment `routed` moves are to be stored: their forwards may have been deleted."""
    until_at = cursor(tx, FORWARDS_UNTIL)
    first_at = tx.execute(_first_listed(), b_until=float(until_at)).scalar()
    days = [] if until_at else [tx.execute(_first_day()).scalar()]
    known = [at for at in (first_at, *(None if day is None else day * DAY_SECONDS for day in days)) if at is not None]
    return min(known) + APART_SECONDS if known else _ALWAYS


@cache
def _first_listed() -> Executable:
    return select(func.min(forward.c.counted_at)).where(
        forward.c.node_key == NODE,
        forward.c.status == status_literal(ForwardStatus.SETTLED),
        forward.c.counted_at > bindparam("b_until"),
    )


@cache
def _first_day() -> Executable:
    settled = (forward_day.c.node_key == NODE, forward_day.c.settled_count > 0)
    return select(func.min(forward_day.c.day)).where(*settled)


def find(begin: Callable[[], AbstractContextManager[Tx]]) -> Found:
    """Given what begins a transaction, add up the forwards that only the stored moves know; return how many.

    To be called when all forwards are copied that the node listed after it had written these moves. It may be killed at
    any moment, and called again.
    """
    found, halves, after = Found(), _Halves(), 0
    while True:
        with begin() as tx:
            take_turns(tx)
            rows = tx.execute(_routed(), b_after=after, b_limit=_MOVES_AT_ONCE).all()
            if not rows:
                _drop(tx, listed_halves(tx, halves.rows))
                last_at = tx.execute(_last_settled()).scalar()
                set_cursor(tx, FORWARDS_UNTIL, 0 if last_at is None else math.ceil(last_at))
                return found
            after = rows[-1].created_index
            pairs, used = halves.join(rows)
            lost = unlisted(tx, pairs)
            _add_up(tx, lost)
            _drop(tx, used)
            found.forward_count += len(lost)
            found.earned_msat += sum(pair.in_msat - pair.out_msat for pair in lost)


@cache
def _last_settled() -> Executable:
    ever = (flow_sum.c.node_key == NODE, flow_sum.c.day == EVER)
    return select(func.max(flow_sum.c.last_settled_at)).where(*ever)


@dataclass(slots=True)
class _Halves:
    """Moves that still lack the other half of their forward, by payment hash and fee."""

    waiting: dict[tuple[bytes | None, int], list[Any]] = field(default_factory=dict)

    def join(self, rows: Iterable[Any]) -> tuple[list[Pair], list[int]]:
        """Given more moves, return the forwards that are whole with them, and the indexes of their moves."""
        pairs: list[Pair] = []
        used: list[int] = []
        for row in rows:
            key = (row.payment_hash, row.fees_msat)
            others = self.waiting.setdefault(key, [])
            other = next((one for one in others if _fits(one, row)), None)
            if other is None:
                others.append(row)
                continue
            others.remove(other)
            if not others:
                del self.waiting[key]
            entry, leave = (row, other) if row.credit_msat else (other, row)
            pairs.append(
                Pair(entry.account_key, leave.account_key, entry.credit_msat, leave.debit_msat, leave.moved_at)
            )
            used += [row.created_index, other.created_index]
        return pairs, used

    @property
    def rows(self) -> list[Any]:
        """The moves that wait."""
        return [row for rows in self.waiting.values() for row in rows]


def _fits(one: Any, other: Any) -> bool:
    entry, leave = (one, other) if one.credit_msat else (other, one)
    return bool(entry.credit_msat and leave.debit_msat and entry.credit_msat - leave.debit_msat == leave.fees_msat)


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


def _add_up(tx: Tx, lost: Sequence[Pair]) -> None:
    if not lost:
        return
    rows = [
        {
            "status": ForwardStatus.SETTLED,
            "counted_at": float(pair.settled_at),
            "in_channel_key": pair.in_channel_key,
            "out_channel_key": pair.out_channel_key,
            "in_msat": pair.in_msat,
            "out_msat": pair.out_msat,
            "fee_msat": pair.in_msat - pair.out_msat,
        }
        for pair in lost
    ]
    add_days(tx, _days(lost))
    count_rows(tx, rows)
    forget_behind(tx, rows)


def _days(lost: Iterable[Pair]) -> list[dict[str, Any]]:
    """Nobody learns from them: they score what they earned."""
    sums: dict[tuple[int, int, int], dict[str, Any]] = {}
    for pair in lost:
        key = (day_of(pair.settled_at), pair.in_channel_key, pair.out_channel_key)
        fee_msat = pair.in_msat - pair.out_msat
        entry = sums.setdefault(key, Counter())
        entry["settled_count"] += 1
        entry["settled_in_msat"] += pair.in_msat
        entry["settled_out_msat"] += pair.out_msat
        entry["fee_msat"] += fee_msat
        entry["score_msat"] += fee_msat
        entry["settled_interest_permille"] += size_permille(pair.out_msat)
        entry["last_settled_at"] = max(entry["last_settled_at"], float(pair.settled_at))
    return [
        {"day": day, "in_channel_key": entry_key, "out_channel_key": exit_key, **dict.fromkeys(_UNSETTLED, 0), **entry}
        for (day, entry_key, exit_key), entry in sums.items()
    ]


_UNSETTLED: Final = ("failed_count", "failed_in_msat", "refused_count", "refused_in_msat", "failed_interest_permille")


def _drop(tx: Tx, indexes: Iterable[int]) -> None:
    for some in chunks(indexes):
        gone = (channel_move.c.node_key == tx.node_key, channel_move.c.created_index.in_(some))
        tx.connection.execute(delete(channel_move).where(*gone))
