"""The node's cost of capital: what one more sat of outbound liquidity earns in a year on its channels.

The node's bounds are the means of its channels' bounds, as if all erred to one side: the widest that they can be.
Where no channel's next sat has a value, realised income stands for it, which errs dear: the average sat earns no less
than the marginal one, since more of the same earns less.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Final

from revops.decide.dead_capital import DAYS_PER_YEAR
from revops.decide.marginal_sat import marginal
from revops.domain.capital import (
    CapitalQuantile,
    CapitalReport,
    CapitalRow,
    CapitalSource,
    RatioRange,
    RealisedReturn,
)
from revops.domain.profit import ProfitLine
from revops.domain.units import yearly_ratio

PERCENTS: Final = (10, 25, 50, 75, 90)
#: Fewer whole days tell nothing of how much days differ.
LEAST_DAYS: Final = 7
#: 90 % of Student's t distribution with 6 degrees of freedom lies below; of more days it is no more than that.
_T_90: Final = 1.44


def counted(rows: Iterable[CapitalRow]) -> list[tuple[CapitalRow, RatioRange]]:
    """Given channels, return those that count, with what a marginal sat earns on each, the least first."""
    found = [(one, one.marginal) for one in rows if one.marginal is not None]
    return sorted(found, key=lambda one: (one[1].middle_ratio, one[1].high_ratio, one[0].name))


def quantiles(rows: Iterable[CapitalRow]) -> tuple[CapitalQuantile, ...]:
    """Given channels, return the quantiles of what a marginal sat earns, weighted by capital: each is a channel."""
    ordered = counted(rows)
    whole_msat = sum(one.capital_msat for one, _ in ordered)
    found, below_msat, wanted = [], 0, list(PERCENTS)
    for one, earns in ordered:
        below_msat += one.capital_msat
        while wanted and below_msat * 100 >= wanted[0] * whole_msat:
            found.append(CapitalQuantile(wanted.pop(0), one.name, one.channel_id, earns))
    return tuple(found)


def mean_marginal(rows: Iterable[CapitalRow]) -> RatioRange | None:
    """Given channels, return what a marginal sat earns on them, weighted by capital; None where none counts."""
    return _mean([(one.capital_msat, earns) for one, earns in counted(rows)])


def _mean(parts: Sequence[tuple[int, RatioRange]]) -> RatioRange | None:
    whole_msat = sum(weight for weight, _ in parts)
    if whole_msat <= 0:
        return None
    low, middle, high = (
        math.fsum(weight * ratio for weight, ratio in column) / whole_msat
        for column in (
            [(weight, earns.low_ratio) for weight, earns in parts],
            [(weight, earns.middle_ratio) for weight, earns in parts],
            [(weight, earns.high_ratio) for weight, earns in parts],
        )
    )
    return RatioRange(min(low, middle), middle, max(high, middle))


def realised(line: ProfitLine, rated_seconds: float, days_msat: Sequence[int]) -> RealisedReturn:
    """Given the node's line over the rated span, how long that was, and what each whole day of it brought, return what
    was earned and what costs took of it. The bounds of income hold 80 % as of independent days: where days go together
    the true ones are wider.
    """
    ratio, capital_msat = yearly_ratio, line.capital_msat
    income_ratio = ratio(line.income_msat, capital_msat, rated_seconds)
    bounds = None
    if income_ratio is not None and len(days_msat) >= LEAST_DAYS:
        error_msat = _T_90 * statistics.stdev(days_msat) / math.sqrt(len(days_msat))
        error_ratio = error_msat / capital_msat * DAYS_PER_YEAR
        bounds = RatioRange(max(income_ratio - error_ratio, 0.0), income_ratio, income_ratio + error_ratio)
    return RealisedReturn(
        capital_msat=capital_msat,
        income_msat=line.income_msat,
        rebalance_msat=line.rebalance_msat,
        lease_paid_msat=line.lease_paid_msat,
        chain_msat=line.chain_msat,
        day_count=len(days_msat),
        income_ratio=income_ratio,
        income=bounds,
        running_ratio=ratio(line.rebalance_msat + line.lease_paid_msat, capital_msat, rated_seconds),
        chain_ratio=ratio(line.chain_msat, capital_msat, rated_seconds),
        net_ratio=ratio(line.net_msat, capital_msat, rated_seconds),
    )


def from_income(found: RealisedReturn) -> RatioRange | None:
    """Given what was earned, return the cost of capital by that alone: income less refills and leases; never below 0.
    Of the bound above nothing is taken off. None where income has no bounds.
    """
    if found.income is None or found.running_ratio is None:
        return None
    low, middle = (max(one - found.running_ratio, 0.0) for one in (found.income.low_ratio, found.income.middle_ratio))
    return RatioRange(low, middle, found.income.high_ratio)


def committed(report: CapitalReport, amount_msat: int, days: float) -> RatioRange | None:
    """Given the report, and an amount that is to be committed for so many days, return what it must earn a year; None
    where nothing tells.

    Low and middle are the node's. The bound above is that of the channels whose marginal sat may earn most, none of
    which takes more than it holds: it is the most that the amount could have earned if it had been put there. By
    realised income alone all three are the node's.
    """
    if report.source is not CapitalSource.VALUE or report.cost is None:
        return report.cost
    left_msat, taken = max(amount_msat, 1), []
    best = sorted(
        ((marginal(one.worth, days), one) for one in report.channels if one.worth is not None),
        key=lambda one: (-one[0].high_ratio, one[1].name),
    )
    for earns, one in best:
        part_msat = min(one.capital_msat, left_msat)
        taken.append((part_msat, earns))
        left_msat -= part_msat
        if left_msat <= 0:
            break
    dearest = _mean(taken)
    high_ratio = report.cost.high_ratio if dearest is None else max(dearest.high_ratio, report.cost.high_ratio)
    return RatioRange(report.cost.low_ratio, report.cost.middle_ratio, high_ratio)
