"""Every metric family, once: its name, type, help, labels and the file it lives in.

The exporter takes its families from here, as do the documentation and the tests that hold dashboards and alert rules to
this list. A family lives either in the node's file or in the commands' files, never in both: node_exporter refuses a
series that it meets twice, and a family whose help differs between files (node_exporter, collector/textfile.go).

Names follow Prometheus' rules (prometheus/docs, docs/practices/naming.md) with msat as the base unit of money: counters
end in `_total`, instants in `_timestamp_seconds`. All carry `node`, so that several nodes can share a folder. No label
holds a payment hash, and only `revops_channel_info` holds an alias: it joins on `node` and `channel`.
"""

from __future__ import annotations

from typing import Final

from revops.domain.metric import Definition, MetricsList
from revops.metrics.catalog.channel import ChannelMetric
from revops.metrics.catalog.command import CommandMetric
from revops.metrics.catalog.define import LABELS
from revops.metrics.catalog.money import MoneyMetric
from revops.metrics.catalog.node import NodeMetric
from revops.metrics.catalog.peer import PeerMetric
from revops.metrics.catalog.recorder import RecorderMetric

__all__ = [
    "CATALOG",
    "METRICS",
    "ChannelMetric",
    "CommandMetric",
    "Metric",
    "MoneyMetric",
    "NodeMetric",
    "PeerMetric",
    "RecorderMetric",
]

Metric = NodeMetric | MoneyMetric | ChannelMetric | PeerMetric | RecorderMetric | CommandMetric

#: All families, in the order in which they stand in their files.
METRICS: Final[tuple[Metric, ...]] = (
    *NodeMetric,
    *MoneyMetric,
    *ChannelMetric,
    *PeerMetric,
    *RecorderMetric,
    *CommandMetric,
)

#: Their definitions, for those who only read.
CATALOG: Final[tuple[Definition, ...]] = tuple(metric.value for metric in METRICS)


def metrics_list() -> MetricsList:
    """Return the catalogue for people."""
    return MetricsList(CATALOG, tuple(sorted(LABELS.items())))
