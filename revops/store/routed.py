"""The two `routed` moves of a forward, brought together: nothing in either says which its other half is.

They share the payment hash and the fee, and the entry's amount is the exit's and the fee. Parts of one payment that are
equal in all can't be told apart by them: which of several entries and exits belong together only the list of forwards
tells (store/matched.py). The exit's move is of the second in which the forward was resolved; the entry's may come any
time later (lightningd v26.06.6).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Pair:
    """A forward by its two moves."""

    entry: Any
    leave: Any

    @property
    def in_msat(self) -> int:
        """What entered."""
        return int(self.entry.credit_msat)

    @property
    def out_msat(self) -> int:
        """What left."""
        return int(self.leave.debit_msat)

    @property
    def settled_at(self) -> int:
        """When it was resolved."""
        return int(self.leave.moved_at)

    @property
    def indexes(self) -> tuple[int, int]:
        """Which moves these are."""
        return self.entry.created_index, self.leave.created_index


@dataclass(slots=True)
class Halves:
    """Moves that still lack the other half of their forward: entries, or exits, by payment hash, fee and amount."""

    waiting: dict[tuple[bytes | None, int, int], deque[Any]] = field(default_factory=dict)

    def join(self, rows: Iterable[Any]) -> Iterator[Pair]:
        """Given more moves, yield the forwards that are whole with them."""
        for row in rows:
            key = half_key(row)
            others = self.waiting.setdefault(key, deque())
            if not others or bool(others[0].credit_msat) == bool(row.credit_msat):
                others.append(row)
                continue
            other = others.popleft()
            if not others:
                del self.waiting[key]
            yield Pair(row, other) if row.credit_msat else Pair(other, row)

    def rows(self) -> list[Any]:
        """Return the moves that wait."""
        return [row for rows in self.waiting.values() for row in rows]


def half_key(row: Any) -> tuple[bytes | None, int, int]:
    """Given a half of a forward, return what the other has too: hash, fee, and the amount that left."""
    return row.payment_hash, row.fees_msat, row.credit_msat - row.fees_msat if row.credit_msat else row.debit_msat
