"""What a made node pays and is paid over its channels, forwards aside: circular payments, its own ones, what was pushed
and leased. Listed by time; it grows with the number of channels alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple

from tests.books.lives import SAT, Life, hex_of
from tests.builders import DAY, HOUR, NOW

#: Circular payments, and own ones, per channel: each is followed by one back.
CIRCULARS: Final = 10
OWN_PAYMENTS: Final = 4


class Paid(NamedTuple):
    """One row of channelmoves that isn't a forward's."""

    moved_at: int
    number: int
    credit_msat: int
    debit_msat: int
    tag: str
    payment_hash: str | None
    fees_msat: int


class Payments:
    """Those rows, and what they did to each channel until a moment."""

    def __init__(self, rng: Random, seed: int, lives: Sequence[Life]) -> None:
        self._rng, self._seed, self._lives = rng, seed, lives
        rows: list[Paid] = []
        for life in lives:
            rows += self._first(life)
        self.circular_count = 0
        for life in lives:
            for _ in range(CIRCULARS // 2):
                rows += self._circular(life)
            for _ in range(OWN_PAYMENTS // 2):
                rows += self._own(life)
        self.rows = sorted(rows, key=lambda row: row.moved_at)
        self._times = [row.moved_at for row in self.rows]
        self._net = [0] * len(lives)
        self._read = 0

    def count_before(self, at: float) -> int:
        """How many rows there are of before a moment."""
        return bisect_right(self._times, at)

    def net(self, at: float) -> list[int]:
        """Given a moment, return the change of each channel's balance by its number, in msat."""
        end = self.count_before(at)
        if end < self._read:
            self._net, self._read = [0] * len(self._lives), 0
        for row in self.rows[self._read : end]:
            self._net[row.number] += row.credit_msat - row.debit_msat
        self._read = end
        return list(self._net)

    def _first(self, life: Life) -> list[Paid]:
        """What brings a new channel to about half: pushed, paid or leased."""
        rng, at, capacity_msat = self._rng, life.opened_at, life.capacity_msat
        if life.how.startswith("lease"):
            fee_msat = rng.randint(2_000, 40_000) * SAT + rng.randint(0, 999)
            credit_msat, debit_msat = (fee_msat, 0) if life.how == "lease_out" else (0, fee_msat)
            return [Paid(at, life.number, credit_msat, debit_msat, "lease_fee", None, 0)]
        amount_msat = int(capacity_msat * rng.uniform(0.4, 0.6))
        credit_msat, debit_msat = (0, amount_msat) if life.opener == "local" else (amount_msat, 0)
        if life.pushed:
            return [Paid(at, life.number, credit_msat, debit_msat, "pushed", None, 0)]
        fees_msat = min(debit_msat, 3_000_001)
        paid_at = at + rng.randint(600, 3_600)
        first = hex_of(self._seed, "first", life.number)
        return [Paid(paid_at, life.number, credit_msat, debit_msat, "invoice", first, fees_msat)]

    def _circular(self, life: Life) -> list[Paid]:
        """One that leaves by a channel and comes back by another, then one back, so that neither runs dry. Some have
        several parts, some leave by two channels; either half may be listed first.
        """
        rng = self._rng
        until_at = NOW if life.closed_at is None else life.closed_at
        at = int(rng.uniform(life.ready_at, max(until_at - 2 * DAY, life.ready_at)))
        others = [one for one in self._lives if one.number != life.number and one.lives_through(at, at + DAY)]
        if not others or not life.lives_through(at, at + DAY) or at + DAY > NOW:
            return []
        other, third = rng.choice(others), rng.choice(others)
        amount_msat = rng.randint(50_000, 400_000) * SAT + rng.randint(0, 999)
        back_at = at + rng.randint(2 * 3_600, 20 * 3_600)
        parts = rng.choice((1, 1, 1, 2, 4))
        sources = [life.number] * parts
        if parts == 4:
            sources[3] = third.number
        rows = self._round(sources, [other.number] * rng.choice((1, parts)), amount_msat, at)
        return rows + self._round([other.number], [life.number], amount_msat, back_at)

    def _round(self, sources: Sequence[int], targets: Sequence[int], amount_msat: int, at: int) -> list[Paid]:
        rng, payment_hash = self._rng, hex_of(self._seed, "circular", self.circular_count)
        self.circular_count += 1
        debits = []
        for source, part_msat in zip(sources, _parts(amount_msat, len(sources)), strict=True):
            fees_msat = part_msat * rng.randint(0, 900) // 1_000_000
            debits.append((source, 0, part_msat + fees_msat, fees_msat))
        credited = [
            (target, part_msat, 0, 0)
            for target, part_msat in zip(targets, _parts(amount_msat, len(targets)), strict=True)
        ]
        halves = [debits, credited]
        rng.shuffle(halves)
        gap = rng.choice((0, 0, 1, 90))
        return [
            Paid(at + gap * half, number, credit_msat, debit_msat, "invoice", payment_hash, fees_msat)
            for half, rows in enumerate(halves)
            for number, credit_msat, debit_msat, fees_msat in rows
        ]

    def _own(self, life: Life) -> list[Paid]:
        """An invoice of somebody's that we pay, and one of ours that is paid."""
        rng = self._rng
        until_at = NOW if life.closed_at is None else life.closed_at
        at = int(rng.uniform(life.ready_at, until_at - DAY))
        amount_msat = rng.randint(1, 200_000) * SAT + rng.randint(0, 999)
        fees_msat = amount_msat // 2_000
        names = [hex_of(self._seed, "own", kind, life.number, at) for kind in ("paid", "received")]
        return [
            Paid(at, life.number, 0, amount_msat + fees_msat, "invoice", names[0], fees_msat),
            Paid(at + int(2 * HOUR), life.number, amount_msat, 0, "invoice", names[1], 0),
        ]


def _parts(amount_msat: int, count: int) -> list[int]:
    """An amount in so many parts of about one size."""
    part_msat = amount_msat // count
    return [part_msat] * (count - 1) + [amount_msat - part_msat * (count - 1)]
