"""What each reason of a splice says to a person, with its numbers by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from revops.domain.reason_code import ReasonCode

#: By code; `reason_sentences.py` joins them with the others.
SPLICES: Final[Mapping[ReasonCode, str]] = {
    ReasonCode.SPLICE_WORTH: (
        "each sat more would bring {gain_ppm} ppm in {horizon_days} days ({low_ppm} to {high_ppm}), up to "
        "{wanted_sat} sat: then what is turned away could leave"
    ),
    ReasonCode.SPLICE_BINDS: (
        "on {exhausted_percent} % of {connected_days} days with its peer there nothing of a usual size could leave, "
        "and {refused_count} payments ({refused_msat:sat} sat) were turned away"
    ),
    ReasonCode.SPLICE_NOT_BINDING: (
        "its capacity doesn't bind: exhausted on {exhausted_percent} % of {connected_days} days with its peer there "
        "(asked for: {min_percent} %), {refused_count} payments turned away (asked for: {min_count})"
    ),
    ReasonCode.SPLICE_UNSEEN: (
        "its peer was known to be there on {connected_days} days: whether its capacity binds is judged from {min_days} "
        "on"
    ),
    ReasonCode.SPLICE_NOT_COUNTED: "what one more sat would earn isn't known: {standing} (`revops report capital`)",
    ReasonCode.SPLICE_WORTHLESS: "one more sat on it would earn next to nothing: its next sat is worth {value_ppm} ppm",
    ReasonCode.SPLICE_COST: (
        "{cost_msat:sat} sat on the chain at {perkw} sat per 1000 weight, paid back in {payback_days} days; at most "
        "{max_perkw}, {max_cost_msat:sat} sat"
    ),
    ReasonCode.SPLICE_TOO_DEAR: (
        "{amount_sat} sat more would bring {gain_msat:sat} sat in {horizon_days} days, and cost {cost_msat:sat} sat on "
        "the chain: min_return_ratio = {min_return_ratio} asks for more"
    ),
    ReasonCode.SPLICE_TOO_SMALL: "{amount_sat} sat could be used or had: the least is {min_sat} (min_amount_sat)",
    ReasonCode.SPLICE_FEERATE: (
        "the feerate is {perkw} sat per 1000 weight, the most that a splice may pay is {max_perkw} (max_feerate_perkw)"
    ),
    ReasonCode.SPLICE_NO_FEERATE: "the node had no estimate of feerates in the last 3 days: what it costs isn't known",
    ReasonCode.SPLICE_UNSUPPORTED: "its peer, or this node, doesn't signal splicing (option_splice)",
    ReasonCode.SPLICE_UNDER_WAY: "a splice is under way on it: one at a time",
    ReasonCode.SPLICE_WALLET: (
        "out of the wallet, which keeps {left_sat} sat; {reserve_sat} must stay (its reserve and resume_ratio more)"
    ),
    ReasonCode.SPLICE_WALLET_SHORT: (
        "the wallet has {free_sat} sat above the {reserve_sat} that must stay (its reserve and resume_ratio more), "
        "{wanted_sat} are wanted: it waits for funds"
    ),
    ReasonCode.SPLICE_CHANNELS_SHORT: (
        "what the channels can send is {free_sat} sat above its reserve (offchain_sat): too little to take that out"
    ),
    ReasonCode.SPLICE_CHANGE: (
        "until it is confirmed the wallet has {confirmed_sat} confirmed sat, less than its reserve of {reserve_sat}: "
        "writing is suspended meanwhile"
    ),
    ReasonCode.SPLICE_DEAD: (
        "dead capital: nothing went through it for {silent_days} usable days; {spendable_sat} sat can leave"
    ),
    ReasonCode.SPLICE_FUNDS: (
        "for {winner}, where each sat would bring {gain_ppm} ppm in {horizon_days} days, and for which the wallet "
        "lacks {lacking_sat} sat; getting them there costs {in_cost_msat:sat} sat more"
    ),
    ReasonCode.SPLICE_LEASE: (
        "for a lease of {lease_sat} sat out of the wallet, which lacks them: {price_sat} sat would be asked, it costs "
        "{cost_sat} with this splice, and by {offer_count} offers others ask {market_sat}; if nobody takes it, nothing "
        "is earned"
    ),
    ReasonCode.SPLICE_LEASED: "it was leased, which binds what we put in until the lease ends",
    ReasonCode.SPLICE_NO_USE: "dead capital, but no channel that could use it lacks funds",
    ReasonCode.SPLICE_PLAN_FULL: "{splice_count} splices are planned or under way already (max_splices)",
    ReasonCode.SPLICE_OLD_NODE: "lightningd {version} has no splice that can be trusted: v26.06 is the first",
    ReasonCode.SPLICE_NO_BUDGET: (
        "splice.daily_sat or splice.weekly_sat is 0: no splice is begun until both name what it may cost"
    ),
    ReasonCode.SPLICE_NEVER_SENT: "nothing was asked of the node: its reservation is free again",
    ReasonCode.SPLICE_BEGUN: (
        "begun: {amount_sat} sat at {perkw} sat per 1000 weight, at most {worst_msat:sat} sat; transaction {txid}"
    ),
    ReasonCode.SPLICE_WOULD: (
        "would begin: {amount_sat} sat at {perkw} sat per 1000 weight, {worst_msat:sat} sat at most ({weight} weight)"
    ),
    ReasonCode.SPLICE_WAITS: (
        "transaction {txid} waits for its depth, for {hours} hours now; {reserved_msat:sat} sat stay reserved"
    ),
    ReasonCode.SPLICE_LOCKED: "locked in: {amount_sat} sat, for {cost_msat:sat} sat on the chain; transaction {txid}",
    ReasonCode.SPLICE_UNBOOKED: (
        "locked in, but the node hasn't written down yet what transaction {txid} has cost; {reserved_msat:sat} sat "
        "stay reserved"
    ),
    ReasonCode.SPLICE_DROPPED: (
        "the node doesn't list transaction {txid} any more, {hours} hours after it was asked for; but it was signed, "
        "and the peer may still send it. {reserved_msat:sat} sat stay reserved, and the channel gets no other splice, "
        "until another transaction spends what funds it, as closing it does"
    ),
    ReasonCode.SPLICE_OVERTAKEN: "another splice was locked in, so that transaction {txid} can't be: nothing was paid",
    ReasonCode.SPLICE_ASSUMED: (
        "the channel is gone, and no record says what the splice (transaction {txid}) has cost: booked at the most, "
        "{cost_msat:sat} sat"
    ),
    ReasonCode.SPLICE_NOT_MADE: "the node made no such splice: nothing was moved or paid",
    ReasonCode.SPLICE_UNCLEAR: (
        "the node was asked {minutes} min ago, and no answer is known: {reserved_msat:sat} sat stay reserved. After "
        "{patience_minutes} min a new connection to the peer ends a negotiation that hangs"
    ),
    ReasonCode.SPLICE_REFUSED: "the node made no splice: {message}",
    ReasonCode.SPLICE_GONE: "the channel is no longer open",
    ReasonCode.SPLICE_NO_MORE: "a plan of now would move funds the other way",
    ReasonCode.SPLICE_FEERATE_ROSE: (
        "the feerate is {perkw} sat per 1000 weight by now, this splice may pay {max_perkw} at most: left for later"
    ),
    ReasonCode.SPLICE_NO_ESTIMATE: "the node estimates no feerate now: at an old one it might never be confirmed",
    ReasonCode.SPLICE_COST_ROSE: (
        "it may cost {cost_msat:sat} sat by now ({weight} weight, if the node takes the smallest coins), "
        "{max_cost_msat:sat} are allowed: left for later"
    ),
}
