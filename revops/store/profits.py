"""Profit and loss from the records: what each channel earned and cost, and what belongs to none.

Everything is a sum of dated events, so that periods add up: a forward when it was resolved, a circular payment when the
node's ledger moved it, a transaction when it was confirmed. Days are UTC.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, bindparam, func, select

from revops.domain.chain_cost import CostKind
from revops.domain.profit import ProfitLine
from revops.store.accounts import WALLET_KEY
from revops.store.circular import circular_by_target
from revops.store.days import day_of
from revops.store.engine import NODE, Tx
from revops.store.flows import FlowSum, flow_sums
from revops.store.keys import total
from revops.store.move_sums import moves_of_days
from revops.store.sums import NO_CHANNEL
from revops.store.tables import EVER, balance_day, chain_cost, flow_sum

#: Later than all days.
NO_END: Final = 2**31 - 1
LEASE_TAG: Final = "lease_fee"
#: The figure that a cost of each kind belongs to; UNTOLD is in none.
FIELD_OF: Final = {
    CostKind.OPEN: "open_msat",
    CostKind.SPLICE: "splice_msat",
    CostKind.CLOSE: "close_msat",
    CostKind.SWEEP: "close_msat",
    CostKind.FORFEIT: "forfeit_msat",
    CostKind.WALLET: "wallet_msat",
}


@dataclass(slots=True)
class Lines:
    """The lines of a period by channel_key; `rest` is what belongs to no channel, `untold_msat` what left the wallet
    without a word where to. Of `capital_days` of its days balances are on record.
    """

    by_channel: dict[int, ProfitLine] = field(default_factory=dict)
    rest: ProfitLine = field(default_factory=ProfitLine)
    untold_msat: int = 0
    capital_days: int = 0

    @property
    def total(self) -> ProfitLine:
        """The node's line."""
        return sum(self.by_channel.values(), self.rest)


def lines(tx: Tx, first_day: int | None, end_day: int | None) -> Lines:
    """Given UTC days (from the first to before the last; None: no bound), return their lines."""
    since_at, until_at = (None if day is None else day * 86_400.0 for day in (first_day, end_day))
    first, end = day_bounds(first_day, end_day)
    parts: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    if first_day is None and end > _last_day(tx):
        until_at = None  # all of it is kept added up
    for key, flow in flow_sums(tx, since_at, until_at).items():
        _add_flow(parts[key], flow)
    for key, bought in circular_by_target(tx, first * 86_400.0, end * 86_400.0).items():
        parts[key]["rebalanced_msat"] += bought.amount_msat
        parts[key]["rebalance_msat"] += bought.fee_msat
        parts[key]["rebalance_count"] += bought.count
    for row in moves_of_days(tx, (LEASE_TAG,), first, end):
        parts[row.account_key]["lease_earned_msat"] += int(row.credit_msat)
        parts[row.account_key]["lease_paid_msat"] += int(row.debit_msat)
    found = Lines()
    for row in tx.execute(_costs(), b_since=first * 86_400, b_until=end * 86_400):
        kind = CostKind(row.kind)
        if kind is CostKind.UNTOLD:
            found.untold_msat += int(row.cost_msat)
        else:
            parts[row.account_key][FIELD_OF[kind]] += int(row.cost_msat)
    found.capital_days, balances = _capital(tx, first, end)
    for key, balance_msat in balances.items():
        parts[key]["capital_msat"] = balance_msat
    for key, amounts in parts.items():
        line = ProfitLine(**amounts)
        if key in (NO_CHANNEL, WALLET_KEY):
            found.rest += line
        else:
            found.by_channel[key] = line
    return found


def day_bounds(first_day: int | None, end_day: int | None) -> tuple[int, int]:
    """Given UTC days (None: no bound), return them as numbers; none is before 1970, where sums over all days stand."""
    return (
        EVER + 1 if first_day is None else max(first_day, EVER + 1),
        NO_END if end_day is None else max(end_day, EVER + 1),
    )


def _add_flow(part: dict[str, int], flow: FlowSum) -> None:
    for name in ("earned", "sourced", "in", "out"):
        part[f"{name}_msat"] += getattr(flow, f"{name}_msat")
    for name in ("in", "out", "failed", "refused"):
        part[f"{name}_count"] += getattr(flow, f"{name}_count")


