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
from revops.store.lot_marks import forget_behind
from revops.store.sums import count_rows, take_turns
from revops.store.tables import EVER, channel_move, flow_sum, forward, forward_day

#: How far apart the ledger and the list of forwards may date the same payment.
APART_SECONDS: Final = 3_600
_MOVES_AT_ONCE: Final = 20_000
_ALWAYS: Final = float("inf")


@dataclass(frozen=True, slots=True)
class _Pair:
    """A forward by its two moves."""

    in_channel_key: int
    out_channel_key: int
    in_msat: int
    out_msat: int
    settled_at: int

    @property
    def kind(self) -> tuple[int, int, int, int]:
        return self.in_channel_key, self.out_channel_key, self.in_msat, self.out_msat


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
                _drop(tx, _listed_halves(tx, halves))
                last_at = tx.execute(_last_settled()).scalar()
                set_cursor(tx, FORWARDS_UNTIL, 0 if last_at is None else math.ceil(last_at))
                return found
            after = rows[-1].created_index
            pairs, used = halves.join(rows)
            lost = _unlisted(tx, pairs)
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

    def join(self, rows: Iterable[Any]) -> tuple[list[_Pair], list[int]]:
        """Given more moves, return the forwards that are whole with them, and the indexes of their moves."""
        pairs: list[_Pair] = []
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
                _Pair(entry.account_key, leave.account_key, entry.credit_msat, leave.debit_msat, leave.moved_at)
            )
            used += [row.created_index, other.created_index]
        return pairs, used


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


def _unlisted(tx: Tx, pairs: Sequence[_Pair]) -> list[_Pair]:
    """The pairs that are no forward that we have: of equal ones as many as there are more of them."""
    if not pairs:
        return []
    listed: Counter[tuple[int, int, int, int]] = Counter()
    for row in _near(tx, pairs):
        listed[row.in_channel_key, row.out_channel_key, row.in_msat, row.out_msat] += 1
    lost = []
    for pair in sorted(pairs, key=lambda pair: -pair.settled_at):  # what was deleted is the older of equals
        if listed[pair.kind] > 0:
            listed[pair.kind] -= 1
        else:
            lost.append(pair)
    return lost


def _near(tx: Tx, pairs: Sequence[_Pair]) -> Iterable[Any]:
    moments = [pair.settled_at for pair in pairs]
    bounds = {"b_since": min(moments) - float(APART_SECONDS), "b_until": max(moments) + float(APART_SECONDS)}
    return tx.execute(_settled_between(), **bounds).all()


@cache
def _settled_between() -> Executable:
    raw = forward.c
    return select(raw.in_channel_key, raw.out_channel_key, raw.in_msat, raw.out_msat, raw.fee_msat).where(
        raw.node_key == NODE,
        raw.status == status_literal(ForwardStatus.SETTLED),
        raw.counted_at >= bindparam("b_since"),
        raw.counted_at < bindparam("b_until"),
    )


def _listed_halves(tx: Tx, halves: _Halves) -> list[int]:
    """The indexes of halves whose forward we have: the other half lay beyond what needed a look."""
    waiting = [row for rows in halves.waiting.values() for row in rows]
    if not waiting:
        return []
    moments = [row.moved_at for row in waiting]
    bounds = {"b_since": min(moments) - float(APART_SECONDS), "b_until": max(moments) + float(APART_SECONDS)}
    entries: Counter[tuple[int, int, int]] = Counter()
    exits: Counter[tuple[int, int, int]] = Counter()
    for row in tx.execute(_settled_between(), **bounds):
        entries[row.in_channel_key, row.in_msat, row.fee_msat] += 1
        exits[row.out_channel_key, row.out_msat, row.fee_msat] += 1
    dropped = []
    for row in waiting:
        side, kind = (
            (entries, (row.account_key, row.credit_msat, row.fees_msat))
            if row.credit_msat
            else (exits, (row.account_key, row.debit_msat, row.fees_msat))
        )
        if side[kind] > 0:
            side[kind] -= 1
            dropped.append(row.created_index)
    return dropped


def _add_up(tx: Tx, lost: Sequence[_Pair]) -> None:
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


def _days(lost: Iterable[_Pair]) -> list[dict[str, Any]]:
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
