"""The node: what it is, what it earned, what was decided, and the records themselves."""

from __future__ import annotations

from enum import Enum, unique

from revops.metrics.catalog.define import NODE, state, total


@unique
class NodeMetric(Enum):
    """The node as a whole."""

    SNAPSHOT_TIMESTAMP = state(
        "revops_snapshot_timestamp_seconds", NODE, "When the figures in this file were put together (UTC epoch)."
    )
    SYNCED_TIMESTAMP = state(
        "revops_synced_timestamp_seconds",
        NODE,
        "When the records were last brought up to date with the node (UTC epoch).",
    )
    INFO = state(
        "revops_node_info", ("node", "node_id", "network", "version"), "The node's id, network and version; always 1."
    )
    BLOCKHEIGHT = state("revops_node_blockheight", NODE, "Block height that the node has reached.")
    WALLET_SPENDABLE = state(
        "revops_node_wallet_spendable_msat", NODE, "Confirmed, unreserved funds of the on-chain wallet."
    )
    NET = state(
        "revops_node_net_msat",
        NODE,
        "All that was earned less all that was spent, lifetime; negative where more was spent.",
    )
    FEES_EARNED = total("revops_node_fees_earned_msat_total", NODE, "Fees earned by settled forwards, lifetime.")
    FORWARDED = total("revops_node_forwarded_msat_total", NODE, "Amount sent on by settled forwards, lifetime.")
    FORWARDS_SETTLED = total("revops_node_forwards_settled_total", NODE, "Settled forwards, lifetime.")
    FORWARDS_FAILED = total(
        "revops_node_forwards_failed_total", NODE, "Forwards that failed beyond this node, lifetime."
    )
    FORWARDS_REFUSED = total(
        "revops_node_forwards_refused_total", NODE, "Forwards that this node refused or failed itself, lifetime."
    )
    CHAIN_COST = state(
        "revops_node_chain_cost_msat",
        NODE,
        "What transactions cost us, lifetime; a gauge, since it is known better when a channel is locked in or swept.",
    )
    LEASE_NET = state(
        "revops_node_lease_net_msat", NODE, "What was paid to us for leased liquidity less what we paid, lifetime."
    )
    FEERATE = state(
        "revops_node_feerate_perkw",
        ("node", "estimate"),
        "Feerate on the chain by the node's last estimate, in sat per 1000 weight units: 250 are 1 sat per vbyte.",
    )
    FEERATE_TIMESTAMP = state(
        "revops_node_feerate_sampled_timestamp_seconds", NODE, "When the feerates were asked for (UTC epoch)."
    )
    DECISIONS = total(
        "revops_decisions_total", ("node", "command", "outcome"), "Decisions that were recorded, lifetime."
    )
    DECISION_REASONS = total(
        "revops_decision_reasons_total",
        ("node", "command", "outcome", "reason"),
        "Decisions in which the reason stood, since reasons are counted; one with several reasons counts for each.",
    )
    DATABASE_SIZE = state(
        "revops_database_size_bytes", NODE, "Size of the database, of all nodes that share it; free pages included."
    )
    DATABASE_FREE = state(
        "revops_database_free_bytes",
        NODE,
        "What of an SQLite file is free for new rows; a rollup gives it back to the disk.",
    )
