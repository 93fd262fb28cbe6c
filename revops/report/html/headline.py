"""The first screen's figures: what the period brought, against the one before, and what may still be spent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from revops.domain.budget import Category, CategoryState, WindowState
from revops.domain.period import DAY_SECONDS
from revops.domain.profit import ProfitReport
from revops.domain.record import Report
from revops.domain.review import Review
from revops.domain.text import counted
from revops.report.amounts import cost, day, income, income_rate, percent, share
from revops.report.rates import span_days

#: From here on a window of the budget is nearly used up.
FULL_RATIO: Final = 0.8
#: What is shorter has no average.
_LEAST_SECONDS: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Meter:
    """A part of a whole, in per cent of it (100 at most), with what it says in words. `tone`: "", "warn" or "bad"."""

    label: str
    percent: int
    words: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure with its unit and what else there is to say of it. `trend` is "up", "down" or ""."""

    label: str
    value: str
    unit: str
    notes: tuple[str, ...] = ()
    trend: str = ""
    change: str = ""
    meters: tuple[Meter, ...] = ()
    main: bool = False


def tiles(review: Review) -> tuple[Tile, ...]:
    """Given a review, return its figures, the most important first."""
    budgets = map(_budget, review.categories)
    return (_net(review.profit, review.before), *_parts(review.profit), _funds(review), *budgets)


def _net(profit: ProfitReport, before: ProfitReport | None) -> Tile:
    """The period beside the one before, by the day: of the last day, and of what wasn't synced yet, a part is
    missing.
    """
    net_msat, trend, change = profit.total.net_msat, "", ""
    notes = (_no_before(profit),) if before is None else ()
    if before is not None:
        a_day_msat, earlier_msat = (_a_day_msat(one) for one in (profit, before))
        trend = "up" if a_day_msat > earlier_msat else "down" if a_day_msat < earlier_msat else ""
        change = _change(a_day_msat, earlier_msat)
        days = counted(round((before.until_at - before.since_at) / DAY_SECONDS), "day")
        notes = (f"{income(a_day_msat)} sat a day, {income(earlier_msat)} in the {days} before",)
    return Tile("Net earned", income(net_msat), "sat", notes, trend, change, main=True)


def _a_day_msat(profit: ProfitReport) -> int:
    """The net of a day on average, over the time that is on record."""
    ends_at = min(profit.until_at, profit.until_at if profit.synced_at is None else profit.synced_at)
    begins_at = max(profit.since_at, profit.recorded_since_at or profit.since_at)
    return int(profit.total.net_msat * DAY_SECONDS // max(ends_at - begins_at, _LEAST_SECONDS))


def _no_before(profit: ProfitReport) -> str:
    if profit.since_at <= 0:
        return "all that is on record"
    if profit.recorded_since_at is None:
        return "no forward on record has settled yet"
    return f"no full period before: records begin {day(int(profit.recorded_since_at // DAY_SECONDS))}"


def _change(now_msat: int, before_msat: int) -> str:
    """A share only of what was a gain: of a loss, or of nothing, per cent mislead."""
    if now_msat == before_msat:
        return "as before"
    if before_msat > 0:
        return f"{percent(abs(now_msat / before_msat - 1.0))} {'more' if now_msat > before_msat else 'less'} a day"
    return f"{income(abs(now_msat - before_msat))} sat a day {'more' if now_msat > before_msat else 'less'}"


def _parts(profit: ProfitReport) -> Iterator[Tile]:
    line = profit.total
    leases = f", leases {income(line.lease_earned_msat)} sat" if line.lease_earned_msat else ""
    yield Tile(
        "Earned",
        income(line.income_msat),
        "sat",
        (
            f"{counted(line.out_count, 'forward')}{leases}",
            f"{income(line.out_msat)} sat forwarded, {income_rate(line.earned_msat, line.out_msat)} ppm",
        ),
    )
    parts = [
        f"{word} {cost(msat)}"
        for word, msat in (
            ("rebalance costs", line.rebalance_msat),
            ("chain costs", line.chain_msat),
            ("leases", line.lease_paid_msat),
        )
        if msat
    ]
    yield Tile("Spent", cost(line.cost_msat), "sat", (", ".join(parts) or "nothing was paid for",))
    ratio = profit.yearly_return_ratio
    if ratio is not None:
        # Without its days it contradicts the net earned beside it, which may be of many more.
        capital = f"net of {span_days(profit.rated)} days, by the year, on {income(line.capital_msat)} sat of ours"
    elif line.capital_msat:
        capital = "known once balances are on record for a day of the period"
    else:
        capital = "no balances are on record for the period"
    yield Tile("Return on capital", "-" if ratio is None else percent(ratio), "a year", (capital,))


def _budget(one: CategoryState) -> Tile:
    rebalances = one.category is Category.REBALANCE
    used = max(_used_ratio(one.daily), _used_ratio(one.weekly))
    meters = tuple(_meter(label, window) for label, window in (("day", one.daily), ("week", one.weekly)))
    is_set = one.daily.limit.limit_msat > 0 and one.weekly.limit.limit_msat > 0
    left = f"{income(one.left_msat)} sat left for the next {'payment' if rebalances else 'splice'}"
    notes = (left if is_set else "a limit is 0: nothing may be spent",)
    label = "Budget used" if rebalances else "Budget of splices used"
    return Tile(label, f"{min(int(100 * used), 999)} %", "of the tighter limit", notes, meters=meters)


def _used_ratio(window: WindowState) -> float:
    limit_msat, used_msat = window.limit.limit_msat, window.spent_msat + window.reserved_msat
    if limit_msat <= 0:
        return 1.0 if used_msat else 0.0
    return used_msat / limit_msat


def _meter(label: str, window: WindowState) -> Meter:
    ratio = _used_ratio(window)
    tone = "bad" if ratio >= 1.0 else "warn" if ratio >= FULL_RATIO else ""
    used = cost(window.spent_msat + window.reserved_msat)
    return Meter(label, min(int(100 * ratio), 100), f"{used} of {income(window.limit.limit_msat)}", tone)


def _funds(review: Review) -> Tile:
    standing: Report = review.standing
    channels = [channel for channel in standing.channels if channel.open]
    capacity_msat, local_msat = (
        sum(getattr(channel, name) for channel in channels) for name in ("capacity_msat", "local_msat")
    )
    ours = f"{share(local_msat, capacity_msat)} of {income(capacity_msat)} sat capacity"
    return Tile(
        "Ours in channels",
        income(local_msat),
        "sat",
        (
            f"{ours}, {counted(len(channels), 'channel')}",
            f"wallet: {income(standing.wallet_spendable_msat)} sat can be spent",
        ),
    )
