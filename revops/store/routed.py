"""The two `routed` moves of a forward, brought together: nothing in either says which its other half is.

They share the payment hash and the fee, and the entry's amount is the exit's and the fee. Parts of one payment that are
equal in all can't be told apart, nor need they be. The exit's move is of the second in which the forward was resolved;
the entry's may come any time later (lightningd v26.06.6).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Pair:
    """A forward by its two moves, with their indexes."""

    in_channel_key: int
    out_channel_key: int
    in_msat: int
    out_msat: int
    settled_at: int
    indexes: tuple[int, int]

    @property
    def kind(self) -> tuple[int, int, int, int]:
        """What tells it from others."""
        return self.in_channel_key, self.out_channel_key, self.in_msat, self.out_msat


@dataclass(slots=True)
class Halves:
    """Moves that still lack the other half of their forward, by payment hash and fee."""

    waiting: dict[tuple[bytes | None, int], list[Any]] = field(default_factory=dict)

    def join(self, rows: Iterable[Any]) -> Iterator[Pair]:
        """Given more moves, yield the forwards that are whole with them."""
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
            indexes = (entry.created_index, leave.created_index)
            yield Pair(
                entry.account_key, leave.account_key, entry.credit_msat, leave.debit_msat, leave.moved_at, indexes
            )

    def rows(self) -> list[Any]:
        """Return the moves that wait."""
        return [row for rows in self.waiting.values() for row in rows]


def _fits(one: Any, other: Any) -> bool:
    entry, leave = (one, other) if one.credit_msat else (other, one)
    return bool(entry.credit_msat and leave.debit_msat and entry.credit_msat - leave.debit_msat == leave.fees_msat)
