"""`revops report --fleet`: all nodes of the database, a row each. Reads the records only.

Each node is read as of one moment; between two nodes somebody may have synced, as their machines do whenever they want.
"""

from __future__ import annotations

import time

from revops.cycle.rates import rates
from revops.cycle.records import open_fleet
from revops.cycle.session import Clock
from revops.cycle.verdict import gaps
from revops.decide.suspend import clock_reasons
from revops.domain.fleet import FleetNode, FleetReport, network_order, totals_of
from revops.domain.options import CommonOptions
from revops.domain.period import Period, last_days
from revops.domain.reason import Reason, ReasonCode, why
from revops.store import nodes, profits, samples
from revops.store.engine import Tx
from revops.store.holdings import holdings
from revops.store.nodes import NodeRow
from revops.store.reserve import suspended_since

COMMAND = "report fleet"


def run(options: CommonOptions, window_days: int | None = None, clock: Clock = time.time) -> FleetReport:
    """Given the flags and the days of the window (report.window_days; today is the last), return all nodes. Which one
    is configured doesn't matter.
    """
    with open_fleet(options, COMMAND, clock) as fleet:
        now = clock()
        days = window_days or fleet.config.report.window_days
        period = last_days(now, days)
        found = []
        for known in fleet.nodes:
            with fleet.database.read(known.node_key) as tx:
                found.append(_node(tx, period))
        found.sort(key=lambda one: (network_order(one.network), -one.window.net_msat, one.node_id))
        return FleetReport(now, days, period.since_at or 0.0, period.until_at, tuple(found), totals_of(found))


def _node(tx: Tx, period: Period) -> FleetNode:
    row, held = nodes.node_row(tx), holdings(tx)
    window = profits.lines(tx, period.first_day, period.end_day)
    rated = rates(tx, period, row.synced_at, window)
    return FleetNode(
        node_id=row.node_id,
        alias=row.alias,
        network=row.network,
        version=row.version,
        synced_at=row.synced_at,
        open_count=held.open_count,
        capacity_msat=held.capacity_msat,
        local_msat=held.local_msat,
        wallet_msat=row.wallet_spendable_msat,
        window=window.total,
        ever=profits.lines(tx, None, None).total,
        yearly_return_ratio=rated.yearly_return_ratio(rated.total),
        rated=rated.span,
        rated_line=rated.total,
        suspended=_suspended(tx, row),
        reserve_since=suspended_since(tx),
    )


def _suspended(tx: Tx, row: NodeRow) -> tuple[Reason, ...]:
    """What doesn't hang on the node's configuration: that is another one for each, and not to be had here."""
    if row.synced_at is None or row.blockheight is None:
        return (why(ReasonCode.NEVER_SYNCED),)
    marks = samples.clock_marks(tx, 0.0)
    return (*clock_reasons(marks, row.synced_at, row.blockheight, row.network), *gaps(tx))
