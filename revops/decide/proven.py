"""What a sale may be expected to bring: a price that nobody has paid proves nothing, whoever has set it."""

from __future__ import annotations

from typing import Final

from revops.decide.belief import UNSETTLED_PER_SETTLED
from revops.domain.policy import FeesConfig
from revops.domain.snapshot import FeeInput

#: A sale is expected to bring at most this multiple of a price that was paid.
UNPROVEN_FACTOR: Final = 2
#: So many payments of typical size, all at a price or above, show a market that what others charge doesn't know of.
#: Somebody who wants to feign one has to buy a quarter of them at that price: what failed beyond us counts no further.
MARKET_COUNT: Final = 30.0


def dearest_sale_ppm(offer: FeeInput, policy: FeesConfig) -> int:
    """Given a channel or peer, return the dearest price at which a sale may be expected: `UNPROVEN_FACTOR` times the
    highest at which something was sold lately, or times what others charge (`start_ppm` where that isn't known).
    """
    state = offer.state
    sold_ppm = [] if state is None else [one.fee_ppm for one in state.windows if one.interest_count > 0]
    if offer.earned_msat > 0:
        sold_ppm.append(offer.channel.local_terms.fee_ppm)
    return UNPROVEN_FACTOR * max([_market_ppm(offer, policy), *sold_ppm])


def sale_price_ppm(offer: FeeInput, policy: FeesConfig) -> int:
    """Given a channel or peer, return what a sale of it is expected to bring now: its price, as far as it is proven."""
    fee_ppm = offer.channel.local_terms.fee_ppm
    if fee_ppm <= UNPROVEN_FACTOR * _market_ppm(offer, policy):
        return fee_ppm  # whatever else was sold
    return min(fee_ppm, dearest_sale_ppm(offer, policy))


def _market_ppm(offer: FeeInput, policy: FeesConfig) -> int:
    anchor_ppm = offer.signals.anchor_ppm
    return policy.start_ppm if anchor_ppm is None else anchor_ppm


def shown_market_ppm(offer: FeeInput) -> int | None:
    """Given a channel or peer, return the dearest price at which its own customers have shown a market, if at any."""
    state = offer.state
    if state is None:
        return None
    paid = [(one.fee_ppm, one.interest_count) for one in state.windows]
    paid.append((state.fee_ppm, believed_interest(offer)[0]))
    count = 0.0
    for fee_ppm, interest_count in sorted(paid, reverse=True):
        count += interest_count
        if count >= MARKET_COUNT:
            return fee_ppm
    return None


def believed_interest(offer: FeeInput) -> tuple[float, float]:
    """Given a peer, return how many payments showed interest at its price, and how many of them paid it.

    What failed beyond us costs its sender nothing at any price, so that a flood of it would make demand look as if
    nobody minded the price: it counts as far as others have paid this very price.
    """
    interest_count = float(offer.earned_count) if offer.interest_count is None else offer.interest_count
    if offer.settled_interest_count is None:
        return interest_count, interest_count
    paid_count = offer.settled_interest_count
    return min(interest_count, (1 + UNSETTLED_PER_SETTLED) * paid_count), paid_count
