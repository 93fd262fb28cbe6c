"""What a lease is offered for: what it costs us, lifted to what others ask for as much; and the rates for that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from revops.decide.ads_cost import least_msat, least_rates, lifted
from revops.decide.ads_market import anchor_msat, market_prices_msat
from revops.domain.ads import LeaseCost, LeaseRates, MarketOffer, StartingFees
from revops.domain.policy import AdsConfig, FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.units import sat_floor


@dataclass(frozen=True, slots=True)
class Market:
    """What others announce, and who we are, whose own offer counts for nothing."""

    offers: Sequence[MarketOffer]
    own_id: str


@dataclass(frozen=True, slots=True)
class Quote:
    """A lease of one size: what it must earn, what others ask for it (None: too few do), the rates that just cover it,
    and those that are to be offered; both None where an announcement has no room for them.
    """

    cost_msat: int
    market_msat: int | None
    offer_count: int
    lift: Reason
    least: LeaseRates | None
    wanted: LeaseRates | None


def quote(
    cost: LeaseCost,
    amount_msat: int,
    perkw: int,
    market: Market,
    policy: AdsConfig,
    fees: FeesConfig,
    starting: StartingFees,
) -> Quote:
    """Given what a lease costs, its amount, the feerate of the transaction that funds it, what others announce, the
    limits, what fees are bound by, and what a new channel charges at first, return what it is to be offered for.
    """
    cost_msat = least_msat(cost, amount_msat, perkw, policy.risk_ratio)
    prices_msat = market_prices_msat(market.offers, market.own_id, amount_msat, perkw)
    market_msat = anchor_msat(prices_msat, policy.market_quantile_ratio)
    target_msat, lift = _lift(cost_msat, market_msat, len(prices_msat), policy)
    least = least_rates(cost, policy, fees, starting)
    wanted = None if least is None else lifted(least, amount_msat, perkw, target_msat)
    return Quote(cost_msat, market_msat, len(prices_msat), lift, least, wanted)


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
