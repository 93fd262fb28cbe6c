"""`ads adjust`, decided: what is offered to those who lease liquidity from us, or that nothing is.

The price covers the cost (`ads_cost.py`), and isn't below what others ask for as much (`ads_market.py`) for no reason;
how much is lent is bounded (`ads_limits.py`). Whatever isn't known withdraws the offer: no figure, no lending.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from revops.decide.ads_cost import covers, lease_cost, least_msat, least_rates, lifted
from revops.decide.ads_limits import MOST_FEERATE_TIMES, lendable, lent_in_all
from revops.decide.ads_market import anchor_msat, market_prices_msat
from revops.decide.dead_capital import chain_rates
from revops.domain.ads import NO_RATES, AdsDecision, AdTerms, LeaseCost, LeaseRates, Lendable, MarketOffer
from revops.domain.capital import RatioRange
from revops.domain.dead_capital import ChainRates
from revops.domain.decision import Outcome
from revops.domain.node import Feerates
from revops.domain.policy import AdsConfig, FeesConfig, ReserveConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import NodeView
from revops.domain.units import MSAT_PER_SAT, sat_ceil, sat_floor
from revops.domain.values import replace

#: A rate from before that says nothing of what a lease costs that somebody takes now.
OLDEST_RATE_SECONDS: Final = 3_600.0
#: sat per 1000 weight units in 1 sat/vB.
PERKW_PER_SAT_PER_VB: Final = 250
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
    `in_force` what the node does now, None where it isn't known.
    """

    view: NodeView
    capital: RatioRange | None
    market: Sequence[MarketOffer]
    feerates: Sequence[Feerates]
    suspended: tuple[Reason, ...]
    in_force: AdTerms | None


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
    if seen.suspended:
        return _Offer(None, seen.suspended)
    rates = chain_rates(seen.feerates, seen.view.taken_at)
    stopped = _chain_stops(rates, seen.view.taken_at, policy)
    if rates is None or stopped:
        return _Offer(None, stopped)
    lent = lendable(seen.view, reserve, policy, _dearest_perkw(seen.feerates[-1], rates))
    if lent.lease_msat < policy.min_lease_sat * MSAT_PER_SAT:
        least = why(ReasonCode.ADS_TOO_LITTLE, lease_sat=sat_floor(lent.lease_msat), min_lease_sat=policy.min_lease_sat)
        return _Offer(None, (least, *lent.reasons), lent.total_msat)
    cost = None if seen.capital is None else lease_cost(seen.capital, rates.unilateral_perkw, lent.weight, policy)
    if cost is None:
        return _Offer(None, (why(ReasonCode.ADS_CAPITAL_UNKNOWN),), lent.total_msat)
    return _priced(seen, lent, cost, rates, policy, fees)


def _chain_stops(rates: ChainRates | None, now: float, policy: AdsConfig) -> tuple[Reason, ...]:
    """Why nothing can be lent at today's feerates, or since nobody knows them."""
    if rates is None or now - rates.sampled_at > OLDEST_RATE_SECONDS:
        return (why(ReasonCode.ADS_FEERATE_UNKNOWN),)
    dearest_perkw = max(rates.opening_perkw, rates.unilateral_perkw)
    if dearest_perkw > policy.max_feerate_sat_per_vb * PERKW_PER_SAT_PER_VB:
        limit = policy.max_feerate_sat_per_vb
        return (why(ReasonCode.ADS_FEERATE_HIGH, sat_per_vb=_sat_per_vb(dearest_perkw), max_sat_per_vb=limit),)
    return ()


def _dearest_perkw(last: Feerates, rates: ChainRates) -> int:
    """The dearest rate at which lightningd lets somebody open a channel with us."""
    return max(last.blocks_2_perkw or 0, rates.opening_perkw, rates.unilateral_perkw) * MOST_FEERATE_TIMES


def _priced(
    seen: AdsInput, lent: Lendable, cost: LeaseCost, rates: ChainRates, policy: AdsConfig, fees: FeesConfig
) -> _Offer:
    """Rates for what may be lent: our cost, lifted to what others ask; those in force where they are as good."""
    perkw, amount_msat = rates.opening_perkw, lent.lease_msat
    cost_msat = least_msat(cost, amount_msat, perkw, policy.risk_ratio)
    prices_msat = market_prices_msat(seen.market, seen.view.node.node_id, amount_msat, perkw)
    market_msat = anchor_msat(prices_msat, policy.market_quantile_ratio)
    target_msat, market = _lift(cost_msat, market_msat, len(prices_msat), policy)
    least = least_rates(cost, policy, fees)
    wanted = None if least is None else lifted(least, amount_msat, perkw, target_msat)
    if least is None or wanted is None:
        return _Offer(None, (why(ReasonCode.ADS_OUT_OF_RANGE, cost_sat=sat_ceil(cost_msat)),), lent.total_msat)
    kept = _kept(seen.in_force, least, wanted, amount_msat, perkw, policy)
    chosen = kept or wanted
    price_msat = chosen.fee_msat(amount_msat, perkw)
    reasons = (
        why(
            ReasonCode.ADS_PRICE,
            amount_sat=sat_floor(amount_msat),
            price_sat=sat_floor(price_msat),
            basis=chosen.fee_basis,
            base_sat=sat_floor(chosen.fee_base_msat),
            weight=chosen.funding_weight,
            sat_per_vb=_sat_per_vb(perkw),
        ),
        why(
            ReasonCode.ADS_COST,
            cost_sat=sat_ceil(cost_msat),
            capital_percent=round(cost.share_ratio * 100, 3),
            close_sat=sat_ceil(cost.close_msat),
            open_sat=sat_ceil(cost.weight * perkw),
            risk_percent=round(policy.risk_ratio * 100, 1),
        ),
        market,
        *lent.reasons,
        why(ReasonCode.ADS_PROMISE, promised_ppm=chosen.promised_ppm, base_msat=chosen.max_base_msat),
        *((why(ReasonCode.ADS_DEAD_BAND, band_percent=round(policy.dead_band_ratio * 100, 1)),) if kept else ()),
    )
    terms = _settled(_terms(chosen, lent, policy), seen.in_force, policy)
    return _Offer(terms, reasons, lent.total_msat, price_msat, cost_msat, market_msat)


def _lift(cost_msat: int, market_msat: int | None, offer_count: int, policy: AdsConfig) -> tuple[int, Reason]:
    """The price that is aimed at, and what the market has to do with it."""
    if market_msat is None:
        return cost_msat, why(ReasonCode.ADS_MARKET_THIN, offer_count=offer_count)
    percent = round(policy.market_quantile_ratio * 100, 1)
    market_sat = sat_floor(market_msat)
    if market_msat <= cost_msat:
        return cost_msat, why(
            ReasonCode.ADS_MARKET_CHEAPER, market_sat=market_sat, percent=percent, offer_count=offer_count
        )
    most_msat = int(cost_msat * policy.market_most_ratio)
    if market_msat > most_msat:
        return most_msat, why(
            ReasonCode.ADS_MARKET_CAPPED, market_sat=market_sat, offer_count=offer_count, times=policy.market_most_ratio
        )
    return market_msat, why(ReasonCode.ADS_MARKET, market_sat=market_sat, percent=percent, offer_count=offer_count)


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


def _sat_per_vb(perkw: int) -> float:
    return round(perkw / PERKW_PER_SAT_PER_VB, 2)
