"""What a lease costs us, and the rates at which it earns that and a margin.

A lease of A for 4,032 blocks costs, all in msat:

    capital    A x (what capital earns elsewhere in a year) x 28 / 365
    closing    a close by force at today's feerate, of which the lessee, who opened, pays the commitment
    opening    our inputs and our change in the transaction that funds it, at the feerate that the lessee chooses

The first two, and a margin for risk on both, are `lease_fee_basis` and `lease_fee_base_msat`, rounded up; the third is
`funding_weight`, which the lessee pays at that same feerate. So each lease of any size covers its cost. The whole close
is charged, not its chance: when and how a channel ends that was opened for a lease is not for us to choose.
"""

from __future__ import annotations

import math
from typing import Final

from revops.decide.chain_floor import unilateral_weight
from revops.domain.ads import BASIS, LEASE_DAYS, MAX_U16, PPM_PER_THOUSANDTH, LeaseCost, LeaseRates
from revops.domain.capital import RatioRange
from revops.domain.policy import AdsConfig, FeesConfig
from revops.domain.units import MAX_U32, MSAT_PER_SAT

DAYS_PER_YEAR: Final = 365
#: Two sat are one too many, since a price is made of two parts that are rounded down.
_ROUNDING_SAT: Final = 2


def lease_cost(capital: RatioRange, closing_perkw: int, weight: int, policy: AdsConfig) -> LeaseCost | None:
    """Given what capital earns elsewhere, today's feerate of a close by force, what our part of the funding weighs, and
    the limits, return what a lease costs; None where the first is no number. Less than nothing counts as nothing.
    """
    yearly_ratio: float = getattr(capital, f"{policy.capital}_ratio")
    if not math.isfinite(yearly_ratio):
        return None
    share_ratio = max(yearly_ratio, 0.0) * LEASE_DAYS / DAYS_PER_YEAR
    # Weight x sat per 1000 weight is msat. The lessee opened the channel: the peer is its opener.
    return LeaseCost(share_ratio, unilateral_weight("remote") * closing_perkw, weight)


def least_msat(cost: LeaseCost, amount_msat: int, perkw: int, risk_ratio: float) -> int:
    """Given what a lease costs, its amount, the feerate of the transaction that funds it, and the margin, return what
    it must bring at least, rounded up.
    """
    earned_msat = (amount_msat * cost.share_ratio + cost.close_msat) * (1 + risk_ratio)
    return math.ceil(earned_msat) + cost.weight * perkw


def least_rates(cost: LeaseCost, policy: AdsConfig, fees: FeesConfig) -> LeaseRates | None:
    """Given what a lease costs, the limits, and what fees are bound by, return the rates that just cover it; None where
    an announcement has no room for them.

    The promise is the ceiling that fees have in any case, in whole thousandths: it costs nothing to keep.
    """
    margin = 1 + policy.risk_ratio
    base_msat = (math.ceil(cost.close_msat * margin / MSAT_PER_SAT) + _ROUNDING_SAT) * MSAT_PER_SAT
    return checked(
        LeaseRates(
            fee_base_msat=base_msat,
            fee_basis=math.ceil(cost.share_ratio * margin * BASIS),
            funding_weight=cost.weight,
            max_base_msat=fees.base_msat,
            max_thousandths=max(-(-fees.max_ppm // PPM_PER_THOUSANDTH), 1),
        )
    )


def lifted(rates: LeaseRates, amount_msat: int, perkw: int, price_msat: int) -> LeaseRates | None:
    """Given rates, an amount, today's feerate and a price, return rates at which as much brings that price at least, by
    a higher basis; the same where they do already; None where an announcement has no room for them.
    """
    missing_msat = price_msat - rates.fee_msat(amount_msat, perkw)
    if missing_msat <= 0 or amount_msat < MSAT_PER_SAT:
        return rates
    more = -(-(missing_msat + MSAT_PER_SAT) * BASIS // amount_msat)
    return checked(
        LeaseRates(
            fee_base_msat=rates.fee_base_msat,
            fee_basis=rates.fee_basis + more,
            funding_weight=rates.funding_weight,
            max_base_msat=rates.max_base_msat,
            max_thousandths=rates.max_thousandths,
        )
    )


def checked(rates: LeaseRates) -> LeaseRates | None:
    """Given rates, return them; None where an announcement has no room for them."""
    small = max(rates.fee_basis, rates.funding_weight, rates.max_thousandths)
    # lightningd keeps the base in sat, and the promised one in msat.
    fits = small <= MAX_U16 and rates.fee_base_msat // MSAT_PER_SAT <= MAX_U32 and rates.max_base_msat <= MAX_U32
    return rates if fits else None


def covers(rates: LeaseRates, least: LeaseRates) -> bool:
    """Given rates and those that just cover the cost, return whether a lease of any size at the former covers it."""
    return (
        rates.fee_base_msat >= least.fee_base_msat
        and rates.fee_basis >= least.fee_basis
        and rates.funding_weight >= least.funding_weight
    )
