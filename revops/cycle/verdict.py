"""The budget as the ledger shows it, for people, metrics and the planner. The ledger checks again when it reserves."""

from __future__ import annotations

from revops.decide.budget import limits_msat, verdict
from revops.domain.decision import BudgetVerdict
from revops.domain.policy import BudgetConfig
from revops.domain.reason import Reason
from revops.store import ledger
from revops.store.engine import Tx

WEEK_SECONDS = 7 * 86_400


def limits_in_force(tx: Tx, budget: BudgetConfig, now: float) -> tuple[int, int]:
    """Given the configured figures, return the daily and weekly limit by what was earned in the last seven days."""
    return limits_msat(budget, ledger.income_between(tx, now - WEEK_SECONDS, now))


def read_verdict(tx: Tx, budget: BudgetConfig, now: float, suspended: tuple[Reason, ...] = ()) -> BudgetVerdict:
    """Given the configured figures, return what is spent, reserved and left."""
    spent_day_msat, spent_week_msat, reserved_msat = ledger.totals(tx, now)
    limits = limits_in_force(tx, budget, now)
    return verdict(now, limits, spent_day_msat, spent_week_msat, reserved_msat, suspended)
