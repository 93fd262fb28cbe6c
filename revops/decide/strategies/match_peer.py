"""`match_peer`: what others charge for the way to the peer, times a ratio.

Not the peer's own fee, which is the price of the other direction; the market's price of ours (`Signals.anchor_ppm`).
"""

from __future__ import annotations

from revops.decide.strategies.base import Proposal, propose_price
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode, why
from revops.domain.snapshot import FeeInput


def propose(offer: FeeInput, policy: FeesConfig, now: float) -> Proposal:
    """Given a peer, propose the market's price into it; the fee in force where that isn't known."""
    anchor_ppm = offer.signals.anchor_ppm
    if anchor_ppm is None:
        return propose_price(offer, offer.channel.local_terms.fee_ppm, why(ReasonCode.NO_ANCHOR), now)
    reason = why(ReasonCode.MATCHED, anchor_ppm=anchor_ppm, match_ratio=policy.match_ratio)
    return propose_price(offer, round(anchor_ppm * policy.match_ratio), reason, now)
