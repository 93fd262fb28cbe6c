"""Profit and loss of the node by UTC day: one set of queries for a whole period, which add up to `profits.lines`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, Table, bindparam, select

from revops.domain.chain_cost import CostKind
from revops.domain.profit import ProfitLine
from revops.store.circular import circular_each
from revops.store.days import DAY_SECONDS, day_of
from revops.store.engine import NODE, Tx
from revops.store.keys import total
from revops.store.profits import FIELD_OF, LEASE_TAG, day_bounds
from revops.store.tables import balance_day, chain_cost, flow_sum, move_sum

#: What a day's line takes from `flow_sum`, by the same names.
_FLOWS: Final = (
    "earned_msat",
    "sourced_msat",
    "in_msat",
    "out_msat",
    "in_count",
    "out_count",
    "failed_count",
    "refused_count",
)


@dataclass(frozen=True, slots=True)
class DayLine:
    """A day's line. Its capital is our balance at the last sync of the day; 0 where none is on record."""

    line: ProfitLine
    untold_msat: int
    has_balance: bool


def day_lines(tx: Tx, first_day: int | None, end_day: int | None) -> dict[int, DayLine]:
    """Given UTC days (from the first to before the last; None: no bound), return the line of each day on which there
    was anything, by day, in order.
    """
    first, end = day_bounds(first_day, end_day)
    days = {"b_first": first, "b_end": end}
    parts: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in tx.execute(_flows(), **days):
        _add(parts[row.day], {name: getattr(row, name) for name in _FLOWS})
    for one in circular_each(tx, first * float(DAY_SECONDS), end * float(DAY_SECONDS)):
        bought = {
            "rebalanced_msat": one.amount_msat,
            "rebalance_msat": one.fee_msat,
            "rebalance_count": one.payment_count,
        }
        _add(parts[day_of(one.booked_at)], bought)
    for row in tx.execute(_leases(), **days):
        _add(parts[row.day], {"lease_earned_msat": row.credit_msat, "lease_paid_msat": row.debit_msat})
    untold_msat: dict[int, int] = defaultdict(int)
    for row in tx.execute(_costs(), b_since=first * DAY_SECONDS, b_until=end * DAY_SECONDS):
        kind, day = CostKind(row.kind), day_of(row.booked_at)
        if kind is CostKind.UNTOLD:
            untold_msat[day] += row.cost_msat
        else:
            _add(parts[day], {FIELD_OF[kind]: row.cost_msat})
    capital_msat = {row.day: int(row.local_msat) for row in tx.execute(_balances(), **days)}
    return {
        day: DayLine(
            ProfitLine(**parts.get(day, {}), capital_msat=capital_msat.get(day, 0)),
            untold_msat.get(day, 0),
            day in capital_msat,
        )
        for day in sorted(parts.keys() | untold_msat.keys() | capital_msat.keys())
    }


def _add(part: dict[str, int], amounts: Mapping[str, Any]) -> None:
    """PostgreSQL sums bigint into numeric."""
    for name, amount in amounts.items():
        part[name] += int(amount)


def _in_days(table: Table) -> tuple[Any, ...]:
    columns = table.c
    return columns.node_key == NODE, columns.day >= bindparam("b_first"), columns.day < bindparam("b_end")


@cache
def _flows() -> Executable:
    sums = (total(flow_sum.c[name]).label(name) for name in _FLOWS)
    return select(flow_sum.c.day, *sums).where(*_in_days(flow_sum)).group_by(flow_sum.c.day)


@cache
def _leases() -> Executable:
    sums = move_sum.c
    return (
        select(sums.day, total(sums.credit_msat).label("credit_msat"), total(sums.debit_msat).label("debit_msat"))
        .where(*_in_days(move_sum), sums.tag == LEASE_TAG)
        .group_by(sums.day)
    )


@cache
def _costs() -> Executable:
    cost = chain_cost.c
    during = (cost.booked_at >= bindparam("b_since"), cost.booked_at < bindparam("b_until"))
    return select(cost.kind, cost.cost_msat, cost.booked_at).where(cost.node_key == NODE, *during)


@cache
def _balances() -> Executable:
    local_msat = total(balance_day.c.local_msat).label("local_msat")
    return select(balance_day.c.day, local_msat).where(*_in_days(balance_day)).group_by(balance_day.c.day)
