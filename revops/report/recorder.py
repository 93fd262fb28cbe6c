"""`revops recorder status` and `recorder events` as blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from revops.domain.recorder import LineKind, RecordedEvent, RecordedEvents, RecorderRecord, RecorderStatus, SpoolSize
from revops.domain.text import counted
from revops.report.amounts import age, instant, span
from revops.report.blocks import Block, Line, Table
from revops.report.words import state_word

_EVENT_WORDS: Final[Mapping[str, str]] = {LineKind.CONNECT: "connected", LineKind.DISCONNECT: "disconnected"}


def events(value: RecordedEvents) -> Iterator[Block]:
    """Given what peers and channels did, render a row each."""
    if value.record is None:
        yield Line("nothing was ever recorded: `revops recorder status` says what is missing")
        return
    if value.events:
        yield Table("", ("when", "peer", "channel", "what", "cause"), tuple(map(_event, value.events)))
    more = "; there are older ones: --last N" if value.more else ""
    lines = "no line yet" if value.record.last_at is None else f"last line {age(value.record.last_at, value.taken_at)}"
    yield Line(f"{counted(len(value.events), 'event')}{more}; {lines}")


def _event(event: RecordedEvent) -> tuple[str, ...]:
    what = _EVENT_WORDS.get(event.kind) or " -> ".join(
        map(state_word, filter(None, (event.old_state, event.new_state)))
    )
    return instant(event.happened_at), event.alias or event.peer_id[:12], event.channel or "", what, event.cause or ""


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
