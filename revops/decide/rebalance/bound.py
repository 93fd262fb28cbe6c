"""What keeps a route from costing more: of the three bounds on an offer, the one that is in force, in words."""

from __future__ import annotations

from revops.decide.rebalance.offers import Offer
from revops.domain.policy import RebalanceConfig


def bound(one: Offer, policy: RebalanceConfig) -> str:
    """Given an offer and the policy, return what sets the most that its route may cost."""
    if one.limit_ppm >= policy.max_fee_ppm:
        return "max_fee_ppm"
    unreturned_ppm = one.target_ppm - one.source_ppm - one.risk_ppm
    if one.limit_ppm < int(max(unreturned_ppm, 0.0) / (1.0 + policy.min_return_ratio)):
        return "by the lower bound of the chance that it is sold, more would not pay"
    if policy.min_return_ratio > 0:
        return f"min_return_ratio = {policy.min_return_ratio:g}; without a return {int(max(unreturned_ppm, 0.0)):,} ppm"
    return "the difference, less the risk"
