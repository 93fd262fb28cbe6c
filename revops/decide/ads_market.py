"""What others ask for a lease, from what they announce: a lower anchor of our own price.

Strangers announce what they like: prices that nobody means (nothing at all, or all that the field can hold), and a
thousand nodes that are one. So a price counts only within bounds, what counts is a quantile of at least a few, each
node once, and `decide/ads.py` lets it do no more than lift a price that covers our cost, up to a multiple of that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from revops.domain.ads import MarketOffer

#: Of fewer nobody can say what the market asks for.
LEAST_OFFERS: Final = 5
#: Nobody pays a fifth of what is lent for four weeks of it: whoever asks for more doesn't want to be asked.
MOST_SHARE_RATIO: Final = 0.2


def market_prices_msat(offers: Iterable[MarketOffer], own_id: str, amount_msat: int, perkw: int) -> list[int]:
    """Given what nodes announce, who we are, an amount and today's feerate, return what leasing it from others would
    cost, the cheapest first; without prices that can't be meant.
    """
    most_msat = int(amount_msat * MOST_SHARE_RATIO)
    prices = {
        node_id: rates.fee_msat(amount_msat, perkw)
        for node_id, rates in offers
        # A weight alone pays no more than our own part of the transaction.
        if node_id != own_id and (rates.fee_basis or rates.fee_base_msat)
    }
    return sorted(price_msat for price_msat in prices.values() if 0 < price_msat <= most_msat)


def anchor_msat(prices_msat: list[int], quantile_ratio: float) -> int | None:
    """Given prices, the cheapest first, return the one below which that share of them lies at most; None of too few."""
    if len(prices_msat) < LEAST_OFFERS:
        return None
    return prices_msat[int(quantile_ratio * (len(prices_msat) - 1))]
