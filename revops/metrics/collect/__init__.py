"""From what the records say to metric families. Pure: no clock, no file, no prometheus_client.

Counters are sums from the database, not of this process: a run that lives for a second has nothing to count.
"""

from __future__ import annotations

from collections.abc import Iterable

from revops.domain.measures import NOTHING_MEASURED, Measures
from revops.domain.record import PeerRecord, Report
from revops.metrics.collect.channel import channel_samples
from revops.metrics.collect.families import Family, Row, in_order, samples_of
from revops.metrics.collect.money import books_rows, budget_rows, rebalance_rows, reserve_rows, splice_budget_rows
from revops.metrics.collect.node import decision_rows, measured_rows, state_rows, totals_rows
from revops.metrics.collect.peer import peer_rows
from revops.metrics.collect.recorder import recorder_rows


def node_families(
    node: str, report: Report, peers: Iterable[PeerRecord] = (), measures: Measures = NOTHING_MEASURED
) -> tuple[Family, ...]:
    """Given the node's label, its report, its peers and what was measured, return the node's file's families, in the
    catalogue's order.

    What isn't known (no sync yet, no opening row, a fee that was never read) has no sample; a family without samples is
    left out.
    """
    rows: list[Row] = [*state_rows(report), *totals_rows(report.lifetime), *decision_rows(measures.tallies)]
    rows += [*measured_rows(measures), *rebalance_rows(report.lifetime, measures)]
    rows += [*books_rows(report.books), *budget_rows(report.budget)]
    rows += splice_budget_rows(measures.splice_budget)
    rows += [row for one in report.reserves for row in reserve_rows(one)]
    rows += [row for peer in peers if peer.channel_count for row in peer_rows(peer)]
    rows += recorder_rows(measures.recorder)
    return in_order(samples_of((node,), rows) | channel_samples(node, report, measures))
