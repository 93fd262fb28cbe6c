"""What a made node forwards, by index: any block of it is drawn anew from the seed, so that history takes no memory.

A settled payment of A to B is followed by one of the same amount, and the fee, back from B to A: balances wander by the
fees alone. The last few settled ones of each block are held, and settle in the next one; those of the last block never
do. So each block resolves a known number of forwards, and all indexes can be counted without drawing what is before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final, NamedTuple

from tests.books.kept import kept
from tests.books.lives import Life
from tests.builders import HOUR

OFFERED, SETTLED, REFUSED, FAILED = range(4)
NEVER: Final = float("inf")
MOST_MSAT: Final = 800_000_000
#: What failed with us: no room, too low a fee, too late, and an exit that we don't have.
FAILCODES: Final = (4103, 4103, 4103, 4108, 4109, 16_394)
NO_EXIT: Final = 16_394


class Made(NamedTuple):
    """A forward as it will be once it is resolved: at `resolved_at`, or for what we refused at once."""

    created_index: int
    source: int
    target: int
    in_name: str
    out_name: str | None
    in_msat: int
    out_msat: int | None
    fee_msat: int | None
    status: int
    received_at: float
    resolved_at: float | None
    failcode: int | None


class Pair(NamedTuple):
    """A payment and the one back. The source is as it was, the target has gained both fees."""

    source: int
    target: int
    out_msat: int
    fee_msat: int
    back_fee_msat: int


class Share(NamedTuple):
    """How many forwards of a block become what; `held` are settled, in the next block."""

    settled: int
    refused: int
    failed: int
    held: int


def share(size: int) -> Share:
    """Given the size of a block, a multiple of 10, return its parts."""
    settled = size * 6 // 10 // 2 * 2
    refused = size * 2 // 10
    return Share(settled, refused, size - settled - refused, min(settled, max(2, settled // 100 * 2)))


class Traffic:
    """All forwards of a node from one moment to another, `count` of them: a multiple of 10."""

    def __init__(self, seed: int, lives: Sequence[Life], count: int, begins_at: float, ends_at: float) -> None:
        if count % 10:
            raise ValueError(f"{count} forwards are no multiple of 10")
        self.seed, self.lives, self.count = seed, lives, count
        self.begins_at, self.ends_at = begins_at, ends_at
        self.size = max(50, min(1_000, count // 400 // 10 * 10))
        self.block_count = -(-count // self.size)
        self.step_seconds = (ends_at - begins_at) / count if count else 0.0
        self._own: OrderedDict[int, tuple[list[Made], list[Made]]] = OrderedDict()
        self._resolved: OrderedDict[int, list[Made]] = OrderedDict()

    def block_at(self, at: float) -> int:
        """The block that a moment lies in; -1 before the first, `block_count` at the end."""
        if at >= self.ends_at or not self.count:
            return self.block_count
        return -1 if at < self.begins_at else int((at - self.begins_at) / (self.size * self.step_seconds))

    def edge_at(self, block: int) -> float:
        """When a block begins."""
        return min(self.begins_at + block * self.size * self.step_seconds, self.ends_at)

    def share(self, block: int) -> Share:
        return share(min(self.size, self.count - block * self.size))

    def settled_before(self, block: int) -> int:
        """How many forwards settle before a block begins."""
        return self._before(block, share(self.size).settled, self.count and self.share(self.block_count - 1).settled)

    def resolved_before(self, block: int) -> int:
        """How many forwards settle or fail, beyond us, before a block begins."""
        full, last = share(self.size), self.share(self.block_count - 1)
        return self._before(block, full.settled + full.failed, last.settled + last.failed)

    def _before(self, block: int, full: int, last: int) -> int:
        if block <= 0:
            return 0
        if block < self.block_count:
            return block * full - share(self.size).held
        return (self.block_count - 1) * full + last - self.share(self.block_count - 1).held

    def pairs(self, block: int, rng: Random | None = None) -> list[Pair]:
        """The settled payments of a block, and nothing else of it: what balances need."""
        rng = self._rng(block) if rng is None else rng
        alive = self._alive(block)
        draw, spread, found = rng.random, len(alive), []
        for _ in range(self.share(block).settled // 2):
            first = int(spread * draw() ** 2)  # some are more popular than others
            second = (first + 1 + int((spread - 1) * draw())) % spread
            source, target = alive[first], alive[second]
            out_msat = min(int(rng.lognormvariate(17.5, 1.3)), MOST_MSAT) + 1_000
            fee_msat = 1 + out_msat * self.lives[target].fee_ppm // 1_000_000
            back_fee_msat = 1 + (out_msat + fee_msat) * self.lives[source].fee_ppm // 1_000_000
            found.append(Pair(source, target, out_msat, fee_msat, back_fee_msat))
        return found

    def _rng(self, block: int) -> Random:
        return Random((self.seed << 32) + block)

    def _alive(self, block: int) -> list[int]:
        begins_at, ends_at = self.edge_at(block), self.edge_at(block + 2)
        return [life.number for life in self.lives if life.lives_through(begins_at, ends_at)]

    def own(self, block: int) -> tuple[list[Made], list[Made]]:
        """The forwards that were received in a block, in order, and those of them that settle in the next."""
        return kept(self._own, block, self._draw)

    def _draw(self, block: int) -> tuple[list[Made], list[Made]]:
        rng = self._rng(block)
        part, pairs, alive = self.share(block), self.pairs(block, rng), self._alive(block)
        kinds = [SETTLED] * part.settled + [REFUSED] * part.refused + [FAILED] * part.failed
        rng.shuffle(kinds)
        first, begins_at, ends_at = block * self.size, self.edge_at(block), self.edge_at(block + 1)
        next_ends_at = self.edge_at(block + 2)
        rows, held, settled = [], [], 0
        for number, kind in enumerate(kinds):
            received_at = begins_at + (number + 0.9 * rng.random()) * self.step_seconds
            resolved_at: float | None = received_at + min(rng.lognormvariate(0.7, 1), 0.99 * (ends_at - received_at))
            if kind == SETTLED:
                late = settled >= part.settled - part.held
                if late:
                    wait = min(rng.expovariate(0.5 / HOUR), 0.98 * (next_ends_at - ends_at))
                    resolved_at = ends_at + wait if block + 1 < self.block_count else NEVER
                row = self._settled(first + number + 1, pairs[settled // 2], settled % 2, received_at, resolved_at)
                settled += 1
                if late:
                    held.append(row)
            else:
                source, target = rng.choice(alive), rng.choice(alive)
                row = self._unsettled(first + number + 1, kind, source, target, received_at, resolved_at, rng)
            rows.append(row)
        return rows, held

    def _settled(self, index: int, pair: Pair, back: int, received_at: float, resolved_at: float | None) -> Made:
        source, target, out_msat, fee_msat = pair.source, pair.target, pair.out_msat, pair.fee_msat
        if back:
            source, target, out_msat, fee_msat = target, source, out_msat + fee_msat, pair.back_fee_msat
        names = self.lives[source].name_at(received_at), self.lives[target].name_at(received_at)
        return Made(index, source, target, *names, out_msat + fee_msat, out_msat, fee_msat, SETTLED, received_at,
                    resolved_at, None)  # fmt: skip

    def _unsettled(
        self,
        index: int,
        kind: int,
        source: int,
        target: int,
        received_at: float,
        resolved_at: float | None,
        rng: Random,
    ) -> Made:
        failcode = rng.choice(FAILCODES) if kind == REFUSED else None
        out_msat: int | None = 1_000 + min(int(rng.lognormvariate(18, 1.4)), MOST_MSAT)
        fee_msat: int | None = 1 + (out_msat or 0) // 5_000
        in_msat = (out_msat or 0) + (fee_msat or 0)
        out_name: str | None = self.lives[target].name_at(received_at)
        if kind == REFUSED:
            resolved_at = None
            if failcode == NO_EXIT:
                out_name = None
            if failcode != 4108:  # the amount that goes on is known only where the fee was looked at
                out_msat = fee_msat = None
        in_name = self.lives[source].name_at(received_at)
        return Made(index, source, target, in_name, out_name, in_msat, out_msat, fee_msat, kind, received_at,
                    resolved_at, failcode)  # fmt: skip

    def resolved(self, block: int) -> list[Made]:
        """The forwards that settle, or fail beyond us, in a block, in that order."""
        return kept(self._resolved, block, self._sort)

    def _sort(self, block: int) -> list[Made]:
        rows, held = self.own(block)
        late = {row.created_index for row in held}
        found = [row for row in rows if row.resolved_at is not None and row.created_index not in late]
        if block > 0:
            found += self.own(block - 1)[1]
        return sorted(found, key=when)

    def resolving_block(self, place: int) -> int:
        """The block in which the forward is resolved that is at a place, from 0, in the order of resolution."""
        full = share(self.size)
        return min((place + full.held) // (full.settled + full.failed), self.block_count - 1)

    def created_by(self, at: float) -> int:
        """How many forwards were received until a moment."""
        block = self.block_at(at)
        if block < 0 or block >= self.block_count:
            return 0 if block < 0 else self.count
        rows = self.own(block)[0]
        return block * self.size + bisect_right(rows, at, key=lambda row: row.received_at)

    def resolved_by(self, at: float) -> int:
        """How many settled, or failed beyond us, until a moment."""
        block = self.block_at(at)
        if block < 0 or block >= self.block_count:
            return 0 if block < 0 else self.resolved_before(block)
        return self.resolved_before(block) + bisect_right(self.resolved(block), at, key=when)

    def all(self) -> Iterator[Made]:
        """Every forward in the order in which it was received."""
        for block in range(self.block_count):
            yield from self.own(block)[0]

    def updated_indexes(self, block: int) -> dict[int, int]:
        """The updated_index of each forward that was received in a block and is resolved some day."""
        found: dict[int, int] = {}
        for one in (block, block + 1):
            if one < self.block_count:
                start = self.resolved_before(one) + 1
                found.update((row.created_index, start + place) for place, row in enumerate(self.resolved(one)))
        return found


def when(row: Made) -> float:
    """When a forward was resolved; what we refused never was."""
    return NEVER if row.resolved_at is None else row.resolved_at
