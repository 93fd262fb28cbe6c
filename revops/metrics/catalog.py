"""Every metric family, once: its name, type, help, labels and the file it lives in.

`collect.py` takes its families from here, and tests can hold dashboards and alert rules to this list. A family lives
either in the node's file or in the commands' files, never in both: node_exporter refuses a series that it meets twice,
and a family whose help differs between files (node_exporter, collector/textfile.go).

Names follow Prometheus' rules (prometheus/docs, docs/practices/naming.md) with msat as the base unit of money: counters
end in `_total`, instants in `_timestamp_seconds`. All carry `node`, so that several nodes can share a folder. No label
holds a payment hash, and only `revops_channel_info` holds an alias: it joins on `node` and `channel`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, unique
from typing import Final


class Kind(StrEnum):
    """What Prometheus calls a metric's type."""

    GAUGE = "gauge"
    COUNTER = "counter"


class Place(StrEnum):
    """Which file a family lives in: the node's, or one of the commands'."""

    NODE = "node"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric family. Samples give their label values in the order of `labels`."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    place: Place


_NODE: Final = ("node",)
_CHANNEL: Final = ("node", "channel", "peer_id")
_CHANNEL_BOUND: Final = (*_CHANNEL, "bound")
_CHANNEL_WAY: Final = (*_CHANNEL, "direction")
_PEER: Final = ("node", "peer_id", "role")
_PEER_WINDOW: Final = ("node", "peer_id", "window")
_BUDGET: Final = ("node", "window")
_PLACE: Final = ("node", "place")
_COMMAND: Final = ("node", "command")
_RECORDER_EVENT: Final = ("node", "kind")
_RECORDER_LOSS: Final = ("node", "cause")
_RECORDER_WINDOW: Final = ("node", "window")


def _state(name: str, labels: tuple[str, ...], text: str) -> Definition:
    """Given a name, labels and help, return the definition of a gauge in the node's file."""
    return Definition(name, Kind.GAUGE, text, labels, Place.NODE)


def _sum(name: str, labels: tuple[str, ...], text: str) -> Definition:
    """Given a name, labels and help, return the definition of a counter in the node's file."""
    return Definition(name, Kind.COUNTER, text, labels, Place.NODE)


def _run(name: str, labels: tuple[str, ...], text: str) -> Definition:
    """Given a name, labels and help, return the definition of a gauge in the commands' files."""
    return Definition(name, Kind.GAUGE, text, labels, Place.COMMAND)


