"""Values of the domain as JSON-able dicts: fields by name, in order, with their derived amounts and sentences.

Key names are an interface: dashboards and scripts read them. A test holds the list.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Final

from revops.domain.balance_change import BalanceChange
from revops.domain.budget import BudgetCheck, CategoryState, Limit, WindowState
from revops.domain.dead_capital import DeadReport
from revops.domain.decision import BudgetVerdict, WindowBudget
from revops.domain.experiment import Experiment
from revops.domain.failure import Failures, FailureSum
from revops.domain.history import History
from revops.domain.occupancy import Occupancy
from revops.domain.profit import ProfitLine
from revops.domain.reason import Reason
from revops.domain.reconciliation import Difference, Reconciliation
from revops.domain.record import Books, Totals
from revops.domain.stability import StabilityWindow
from revops.domain.summary import Comparison, DemoSummary

SCHEMA_VERSION: Final = 1
#: Derived figures that stand beside the fields, so that no reader has to compute them.
DERIVED: Final[Mapping[type[Any], tuple[str, ...]]] = {
    Reason: ("sentence",),
    WindowBudget: ("left_msat",),
    BudgetVerdict: ("left_msat",),
    Limit: ("limit_msat", "by_share"),
    WindowState: ("left_msat",),
    CategoryState: ("left_msat",),
    BudgetCheck: ("left_msat",),
    Totals: ("net_msat",),
    Books: ("difference_msat",),
    Comparison: ("equal",),
    Occupancy: ("slot_ratio", "value_ratio"),
    DemoSummary: ("net_msat",),
    Experiment: ("ends_at", "pair_count"),
    Difference: ("difference_msat", "unexplained"),
    Reconciliation: ("unexplained_msat", "agrees"),
    History: ("earned_msat", "net_msat"),
    ProfitLine: ("income_msat", "chain_msat", "cost_msat", "net_msat"),
    BalanceChange: ("own_msat", "unbooked_msat"),
    StabilityWindow: ("covered_seconds", "uptime_ratio"),
    DeadReport: ("capital_msat",),
    FailureSum: ("name", "meaning", "remedy"),
    Failures: ("failure_count", "refused_count", "failed_count", "attempt_count", "in_msat"),
}


def document(command: str, value: Any) -> str:
    """Given a command and its value, return the one JSON document that it prints."""
    return json.dumps({"schema_version": SCHEMA_VERSION, "command": command, **plain(value)}, indent=2, allow_nan=False)


def plain(value: Any) -> Any:
    """Given a value of the domain, return it in the types of JSON. A number that isn't finite becomes null.

    Raise TypeError for what has no place in a document.
    """
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value)] + list(DERIVED.get(type(value), ()))
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, Enum):
        return value.name.lower() if isinstance(value.value, int) else value.value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(plain(item) for item in value)
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int, bool)):
        return value
    raise TypeError(f"{type(value).__name__} has no place in a JSON document")
