"""`revops report pnl`: profit and loss over a period, by channel, peer and node. Reads the records only."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby

from revops.cycle.rates import Rates, rates
from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.domain.options import CommonOptions
from revops.domain.period import DAY_SECONDS, Period, last_days
from revops.domain.profit import (
    ChannelProfit,
    PeerProfit,
    ProfitLine,
    ProfitReport,
    SpanProfit,
    rebalance_return_ratio,
    total_of,
)
from revops.domain.values import replace
from revops.store import nodes, profits
from revops.store.balance_change import balance_change
from revops.store.cursors import ledger_is_read
from revops.store.engine import Tx
from revops.store.keys import channel_keys
from revops.store.profit_days import DayLine, day_lines
from revops.store.profit_rows import channel_profits

COMMAND = "report pnl"
#: How many days where nobody asks for others.
DEFAULT_DAYS = 30
#: What a report may have a line for, beside channels and peers.
DAY, MONTH = "day", "month"
_NOTHING = ProfitLine()


def run(
    options: CommonOptions, period: Period | None = None, clock: Clock = time.time, *, by: str | None = None
) -> ProfitReport:
    """Given the flags and the period (the last 30 days), return what was earned and spent in it; `by` "day" or "month"
    with a line for each of these.
    """
    with open_records(options, COMMAND, clock) as records:
        now = clock()
        with records.database.read(records.node_key) as tx:
            chosen = period or last_days(now, DEFAULT_DAYS)
            report = profit_report(tx, chosen, now)
            return report if by not in (DAY, MONTH) else replace(report, spans=spans(tx, chosen, now, by))


def profit_report(tx: Tx, period: Period, now: float) -> ProfitReport:
    """Given a period, return its report."""
    found = profits.lines(tx, period.first_day, period.end_day)
    node = nodes.node_row(tx)
    rated = rates(tx, period, node.synced_at, found)
    channels, peers = _with_ratios(tx, channel_profits(tx, found.by_channel), rated)
    return ProfitReport(
        taken_at=now,
        synced_at=node.synced_at,
        since_at=period.since_at or 0.0,
        until_at=period.until_at,
        total=found.total,
        channels=channels,
        peers=peers,
        untold_msat=found.untold_msat,
        capital_days=found.capital_days,
        network=node.network,
        recorded_since_at=profits.first_at(tx),
        ledger_read=ledger_is_read(tx),
        rated=rated.span,
        yearly_return_ratio=rated.yearly_return_ratio(rated.total),
        rebalance_return_ratio=rebalance_return_ratio(found.by_channel.values()),
        balance=balance_change(tx, period.first_day, period.end_day, found),
    )


def _with_ratios(
    tx: Tx, channels: Iterable[ChannelProfit], rated: Rates
) -> tuple[tuple[ChannelProfit, ...], tuple[PeerProfit, ...]]:
    """Channels as they come, and their peers, the best first; None stands for peers that nobody knows."""
    keys = channel_keys(tx)
    lines = {one.channel_id: rated.by_channel.get(keys[one.channel_id], _NOTHING) for one in channels}
    groups: dict[str | None, list[ChannelProfit]] = {}
    for one in channels:
        groups.setdefault(one.peer_id, []).append(one)
    found = tuple(
        replace(
            one,
            yearly_return_ratio=rated.yearly_return_ratio(lines[one.channel_id]),
            rebalance_return_ratio=rebalance_return_ratio((one.line,)),
        )
        for one in channels
    )
    peers = [
        PeerProfit(
            peer_id=peer_id,
            alias=ours[0].alias,
            channel_count=len(ours),
            line=total_of(one.line for one in ours),
            yearly_return_ratio=rated.yearly_return_ratio(total_of(lines[one.channel_id] for one in ours)),
            rebalance_return_ratio=rebalance_return_ratio(one.line for one in ours),
        )
        for peer_id, ours in groups.items()
    ]
    return found, tuple(sorted(peers, key=lambda one: (-one.line.net_msat, one.peer_id or "")))


def spans(tx: Tx, period: Period, now: float, by: str) -> tuple[SpanProfit, ...]:
    """Given a period and "day" or "month", return a line for each in it, oldest first: from the first in which there
    was anything to the last that has begun by the last sync, also those in which there was nothing: what came after it
    isn't known.
    """
    found = day_lines(tx, period.first_day, period.end_day)
    if not found:
        return ()
    first_day, last_day = min(found), max(found)
    synced_at = nodes.node_row(tx).synced_at
    known_until_at = now if synced_at is None else min(synced_at, now)
    last_day = max(last_day, min(period.end_day - 1, int(known_until_at // DAY_SECONDS)))
    nothing = DayLine(ProfitLine(), 0, has_balance=False)
    days = [(day, found.get(day, nothing)) for day in range(first_day, last_day + 1)]
    groups = groupby(days, key=lambda one: one[0] if by == DAY else _month_of(one[0]))
    return tuple(_span(list(group)) for _, group in groups)


def _month_of(day: int) -> tuple[int, int]:
    date = datetime.fromtimestamp(day * DAY_SECONDS, UTC)
    return date.year, date.month


def _span(days: list[tuple[int, DayLine]]) -> SpanProfit:
    line = total_of(one.line for _, one in days)
    capital_days = sum(one.has_balance for _, one in days)
    return SpanProfit(
        since_at=float(days[0][0] * DAY_SECONDS),
        until_at=float((days[-1][0] + 1) * DAY_SECONDS),
        line=replace(line, capital_msat=line.capital_msat // max(capital_days, 1)),
        untold_msat=sum(one.untold_msat for _, one in days),
        capital_days=capital_days,
    )
