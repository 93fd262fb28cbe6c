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
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, Final

from sqlalchemy import Executable, bindparam, delete, func, literal_column, select

from revops.domain.forward import ForwardStatus
from revops.domain.traffic import size_permille
from revops.store.cursors import FORWARDS_UNTIL, cursor, set_cursor
from revops.store.days import add_days, day_of
from revops.store.engine import NODE, Tx
from revops.store.flows import status_literal
from revops.store.keys import chunks
from revops.store.lot_marks import forget_behind
from revops.store.routed import Halves, Pair
from revops.store.scids import placeholder_keys
from revops.store.sums import count_rows, take_turns
from revops.store.tables import EVER, channel_move, flow_sum, forward

#: How far apart the ledger and the list of forwards may date the same payment.
APART_SECONDS: Final = 3_600
_MOVES_AT_ONCE: Final = 20_000
_ALWAYS: Final = float("inf")
#: Stands for a channel that only an scid of it names.
ANY_KEY: Final = -1
#: How many of each kind there are.
Kinds = Counter[tuple[int, ...]]


@dataclass(slots=True)
class Found:
    """What was found again: forwards, and what they earned."""

    forward_count: int = 0
    earned_msat: int = 0

    def add(self, lost: Sequence[Pair], tx: Tx) -> None:
        """Given forwards that nothing else has, add them up in the records, and here."""
        _add_up(tx, lost)
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


def find(begin: Callable[[], AbstractContextManager[Tx]]) -> Found:
    """Given what begins a transaction, add up the forwards that only the stored moves know; return how many.

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
                found.add(lost, tx)
                _drop(tx, [*(index for pair in near for index in pair.indexes), *dropped])
                last_at = tx.execute(_last_settled()).scalar()
                set_cursor(tx, FORWARDS_UNTIL, 0 if last_at is None else math.ceil(last_at))
                return found
            after = rows[-1].created_index
            pairs = list(halves.join(rows))
            old = [pair for pair in pairs if since_at < pair.settled_at < before_at]
            near += [pair for pair in pairs if not since_at < pair.settled_at < before_at]
            found.add(old, tx)
            _drop(tx, (index for pair in old for index in pair.indexes))


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
    indexes of the halves whose forward we have: their others lay beyond what needed a look. Of equal ones as many are
    lacking as there are more of them.
    """
    listed = _near(tx, [pair.settled_at for pair in near] + [row.moved_at for row in waiting])
    lost = sorted(near, key=lambda pair: -pair.settled_at)  # what was deleted is the older of equals
    for by_name in product((True, False), repeat=2):  # what is surely listed first
        lost = [pair for pair in lost if not _take(listed, [_kind(pair, *by_name)])]
    entries, exits = Kinds(), Kinds()
    for in_key, out_key, in_msat, out_msat in listed.elements():
        entries[in_key, in_msat, in_msat - out_msat] += 1
        exits[out_key, out_msat, in_msat - out_msat] += 1
    dropped = []
    for row in waiting:
        side, amount_msat = (entries, row.credit_msat) if row.credit_msat else (exits, row.debit_msat)
        if _take(side, ((key, amount_msat, row.fees_msat) for key in (row.account_key, ANY_KEY))):
            dropped.append(row.created_index)
    return lost, dropped


def _kind(pair: Pair, entry_by_name: bool, exit_by_name: bool) -> tuple[int, ...]:
    in_key = pair.in_channel_key if entry_by_name else ANY_KEY
    return in_key, pair.out_channel_key if exit_by_name else ANY_KEY, pair.in_msat, pair.out_msat


def _take(listed: Kinds, kinds: Iterable[tuple[int, ...]]) -> bool:
    """Take one of the first of these kinds that is left, if any is."""
    for kind in kinds:
        if listed[kind] > 0:
            listed[kind] -= 1
            return True
    return False


def _near(tx: Tx, moments: Sequence[int]) -> Kinds:
    """The settled forwards that we have around these moments. A channel that nobody can name goes by ANY_KEY: the
    ledger knows which it was.
    """
    if not moments:
        return Kinds()
    bounds = {"b_since": min(moments) - float(APART_SECONDS), "b_until": max(moments) + float(APART_SECONDS)}
    rows = tx.execute(_settled_between(), **bounds).all()
    unknown = placeholder_keys(tx)

    def shown(key: int) -> int:
        return ANY_KEY if key in unknown else key

    return Kinds((shown(row[0]), shown(row[1]), row.in_msat, row.out_msat) for row in rows)


@cache
def _settled_between() -> Executable:
    raw = forward.c
    return select(raw.in_channel_key, raw.out_channel_key, raw.in_msat, raw.out_msat).where(
        raw.node_key == NODE,
        raw.status == status_literal(ForwardStatus.SETTLED),
        raw.counted_at >= bindparam("b_since"),
        raw.counted_at < bindparam("b_until"),
    )


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
