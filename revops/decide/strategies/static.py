"""`static`: the fee that the operator named."""

from __future__ import annotations

from revops.decide.strategies.base import Proposal, propose_price
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode, why
from revops.domain.snapshot import FeeInput


def propose(offer: FeeInput, policy: FeesConfig, now: float) -> Proposal:
    """Given a peer, propose `fixed_ppm`."""
    return propose_price(offer, policy.fixed_ppm, why(ReasonCode.FIXED, fixed_ppm=policy.fixed_ppm), now)
