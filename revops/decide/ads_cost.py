"""What a lease costs us, and the rates at which it earns that and a margin.

A lease of A for 4,032 blocks costs, all in msat:

    capital    A x (what capital earns elsewhere in a year) x 28 / 365
    closing    a close by force at today's feerate, of which the lessee, who opened, pays the commitment
    splice     the splice out of a channel that brought the coins (`ads_funding.py`), where one did
    opening    our inputs and our change in the transaction that funds it, at the feerate that the lessee chooses

The first is `lease_fee_basis`, the next two are `lease_fee_base_msat`, each with a margin for risk and rounded up; the
last is `funding_weight`, which the lessee pays at that same feerate. So each lease of any size covers its cost. The
whole close is charged, not its chance: when and how a channel ends that was opened for a lease is not for us to choose.
What is too small to be paid out as change, less than 330 sat of a lease at the worst, is left to the margin.

Coins of a splice out stay dear until they are spent: as long as any of them lie in the wallet, the whole splice is in
each price, since lightningd draws the coins for a lease by lot. Once they are spent it has been earned back.
"""

from __future__ import annotations

import math
from typing import Final

from revops.decide.chain_floor import unilateral_weight
from revops.domain.ads import BASIS, LEASE_DAYS, MAX_U16, PPM_PER_THOUSANDTH, LeaseCost, LeaseRates, StartingFees
from revops.domain.capital import RatioRange
from revops.domain.policy import AdsConfig, FeesConfig
from revops.domain.units import MAX_U32, MSAT_PER_SAT

DAYS_PER_YEAR: Final = 365
#: Two sat are one too many, since a price is made of two parts that are rounded down.
_ROUNDING_SAT: Final = 2


def lease_cost(
    capital: RatioRange, closing_perkw: int, weight: int, policy: AdsConfig, splice_msat: int = 0
) -> LeaseCost | None:
    """Given what capital earns elsewhere, today's feerate of a close by force, what our part of the funding weighs, the
    limits, and what a splice cost that brought the coins, return what a lease costs; None where the first is no number.
    Less than nothing counts as nothing.
    """
    yearly_ratio: float = getattr(capital, f"{policy.capital}_ratio")
    if not math.isfinite(yearly_ratio):
        return None
    share_ratio = max(yearly_ratio, 0.0) * LEASE_DAYS / DAYS_PER_YEAR
    # Weight x sat per 1000 weight is msat. The lessee opened the channel: the peer is its opener.
    return LeaseCost(share_ratio, unilateral_weight("remote") * closing_perkw, weight, splice_msat)


def least_msat(cost: LeaseCost, amount_msat: int, perkw: int, risk_ratio: float) -> int:
    """Given what a lease costs, its amount, the feerate of the transaction that funds it, and the margin, return what
    it must bring at least, rounded up.
    """
    earned_msat = (amount_msat * cost.share_ratio + cost.fixed_msat) * (1 + risk_ratio)
    return math.ceil(earned_msat) + cost.weight * perkw


def least_rates(cost: LeaseCost, policy: AdsConfig, fees: FeesConfig, starting: StartingFees) -> LeaseRates | None:
    """Given what a lease costs, the limits, what fees are bound by, and what a new channel charges at first, return the
    rates that just cover it; None where an announcement has no room for them.

    The promise is the ceiling that fees have in any case, in whole thousandths: it costs nothing to keep. lightningd
    doesn't keep it by itself: a leased channel begins with the fees of any new one.
    """
    margin = 1 + policy.risk_ratio
    base_msat = (math.ceil(cost.fixed_msat * margin / MSAT_PER_SAT) + _ROUNDING_SAT) * MSAT_PER_SAT
    return checked(
        LeaseRates(
            fee_base_msat=base_msat,
            fee_basis=math.ceil(cost.share_ratio * margin * BASIS),
            funding_weight=cost.weight,
            max_base_msat=max(fees.base_msat, starting.base_msat),
            max_thousandths=max(-(-max(fees.max_ppm, starting.ppm) // PPM_PER_THOUSANDTH), 1),
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
