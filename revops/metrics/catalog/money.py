"""What rebalancing did and cost, whether the books are right, and what may be spent."""

from __future__ import annotations

from enum import Enum, unique

from revops.metrics.catalog.define import BUDGET, NODE, PLACE, state, total


@unique
class MoneyMetric(Enum):
    """Rebalances, books, budget and reserve."""

    REBALANCE_FEES = total("revops_node_rebalance_fees_msat_total", NODE, "Routing fees paid for rebalances, lifetime.")
    REBALANCED = total(
        "revops_node_rebalanced_msat_total",
        NODE,
        "Amount that circular payments have brought, whoever sent them, by the node's ledger; lifetime.",
    )
    REBALANCES = total(
        "revops_node_rebalances_total",
        NODE,
        "Circular payments that settled, whoever sent them, by the node's ledger; lifetime.",
    )
    REBALANCE_JOBS = total(
        "revops_rebalance_jobs_total",
        ("node", "outcome"),
        "Rebalance jobs of ours that ended: settled, failed, released (never sent) or expired; since they are counted.",
    )
    REBALANCE_FAILURES = total(
        "revops_rebalance_failures_total",
        ("node", "kind"),
        "Failed rebalance jobs by what stopped them, since they are counted.",
    )
    BOOKS_NODE_FEES = state(
        "revops_books_node_fees_msat", NODE, "Fees that the node itself says it collected (getinfo)."
    )
    BOOKS_RECORDED_FEES = state("revops_books_recorded_fees_msat", NODE, "Fees that the recorded forwards add up to.")
    BOOKS_OPENING = state(
        "revops_books_opening_msat",
        NODE,
        "Fees earned before the node kept rows; absent until the first complete sync.",
    )
    BOOKS_DIFFERENCE = state(
        "revops_books_difference_msat",
        NODE,
        "Node's figure less opening and recorded fees; 0 when the books are right.",
    )
    BOOKS_CHECKED_TIMESTAMP = state(
        "revops_books_checked_timestamp_seconds", NODE, "When the books were last compared (UTC epoch)."
    )
    BUDGET_LIMIT = state("revops_budget_limit_msat", BUDGET, "What routing fees may cost in the window.")
    BUDGET_SPENT = state("revops_budget_spent_msat", BUDGET, "Routing fees settled in the window.")
    BUDGET_RESERVED = state(
        "revops_budget_reserved_msat", BUDGET, "Held for payments that are not known to be final, whatever their age."
    )
    BUDGET_LEFT = state("revops_budget_left_msat", BUDGET, "What may still be reserved in the window; never negative.")
    SPLICE_BUDGET_LIMIT = state(
        "revops_splice_budget_limit_msat",
        BUDGET,
        "What splices may cost on the chain in the window.",
    )
    SPLICE_BUDGET_SPENT = state(
        "revops_splice_budget_spent_msat",
        BUDGET,
        "Cost on the chain of splices settled in the window.",
    )
    SPLICE_BUDGET_RESERVED = state(
        "revops_splice_budget_reserved_msat",
        BUDGET,
        "Held for splices that are not known to be final.",
    )
    SPLICE_BUDGET_LEFT = state(
        "revops_splice_budget_left_msat",
        BUDGET,
        "What may still be reserved for splices; never negative.",
    )
    SPENDING_LEFT = state(
        "revops_spending_left_msat",
        NODE,
        "What the next payment may cost at most: the smaller window, 0 while suspended.",
    )
    SPENDING_SUSPENDED = state(
        "revops_spending_suspended", ("node", "reason"), "Whether spending is suspended for this reason (1) or not (0)."
    )
    RESERVE_FUNDS = state(
        "revops_reserve_funds_msat",
        PLACE,
        "What counts towards the reserve: confirmed, unreserved on chain; spendable in usable channels.",
    )
    RESERVE_FLOOR = state("revops_reserve_floor_msat", PLACE, "Below this nothing is written to the node.")
    RESERVE_SUSPENDED = state(
        "revops_reserve_suspended", PLACE, "Whether writing is suspended for want of these funds (1) or not (0)."
    )
    RESERVE_SINCE = state(
        "revops_reserve_suspended_since_timestamp_seconds",
        PLACE,
        "Since when it is suspended (UTC epoch); absent while it isn't.",
    )
