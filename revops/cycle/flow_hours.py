"""`revops report flows`: what went through the node, or a channel, hour by hour. Reads the records only."""

from __future__ import annotations

import time
from collections.abc import Mapping

from revops.cycle.named import Names, meant
from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.domain.flow_hours import HOUR_SECONDS, SUM_NAMES, FlowHours, Hour, HourSums, sum_of
from revops.domain.options import CommonOptions
from revops.store import flow_hours, nodes
from revops.store.channel_names import NamedChannel, named_channels
from revops.store.engine import Tx
from revops.store.flows import FlowSum

COMMAND = "report flows"


def run(
    options: CommonOptions, hour_count: int = 24, channel: str | None = None, clock: Clock = time.time
) -> FlowHours:
    """Given the flags, how many hours (the one that runs is the last), and a channel or peer (None: all), return what
    went through. Raise UnknownChannel for a name that nothing goes by.
    """
    with open_records(options, COMMAND, clock) as records, records.database.read(records.node_key) as tx:
        now = clock()
        end = int(now // HOUR_SECONDS) + 1
        first = end - hour_count
        chosen = None if channel is None else _chosen(tx, channel)
        bounds = float(first * HOUR_SECONDS), float(end * HOUR_SECONDS)
        by_hour = _by_hour(flow_hours.hour_sums(tx, *bounds), chosen)
        hours = tuple(Hour(float(hour * HOUR_SECONDS), by_hour.get(hour, HourSums())) for hour in range(first, end))
        return FlowHours(
            taken_at=now,
            synced_at=nodes.node_row(tx).synced_at,
            since_at=bounds[0],
            until_at=bounds[1],
            channels=() if chosen is None else tuple(sorted(one.name for one in chosen.values())),
            total=sum_of(hour.sums for hour in hours),
            hours=hours,
            by_day_only=flow_hours.day_only(tx, *bounds, channel_keys=None if chosen is None else chosen.keys()),
        )


def _by_hour(
    found: Mapping[tuple[int, int], FlowSum], chosen: Mapping[int, NamedChannel] | None
) -> dict[int, HourSums]:
    sums: dict[int, HourSums] = {}
    for (hour, key), one in found.items():
        if chosen is None or key in chosen:
            part = HourSums(*(getattr(one, name) for name in SUM_NAMES))
            sums[hour] = sums.get(hour, HourSums()) + part
    return sums


def _chosen(tx: Tx, name: str) -> dict[int, NamedChannel]:
    found = meant(
        name,
        named_channels(tx).values(),
        lambda one: Names(one.names, one.peer_id, one.alias),
        "the records know no channel or peer",
    )
    return {one.channel_key: one for one in found}
