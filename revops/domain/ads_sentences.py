"""What each reason of a liquidity ad says to a person, with its numbers by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from revops.domain.reason_code import ReasonCode

#: By code; `reason_sentences.py` joins them with the others.
ADS: Final[Mapping[ReasonCode, str]] = {
    ReasonCode.ADS_PRICE: (
        "a lease of {amount_sat} sat brings {price_sat} sat: {basis} of 10,000 of it, {base_sat} sat, and what our "
        "part of the transaction costs, for which a weight of {weight} is charged, at {sat_per_vb} sat/vB"
    ),
    ReasonCode.ADS_COST: (
        "it costs {cost_sat} sat: {capital_percent} % that the capital would earn elsewhere meanwhile, {close_sat} sat "
        "for a close by force, {risk_percent} % more of both for the risk, and {open_sat} sat for our part of the "
        "opening"
    ),
    ReasonCode.ADS_MARKET: (
        "lifted to what others ask for as much: {market_sat} sat, below which {percent} % of {offer_count} offers lie"
    ),
    ReasonCode.ADS_MARKET_CHEAPER: (
        "others lend as much for {market_sat} sat, below which {percent} % of {offer_count} offers lie: not below cost"
    ),
    ReasonCode.ADS_MARKET_CAPPED: (
        "others ask {market_sat} sat for as much, of {offer_count} offers: lifted to {times} times the cost, no further"
    ),
    ReasonCode.ADS_MARKET_THIN: "{offer_count} others announce a price that can be meant: too few to go by",
    ReasonCode.ADS_LENDABLE: (
        "{total_sat} sat may be lent until the next run, by {bound}: the wallet holds {wallet_sat} sat, and {lent_sat} "
        "sat are lent in {lease_count} channels"
    ),
    ReasonCode.ADS_PROMISE: (
        "while it runs no more than {promised_ppm} ppm + {base_msat} msat may be charged for routing"
    ),
    ReasonCode.ADS_DEAD_BAND: "the rates in force bring about as much, within {band_percent} %: kept",
    ReasonCode.ADS_IN_FORCE: "that is in force",
    ReasonCode.ADS_TOO_LITTLE: (
        "no more than {lease_sat} sat could be lent, less than min_lease_sat = {min_lease_sat}: nothing is offered"
    ),
    ReasonCode.ADS_FEERATE_HIGH: (
        "the chain costs {sat_per_vb} sat/vB, more than max_feerate_sat_per_vb = {max_sat_per_vb}: nothing is offered"
    ),
    ReasonCode.ADS_FEERATE_UNKNOWN: "the node has no estimate of feerates: nothing is offered",
    ReasonCode.ADS_CAPITAL_UNKNOWN: (
        "it isn't known what capital earns elsewhere (`revops report capital` says what lacks): nothing is offered"
    ),
    ReasonCode.ADS_OUT_OF_RANGE: (
        "a lease costs {cost_sat} sat, by rates for which an announcement has no room: nothing is offered"
    ),
    ReasonCode.ADS_HELD_BACK: (
        "of that {now_sat} sat at once: until {coming_sat} sat that come into the wallet have a block, they would be "
        "lent beyond the limits"
    ),
    ReasonCode.ADS_CHANGE: (
        "coins are spent whole: until the change of such a lease has a block, the wallet may hold as little as "
        "{confirmed_sat} confirmed sat, its reserve is {reserve_sat}, and writing is suspended meanwhile. More and "
        "smaller coins help"
    ),
    ReasonCode.ADS_GIVEN: (
        "the channel {channel} was opened since liquidity is offered, with {given_sat} sat of ours and for nothing: "
        "lightningd charges no fee when a lessee raises the feerate of the opening. Nothing is offered until the node "
        "has forgotten that channel, closed, or a lease would have ended"
    ),
    ReasonCode.ADS_FEES_UNKNOWN: (
        "the node doesn't tell what it charges on a new channel (fee-base, fee-per-satoshi), so that nothing can be "
        "promised: nothing is offered"
    ),
    ReasonCode.ADS_SPLICED: (
        "{splice_sat} sat of that, before the margin, are what the splice took whose coins lie in the wallet: a lease "
        "may be paid from them"
    ),
    ReasonCode.ADS_FUNDING: (
        "the channel {channel} does nothing with its capital: a splice of {amount_sat} sat out of it would cost "
        "{splice_sat} sat, and let {lease_sat} sat be lent. `revops splice plan` plans it where others ask for as much "
        "as that costs, no channel needs it more, and ads.mode is act"
    ),
    ReasonCode.ADS_FUNDING_PRICE: (
        "{price_sat} sat would be asked for that, which costs {cost_sat} sat with the splice: {basis} of 10,000 of it, "
        "{base_sat} sat, and a weight of {weight}"
    ),
    ReasonCode.ADS_FUNDING_UNSOLD: (
        "others lend as much for {market_sat} sat, by {offer_count} offers: nobody is known to pay that, and no splice "
        "is planned for it"
    ),
    ReasonCode.ADS_FUNDING_COMING: (
        "a splice is under way, or coins come into the wallet: what lacks may be there soon"
    ),
    ReasonCode.ADS_NO_FUNDING: (
        "no channel with dead capital could give the wallet what a lease of {min_lease_sat} sat takes"
    ),
    ReasonCode.ADS_FEES_ELSEWHERE: (
        'revops doesn\'t set fees (fees.mode = "{mode}"): whoever does must keep what is promised'
    ),
}
