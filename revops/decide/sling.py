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

Each is reserved at the full `maxppm`, a whole number. sling rounds the price of a route up and takes none above that: a
source for which the node quoted more isn't asked, since its payments would never be sent. Beyond the reserved sum only
what flows into a source while the job runs could be moved too.

That is several times what the amount alone may cost, and no more may be reserved than was staked on the job. So an
order is cut until it fits (`sling_fit.py`): first in its price, as long as the node quoted a route for less; then in
its amount, by fewer sources and smaller pieces, of which those that hang are less.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from revops.decide.sling_fit import Fit, fitted
from revops.decide.sling_pieces import MOST_SOURCES, PIECE_SAT, Drawn, Wanted, cut, fill, terms
from revops.domain.channel import Channel
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.rebalance import SourceOffer
from revops.domain.sling import SlingOrder
from revops.domain.units import ppm_of, ppm_of_ceil, sat_floor, share_msat


def draw(offers: Sequence[tuple[Channel, SourceOffer]], wanted: Wanted) -> Drawn | Reason:
    """Given the sources that may pay with their offers, best first, and what is wanted, return the terms of an order,
    or why there are none.

    `maxppm` is for all sources alike, so none is asked that may pay less. The highest limit is taken at which the
    sources left can give the amount: a dearer route is allowed by who has liquidity to spare, not by who hasn't.
    """
    piece = cut(wanted, wanted.amount_msat, PIECE_SAT)
    if piece is None or not offers:
        return why(ReasonCode.NO_SOURCE)
    chunk_sat, count = piece
    limits = {
        source.channel_id: min(wanted.max_fee_ppm, ppm_of(offer.max_fee_msat, wanted.amount_msat))
        for source, offer in offers
    }
    payable = [(source, offer) for source, offer in offers if _quoted_ppm(offer, wanted) <= limits[source.channel_id]]
    if not payable:
        return _too_dear([offer for _, offer in offers], limits, wanted)
    best: tuple[list[Channel], dict[str, int], int] | None = None
    for max_ppm in sorted({limits[source.channel_id] for source, _ in payable} - {0}, reverse=True):
        allowed = [source for source, _ in payable if limits[source.channel_id] >= max_ppm]
        given = fill(allowed, chunk_sat, count, max_ppm, MOST_SOURCES)
        if best is None or sum(given.values()) > sum(best[1].values()):
            best = (allowed, given, max_ppm)
        if sum(given.values()) == count:
            break
    if best is None or not sum(best[1].values()):
        most_msat = max(source.spendable_msat for source, _ in payable)
        return why(ReasonCode.LIQUIDITY_CHANGED, side="the source", have_sat=sat_floor(most_msat), wanted_sat=chunk_sat)
    drawn = terms(*best, chunk_sat, wanted.max_htlc_count)
    if wanted.stake_msat is None or drawn.worst_msat <= wanted.stake_msat:
        return drawn
    allowed, _, max_ppm = best
    quoted = [
        _quoted_ppm(offer, wanted)
        for source, offer in payable
        if offer.quoted_fee_msat is not None and limits[source.channel_id] >= max_ppm
    ]
    lowest_ppm = max(min([max_ppm, *quoted]), 1)
    return fitted(Fit(allowed, wanted, wanted.stake_msat), max_ppm, lowest_ppm)


def _quoted_ppm(offer: SourceOffer, wanted: Wanted) -> int:
    """What the node quoted, as sling rounds it; 0 where it wasn't asked."""
    return ppm_of_ceil(offer.quoted_fee_msat or 0, wanted.amount_msat)


def _too_dear(offers: Sequence[SourceOffer], limits: Mapping[str, int], wanted: Wanted) -> Reason:
    """The one that misses its limit by least."""
    nearest = min(offers, key=lambda offer: _quoted_ppm(offer, wanted) - limits[offer.channel_id])
    return why(
        ReasonCode.ROUTE_TOO_DEAR,
        fee_msat=nearest.quoted_fee_msat or 0,
        max_fee_msat=share_msat(wanted.amount_msat, limits[nearest.channel_id]),
    )


def marks_of(orders: Iterable[SlingOrder]) -> frozenset[int]:
    """Given orders that are open, return the sizes of their payments, in sat."""
    return frozenset(order.chunk_sat for order in orders)
