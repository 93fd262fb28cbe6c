"""`revops recorder status` as blocks."""

from __future__ import annotations

from collections.abc import Iterator

from revops.domain.recorder import RecorderRecord, RecorderStatus, SpoolSize
from revops.domain.text import counted
from revops.report.amounts import age, span
from revops.report.blocks import Block, Line, Table


def status(value: RecorderStatus) -> Iterator[Block]:
    """Given what is known of the plugin and its spool, say whether it writes, and whether that is read."""
    if not value.spool_dir:
        yield Line("recorder.spool_dir is empty: no spool is read; all works without it")
    elif value.fault is not None:
        yield Line(f"{value.spool_dir} can't be read: {value.fault}")
    elif value.spool is not None:
        yield Line(_writing(value))
        yield Line(_reading(value, value.spool))
    if value.record is not None:
        yield Table("What was read", (">events", "kind"), tuple(_events(value.record)))
        yield Line(_lost(value.record))


def _writing(value: RecorderStatus) -> str:
    if value.last_line_at is None:
        return f"{value.spool_dir} has no line yet: is the plugin running? (plugin= in the node's config file)"
    state = "writing" if value.alive else "silent"
    return f"{value.spool_dir}: {state}, last line {age(value.last_line_at, value.taken_at)}"


def _reading(value: RecorderStatus, spool: SpoolSize) -> str:
    size = f"{counted(spool.segment_count, 'segment')}, {spool.size_bytes:,} bytes"
    if value.record is None or value.record.place is None:
        return f"{size}, none of it read: run `revops sync`"
    return f"{size}, {spool.unread_bytes:,} of them unread; last sync {age(value.synced_at, value.taken_at)}"


def _events(record: RecorderRecord) -> Iterator[tuple[str, ...]]:
    for count, kind in (
        (record.connect_count, "connect"),
        (record.disconnect_count, "disconnect"),
        (record.forward_count, "forward"),
        (record.state_count, "channel state"),
    ):
        yield f"{count:,}", kind


def _lost(record: RecorderRecord) -> str:
    lost = (
        f"{record.dropped_count:,} dropped, {record.removed_count:,} removed before they were read, "
        f"{record.malformed_count:,} malformed"
    )
    gaps = ", ".join(f"{span(seconds)} of the last {window}" for window, seconds in record.gap_seconds.items())
    return f"missing: {lost}; not recorded: {gaps}"
