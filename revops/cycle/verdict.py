"""The budget as the ledger shows it, for people, metrics and the planner. The ledger checks again when it reserves."""

from __future__ import annotations

from revops.decide import budget as decide
from revops.domain.budget import Category, CategoryState, Limits, WindowState
from revops.domain.decision import BudgetVerdict
from revops.domain.policy import BudgetConfig, Config, SpliceConfig
from revops.domain.reason import Reason
from revops.store import ledger, spending
from revops.store.engine import Tx

DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS


def limits_in_force(tx: Tx, budget: BudgetConfig, now: float) -> tuple[int, int]:
    """Given the configured figures, return the daily and weekly limit of rebalances, in msat, by what was earned in the
    last day and the last seven.
    """
    return _limits(tx, budget, now).msat


def splice_limits_in_force(splice: SpliceConfig) -> tuple[int, int]:
    """Given the configured figures, return the daily and weekly limit of what splices may cost, in msat."""
    return decide.splice_limits(splice).msat


def _limits(tx: Tx, budget: BudgetConfig, now: float) -> Limits:
    earned = (ledger.income_between(tx, now - seconds, now) for seconds in (DAY_SECONDS, WEEK_SECONDS))
    return decide.limits(budget, *earned)


def read_verdict(tx: Tx, budget: BudgetConfig, now: float, suspended: tuple[Reason, ...] = ()) -> BudgetVerdict:
    """Given the configured figures, return what is spent, reserved and left of the budget of rebalances. Where entries
    of the ledger are missing, spending is suspended.
    """
    spent_day_msat, spent_week_msat, reserved_msat = ledger.totals(tx, now)
    limits = limits_in_force(tx, budget, now)
    return decide.verdict(now, limits, spent_day_msat, spent_week_msat, reserved_msat, (*suspended, *gaps(tx)))


def gaps(tx: Tx) -> tuple[Reason, ...]:
    """Return why the ledger can't be trusted; empty when it can."""
    missing = spending.gaps(tx)
    return () if missing is None else (missing,)


def read_categories(tx: Tx, config: Config, now: float) -> tuple[CategoryState, ...]:
    """Given the configuration, return the windows of each category that has a limit or an entry, and what its
    reservations are for. That of rebalances is always there.
    """
    limits = {
        Category.REBALANCE: _limits(tx, config.budget, now),
        Category.SPLICE: decide.splice_limits(config.splice),
    }
    states = (_category(tx, category, limits[category], now) for category in Category)
    return tuple(one for one in states if one.category is Category.REBALANCE or _is_used(one))


def _is_used(one: CategoryState) -> bool:
    return bool(one.weekly.limit.sum_msat or one.weekly.spent_msat or one.open)


def _category(tx: Tx, category: Category, limits: Limits, now: float) -> CategoryState:
    sums = ledger.totals(tx, now, category)
    height = spending.known_height(tx)
    in_day, in_week = spending.spent_entries(tx, now, category)
    day = decide.leaving(in_day, now, height, DAY_SECONDS, ledger.DAY_BLOCKS)
    week = decide.leaving(in_week, now, height, WEEK_SECONDS, ledger.WEEK_BLOCKS)
    return CategoryState(
        category,
        WindowState("day", limits.daily, sums.spent_day_msat, sums.reserved_msat, day),
        WindowState("week", limits.weekly, sums.spent_week_msat, sums.reserved_msat, week),
        spending.open_reservations(tx, category),
    )
