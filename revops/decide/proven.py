"""What a sale may be expected to bring: a price that nobody has paid proves nothing, whoever has set it."""

from __future__ import annotations

from typing import Final

from revops.domain.policy import FeesConfig
from revops.domain.snapshot import FeeInput

#: A sale is expected to bring at most this multiple of a price that was paid.
UNPROVEN_FACTOR: Final = 2


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
