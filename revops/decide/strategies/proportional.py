"""`proportional`: dear where little is left, cheap where there is plenty, in a straight line between.

The formula is charge-lnd's (charge_lnd/strategy.py, strategy_proportional): min + (1 - local share) x (max - min).
"""

from __future__ import annotations

from revops.decide.strategies.base import Proposal, propose_price
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode, why
from revops.domain.snapshot import FeeInput


def propose(offer: FeeInput, policy: FeesConfig, now: float) -> Proposal:
    """Given a peer, propose a fee between `full_ppm` (all liquidity is ours) and `empty_ppm` (none is)."""
    ratio = offer.channel.local_ratio
    ppm = policy.full_ppm + (1 - ratio) * (policy.empty_ppm - policy.full_ppm)
    reason = why(
        ReasonCode.PROPORTIONAL,
        local_percent=offer.channel.local_percent,
        full_ppm=policy.full_ppm,
        empty_ppm=policy.empty_ppm,
    )
    return propose_price(offer, round(ppm), reason, now)
