"""Open channels: liquidity, fee, what it brings, how full and how busy they are. A closed one has no series."""

from __future__ import annotations

from enum import Enum, unique

from revops.metrics.catalog.define import CHANNEL, CHANNEL_BOUND, CHANNEL_WAY, state, total


@unique
class ChannelMetric(Enum):
    """An open channel."""

    INFO = state(
        "revops_channel_info",
        ("node", "channel", "channel_id", "peer_id", "alias"),
        "The channel's id and its peer's alias, control characters escaped; always 1.",
    )
    CAPACITY = state("revops_channel_capacity_msat", CHANNEL, "Size of the channel.")
    LOCAL = state("revops_channel_local_msat", CHANNEL, "Our balance in the channel.")
    SPENDABLE = state(
        "revops_channel_spendable_msat",
        CHANNEL,
        "What we could send through the channel now, after reserve and HTLCs.",
    )
    RECEIVABLE = state(
        "revops_channel_receivable_msat",
        CHANNEL,
        "What we could receive through the channel now, after reserve and HTLCs.",
    )
    FEE_PPM = state("revops_channel_fee_ppm", CHANNEL, "Our proportional fee, in millionths of the amount.")
    FEE_BASE = state("revops_channel_fee_base_msat", CHANNEL, "Our base fee for each payment.")
    VALUE = state(
        "revops_channel_liquidity_value_ppm",
        CHANNEL,
        "What the channel's marginal sat is worth, in millionths of it: what the node would lose with it.",
    )
    VALUE_BOUND = state(
        "revops_channel_liquidity_value_bound_ppm",
        CHANNEL_BOUND,
        "What the channel's marginal sat is worth with little and with much demand (low, high); strategy demand only.",
    )
    ELASTICITY = state(
        "revops_channel_elasticity",
        CHANNEL,
        "By how many percent fewer pay when the fee rises by 1 %, as it was judged last; strategy demand only.",
    )
    ELASTICITY_BOUND = state(
        "revops_channel_elasticity_bound",
        CHANNEL_BOUND,
        "Between which two (low, high) 80 % of the belief has the elasticity; strategy demand only.",
    )
    BEST_PRICE = state(
        "revops_channel_best_price_ppm",
        CHANNEL,
        "Fee that promises most, of all at which a sale is expected, as it was judged last; strategy demand only.",
    )
    BEST_PRICE_BOUND = state(
        "revops_channel_best_price_bound_ppm",
        CHANNEL_BOUND,
        "Between which two (low, high) 80 % of the belief has the best fee; strategy demand only.",
    )
    DEMAND_TIMESTAMP = state(
        "revops_channel_demand_judged_timestamp_seconds",
        CHANNEL,
        "When the channel's demand was judged last (UTC epoch); strategy demand only.",
    )
    HTLCS = state("revops_channel_htlcs_in_flight", CHANNEL, "Payments under way on the channel.")
    SLOTS_USED = state(
        "revops_channel_htlc_slots_used_ratio",
        CHANNEL_WAY,
        "Share of the channel's HTLC slots that is taken, by direction; absent where it has none.",
    )
    VALUE_USED = state(
        "revops_channel_htlc_value_used_ratio",
        CHANNEL_WAY,
        "Share of the value that may be in flight on the channel which is, by direction; absent where none may.",
    )
    EXPIRY_BLOCKS = state(
        "revops_channel_htlc_expiry_blocks",
        CHANNEL,
        "Blocks until the first of the channel's HTLCs expires, negative afterwards; absent without HTLCs.",
    )
    CONNECTED = state("revops_channel_connected", CHANNEL, "Whether the channel's peer is connected (1) or not (0).")
    SPLICING = state(
        "revops_channel_splice_in_flight",
        CHANNEL,
        "Whether a splice of the channel waits to be locked in (1) or not (0): what can be sent or received then fits "
        "before and after it.",
    )
    FORWARDED_IN = total(
        "revops_channel_forwarded_in_msat_total",
        CHANNEL,
        "Amount of settled forwards that entered by the channel, lifetime.",
    )
    FORWARDED_OUT = total(
        "revops_channel_forwarded_out_msat_total",
        CHANNEL,
        "Amount of settled forwards that left by the channel, lifetime.",
    )
    FORWARDS_IN = total(
        "revops_channel_forwards_settled_in_total", CHANNEL, "Settled forwards that entered by the channel, lifetime."
    )
    FORWARDS_OUT = total(
        "revops_channel_forwards_settled_out_total", CHANNEL, "Settled forwards that left by the channel, lifetime."
    )
    FORWARDS_REFUSED = total(
        "revops_channel_forwards_refused_total",
        CHANNEL,
        "Forwards out of the channel that this node refused, lifetime.",
    )
    FEES_EARNED = total(
        "revops_channel_fees_earned_msat_total",
        CHANNEL,
        "Fees of settled forwards that left by the channel, lifetime.",
    )
    FEES_SOURCED = total(
        "revops_channel_fees_sourced_msat_total",
        CHANNEL,
        "Fees of settled forwards that entered by the channel, lifetime.",
    )
    REBALANCE_FEES = total(
        "revops_channel_rebalance_fees_msat_total",
        CHANNEL,
        "Routing fees paid to refill the channel, by the node's ledger; lifetime.",
    )
    CHAIN_COST = state(
        "revops_channel_chain_cost_msat", CHANNEL, "What opening and splicing the channel has cost us, lifetime."
    )
    PRICE_OPEN = state(
        "revops_channel_price_open_seconds",
        CHANNEL,
        "How long the channel could have forwarded since its fee is in force, as of the last run of fees adjust.",
    )
    REVENUE_RATE = state(
        "revops_channel_revenue_per_open_hour_msat",
        CHANNEL,
        "Fees earned at the fee in force per hour in which the channel could forward; absent in the first such hour.",
    )
    ASLEEP = state(
        "revops_channel_asleep", CHANNEL, "Whether its fee is left alone since its income is calm (1) or not (0)."
    )
    ASLEEP_UNTIL = state(
        "revops_channel_asleep_until_timestamp_seconds",
        CHANNEL,
        "Until when its fee sleeps unless something happens (UTC epoch); absent while it is awake.",
    )
    CONGESTED = state(
        "revops_channel_congested",
        CHANNEL,
        "Whether its slots or its value in flight were full at the last run of fees adjust (1) or not (0).",
    )
    CONGESTED_SINCE = state(
        "revops_channel_congested_since_timestamp_seconds",
        CHANNEL,
        "Since when it has been congested (UTC epoch); absent while it isn't.",
    )
    REFILLED = state(
        "revops_channel_refilled_msat",
        CHANNEL,
        "What rebalances have bought for the channel in the last two horizons (rebalance.horizon_days).",
    )
    REFILL_SOLD = state(
        "revops_channel_refill_sold_msat", CHANNEL, "What of that was sold, each lot within its horizon."
    )
    REFILL_FEES = state("revops_channel_refill_fees_msat", CHANNEL, "Routing fees paid for that.")
    REFILL_RETURN = state(
        "revops_channel_refill_return_ratio",
        CHANNEL,
        "What those sales earned at the channel's average fee of that time, less the fees paid, as a share of these: "
        "-1 while nothing is sold, 0 when they are earned back.",
    )
