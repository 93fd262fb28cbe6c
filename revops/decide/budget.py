"""The budget: what may still be spent on routing fees, in a rolling day and a rolling week.

The figures come from the ledger; this only says what they mean. The check that counts is made once more by the ledger
itself, in the transaction that reserves.
"""

from __future__ import annotations

from revops.domain.decision import BudgetVerdict, WindowBudget
from revops.domain.policy import BudgetConfig
from revops.domain.reason import Reason
from revops.domain.units import MSAT_PER_SAT


def limits_msat(budget: BudgetConfig, income_week_msat: int) -> tuple[int, int]:
    """Given the configured figures and what forwards earned in seven days, return the daily and the weekly limit in
    force.

    The share of revenue only ever lowers a limit, so a node that earns nothing spends nothing.
    """
    share_msat = max(0, int(income_week_msat * budget.revenue_share_ratio))
    weekly_msat = min(budget.weekly_sat * MSAT_PER_SAT, share_msat)
    return min(budget.daily_sat * MSAT_PER_SAT, weekly_msat), weekly_msat


def verdict(
    now: float,
    limits: tuple[int, int],
    spent_day_msat: int,
    spent_week_msat: int,
    reserved_msat: int,
    suspended: tuple[Reason, ...] = (),
) -> BudgetVerdict:
    """Given the limits in force and the ledger's totals, return what is left, and what suspends spending."""
    daily_msat, weekly_msat = limits
    return BudgetVerdict(
        taken_at=now,
        daily=WindowBudget("day", daily_msat, spent_day_msat, reserved_msat),
        weekly=WindowBudget("week", weekly_msat, spent_week_msat, reserved_msat),
        suspended=suspended,
    )
