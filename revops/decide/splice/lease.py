"""A splice out of a dead channel so that its capital can be lent: what that brings, and what it costs."""

from __future__ import annotations

from revops.decide.splice.cost import OUT_WEIGHT, cost_reason, terms_of, too_dear
from revops.domain.ads import LEASE_DAYS, LeaseFunding
from revops.domain.capital import RatioRange
from revops.domain.policy import SpliceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.splice import SpliceDirection, SpliceTerms
from revops.domain.units import MSAT_PER_SAT, sat_ceil, sat_floor


def lease_terms(found: LeaseFunding, perkw: int, policy: SpliceConfig) -> tuple[SpliceTerms | None, tuple[Reason, ...]]:
    """Given the lease that a splice would pay for, today's feerate and the limits, return the splice's terms (None:
    it brings too little) and why.

    What it brings is the price of one lease less our part of its opening and its later close; the capital earns nothing
    where it is. Nobody knows whether anybody takes it: the bound below is nothing, the one above as many leases one
    after the other as the horizon holds.
    """
    gain_msat = max(found.price_msat - found.own_msat, 0)
    ratio = gain_msat / (found.amount_sat * MSAT_PER_SAT)
    gain = RatioRange(0.0, ratio, ratio * max(policy.horizon_days // LEASE_DAYS, 1.0))
    terms = terms_of(SpliceDirection.OUT, gain, found.amount_sat, OUT_WEIGHT, perkw, policy)
    if terms is None:
        return None, (too_dear(found.amount_sat, gain_msat, OUT_WEIGHT * perkw, policy),)
    lease = why(
        ReasonCode.SPLICE_LEASE,
        lease_sat=sat_floor(found.lease_msat),
        price_sat=sat_floor(found.price_msat),
        cost_sat=sat_ceil(found.cost_msat),
        offer_count=found.offer_count,
        market_sat=0 if found.market_msat is None else sat_floor(found.market_msat),
    )
    return terms, (lease, cost_reason(terms, perkw))
