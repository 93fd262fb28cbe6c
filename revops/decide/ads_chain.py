"""What the chain says to liquidity ads: whether feerates are known and bearable, and how dear an opening can get."""

from __future__ import annotations

from typing import Final

from revops.decide.ads_limits import MOST_FEERATE_TIMES
from revops.domain.dead_capital import ChainRates
from revops.domain.node import Feerates
from revops.domain.policy import AdsConfig
from revops.domain.reason import Reason, ReasonCode, why

#: A rate from before that says nothing of what a lease costs that somebody takes now.
OLDEST_RATE_SECONDS: Final = 3_600.0
#: sat per 1000 weight units in 1 sat/vB.
PERKW_PER_SAT_PER_VB: Final = 250


def chain_stops(rates: ChainRates | None, now: float, policy: AdsConfig) -> tuple[Reason, ...]:
    """Given today's feerates, the time and the limits, return why nothing can be lent at them, or since nobody knows
    them; empty when it can.
    """
    if rates is None or now - rates.sampled_at > OLDEST_RATE_SECONDS:
        return (why(ReasonCode.ADS_FEERATE_UNKNOWN),)
    dearest_perkw = max(rates.opening_perkw, rates.unilateral_perkw)
    if dearest_perkw > policy.max_feerate_sat_per_vb * PERKW_PER_SAT_PER_VB:
        limit = policy.max_feerate_sat_per_vb
        return (why(ReasonCode.ADS_FEERATE_HIGH, sat_per_vb=sat_per_vb(dearest_perkw), max_sat_per_vb=limit),)
    return ()


def dearest_perkw(last: Feerates, rates: ChainRates) -> int:
    """Given the last sample of feerates, and today's, return the dearest rate at which lightningd lets somebody open a
    channel with us.
    """
    return max(last.blocks_2_perkw or 0, rates.opening_perkw, rates.unilateral_perkw) * MOST_FEERATE_TIMES


def sat_per_vb(perkw: int) -> float:
    """Given a feerate in sat per 1000 weight, return it in sat per virtual byte, to a hundredth."""
    return round(perkw / PERKW_PER_SAT_PER_VB, 2)
