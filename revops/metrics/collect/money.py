"""Rebalances, the books, and what may be spent."""

from __future__ import annotations

from typing import Final

from revops.domain.budget import CategoryState
from revops.domain.decision import BudgetVerdict
from revops.domain.measures import JOBS, Measures
from revops.domain.reason import ReasonCode
from revops.domain.rebalance import FailureKind
from revops.domain.record import Books, ReserveStanding, Totals
from revops.metrics.catalog import MoneyMetric
from revops.metrics.collect.families import Row

#: What can suspend spending: exported as 0 while it doesn't, so that an alert has a series to look at.
SUSPENSIONS: Final = (
    ReasonCode.RESERVE_LOW,
    ReasonCode.RESERVE_RECOVERING,
    ReasonCode.NODE_SYNCING,
    ReasonCode.CLOCK_DOUBTFUL,
    ReasonCode.LEDGER_GAPS,
    ReasonCode.STRAY_PAYMENTS,
)


#: How jobs can end, and what can stop one: what is delivered astray has settled.
_ENDS: Final = ("settled", "failed", "released", "expired")
_STOPS: Final = tuple(kind for kind in FailureKind if kind is not FailureKind.MISDELIVERED)


def rebalance_rows(lifetime: Totals, measures: Measures) -> list[Row]:
    """Given the sums over all time and what was measured, return the rows of rebalances; what was never counted is 0.

    Of a job, fees are never less than was booked, and amounts are what has arrived: neither goes back when the node's
    ledger tells later how it was.
    """
    counted = {(one.outcome, one.word): one.count for one in measures.tallies if one.command == JOBS}
    moved = None if measures.moved is None else measures.moved.values()
    return [
        (MoneyMetric.REBALANCE_FEES, (), lifetime.rebalance_fees_msat),
        (MoneyMetric.REBALANCED, (), None if moved is None else sum(one.amount_msat for one in moved)),
        (MoneyMetric.REBALANCES, (), None if moved is None else sum(one.payment_count for one in moved)),
        *((MoneyMetric.REBALANCE_JOBS, (end,), counted.get((end, ""), 0)) for end in _ENDS),
        *((MoneyMetric.REBALANCE_FAILURES, (kind,), counted.get(("failed", kind), 0)) for kind in _STOPS),
    ]


def books_rows(books: Books | None) -> list[Row]:
    """Given the last reconciliation of fees (None: none yet), return its rows."""
    if books is None:
        return []
    return [
        (MoneyMetric.BOOKS_NODE_FEES, (), books.node_fees_msat),
        (MoneyMetric.BOOKS_RECORDED_FEES, (), books.recorded_fees_msat),
        (MoneyMetric.BOOKS_OPENING, (), books.opening_msat),
        (MoneyMetric.BOOKS_DIFFERENCE, (), books.difference_msat),
        (MoneyMetric.BOOKS_CHECKED_TIMESTAMP, (), books.checked_at),
    ]


def budget_rows(verdict: BudgetVerdict) -> list[Row]:
    """Given the verdict, return the rows of both windows, and of what suspends spending."""
    rows: list[Row] = [(MoneyMetric.SPENDING_LEFT, (), verdict.left_msat)]
    for name, window in (("daily", verdict.daily), ("weekly", verdict.weekly)):
        rows += [
            (MoneyMetric.BUDGET_LIMIT, (name,), window.limit_msat),
            (MoneyMetric.BUDGET_SPENT, (name,), window.spent_msat),
            (MoneyMetric.BUDGET_RESERVED, (name,), window.reserved_msat),
            (MoneyMetric.BUDGET_LEFT, (name,), window.left_msat),
        ]
    active = {reason.code for reason in verdict.suspended}
    rows += [
        (MoneyMetric.SPENDING_SUSPENDED, (code,), float(code in active)) for code in sorted(active.union(SUSPENSIONS))
    ]
    return rows


def splice_budget_rows(budget: CategoryState | None) -> list[Row]:
    """Given the budget of splices (None: it was never set nor used), return the rows of both windows."""
    windows = () if budget is None else (("daily", budget.daily), ("weekly", budget.weekly))
    return [
        row
        for name, window in windows
        for row in (
            (MoneyMetric.SPLICE_BUDGET_LIMIT, (name,), window.limit.limit_msat),
            (MoneyMetric.SPLICE_BUDGET_SPENT, (name,), window.spent_msat),
            (MoneyMetric.SPLICE_BUDGET_RESERVED, (name,), window.reserved_msat),
            (MoneyMetric.SPLICE_BUDGET_LEFT, (name,), window.left_msat),
        )
    ]


def reserve_rows(standing: ReserveStanding) -> list[Row]:
    """Given how a place stands, return its rows."""
    labels = (standing.place,)
    return [
        (MoneyMetric.RESERVE_FUNDS, labels, standing.have_msat),
        (MoneyMetric.RESERVE_FLOOR, labels, standing.floor_msat),
        (MoneyMetric.RESERVE_SUSPENDED, labels, float(standing.since_at is not None)),
        (MoneyMetric.RESERVE_SINCE, labels, standing.since_at),
    ]
