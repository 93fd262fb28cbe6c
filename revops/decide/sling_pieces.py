"""The pieces of an order to sling: how large, how many, out of which sources, and the most that they may cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from revops.domain.channel import Channel
from revops.domain.sling import MSAT_PER_SAT
from revops.domain.units import sat_floor

#: Small pieces find routes where the whole doesn't; and the more of them, the less one that hangs adds.
PIECE_SAT: Final = 20_000
MOST_PAYMENTS: Final = 20
MOST_SOURCES: Final = 3
#: sling leaves a source alone that has less than a piece and this (src/slings.rs build_candidatelist).
LEAST_LEFT_SAT: Final = 10_000
#: `sling-max-htlc-count` where the node doesn't say.
MAX_HTLC_COUNT: Final = 5
#: Pieces are smaller than they could be by up to this, so that each job can have a size of its own.
MARKS: Final = 997


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a job wants of sling: the amount, and what is known when it is asked."""

    amount_msat: int
    max_fee_ppm: int
    max_htlc_count: int
    #: Sizes of payments that can't be a mark of ours, in sat: the operator's jobs, our other ones, late payments.
    taken_sat: frozenset[int]
    #: Which mark is tried first.
    first_mark: int
    #: No more than this may be reserved; None: a job from before stakes were kept.
    stake_msat: int | None = None
    #: An order that is cut to its stake moves this much at least.
    least_msat: int = 0


@dataclass(frozen=True, slots=True)
class Drawn:
    """Who pays how much, at which price: the terms of an order, without when it is given."""

    sources: tuple[Channel, ...]
    chunk_sat: int
    payment_count: int
    max_ppm: int
    floor_sat: int
    #: The most that it may cost.
    worst_msat: int


def cut(wanted: Wanted, amount_msat: int, piece_sat: int) -> tuple[int, int] | None:
    """Given what is wanted, an amount and about how large a piece should be, return the size of a payment in sat, and
    how many; None where the amount is too small for a size of its own.
    """
    amount_sat = sat_floor(amount_msat)
    count = min(MOST_PAYMENTS, max(1, amount_sat // piece_sat))
    whole_sat = amount_sat // count
    for step in range(MARKS):
        chunk_sat = whole_sat - 1 - (wanted.first_mark + step) % MARKS
        if chunk_sat > 0 and chunk_sat not in wanted.taken_sat:
            return chunk_sat, count
    return None


def _out_msat(chunk_sat: int, max_ppm: int) -> int:
    """What one payment takes out of its source at most."""
    chunk_msat = chunk_sat * MSAT_PER_SAT
    return chunk_msat + chunk_msat * max_ppm // 1_000_000


def fill(sources: Sequence[Channel], chunk_sat: int, count: int, max_ppm: int, most_sources: int) -> dict[str, int]:
    """Given sources, the pieces and their price, return how many each channel_id gives, the fullest first; at most
    `most_sources` of them give.
    """
    out_msat = _out_msat(chunk_sat, max_ppm)
    least_msat = (chunk_sat + LEAST_LEFT_SAT) * MSAT_PER_SAT
    chosen = sorted(sources, key=lambda one: one.local_msat, reverse=True)[:most_sources]
    given = {source.channel_id: 0 for source in chosen}
    for _ in range(count):
        able = [
            source
            for source in chosen
            if source.local_msat - given[source.channel_id] * out_msat > least_msat
            and source.spendable_msat >= (given[source.channel_id] + 1) * out_msat
        ]
        if not able:
            break
        fullest = max(able, key=lambda one: one.local_msat - given[one.channel_id] * out_msat)
        given[fullest.channel_id] += 1
    return {name: number for name, number in given.items() if number}


def terms(
    allowed: Sequence[Channel],
    given: dict[str, int],
    max_ppm: int,
    chunk_sat: int,
    max_htlc_count: int,
) -> Drawn:
    """Given the sources that may pay, what each gives, the pieces and their price, return the terms of that order."""
    used = tuple(source for source in allowed if source.channel_id in given)
    out_msat, chunk_msat = _out_msat(chunk_sat, max_ppm), chunk_sat * MSAT_PER_SAT
    # Just below what each has before its last payment: sling asks for more than the floor.
    level_msat = min(source.local_msat - (given[source.channel_id] - 1) * out_msat for source in used) - 1
    floor_sat = sat_floor(level_msat)
    worst_count = sum(_most_payments(source, floor_sat, chunk_msat, max_htlc_count) for source in used)
    count = sum(given.values())
    chunk_fee_msat = chunk_msat * max_ppm // 1_000_000
    # In whole sat: sling's own arithmetic is in floating point.
    worst_msat = -(-worst_count * (chunk_fee_msat + 1) // MSAT_PER_SAT) * MSAT_PER_SAT
    return Drawn(used, chunk_sat, count, max_ppm, floor_sat, worst_msat)


def _most_payments(source: Channel, floor_sat: int, chunk_msat: int, max_htlc_count: int) -> int:
    """How many payments may be settled out of a source, those that hung among them, if nothing flows in."""
    above_msat = max(0, source.local_msat - floor_sat * MSAT_PER_SAT)
    by_floor = -(-above_msat // chunk_msat) + max_htlc_count + 2
    return min(by_floor, source.spendable_msat // chunk_msat)
