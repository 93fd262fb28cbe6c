"""What each reason of a fee says to a person, with its numbers by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from revops.domain.reason_code import ReasonCode

#: By code; `reason_sentences.py` joins them with the others.
FEES: Final[Mapping[ReasonCode, str]] = {
    ReasonCode.FIRST_SEEN: "first seen at {fee_ppm} ppm: watching before touching",
    ReasonCode.EXTERNAL_CHANGE: "fee changed outside revops, {expected_ppm} -> {fee_ppm} ppm: learning starts anew",
    ReasonCode.EXTERNAL_RESPECTED: "set outside revops to {fee_ppm} ppm {age_hours} h ago: left alone",
    ReasonCode.EXTERNAL_OVERWRITTEN: "set outside revops, {expected_ppm} -> {fee_ppm} ppm: to be put back",
    ReasonCode.PINNED: "pinned by hand at {pin_ppm} ppm, {span}",
    ReasonCode.ALIGNED: "priced together with the peer's other channels, of which {name} leads at {fee_ppm} ppm",
    ReasonCode.OBSERVING: (
        "watching {fee_ppm} ppm: {open_hours} of {needed_hours} open hours, {forward_count} forwards"
    ),
    ReasonCode.INCONCLUSIVE: (
        "{fee_ppm} ppm earned {rate_msat} msat per open hour, {last_rate_msat} before: too close to tell apart by "
        "{forward_count} forwards, watching on"
    ),
    ReasonCode.CLIMB_KEEP: (
        "{fee_ppm} ppm earned {rate_msat} msat per open hour, the price before {last_rate_msat}: on the same way, "
        "{step_percent} %"
    ),
    ReasonCode.CLIMB_REVERSE: (
        "{fee_ppm} ppm earned {rate_msat} msat per open hour, the price before {last_rate_msat}: the other way, "
        "{step_percent} %"
    ),
    ReasonCode.CLIMB_PROBE: (
        "{fee_ppm} ppm earned {rate_msat} msat per open hour, the first price of this search: try {step_percent} %"
    ),
    ReasonCode.CLIMB_SLOPE: (
        "prices tried lately: {window_count}; by them a fee 1 % higher changes the net income by {slope_percent} % "
        "(give or take {error_percent} %); a sat is worth {value_ppm} ppm here and {entry_value_ppm} ppm where its "
        "payments enter"
    ),
    ReasonCode.CLIMB_WORTH: (
        "what is remembered is of one price alone, which shows no slope; a sat is worth {value_ppm} ppm here and "
        "{entry_value_ppm} ppm where its payments enter"
    ),
    ReasonCode.NOTHING_TO_LEARN: "it can't forward now, so that no price would prove better: {fee_ppm} ppm is kept",
    ReasonCode.AT_BOUND: "{fee_ppm} ppm is as near the bound of {bound_ppm} ppm as a step can go: kept",
    ReasonCode.DEMAND: (
        "{interest_count} payments tell: {per_day} a day are expected at {fee_ppm} ppm, a fee 1 % higher loses "
        "{elasticity} % of them ({low} to {high}); of all prices {best_ppm} ppm promises most, {gain_msat} "
        "msat a day more; a sat is worth {value_ppm} ppm here and {entry_value_ppm} ppm where they enter"
    ),
    ReasonCode.DEMAND_OUTSIDE: (
        "{interest_count} payments tell: {per_day} a day are expected at {fee_ppm} ppm, a fee 1 % higher loses "
        "{elasticity} % of them ({low} to {high}); {fee_ppm} ppm is none of the prices that may be tried so far, "
        "{cheapest_ppm} to {dearest_ppm} ppm: of those {best_ppm} ppm promises most, though {lost_msat} msat a day "
        "less than {fee_ppm} ppm would bring if the belief held there; a sat is worth {value_ppm} ppm here and "
        "{entry_value_ppm} ppm where they enter"
    ),
    ReasonCode.UNPAID: (
        "nobody has paid {fee_ppm} ppm since it is in force: {wanted_ppm} ppm isn't tried before somebody has"
    ),
    ReasonCode.DEMAND_PROBE: (
        "nearly all payments came at one price: {probe_ppm} ppm is tried to see what they mind, which may cost "
        "{lost_msat} msat a day"
    ),
    ReasonCode.JUDGED_LATELY: "{fee_ppm} ppm is judged anew each {hours} h: kept till then",
    ReasonCode.JUDGED_BEST: (
        "{fee_ppm} ppm is judged anew each {hours} h: kept till then; {hours_ago} h ago {best_ppm} ppm promised most"
    ),
    ReasonCode.JUDGED_WANTED: "{hours_ago} h ago, at {fee_ppm} ppm, {best_ppm} ppm promised most: wanted since",
    ReasonCode.CALM: "calm at {fee_ppm} ppm for {calm_hours} h: no price near it promises more",
    ReasonCode.ASLEEP: (
        "asleep at {fee_ppm} ppm for {left_hours} h more: {interest_count} payments came, {expected_count} expected"
    ),
    ReasonCode.WOKEN: (
        "woken at {fee_ppm} ppm by {cause}: {interest_count} payments came while asleep, {expected_count} expected"
    ),
    ReasonCode.STRATEGY_OFF: "strategy is off",
    ReasonCode.STRATEGY_FAILED: "strategy {strategy} failed ({error}): left as it is; please report it",
    ReasonCode.FIXED: "fixed at {fixed_ppm} ppm",
    ReasonCode.PROPORTIONAL: "{local_percent} % is ours, {full_ppm} ppm when all is, {empty_ppm} ppm when nothing is",
    ReasonCode.MATCHED: "others charge {anchor_ppm} ppm into the peer, times {match_ratio}",
    ReasonCode.NO_ANCHOR: "what others charge into the peer isn't known: left as it is",
    ReasonCode.FIRST_FEE_PEER: "new: as our other channel to the peer, {name}, at {fee_ppm} ppm",
    ReasonCode.FIRST_FEE_STRATEGY: "new: what {strategy} asks for, at once",
    ReasonCode.FIRST_FEE_ANCHOR: (
        "new: others charge {anchor_ppm} ppm into its peer, times {match_ratio}, and no less than {least_ppm} ppm"
    ),
    ReasonCode.FIRST_FEE_START: "new, and what others charge into its peer isn't known: start_ppm, {start_ppm} ppm",
    ReasonCode.CONGESTED_HOLD: (
        "congested {direction} for {since_hours} h by {cause}: {slot_percent} % of the HTLC slots and {value_percent} %"
        " of the value are taken; the fee is held meanwhile"
    ),
    ReasonCode.UNREACHABLE: (
        "no payment of usual size can get here: no other peer's channel has room for it to enter, so that want of "
        "revenue says nothing of the fee"
    ),
    ReasonCode.CONGESTED_RAISE: (
        "congested {direction} for {since_hours} h by {cause}: {slot_percent} % of the HTLC slots and {value_percent} %"
        " of the value are taken; one step up, {step_percent} %"
    ),
    ReasonCode.EXPERIMENT_A: "experiment {experiment}, block {block} of {block_count}: A's turn, {strategy}",
    ReasonCode.EXPERIMENT_B: "experiment {experiment}, block {block} of {block_count}: B's turn, {strategy}",
    ReasonCode.FLOOR: "raised to the floor of {floor_ppm} ppm",
    ReasonCode.CHAIN_FLOOR: (
        "floor of {floor_ppm} ppm by the chain: a force-close at {sat_per_vb} sat/vB would cost {cost_sat} sat, by "
        "{chance_percent} % a year, earned on {volume_sat} sat"
    ),
    ReasonCode.CHAIN_SPIKE: "feerates are {times} times their median of 24 hours: the chain's floor times {premium}",
    ReasonCode.CHAIN_CAPPED: (
        "the chain asks for {wanted_ppm} ppm, but at most {share_percent} % of the market's {market_ppm} ppm count"
    ),
    ReasonCode.MARKET_UNREAD: (
        "what others charge into the peer couldn't be read yet: the chain's floor doesn't raise the {fee_ppm} ppm"
    ),
    ReasonCode.ANCHOR_OLD: "what others charge into the peer was last read {days} days ago",
    ReasonCode.CHAIN_RATE_OLD: "the node has no estimate of feerates now, the last is {age_hours} h old",
    ReasonCode.CHAIN_RATE_UNKNOWN: "no estimate of feerates in {days} days: no floor by the chain",
    ReasonCode.REFILL_FLOOR: (
        "floor of {floor_ppm} ppm: refills cost {refill_ppm} ppm of what it sold in 30 days, times {refill_floor_ratio}"
    ),
    ReasonCode.HOLD_FLOOR: "its peer holds a payment for {hold_seconds} s: floor times {premium}, {floor_ppm} ppm",
    ReasonCode.CEILING: "limited to the ceiling of {ceiling_ppm} ppm",
    ReasonCode.ANCHOR_CEILING: (
        "others charge {anchor_ppm} ppm into the peer (what counts is start_ppm, where that is more): nothing above "
        "{ceiling_ppm} ppm is tried"
    ),
    ReasonCode.SHOWN_CEILING: (
        "its customers have shown a market at {shown_ppm} ppm, whatever others charge: nothing above {ceiling_ppm} ppm,"
        " twice that, is tried"
    ),
    ReasonCode.UNPROVEN_CEILING: (
        "it can't forward now, so that a price proves nothing: none above {ceiling_ppm} ppm is tried, twice the highest"
        " that something was sold at, or that others charge"
    ),
    ReasonCode.ZERO_FLOW_HOLD: "no revenue in {idle_hours} open hours: not raised",
    ReasonCode.ZERO_FLOW_DROP: "no revenue in {idle_hours} open hours: lowered to {fee_ppm} ppm",
    ReasonCode.ZERO_FLOW_WORTH: (
        "no revenue in {idle_hours} open hours, but a sat is worth {kept_ppm} ppm here, or more: neither raised nor"
        " lowered below that"
    ),
    ReasonCode.LEASE_CEILING: (
        "leased by the peer for {left_blocks} blocks more, on the promise of no more than {promised_ppm} ppm"
    ),
    ReasonCode.LEASE_UNKNOWN: (
        "leased by the peer for {left_blocks} blocks more, and it isn't on record what was promised: not raised above "
        "{fee_ppm} ppm"
    ),
    ReasonCode.STEP_LIMIT: "step limited to {limit_ppm} ppm",
    ReasonCode.OUT_OF_BOUNDS: "{fee_ppm} ppm is outside {min_ppm} to {max_ppm}: back inside",
    ReasonCode.BASE_FEE: "base fee {base_msat} -> {wanted_base_msat} msat",
    ReasonCode.HTLC_MAX: (
        "{local_percent} % is ours: largest payment {old_sat} -> {new_sat} sat, step {level} of {level_count}"
    ),
    ReasonCode.DEAD_BAND: "a change of {change_ppm} ppm is not worth an announcement (dead band {band_ppm})",
    ReasonCode.HTLC_MAX_UNFIT: (
        "largest payment {old_sat} -> {new_sat} sat: no more than {fits_sat} fit before and after the splice in flight,"
        " and the peer disconnects at one that doesn't"
    ),
    ReasonCode.HTLC_MAX_OVERSIZED: (
        "largest payment {old_sat} -> {new_sat} sat: the channel holds {holds_sat}, and others drop an announcement of"
        " more than that"
    ),
    ReasonCode.CHANNEL_CAP: "{used_count} of {cap_count} updates a day of this channel are used",
    ReasonCode.MIN_INTERVAL: "last changed {age_hours} h ago, least interval {interval_hours} h",
    ReasonCode.DAILY_CAP: "{used_count} of {cap_count} updates a day are used; this one ranks {rank}",
}
