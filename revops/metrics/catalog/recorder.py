"""The companion plugin: whether it writes, whether it is read, and what is missing of what it saw."""

from __future__ import annotations

from enum import Enum, unique

from revops.metrics.catalog.define import NODE, state, total


@unique
class RecorderMetric(Enum):
    """What the last sync read of the plugin's spool; absent where none was ever looked for."""

    LAST = state(
        "revops_recorder_last_line_timestamp_seconds",
        NODE,
        "When the companion plugin wrote the last line that was read (UTC epoch); it writes every 30 seconds.",
    )
    READABLE = state(
        "revops_recorder_spool_readable", NODE, "Whether the last sync could read the plugin's spool (1) or not (0)."
    )
    EVENTS = total(
        "revops_recorder_events_total",
        ("node", "kind"),
        "Events that were read from the spool, by kind (connect, disconnect, forward, state), lifetime.",
    )
    LOST = total(
        "revops_recorder_lost_lines_total",
        ("node", "cause"),
        "What is missing: dropped for want of room, removed before it was read, or malformed; lifetime.",
    )
    GAP = state(
        "revops_recorder_gap_seconds",
        ("node", "window"),
        "How much of the window (24h, 7d) the plugin didn't record, counted from its first line.",
    )
