"""What was read of the companion plugin."""

from __future__ import annotations

from revops.domain.recorder import RecorderRecord
from revops.metrics.catalog import RecorderMetric
from revops.metrics.collect.families import Row


def recorder_rows(record: RecorderRecord | None) -> list[Row]:
    """Given what was read of the plugin's spool, return its figures; none where it was never looked for."""
    if record is None:
        return []
    events = {
        "connect": record.connect_count,
        "disconnect": record.disconnect_count,
        "forward": record.forward_count,
        "state": record.state_count,
    }
    lost = {"dropped": record.dropped_count, "removed": record.removed_count, "malformed": record.malformed_count}
    return [
        (RecorderMetric.LAST, (), record.last_at),
        (RecorderMetric.READABLE, (), float(record.readable)),
        *((RecorderMetric.EVENTS, (kind,), count) for kind, count in events.items()),
        *((RecorderMetric.LOST, (cause,), count) for cause, count in lost.items()),
        *((RecorderMetric.GAP, (window,), seconds) for window, seconds in record.gap_seconds.items()),
    ]
