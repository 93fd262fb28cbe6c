"""The node: its state, its sums over all of its life, and the records themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Final

from revops.domain.decision import Outcome
from revops.domain.measures import Measures, Tally
from revops.domain.node import Feerates
from revops.domain.record import Report, Totals
from revops.metrics.catalog import NodeMetric
from revops.metrics.collect.families import Row

#: The commands that decide: what they never did is shown as 0; not of those that few nodes run.
DECIDING: Final = ("fees adjust", "rebalance plan")
SELDOM: Final = ("ads adjust",)
_ESTIMATES: Final = tuple(field.name for field in fields(Feerates) if field.name.endswith("_perkw"))


def state_rows(report: Report) -> list[Row]:
    """Given the report, return when it was made, and what the node is."""
    return [
        (NodeMetric.SNAPSHOT_TIMESTAMP, (), report.taken_at),
        (NodeMetric.SYNCED_TIMESTAMP, (), report.synced_at),
        (NodeMetric.INFO, (report.node_id, report.network, report.version), 1),
        (NodeMetric.BLOCKHEIGHT, (), report.blockheight),
        (NodeMetric.WALLET_SPENDABLE, (), report.wallet_spendable_msat),
    ]


def totals_rows(lifetime: Totals) -> list[Row]:
    """Given the sums over all time, return what was earned and forwarded, and what it cost beside rebalances."""
    return [
        (NodeMetric.NET, (), lifetime.net_msat),
        (NodeMetric.FEES_EARNED, (), lifetime.earned_msat),
        (NodeMetric.FORWARDED, (), lifetime.forwarded_msat),
        (NodeMetric.FORWARDS_SETTLED, (), lifetime.settled_count),
        (NodeMetric.FORWARDS_FAILED, (), lifetime.failed_count),
        (NodeMetric.FORWARDS_REFUSED, (), lifetime.refused_count),
        (NodeMetric.CHAIN_COST, (), lifetime.chain_msat),
        (NodeMetric.LEASE_NET, (), lifetime.lease_earned_msat - lifetime.lease_paid_msat),
    ]


def decision_rows(tallies: Iterable[Tally]) -> list[Row]:
    """Given what was counted, return how many decisions there were by outcome, and by reason."""
    known = {*DECIDING, *SELDOM}
    counted = {(one.command, one.outcome, one.word): one.count for one in tallies if one.command in known}
    ever = {command for command, _, _ in counted}
    commands = (*DECIDING, *(one for one in SELDOM if one in ever))
    every = ((command, str(outcome)) for command in commands for outcome in Outcome)
    rows: list[Row] = [(NodeMetric.DECISIONS, one, counted.get((*one, ""), 0)) for one in every]
    return [*rows, *((NodeMetric.DECISION_REASONS, one, count) for one, count in counted.items() if one[2])]


def measured_rows(measures: Measures) -> list[Row]:
    """Given what was measured, return the feerates, and the database's size."""
    rates, size = measures.feerates, measures.size
    rows: list[Row] = []
    if rates is not None:
        rows += [(NodeMetric.FEERATE, (name.removesuffix("_perkw"),), getattr(rates, name)) for name in _ESTIMATES]
        rows.append((NodeMetric.FEERATE_TIMESTAMP, (), rates.sampled_at))
    if size is not None:
        rows += [(NodeMetric.DATABASE_SIZE, (), size.size_bytes), (NodeMetric.DATABASE_FREE, (), size.free_bytes)]
    return rows