@cache
def _costs() -> Executable:
    cost = chain_cost.c
    return (
        select(cost.account_key, cost.kind, total(cost.cost_msat).label("cost_msat"))
        .where(cost.node_key == NODE, cost.booked_at >= bindparam("b_since"), cost.booked_at < bindparam("b_until"))
        .group_by(cost.account_key, cost.kind)
    )


def _capital(tx: Tx, first_day: int, end_day: int) -> tuple[int, Mapping[int, int]]:
    """On how many of the days balances are on record, and each channel's average over them, 0 where it wasn't there."""
    days = {"b_first": first_day, "b_end": end_day}
    count: int = tx.execute(_day_count(), **days).scalar_one()
    return count, averages({row.channel_key: int(row.local_msat) for row in tx.execute(_balances(), **days)}, count)


def averages(sums_msat: Mapping[int, int], day_count: int) -> dict[int, int]:
    """Given each channel's daily balances added up, and of how many days they are, return its average, to the msat.

    These add up to the average of all together, rounded down: what rounding leaves of one is carried on to the next.
    """
    found, whole_msat, shared_msat = {}, 0, 0
    for key in sorted(sums_msat):
        whole_msat += sums_msat[key]
        found[key] = whole_msat // day_count - shared_msat
        shared_msat += found[key]
    return found


def _in_days() -> tuple[Any, ...]:
    balance = balance_day.c
    return balance.node_key == NODE, balance.day >= bindparam("b_first"), balance.day < bindparam("b_end")


@cache
def _day_count() -> Executable:
    return select(func.count(func.distinct(balance_day.c.day))).where(*_in_days())


@cache
def _balances() -> Executable:
    balance = balance_day.c
    return (
        select(balance.channel_key, total(balance.local_msat).label("local_msat"))
        .where(*_in_days())
        .group_by(balance.channel_key)
    )


def balances_since_at(tx: Tx) -> float | None:
    """Return since when balances are on record, to the day; None where there is none."""
    day = tx.execute(_first_balance()).scalar()
    return None if day is None else day * 86_400.0


@cache
def _first_balance() -> Executable:
    return select(func.min(balance_day.c.day)).where(balance_day.c.node_key == NODE)


def first_at(tx: Tx) -> float | None:
    """Return when the first forward on record settled, to the day; None before any has."""
    day = tx.execute(_first_day()).scalar()
    return None if day is None else day * 86_400.0


@cache
def _first_day() -> Executable:
    days = flow_sum.c
    return select(func.min(days.day)).where(days.node_key == NODE, days.day != EVER, days.out_count > 0)


def other_costs(tx: Tx, since_at: float) -> ProfitLine:
    """Given a moment, return what transactions and leases have cost and brought the node since: `wallet` holds the
    transactions of all kinds.
    """
    costs = tx.execute(_costs(), b_since=since_at, b_until=NO_END * 86_400)
    line = ProfitLine(wallet_msat=sum(int(row.cost_msat) for row in costs if row.kind != CostKind.UNTOLD))
    for row in moves_of_days(tx, (LEASE_TAG,), day_of(since_at), NO_END):
        line += ProfitLine(lease_earned_msat=int(row.credit_msat), lease_paid_msat=int(row.debit_msat))
    return line


def chain_cost_of_channels(tx: Tx) -> dict[int, int]:
    """Return what transactions have ever cost, by channel_key."""
    found: dict[int, int] = defaultdict(int)
    for row in tx.execute(_costs(), b_since=0, b_until=NO_END * 86_400):
        if row.kind != CostKind.UNTOLD:
            found[row.account_key] += int(row.cost_msat)
    return found


def leases_of_channels(tx: Tx) -> dict[int, ProfitLine]:
    """Return what leases have ever earned and cost, by channel_key; of leases alone."""
    found: dict[int, ProfitLine] = defaultdict(ProfitLine)
    for row in moves_of_days(tx, (LEASE_TAG,), *day_bounds(None, None)):
        found[row.account_key] += ProfitLine(
            lease_earned_msat=int(row.credit_msat), lease_paid_msat=int(row.debit_msat)
        )
    return found


def _last_day(tx: Tx) -> int:
    """The last day of which there is anything."""
    days = flow_sum.c
    day: int | None = tx.connection.execute(select(func.max(days.day)).where(days.node_key == tx.node_key)).scalar()
    return EVER if day is None else day
