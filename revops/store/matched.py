"""Moves of forwards held against the forwards that are listed: which of them have a forward of their own.

Equal forwards are told apart by when they settled: those of about the same second belong together first. A peer
who sends equal payments all day must not hide one that was deleted behind one that came an hour later. Parts of one
payment that are equal in all but their channels are brought together as the list has them: the ledger doesn't say which
entry goes with which exit, and a wrong guess would count both once more.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any, Final

from revops.store.routed import Pair, half_key

#: How far apart the ledger and the list of forwards may date the same payment, and how far they mostly do.
APART_SECONDS: Final = 3_600
_SAME_SECONDS: Final = 2
#: Stands for a channel that only an scid of it names.
ANY_KEY: Final = -1
#: Entry, exit, and what went in and out.
Kind = tuple[int, int, int, int]


class Listed:
    """The forwards that are listed, each to be taken once."""

    def __init__(self, rows: Iterable[tuple[Kind, float]]) -> None:
        self._moments: dict[Kind, list[float]] = defaultdict(list)
        for kind, at in rows:
            self._moments[kind].append(at)
        for moments in self._moments.values():
            moments.sort()

    def has(self, kind: Kind) -> bool:
        """Whether any of this kind is left."""
        return bool(self._moments.get(kind))

    def take(self, kind: Kind, at: float, apart_seconds: float) -> bool:
        """Take the latest of this kind that is near enough to a moment. Asked for in turn from the latest moment to the
        earliest, as many are taken as can be: the windows are equally wide.
        """
        moments = self._moments.get(kind)
        if not moments:
            return False
        place = bisect_right(moments, at + apart_seconds) - 1
        if place < 0 or moments[place] < at - apart_seconds:
            return False
        del moments[place]
        return True

    def left(self) -> Iterable[tuple[Kind, int]]:
        """Return what nobody has taken, and how often it is there."""
        return ((kind, len(moments)) for kind, moments in self._moments.items() if moments)


def match(near: Sequence[Pair], waiting: Sequence[Any], listed: Listed) -> tuple[list[Pair], list[int]]:
    """Given forwards by the ledger, and halves, return the forwards that aren't listed, and the indexes of all moves
    whose forward is: the other of a half may have lain beyond what needed a look.
    """
    lost, waiting, dropped = _as_listed(near, waiting, listed)
    lost.sort(key=lambda pair: -pair.settled_at)  # what was deleted is the older of equals
    for apart_seconds in (_SAME_SECONDS, APART_SECONDS):
        for by_name in product((True, False), repeat=2):  # what is surely listed first
            left = []
            for pair in lost:
                if listed.take(_kind(pair, *by_name), pair.settled_at, apart_seconds):
                    dropped += pair.indexes
                else:
                    left.append(pair)
            lost = left
    return lost, dropped + _halves_of_listed(waiting, listed)


def _kind(pair: Pair, entry_by_name: bool, exit_by_name: bool) -> Kind:
    in_key = pair.entry.account_key if entry_by_name else ANY_KEY
    return in_key, pair.leave.account_key if exit_by_name else ANY_KEY, pair.in_msat, pair.out_msat


def _as_listed(near: Sequence[Pair], waiting: Sequence[Any], listed: Listed) -> tuple[list[Pair], list[Any], list[int]]:
    """Bring halves that might belong to several others together as the list has them; return what isn't listed so, and
    the moves of what is.
    """
    groups: dict[tuple[Any, ...], tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    for row in (*(half for pair in near for half in (pair.entry, pair.leave)), *waiting):
        groups[half_key(row)][not row.credit_msat].append(row)
    pairs, halves, dropped = list[Pair](), list[Any](), list[int]()
    for entries, exits in groups.values():
        if entries and exits and any(len({row.account_key for row in rows}) > 1 for rows in (entries, exits)):
            dropped += _take_together(entries, exits, listed)
        count = min(len(entries), len(exits))
        pairs += map(Pair, entries[:count], exits[:count])
        halves += (*entries[count:], *exits[count:])
    return pairs, halves, dropped


def _take_together(entries: list[Any], exits: list[Any], listed: Listed) -> list[int]:
    """Take out of some moves the pairs that are listed; return their indexes."""
    taken: list[int] = []
    in_msat, out_msat = entries[0].credit_msat, exits[0].debit_msat
    by_entry, by_exit = _by_account(entries), _by_account(exits)
    for apart_seconds in (_SAME_SECONDS, APART_SECONDS):
        for in_key, out_key in product(by_entry, by_exit):
            ins, kind = by_entry[in_key], (in_key, out_key, in_msat, out_msat)
            if not ins or not listed.has(kind):
                continue
            left = []
            for leave in by_exit[out_key]:
                if ins and listed.take(kind, leave.moved_at, apart_seconds):
                    taken += (ins.pop().created_index, leave.created_index)
                else:
                    left.append(leave)
            by_exit[out_key] = left
    gone = set(taken)
    for rows in (entries, exits):
        rows[:] = [row for row in rows if row.created_index not in gone]
    return taken


def _by_account(rows: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: -row.moved_at):
        found[row.account_key].append(row)
    return found


def _halves_of_listed(waiting: Iterable[Any], listed: Listed) -> list[int]:
    entries, exits = Counter[tuple[int, ...]](), Counter[tuple[int, ...]]()
    for (in_key, out_key, in_msat, out_msat), count in listed.left():
        entries[in_key, in_msat, in_msat - out_msat] += count
        exits[out_key, out_msat, in_msat - out_msat] += count
    dropped = []
    for row in waiting:
        side, amount_msat = (entries, row.credit_msat) if row.credit_msat else (exits, row.debit_msat)
        for key in ((row.account_key, amount_msat, row.fees_msat), (ANY_KEY, amount_msat, row.fees_msat)):
            if side[key] > 0:
                side[key] -= 1
                dropped.append(row.created_index)
                break
    return dropped
