"""`revops report failures`: which forwards failed over a period, where, and why. Reads the records only."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable

from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.domain.failure import FailureReport, Failures, FailureSum
from revops.domain.forward import ForwardStatus
from revops.domain.options import CommonOptions
from revops.domain.period import Period, last_days
from revops.store import failures, flows, nodes
from revops.store.channel_names import named_channels
from revops.store.engine import Tx
from revops.store.profits import NO_END
from revops.store.sums import NO_CHANNEL

COMMAND = "report failures"
#: How many days where nobody asks for others.
DEFAULT_DAYS = 30


def run(options: CommonOptions, period: Period | None = None, clock: Clock = time.time) -> FailureReport:
    """Given the flags and the period (the last 30 days), return what failed in it."""
    with open_records(options, COMMAND, clock) as records, records.database.read(records.node_key) as tx:
        now = clock()
        return failure_report(tx, period or last_days(now, DEFAULT_DAYS), now)


def failure_report(tx: Tx, period: Period, now: float) -> FailureReport:
    """Given a period, return its report."""
    kinds: dict[int, list[FailureSum]] = defaultdict(list)
    for row in failures.failures(tx, period.first_day or 0, min(period.end_day, NO_END)):
        if row.failure_count:  # 0 where a forward that had failed turned out to be settled
            one = FailureSum(ForwardStatus(row.status), row.failcode, int(row.failure_count), int(row.in_msat))
            kinds[row.channel_key].append(one)
    settled = {key: flow.out_count for key, flow in flows.flow_sums(tx, period.since_at, period.until_at).items()}
    names = named_channels(tx)
    found = []
    for key, of_channel in kinds.items():
        if key == NO_CHANNEL:
            found.append(Failures(None, "", None, None, 0, _most_first(of_channel)))
        else:
            one_ = names[key]
            found.append(
                Failures(
                    one_.channel_id, one_.name, one_.peer_id, one_.alias, settled.get(key, 0), _most_first(of_channel)
                )
            )
    found.sort(key=lambda one: (-one.failure_count, one.channel_id is None, one.name))
    total = Failures(None, "", None, None, sum(settled.values()), _joined(found))
    return FailureReport(
        taken_at=now,
        synced_at=nodes.node_row(tx).synced_at,
        since_at=period.since_at or 0.0,
        until_at=period.until_at,
        total=total,
        channels=tuple(found),
    )


def _joined(channels: Iterable[Failures]) -> tuple[FailureSum, ...]:
    sums: dict[tuple[ForwardStatus, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for channel in channels:
        for kind in channel.kinds:
            count, in_msat = sums[kind.status, kind.failcode]
            sums[kind.status, kind.failcode] = count + kind.failure_count, in_msat + kind.in_msat
    return _most_first(FailureSum(*key, *sums_) for key, sums_ in sums.items())


def _most_first(kinds: Iterable[FailureSum]) -> tuple[FailureSum, ...]:
    return tuple(sorted(kinds, key=lambda kind: (-kind.failure_count, kind.status, kind.failcode)))
