"""`revops report pnl`: profit and loss over a period, by channel, peer and node. Reads the records only."""

from __future__ import annotations

import time
from collections.abc import Iterable

from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.domain.options import CommonOptions
from revops.domain.period import Period, last_days
from revops.domain.profit import ChannelProfit, PeerProfit, ProfitReport, total_of
from revops.store import nodes, profits
from revops.store.engine import Tx
from revops.store.profit_rows import channel_profits

COMMAND = "report pnl"
#: How many days where nobody asks for others.
DEFAULT_DAYS = 30


def run(options: CommonOptions, period: Period | None = None, clock: Clock = time.time) -> ProfitReport:
    """Given the flags and the period (the last 30 days), return what was earned and spent in it."""
    with open_records(options, COMMAND, clock) as records:
        now = clock()
        with records.database.read(records.node_key) as tx:
            return profit_report(tx, period or last_days(now, DEFAULT_DAYS), now)


def profit_report(tx: Tx, period: Period, now: float) -> ProfitReport:
    """Given a period, return its report."""
    found = profits.lines(tx, period.first_day, period.end_day)
    channels = channel_profits(tx, found.by_channel)
    return ProfitReport(
        taken_at=now,
        synced_at=nodes.node_row(tx).synced_at,
        since_at=period.since_at or 0.0,
        until_at=period.until_at,
        total=found.total,
        channels=channels,
        peers=by_peer(channels),
        untold_msat=found.untold_msat,
        capital_days=found.capital_days,
    )


def by_peer(channels: Iterable[ChannelProfit]) -> tuple[PeerProfit, ...]:
    """Given channels, return what each peer's came to, the best first; None stands for peers that nobody knows."""
    groups: dict[str | None, list[ChannelProfit]] = {}
    for one in channels:
        groups.setdefault(one.peer_id, []).append(one)
    found = [
        PeerProfit(peer_id, ours[0].alias, len(ours), total_of(one.line for one in ours))
        for peer_id, ours in groups.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.line.net_msat, one.peer_id or "")))
