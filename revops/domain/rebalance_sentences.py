"""What each reason of a rebalance, of the budget, and of what suspends says to a person, with its numbers by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from revops.domain.reason_code import ReasonCode

#: By code; `reason_sentences.py` joins them with the others.
REBALANCES: Final[Mapping[ReasonCode, str]] = {
    ReasonCode.NOT_USABLE: "not usable: {state}",
    ReasonCode.OBSERVE_MODE: "observe mode: nothing is sent",
    ReasonCode.RESERVE_LOW: "{have_sat} sat in {where}, reserve is {floor_sat}: suspended until there are {resume_sat}",
    ReasonCode.RESERVE_RECOVERING: (
        "{have_sat} sat in {where}, above the reserve of {floor_sat} again: suspended until there are {resume_sat}"
    ),
    ReasonCode.LEDGER_GAPS: (
        "the spend ledger has {found_count} entries, {written_count} were written: nothing is spent by a ledger with"
        " gaps"
    ),
    ReasonCode.STRAY_PAYMENTS: (
        "the node knows {payment_count} payments of ours that this database has forgotten, and their cost isn't final"
    ),
    ReasonCode.NODE_SYNCING: "the node is syncing: {warning}",
    ReasonCode.CLOCK_DOUBTFUL: "clock moved {elapsed_hours} h, chain {block_count} blocks: suspended",
    ReasonCode.NEVER_SYNCED: "the node's funds are not known: run `revops sync`",
    ReasonCode.BALANCED: "{local_percent} % is ours, a refill starts below {low_percent} %",
    ReasonCode.NO_INCOME: "forwards out of it earned nothing in {horizon_days} days: not worth refilling",
    ReasonCode.NO_SOURCE: "none of the channels that should pay for it has liquidity to spare now",
    ReasonCode.LAST_HOP_TOO_DEAR: (
        "its peer alone asks {last_hop_ppm} ppm to let a refill in, which may cost {max_fee_ppm} ppm at most"
    ),
    ReasonCode.SEVERAL_CHANNELS: (
        "its peer has {channel_count} channels with us and may use any of them for a payment: arrival can't be verified"
    ),
    ReasonCode.NOT_PERMITTED: 'a rule says rebalance = "{permission}": never {side}',
    ReasonCode.COOLING_DOWN: (
        "failures in a row: {failure_count}; next try in {wait_minutes} min (cooldown_seconds, longer with each)"
    ),
    ReasonCode.IN_FLIGHT: "a payment of ours is under way on it: it waits until that has ended",
    ReasonCode.CONGESTED: (
        "congested {direction} by {cause}: {slot_percent} % of the HTLC slots and {value_percent} % of the value are"
        " taken; left alone"
    ),
    ReasonCode.UNSTABLE: (
        "its peer is unsteady: connected {uptime_percent} % of the {covered_hours} h known of the last 24, away for "
        "{down_minutes} min, dropped {flap_count} times; asked for are {min_percent} % and {max_flaps} times at most"
    ),
    ReasonCode.TOO_SMALL: (
        "only {amount_sat} sat would gain: the least amount is {min_sat} (min_amount_sat, or what its peer forwards)"
    ),
    ReasonCode.BUDGET_EXHAUSTED: (
        "the {window} budget has {left_sat} sat left, {wanted_sat} are wanted; `revops budget check` says when there is"
        " room"
    ),
    ReasonCode.REFILL: (
        "earned {income_ppm} ppm on {out_sat} sat in {horizon_days} days; refill at up to {max_fee_ppm} ppm"
    ),
    ReasonCode.WORTH: (
        "a refill's sat is worth {target_ppm} ppm here and {source_ppm} on {source}, on average over the amount; less"
        " {route_ppm} ppm for the route and {risk_ppm} for its risk that gains {gain_ppm} ppm, if the payment succeeds"
        " (chance {success_percent} %); the route may cost up to {limit_ppm} ppm"
    ),
    ReasonCode.FOR_SALE: "to be sold here, where a refill's sat is worth {target_ppm} ppm{room}",
    ReasonCode.FOR_ROOM: (
        "in truth it drains {source}, where room is worth {room_ppm} ppm; here a refill's sat is worth {target_ppm} ppm"
    ),
    ReasonCode.ROOM: (
        "payments that enter by {source} want room there: a sat of it should earn {room_ppm} ppm where they leave, with"
        " a chance of {low_percent} % at least; {left_sat} sat may be staked on that: what such payments have earned,"
        " less what refills out of it have cost"
    ),
    ReasonCode.KELLY: (
        "the bet: a sat costs {cost_ppm} ppm and earns {income_ppm}{room} once it is sold, net odds b = {odds} to 1;"
        " the chance of a sale is {sale_percent} %, {low_percent} % at least ({lot_count} earlier lots), which makes"
        " p = {p_percent} %; of what the budget has left Kelly's share is f = p - (1 - p)/b = {kelly_percent} %,"
        " {staked}, to buy {amount_sat} of the {wanted_sat} sat that gain"
    ),
    ReasonCode.KELLY_FREE: (
        "the bet is free of risk at this price: no sat is given up and the route costs nothing, so that nothing is lost"
        " if it isn't sold (chance of a sale {sale_percent} %, {low_percent} % at least, {lot_count} earlier lots);"
        " Kelly's share of what the budget has left is then f = p = {kelly_percent} %, {staked}, to buy {amount_sat} of"
        " the {wanted_sat} sat that gain"
    ),
    ReasonCode.KELLY_REFUSED: (
        "sold, a sat brings {income_ppm} ppm, but the chance of that may be as low as {low_percent} %: worth buying"
        " below {dearest_ppm} ppm, from {source} it costs {cost_ppm}"
    ),
    ReasonCode.STAKE_TOO_SMALL: (
        "{stake_sat} sat may be staked on it: kelly_fraction of Kelly's share, {kelly_percent} %, of the {left_sat} sat"
        " that the budget has left; at {route_ppm} ppm that buys less than the least amount of {min_sat} sat"
    ),
    ReasonCode.EARNED_AT_STAKE: (
        "no more is staked on it than the {earned_sat} sat that it earned in {horizon_days} days, less what"
        " {unsold_sat} sat cost that were bought and aren't sold: {left_sat} are left, at {route_ppm} ppm less than"
        " the least amount of {min_sat} sat"
    ),
    ReasonCode.GAIN_TOO_SMALL: "it would gain {gain_msat:sat} sat, less than min_gain_sat = {min_gain_sat}",
    ReasonCode.STOP_LOSS: (
        "stop-loss: of {bought_sat} sat that were bought for it more than {horizon_days} days ago, for {cost_sat} sat,"
        " {sold_percent} % were sold; nothing more is bought below {least_percent} %"
    ),
    ReasonCode.FULL_ENOUGH: "{local_percent} % is ours, it is filled to {high_percent} % at most",
    ReasonCode.NOTHING_CHEAPER: (
        "a refill's first sat is worth {worth_ppm} ppm here; the cheapest to have is worth {source_ppm} on {source},"
        " and its peer asks {last_hop_ppm} ppm to let one in: nothing is gained"
    ),
    ReasonCode.RETURN_TOO_SMALL: (
        "a refill's first sat is worth {worth_ppm} ppm here and {source_ppm} on {source}, and its peer asks"
        " {last_hop_ppm} ppm to let one in: {gain_ppm} ppm are left, less than the return of {asked_ppm} ppm, and more"
        " with the rest of the route, that min_return_ratio = {min_return_ratio} asks for"
    ),
    ReasonCode.NOBODY_SPARES: (
        "a refill's first sat is worth {worth_ppm} ppm here, but no channel has {min_sat} sat to spare: each is drained"
        " as far as its band allows (low_ratio, moved by its flow), or kept out"
    ),
    ReasonCode.DEARER_INSTEAD: (
        "a refill's first sat is worth {worth_ppm} ppm here: a fee 1 % above {fee_ppm} ppm may lose as few as {low} %"
        " of the payments, so that asking for more earns more than having more to sell"
    ),
    ReasonCode.PLENTY: (
        "a refill's first sat is worth {worth_ppm} ppm here, since what is there isn't likely to run out: {have_sat}"
        " sat can be sent, and in {horizon_days} days about {wanted_sat} want to leave and {enters_sat} come in"
    ),
    ReasonCode.NOT_WANTED: (
        "a refill's first sat is worth {worth_ppm} ppm here: hardly any payment has wanted to leave by it"
    ),
    ReasonCode.ROOM_ELSEWHERE: (
        "a refill's first sat is worth {worth_ppm} ppm here: sold, it earns {income_ppm}, and the room that its payment"
        " takes where it enters is worth {entries_ppm}"
    ),
    ReasonCode.ROOM_SHORT: (
        "a refill's first sat is worth {worth_ppm} ppm here, since it would take the room of payments that enter by it"
    ),
    ReasonCode.FIGURES_STALE: (
        "what the strategy `demand` found is {days} days old and counts for nothing: does `revops fees adjust` run?"
    ),
    ReasonCode.LAST_HOP_ABOVE_WORTH: (
        "a refill's sat is worth {target_ppm} ppm here and {source_ppm} on {source}, on average over the amount, and is"
        " sold with a chance of {low_percent} % at least: the whole route may cost {limit_ppm} ppm ({bound}), its peer"
        " alone asks {last_hop_ppm} to let one in"
    ),
    ReasonCode.ROUTE_ABOVE_WORTH: (
        "a refill's sat is worth {target_ppm} ppm here and {source_ppm} on {source}, on average over the amount: a"
        " route may cost {limit_ppm} ppm ({bound}), the cheapest costs {route_ppm}"
    ),
    ReasonCode.NO_QUOTE: (
        "a refill's sat is worth {target_ppm} ppm here and {source_ppm} on {source}, on average over the amount: a"
        " route may cost {limit_ppm} ppm ({bound}), and there is none for that: {message}"
    ),
    ReasonCode.NOT_QUOTED: (
        "a route from {source} may cost {limit_ppm} ppm; the node wasn't asked in this run what one costs: {cause}"
    ),
    ReasonCode.NO_LAYER: (
        "no route was asked for, so that no price is known: that takes the routing layer {layer}, which keeps payments"
        " from passing our own node twice; the node has none now, and a dry run, or one that is suspended, makes none"
    ),
    ReasonCode.TAKEN: "gives to a better job of this plan",
    ReasonCode.SOURCES_TAKEN: "better jobs of this plan take what its sources have to spare, or fill them",
    ReasonCode.PLAN_FULL: "the plan holds {job_count} better jobs already (max_jobs_per_plan)",
    ReasonCode.PLAN_REPLACED: "a newer plan took its place after {age_minutes} min",
    ReasonCode.PLAN_EXPIRED: (
        "the plan is {age_minutes} min old, it was good for {lifetime_minutes} min (plan_lifetime_seconds)"
    ),
    ReasonCode.EXECUTOR_NONE: 'executor = "none": plans are made, not executed',
    ReasonCode.LIQUIDITY_CHANGED: (
        "{side} can move {have_sat} sat now, {wanted_sat} are wanted: it has changed since the plan"
    ),
    ReasonCode.WORTH_GONE: (
        "not worth it any more: a refill's sat is worth {target_ppm} ppm here and {source_ppm} on {source} now, on"
        " average over the amount, the route should cost {route_ppm} and its risk {risk_ppm}; it may cost {limit_ppm}"
        " ppm now, {planned_ppm} when it was planned, and the lower of both counts"
    ),
    ReasonCode.STAKE_GONE: (
        "not staked any more: out of {source} it may cost {limit_msat:sat} sat now ({left_sat} sat are left, the Kelly"
        " share is {kelly_percent} %), {planned_msat:sat} when it was planned, and the lower of both counts; the last"
        " hop alone asks {last_hop_ppm} ppm"
    ),
    ReasonCode.NOTHING_LEFT: (
        "nothing is left of the budget, so that nothing may be spent on it; `revops budget check` says why, and when"
        " there is room"
    ),
    ReasonCode.NO_ROUTE: "no route: {message}",
    ReasonCode.ROUTE_TOO_DEAR: "the route costs {fee_msat:sat} sat, at most {max_fee_msat:sat} are allowed",
    ReasonCode.ROUTE_REFUSED: "the route that the node found can't be used: {message}",
    ReasonCode.ROUTE_FOUND: "the node quotes a route of {hop_count} hops for {fee_msat:sat} sat",
    ReasonCode.SLING_ORDER: (
        "sling: {payment_count} payments of {chunk_sat} sat at {max_ppm} ppm at most; {worst_msat:sat} sat are"
        " reserved, the most that these may cost"
    ),
    ReasonCode.SLING_ABOVE_STAKE: (
        "sling may pay {worst_msat:sat} sat in the worst case, also for {min_sat} sat at {max_ppm} ppm; "
        "{stake_msat:sat} are staked on it"
    ),
    ReasonCode.PAYMENT_FAILED: "payment failed: {message}",
    ReasonCode.PAYMENT_PENDING: (
        "payment is still under way: {reserved_msat:sat} sat stay reserved, the most that it may cost"
    ),
    ReasonCode.PAYMENT_SETTLED: "settled: {amount_msat:sat} sat moved for {fee_msat:sat} sat",
    ReasonCode.PAYMENT_ASSUMED: "{message}: booked at the {fee_msat:sat} sat that were reserved",
    ReasonCode.PAYMENT_UNCLEAR: (
        "the node's records don't agree: {message}; {reserved_msat:sat} sat stay reserved until a later run finds them"
        " agree"
    ),
}
