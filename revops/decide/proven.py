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
    state, anchor_ppm = offer.state, offer.signals.anchor_ppm
    sold_ppm = [] if state is None else [one.fee_ppm for one in state.windows if one.interest_count > 0]
    if offer.earned_msat > 0:
        sold_ppm.append(offer.channel.local_terms.fee_ppm)
    return UNPROVEN_FACTOR * max([policy.start_ppm if anchor_ppm is None else anchor_ppm, *sold_ppm])


def sale_price_ppm(offer: FeeInput, policy: FeesConfig) -> int:
    """Given a channel or peer, return what a sale of it is expected to bring now: its price, as far as it is proven."""
    return min(offer.channel.local_terms.fee_ppm, dearest_sale_ppm(offer, policy))
