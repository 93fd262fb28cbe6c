"""`funderupdate`, and what `listnodes` shows of others' offers, as domain values; and terms as a request.

The schema lists `compact_lease` as a parameter of `funderupdate`. lightningd takes none of that name
(plugins/funder.c, json_funderupdate), so it is never sent.
"""

from __future__ import annotations

from typing import Final

from revops.domain.ads import NO_RATES, AdTerms, LeaseRates, MarketOffer
from revops.node.fields import Fields

_POLICIES: Final = ("match", "available", "fixed")


def ad_terms(reply: dict[str, object]) -> AdTerms:
    """Given the reply of `funderupdate`, return what is in force. Rates are there once any was ever set."""
    fields = Fields("funderupdate", reply)
    return AdTerms(
        policy=fields.one_of("policy", _POLICIES),
        policy_mod=fields.whole("policy_mod"),
        leases_only=fields.flag("leases_only"),
        per_channel_min_msat=fields.msat("per_channel_min_msat"),
        per_channel_max_msat=fields.msat("per_channel_max_msat"),
        reserve_tank_msat=fields.msat("reserve_tank_msat"),
        fuzz_percent=fields.whole("fuzz_percent"),
        fund_probability=fields.whole("fund_probability"),
        rates=_rates(fields) if "lease_fee_basis" in fields else NO_RATES,
    )


def _rates(fields: Fields) -> LeaseRates:
    return LeaseRates(
        fee_base_msat=fields.msat("lease_fee_base_msat"),
        fee_basis=fields.whole("lease_fee_basis"),
        funding_weight=fields.whole("funding_weight"),
        max_base_msat=fields.msat("channel_fee_max_base_msat"),
        max_thousandths=fields.whole("channel_fee_max_proportional_thousandths"),
    )


def terms_request(terms: AdTerms) -> dict[str, str | int | bool]:
    """Given terms, return the parameters that set them, all of them: what isn't named stays as it is, and of rates the
    others become lightningd's defaults. Rates that are all 0 end the announcement.
    """
    rates = terms.rates
    return {
        "policy": terms.policy,
        "policy_mod": terms.policy_mod,
        "leases_only": terms.leases_only,
        "per_channel_min_msat": terms.per_channel_min_msat,
        "per_channel_max_msat": terms.per_channel_max_msat,
        "reserve_tank_msat": terms.reserve_tank_msat,
        "fuzz_percent": terms.fuzz_percent,
        "fund_probability": terms.fund_probability,
        "lease_fee_base_msat": rates.fee_base_msat,
        "lease_fee_basis": rates.fee_basis,
        "funding_weight": rates.funding_weight,
        "channel_fee_max_base_msat": rates.max_base_msat,
        "channel_fee_max_proportional_thousandths": rates.max_thousandths,
    }


def lease_offers(reply: dict[str, object]) -> tuple[MarketOffer, ...]:
    """Given the reply of `listnodes`, return the nodes that offer liquidity, and at which rates."""
    return tuple(
        (row.node_id("nodeid"), _rates(row.child("option_will_fund")))
        for row in Fields("listnodes", reply).rows("nodes")
        if "option_will_fund" in row
    )
