"""`ads adjust`, decided: what is offered to those who lease liquidity from us, or that nothing is.

The price covers the cost (`ads_cost.py`), and isn't below what others ask for as much (`ads_price.py`) for no reason;
how much is lent is bounded (`ads_limits.py`). Whatever isn't known withdraws the offer: no figure, no lending.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from revops.decide.ads_chain import chain_stops, dearest_perkw, sat_per_vb
from revops.decide.ads_cost import covers, lease_cost
from revops.decide.ads_limits import given, lendable, lent_in_all
from revops.decide.ads_price import Market, quote
from revops.decide.dead_capital import chain_rates
from revops.domain.ads import (
    NO_RATES,
    AdsDecision,
    AdTerms,
    LeaseCost,
    LeaseRates,
    Lendable,
    MarketOffer,
    StartingFees,
)
from revops.domain.capital import RatioRange
from revops.domain.dead_capital import ChainRates
from revops.domain.decision import Outcome
from revops.domain.node import Feerates
from revops.domain.policy import AdsConfig, FeesConfig, ReserveConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import NodeView
from revops.domain.units import MSAT_PER_SAT, sat_ceil, sat_floor
from revops.domain.values import replace

#: Nothing is lent: fixed contributions of 0 sat, and no rates in the announcement.
WITHDRAWN: Final = AdTerms(
    policy="fixed",
    policy_mod=0,
    leases_only=True,
    per_channel_min_msat=10_000_000,
    per_channel_max_msat=10_000_000,
    reserve_tank_msat=0,
    fuzz_percent=0,
    fund_probability=100,
    rates=NO_RATES,
)


@dataclass(frozen=True, slots=True)
class AdsInput:
    """What is decided on. `capital` is what a sat earns elsewhere a year, None where nothing tells; `market` what nodes
    announce; `feerates` the samples of the last days, the oldest first; `suspended` why nothing may be lent;
    `in_force` what the node does now, None where it isn't known; `starting` what it charges on a new channel, None
    where it doesn't tell; `since_at` when liquidity was offered first (None: never); `spliced_msat` what the splices
    cost that brought coins which still lie in the wallet.
    """

    view: NodeView
    capital: RatioRange | None
    market: Sequence[MarketOffer]
    feerates: Sequence[Feerates]
    suspended: tuple[Reason, ...]
    in_force: AdTerms | None
    starting: StartingFees | None
    since_at: float | None = None
    spliced_msat: int = 0

    @property
    def others(self) -> Market:
        """What others announce."""
        return Market(self.market, self.view.node.node_id)


@dataclass(frozen=True, slots=True)
class _Offer:
    """What is to be offered, and the figures behind it; `terms` None: nothing is."""

    terms: AdTerms | None
    reasons: tuple[Reason, ...]
    lendable_msat: int = 0
    price_msat: int | None = None
    cost_msat: int | None = None
    market_msat: int | None = None


def decide_ads(
    seen: AdsInput, policy: AdsConfig, fees: FeesConfig, reserve: ReserveConfig, held: tuple[Reason, ...] = ()
) -> AdsDecision:
    """Given what is known, the limits, what fees are bound by, the reserve, and what keeps us from changing anything
    (observe mode), return what shall be offered. Depends on nothing but the arguments.

    Withdrawing an offer is a cure: nothing but `held` puts it off.
    """
    offer = _offer(seen, policy, fees, reserve)
    new, reasons = WITHDRAWN if offer.terms is None else offer.terms, offer.reasons
    old = seen.in_force
    same = old is not None and (new == old or (new.withdrawn and old.withdrawn))
    outcome = Outcome.SKIP if same else Outcome.CHANGE
    if same:
        reasons = (*reasons, why(ReasonCode.ADS_IN_FORCE))
    elif held:
        outcome, reasons = Outcome.DEFER, (*reasons, *held)
    return AdsDecision(
        taken_at=seen.view.taken_at,
        outcome=outcome,
        old=old,
        new=new,
        reasons=reasons,
        lent_msat=lent_in_all(seen.view),
        lendable_msat=offer.lendable_msat,
        price_msat=offer.price_msat,
        cost_msat=offer.cost_msat,
        market_msat=offer.market_msat,
    )


def _offer(seen: AdsInput, policy: AdsConfig, fees: FeesConfig, reserve: ReserveConfig) -> _Offer:
    """The whole way; the first thing that speaks against lending ends it."""
    stopped = seen.suspended or given(seen.view, seen.since_at)
    if stopped:
        return _Offer(None, stopped)
    if seen.starting is None:
        return _Offer(None, (why(ReasonCode.ADS_FEES_UNKNOWN),))
    rates = chain_rates(seen.feerates, seen.view.taken_at)
    stopped = chain_stops(rates, seen.view.taken_at, policy)
    if rates is None or stopped:
        return _Offer(None, stopped)
    lent = lendable(seen.view, reserve, policy, dearest_perkw(seen.feerates[-1], rates))
    if lent.lease_msat < policy.min_lease_sat * MSAT_PER_SAT:
        least = why(ReasonCode.ADS_TOO_LITTLE, lease_sat=sat_floor(lent.lease_msat), min_lease_sat=policy.min_lease_sat)
        return _Offer(None, (least, *lent.reasons), lent.total_msat)
    cost = (
        None
        if seen.capital is None
        else lease_cost(seen.capital, rates.unilateral_perkw, lent.weight, policy, seen.spliced_msat)
    )
    if cost is None:
        return _Offer(None, (why(ReasonCode.ADS_CAPITAL_UNKNOWN),), lent.total_msat)
    return _priced(seen, lent, cost, rates, policy, fees, seen.starting)


def _priced(
    seen: AdsInput,
    lent: Lendable,
    cost: LeaseCost,
    rates: ChainRates,
    policy: AdsConfig,
    fees: FeesConfig,
    starting: StartingFees,
) -> _Offer:
    """Rates for what may be lent: our cost, lifted to what others ask; those in force where they are as good."""
    perkw, amount_msat = rates.opening_perkw, lent.lease_msat
    found = quote(cost, amount_msat, perkw, seen.others, policy, fees, starting)
    if found.least is None or found.wanted is None:
        reason = why(ReasonCode.ADS_OUT_OF_RANGE, cost_sat=sat_ceil(found.cost_msat))
        return _Offer(None, (reason,), lent.total_msat)
    kept = _kept(seen.in_force, found.least, found.wanted, amount_msat, perkw, policy)
    chosen = kept or found.wanted
    price_msat = chosen.fee_msat(amount_msat, perkw)
    reasons = (
        why(
            ReasonCode.ADS_PRICE,
            amount_sat=sat_floor(amount_msat),
            price_sat=sat_floor(price_msat),
            basis=chosen.fee_basis,
            base_sat=sat_floor(chosen.fee_base_msat),
            weight=chosen.funding_weight,
            sat_per_vb=sat_per_vb(perkw),
        ),
        why(
            ReasonCode.ADS_COST,
            cost_sat=sat_ceil(found.cost_msat),
            capital_percent=round(cost.share_ratio * 100, 3),
            close_sat=sat_ceil(cost.close_msat),
            open_sat=sat_ceil(cost.weight * perkw),
            risk_percent=round(policy.risk_ratio * 100, 1),
        ),
        *((why(ReasonCode.ADS_SPLICED, splice_sat=sat_ceil(cost.splice_msat)),) if cost.splice_msat else ()),
        found.lift,
        *lent.reasons,
        why(ReasonCode.ADS_PROMISE, promised_ppm=chosen.promised_ppm, base_msat=chosen.max_base_msat),
        *((why(ReasonCode.ADS_FEES_ELSEWHERE, mode=fees.mode),) if fees.mode != "act" else ()),
        *((why(ReasonCode.ADS_DEAD_BAND, band_percent=round(policy.dead_band_ratio * 100, 1)),) if kept else ()),
    )
    terms = _settled(_terms(chosen, lent, policy), seen.in_force, policy)
    return _Offer(terms, reasons, lent.total_msat, price_msat, found.cost_msat, found.market_msat)


def _kept(
    in_force: AdTerms | None,
    least: LeaseRates,
    wanted: LeaseRates,
    amount_msat: int,
    perkw: int,
    policy: AdsConfig,
) -> LeaseRates | None:
    """The rates in force, where they cover the cost, promise the same, and a lease at them brings about as much: others
    aren't worth an announcement. None where they aren't.
    """
    if in_force is None or in_force.withdrawn or in_force.rates == wanted:
        return None
    old = in_force.rates
    promise = (old.max_base_msat, old.max_thousandths) == (wanted.max_base_msat, wanted.max_thousandths)
    if not promise or not covers(old, least):
        return None
    wanted_msat = wanted.fee_msat(amount_msat, perkw)
    near = abs(old.fee_msat(amount_msat, perkw) - wanted_msat) <= policy.dead_band_ratio * wanted_msat
    return old if near else None


def _terms(rates: LeaseRates, lent: Lendable, policy: AdsConfig) -> AdTerms:
    """As much as is asked for, in whole, to those who pay for it alone."""
    return replace(
        WITHDRAWN,
        policy="match",
        policy_mod=100,
        per_channel_min_msat=policy.min_lease_sat * MSAT_PER_SAT,
        per_channel_max_msat=lent.lease_msat,
        reserve_tank_msat=lent.tank_msat,
        rates=rates,
    )


def _settled(terms: AdTerms, in_force: AdTerms | None, policy: AdsConfig) -> AdTerms:
    """The terms with the limits in force, where these lend no more and hardly less: feerates move all the time."""
    if in_force is None or in_force.withdrawn:
        return terms
    band = policy.dead_band_ratio
    lease_msat, tank_msat = in_force.per_channel_max_msat, in_force.reserve_tank_msat
    near_lease = terms.per_channel_max_msat * (1 - band) <= lease_msat <= terms.per_channel_max_msat
    near_tank = terms.reserve_tank_msat <= tank_msat <= terms.reserve_tank_msat * (1 + band)
    if not (near_lease and near_tank and lease_msat >= terms.per_channel_min_msat):
        return terms
    return replace(terms, per_channel_max_msat=lease_msat, reserve_tank_msat=tank_msat)
