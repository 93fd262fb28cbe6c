"""What sling is asked for, and the most that it may cost.

sling pays in pieces, over whichever source it likes, as long as a route costs at most `maxppm`; it counts what has
arrived, and stops when all has. But it waits for a payment only so long (`sling-timeoutpay`), then takes it for failed
and sends the next one, although the first may have been paid: somebody on its way back may hold it for hours. So what
bounds a job is not the amount, but what the sources may give:

- sling takes nothing out of a source that has no more than a floor left. The floor is set to the level at which the
  sources together have given just the amount, as water is drawn from the fullest first. Only settled payments lower
  what a source has.
- Of payments that hang, a source holds `sling-max-htlc-count` + 1 at most, and no more than it can send.
- One more is sent out of each source where sling hasn't noticed yet what the last one took.

Each is reserved at the full `maxppm`. Beyond that only what flows into a source while the job runs could be moved too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from revops.domain.channel import Channel
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.rebalance import SourceOffer
from revops.domain.sling import MSAT_PER_SAT, SlingOrder
from revops.domain.units import ppm_of, sat_floor

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


def draw(offers: Sequence[tuple[Channel, SourceOffer]], wanted: Wanted) -> Drawn | Reason:
    """Given the sources that may pay with their offers, best first, and what is wanted, return the terms of an order,
    or why there are none.

    `maxppm` is for all sources alike, so none is asked that may pay less. The highest limit is taken at which the
    sources left can give the amount: a dearer route is allowed by who has liquidity to spare, not by who hasn't.
    """
    piece = _piece_sat(wanted)
    if piece is None or not offers:
        return why(ReasonCode.NO_SOURCE)
    chunk_sat, count = piece
    limits = {
        source.channel_id: min(wanted.max_fee_ppm, ppm_of(offer.max_fee_msat, wanted.amount_msat))
        for source, offer in offers
    }
    best: tuple[list[Channel], dict[str, int], int] | None = None
    for max_ppm in sorted({limit for limit in limits.values() if limit > 0}, reverse=True):
        allowed = [source for source, _ in offers if limits[source.channel_id] >= max_ppm]
        given = _fill(allowed, chunk_sat, count, max_ppm)
        if best is None or sum(given.values()) > sum(best[1].values()):
            best = (allowed, given, max_ppm)
        if sum(given.values()) == count:
            break
    if best is None or not sum(best[1].values()):
        most_msat = max(source.spendable_msat for source, _ in offers)
        return why(ReasonCode.LIQUIDITY_CHANGED, side="the source", have_sat=sat_floor(most_msat), wanted_sat=chunk_sat)
    return _terms(*best, chunk_sat, wanted.max_htlc_count)


def _piece_sat(wanted: Wanted) -> tuple[int, int] | None:
    """The size of a payment, and how many; None where the amount is too small for a size of its own."""
    amount_sat = sat_floor(wanted.amount_msat)
    count = min(MOST_PAYMENTS, max(1, amount_sat // PIECE_SAT))
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


def _fill(sources: Sequence[Channel], chunk_sat: int, count: int, max_ppm: int) -> dict[str, int]:
    """How many payments each source gives, the fullest first; at most `MOST_SOURCES` of them."""
    out_msat = _out_msat(chunk_sat, max_ppm)
    least_msat = (chunk_sat + LEAST_LEFT_SAT) * MSAT_PER_SAT
    chosen = sorted(sources, key=lambda one: one.local_msat, reverse=True)[:MOST_SOURCES]
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


def _terms(
    allowed: Sequence[Channel],
    given: dict[str, int],
    max_ppm: int,
    chunk_sat: int,
    max_htlc_count: int,
) -> Drawn:
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


def marks_of(orders: Iterable[SlingOrder]) -> frozenset[int]:
    """Given orders that are open, return the sizes of their payments, in sat."""
    return frozenset(order.chunk_sat for order in orders)