@unique
class Metric(Enum):
    """The families, in the order in which they stand in their files; `value` is the definition."""

    SNAPSHOT_TIMESTAMP = _state(
        "revops_snapshot_timestamp_seconds", _NODE, "When the figures in this file were put together (UTC epoch)."
    )
    SYNCED_TIMESTAMP = _state(
        "revops_synced_timestamp_seconds",
        _NODE,
        "When the records were last brought up to date with the node (UTC epoch).",
    )
    NODE_INFO = _state(
        "revops_node_info", ("node", "node_id", "network", "version"), "The node's id, network and version; always 1."
    )
    NODE_BLOCKHEIGHT = _state("revops_node_blockheight", _NODE, "Block height that the node has reached.")
    NODE_WALLET_SPENDABLE = _state(
        "revops_node_wallet_spendable_msat", _NODE, "Confirmed, unreserved funds of the on-chain wallet."
    )
    NODE_NET = _state(
        "revops_node_net_msat",
        _NODE,
        "All that was earned less all that was spent, lifetime; negative where more was spent.",
    )
    NODE_FEES_EARNED = _sum("revops_node_fees_earned_msat_total", _NODE, "Fees earned by settled forwards, lifetime.")
    NODE_FORWARDED = _sum("revops_node_forwarded_msat_total", _NODE, "Amount sent on by settled forwards, lifetime.")
    NODE_FORWARDS_SETTLED = _sum("revops_node_forwards_settled_total", _NODE, "Settled forwards, lifetime.")
    NODE_FORWARDS_FAILED = _sum(
        "revops_node_forwards_failed_total", _NODE, "Forwards that failed beyond this node, lifetime."
    )
    NODE_FORWARDS_REFUSED = _sum(
        "revops_node_forwards_refused_total", _NODE, "Forwards that this node refused or failed itself, lifetime."
    )
    NODE_REBALANCE_FEES = _sum(
        "revops_node_rebalance_fees_msat_total", _NODE, "Routing fees paid for rebalances, lifetime."
    )
    NODE_CHAIN_COST = _state(
        "revops_node_chain_cost_msat",
        _NODE,
        "What transactions cost us, lifetime; a gauge, since it is known better when a channel is locked in or swept.",
    )
    NODE_LEASE_NET = _state(
        "revops_node_lease_net_msat", _NODE, "What was paid to us for leased liquidity less what we paid, lifetime."
    )
    NODE_REBALANCED = _sum("revops_node_rebalanced_msat_total", _NODE, "Amount moved by rebalances, lifetime.")
    NODE_REBALANCES = _sum("revops_node_rebalances_total", _NODE, "Settled rebalances, lifetime.")

    BOOKS_NODE_FEES = _state(
        "revops_books_node_fees_msat", _NODE, "Fees that the node itself says it collected (getinfo)."
    )
    BOOKS_RECORDED_FEES = _state("revops_books_recorded_fees_msat", _NODE, "Fees that the recorded forwards add up to.")
    BOOKS_OPENING = _state(
        "revops_books_opening_msat",
        _NODE,
        "Fees earned before the node kept rows; absent until the first complete sync.",
    )
    BOOKS_DIFFERENCE = _state(
        "revops_books_difference_msat",
        _NODE,
        "Node's figure less opening and recorded fees; 0 when the books are right.",
    )
    BOOKS_CHECKED_TIMESTAMP = _state(
        "revops_books_checked_timestamp_seconds", _NODE, "When the books were last compared (UTC epoch)."
    )

    BUDGET_LIMIT = _state("revops_budget_limit_msat", _BUDGET, "What routing fees may cost in the window.")
    BUDGET_SPENT = _state("revops_budget_spent_msat", _BUDGET, "Routing fees settled in the window.")
    BUDGET_RESERVED = _state(
        "revops_budget_reserved_msat", _BUDGET, "Held for payments that are not known to be final, whatever their age."
    )
    BUDGET_LEFT = _state(
        "revops_budget_left_msat", _BUDGET, "What may still be reserved in the window; never negative."
    )
    SPENDING_LEFT = _state(
        "revops_spending_left_msat",
        _NODE,
        "What the next payment may cost at most: the smaller window, 0 while suspended.",
    )
    SPENDING_SUSPENDED = _state(
        "revops_spending_suspended", ("node", "reason"), "Whether spending is suspended for this reason (1) or not (0)."
    )

    RESERVE_FUNDS = _state(
        "revops_reserve_funds_msat",
        _PLACE,
        "What counts towards the reserve: confirmed, unreserved on chain; spendable in usable channels.",
    )
    RESERVE_FLOOR = _state("revops_reserve_floor_msat", _PLACE, "Below this nothing is written to the node.")
    RESERVE_SUSPENDED = _state(
        "revops_reserve_suspended", _PLACE, "Whether writing is suspended for want of these funds (1) or not (0)."
    )
    RESERVE_SINCE = _state(
        "revops_reserve_suspended_since_timestamp_seconds",
        _PLACE,
        "Since when it is suspended (UTC epoch); absent while it isn't.",
    )

    CHANNEL_INFO = _state(
        "revops_channel_info",
        ("node", "channel", "channel_id", "peer_id", "alias"),
        "The channel's id and its peer's alias, control characters escaped; always 1.",
    )
    CHANNEL_CAPACITY = _state("revops_channel_capacity_msat", _CHANNEL, "Size of the channel.")
    CHANNEL_LOCAL = _state("revops_channel_local_msat", _CHANNEL, "Our balance in the channel.")
    CHANNEL_SPENDABLE = _state(
        "revops_channel_spendable_msat",
        _CHANNEL,
        "What we could send through the channel now, after reserve and HTLCs.",
    )
    CHANNEL_RECEIVABLE = _state(
        "revops_channel_receivable_msat",
        _CHANNEL,
        "What we could receive through the channel now, after reserve and HTLCs.",
    )
    CHANNEL_FEE_PPM = _state("revops_channel_fee_ppm", _CHANNEL, "Our proportional fee, in millionths of the amount.")
    CHANNEL_FEE_BASE = _state("revops_channel_fee_base_msat", _CHANNEL, "Our base fee for each payment.")
    CHANNEL_VALUE = _state(
        "revops_channel_liquidity_value_ppm",
        _CHANNEL,
        "What the channel's marginal sat is worth, in millionths of it: what the node would lose with it.",
    )
    CHANNEL_VALUE_BOUND = _state(
        "revops_channel_liquidity_value_bound_ppm",
        _CHANNEL_BOUND,
        "What the channel's marginal sat is worth with little and with much demand (low, high); strategy demand only.",
    )
    CHANNEL_ELASTICITY = _state(
        "revops_channel_elasticity",
        _CHANNEL,
        "By how many percent fewer pay when the fee rises by 1 %, as it was judged last; strategy demand only.",
    )
    CHANNEL_ELASTICITY_BOUND = _state(
        "revops_channel_elasticity_bound",
        _CHANNEL_BOUND,
        "Between which two (low, high) 80 % of the belief has the elasticity; strategy demand only.",
    )
    CHANNEL_BEST_PRICE = _state(
        "revops_channel_best_price_ppm",
        _CHANNEL,
        "Fee that promises most, of all at which a sale is expected, as it was judged last; strategy demand only.",
    )
    CHANNEL_BEST_PRICE_BOUND = _state(
        "revops_channel_best_price_bound_ppm",
        _CHANNEL_BOUND,
        "Between which two (low, high) 80 % of the belief has the best fee; strategy demand only.",
    )
    CHANNEL_DEMAND_TIMESTAMP = _state(
        "revops_channel_demand_judged_timestamp_seconds",
        _CHANNEL,
        "When the channel's demand was judged last (UTC epoch); strategy demand only.",
    )
    CHANNEL_HTLCS = _state("revops_channel_htlcs_in_flight", _CHANNEL, "Payments under way on the channel.")
    CHANNEL_SLOTS_USED = _state(
        "revops_channel_htlc_slots_used_ratio",
        _CHANNEL_WAY,
        "Share of the channel's HTLC slots that is taken, by direction; absent where it has none.",
    )
    CHANNEL_VALUE_USED = _state(
        "revops_channel_htlc_value_used_ratio",
        _CHANNEL_WAY,
        "Share of the value that may be in flight on the channel which is, by direction; absent where none may.",
    )
    CHANNEL_EXPIRY_BLOCKS = _state(
        "revops_channel_htlc_expiry_blocks",
        _CHANNEL,
        "Blocks until the first of the channel's HTLCs expires, negative afterwards; absent without HTLCs.",
    )
    CHANNEL_CONNECTED = _state(
        "revops_channel_connected", _CHANNEL, "Whether the channel's peer is connected (1) or not (0)."
    )
    CHANNEL_FORWARDED_IN = _sum(
        "revops_channel_forwarded_in_msat_total",
        _CHANNEL,
        "Amount of settled forwards that entered by the channel, lifetime.",
    )
    CHANNEL_FORWARDED_OUT = _sum(
        "revops_channel_forwarded_out_msat_total",
        _CHANNEL,
        "Amount of settled forwards that left by the channel, lifetime.",
    )
    CHANNEL_FORWARDS_IN = _sum(
        "revops_channel_forwards_settled_in_total", _CHANNEL, "Settled forwards that entered by the channel, lifetime."
    )
    CHANNEL_FORWARDS_OUT = _sum(
        "revops_channel_forwards_settled_out_total", _CHANNEL, "Settled forwards that left by the channel, lifetime."
    )
    CHANNEL_FORWARDS_REFUSED = _sum(
        "revops_channel_forwards_refused_total",
        _CHANNEL,
        "Forwards out of the channel that this node refused, lifetime.",
    )
    CHANNEL_FEES_EARNED = _sum(
        "revops_channel_fees_earned_msat_total",
        _CHANNEL,
        "Fees of settled forwards that left by the channel, lifetime.",
    )
    CHANNEL_FEES_SOURCED = _sum(
        "revops_channel_fees_sourced_msat_total",
        _CHANNEL,
        "Fees of settled forwards that entered by the channel, lifetime.",
    )
    CHANNEL_REBALANCE_FEES = _sum(
        "revops_channel_rebalance_fees_msat_total", _CHANNEL, "Routing fees paid to refill the channel, lifetime."
    )
    CHANNEL_CHAIN_COST = _state(
        "revops_channel_chain_cost_msat", _CHANNEL, "What opening and splicing the channel has cost us, lifetime."
    )

    PEER_REPUTATION = _state(
        "revops_peer_reputation_ratio",
        _PEER,
        "Chance that the peer's next payment succeeds, as its sender or its receiver; 0.5 where nothing is known.",
    )
    PEER_PAYMENTS = _state(
        "revops_peer_reputation_payments", _PEER, "Payments that the reputation rests on, older ones for less."
    )
    PEER_HOLD = _state(
        "revops_peer_hold_seconds",
        ("node", "peer_id"),
        "How long the peer typically takes to settle or fail a payment; absent where nothing is known.",
    )
    PEER_UPTIME = _state(
        "revops_peer_uptime_ratio",
        _PEER_WINDOW,
        "Share of the known part of the window (24h, 7d) in which the peer was connected; absent where less than half "
        "is known.",
    )
    PEER_DOWN = _state(
        "revops_peer_down_seconds",
        _PEER_WINDOW,
        "How long the peer was away within the window (24h, 7d), outages of our own left out.",
    )
    PEER_COVERED = _state(
        "revops_peer_covered_seconds",
        _PEER_WINDOW,
        "Of how much of the window (24h, 7d) it is known whether the peer was connected.",
    )
    PEER_FLAPS = _state(
        "revops_peer_flaps", _PEER_WINDOW, "How often the peer's connection was lost within the window (24h, 7d)."
    )

    RECORDER_LAST = _state(
        "revops_recorder_last_line_timestamp_seconds",
        _NODE,
        "When the companion plugin wrote the last line that was read (UTC epoch); it writes every 30 seconds.",
    )
    RECORDER_READABLE = _state(
        "revops_recorder_spool_readable", _NODE, "Whether the last sync could read the plugin's spool (1) or not (0)."
    )
    RECORDER_EVENTS = _sum(
        "revops_recorder_events_total",
        _RECORDER_EVENT,
        "Events that were read from the spool, by kind (connect, disconnect, forward, state), lifetime.",
    )
    RECORDER_LOST = _sum(
        "revops_recorder_lost_lines_total",
        _RECORDER_LOSS,
        "What is missing: dropped for want of room, removed before it was read, or malformed; lifetime.",
    )
    RECORDER_GAP = _state(
        "revops_recorder_gap_seconds",
        _RECORDER_WINDOW,
        "How much of the window (24h, 7d) the plugin didn't record, counted from its first line.",
    )

    COMMAND_LAST_RUN = _run(
        "revops_command_last_run_timestamp_seconds",
        _COMMAND,
        "When the command's last run ended, well or not (UTC epoch).",
    )
    COMMAND_LAST_SUCCESS = _run(
        "revops_command_last_success_timestamp_seconds",
        _COMMAND,
        "When the command's last successful run ended (UTC epoch); absent when there was none.",
    )
    COMMAND_LAST_DURATION = _run(
        "revops_command_last_duration_seconds", _COMMAND, "How long the command's last run took."
    )
    COMMAND_LAST_EXIT_CODE = _run("revops_command_last_exit_code", _COMMAND, "Exit code of the command's last run.")
    COMMAND_LAST_DECISIONS = _run(
        "revops_command_last_decisions",
        ("node", "command", "outcome"),
        "Decisions of the command's last run; absent where it takes none or didn't get that far.",
    )
    BUILD_INFO = _run(
        "revops_build_info",
        ("node", "command", "version"),
        "Version of revops that made the command's last run; always 1.",
    )


#: All definitions, for those who only read.
CATALOG: Final[tuple[Definition, ...]] = tuple(metric.value for metric in Metric)
