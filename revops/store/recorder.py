"""What the companion plugin has recorded, as far as its spool was read. A page and the place after it are stored in
one transaction: what was read is never read again, and what comes again brings nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Executable, Row, bindparam, case, delete, func, select, update

from revops.domain.recorder import (
    Folded,
    LineKind,
    RecordedEvent,
    RecorderRecord,
    RecorderSpan,
    SpoolLine,
    SpoolPlace,
)
from revops.store.channel_names import named_channels
from revops.store.engine import NODE, Tx
from revops.store.keys import channel_keys, insert_of, next_keys, peer_keys
from revops.store.tables import peer, recorder, recorder_event, recorder_span

_COUNTS: Final = (
    "connect_count", "disconnect_count", "forward_count", "state_count", "dropped_count", "removed_count",
    "malformed_count",
)  # fmt: skip
#: Where counts stop. A recorder's own never get near it; but who writes the spool may claim anything, and a sum that no
#: column holds would end this sync and each one after it. Up to here a metric shows them exactly.
MOST_COUNTED: Final = 2**53


def take_turn(tx: Tx) -> SpoolPlace | None:
    """Make sure that nobody else reads the spool for this node until the transaction ends; return how far it was read,
    None before the first page.
    """
    tx.execute(_row_there(tx.connection.dialect.name))
    return place(tx)


@cache
def _row_there(dialect_name: str) -> Executable:
    """An update locks the row on PostgreSQL."""
    values: dict[str, Any] = {"node_key": NODE, "readable": True, **dict.fromkeys(_COUNTS, 0)}
    insert = insert_of(recorder, dialect_name).values(values)
    return insert.on_conflict_do_update(index_elements=["node_key"], set_={"readable": True})


def place(tx: Tx) -> SpoolPlace | None:
    """Return how far the spool was read; None before the first page."""
    row = _row(tx)
    return None if row is None else _place(row)


def _row(tx: Tx) -> Row[Any] | None:
    return tx.execute(_recorder()).one_or_none()


@cache
def _recorder() -> Executable:
    return select(recorder).where(recorder.c.node_key == NODE)


def _place(row: Row[Any]) -> SpoolPlace | None:
    if row.segment is None:
        return None
    return SpoolPlace(row.segment, row.offset_bytes, row.segment_run_id, row.segment_sequence)


def set_unreadable(tx: Tx) -> None:
    """Remember that the spool could not be read this time, for the metrics. Where it never was there is nothing to
    show.
    """
    tx.execute(_unreadable())


@cache
def _unreadable() -> Executable:
    return update(recorder).where(recorder.c.node_key == NODE).values(readable=False)


def last_span(tx: Tx, run_id: str) -> RecorderSpan | None:
    """Given a run of the plugin, return its last span; None where nothing of it was read yet."""
    row = tx.execute(_last_span(), b_run=run_id).first()
    return None if row is None else _span(row)


@cache
def _last_span() -> Executable:
    mine = (recorder_span.c.node_key == NODE, recorder_span.c.run_id == bindparam("b_run"))
    return select(recorder_span).where(*mine).order_by(recorder_span.c.span_key.desc()).limit(1)


def _span(row: Row[Any]) -> RecorderSpan:
    return RecorderSpan(row.run_id, row.from_at, row.until_at, row.node_started_at, row.last_sequence)


def save(tx: Tx, folded: Folded, read_to: SpoolPlace | None) -> None:
    """Given what a page brings, and the place after it, store both."""
    _save_events(tx, folded, _save_spans(tx, folded))
    changes: dict[Any, Any] = {recorder.c[name]: _added(name, count) for name, count in folded.counts.items() if count}
    if folded.spans:
        row = _row(tx)
        known_at = None if row is None else row.last_at
        ends = [span.until_at for span in folded.spans]
        changes[recorder.c.last_at] = max(ends if known_at is None else [*ends, known_at])
    if read_to is not None:
        changes |= {
            recorder.c.segment: read_to.segment,
            recorder.c.offset_bytes: read_to.offset_bytes,
            recorder.c.segment_run_id: read_to.run_id,
            recorder.c.segment_sequence: read_to.first_sequence,
        }
    if changes:
        tx.connection.execute(update(recorder).where(recorder.c.node_key == tx.node_key).values(changes))


def _added(name: str, count: int) -> ColumnElement[int]:
    was, more = recorder.c[name], min(count, MOST_COUNTED)
    return case((was > MOST_COUNTED - more, MOST_COUNTED), else_=was + more)


def _save_spans(tx: Tx, folded: Folded) -> list[int]:
    """Return the key of each span."""
    new = folded.spans[1:] if folded.continues else folded.spans
    keys: list[int] = []
    if folded.continues:
        first = folded.spans[0]
        keys.append(tx.execute(_last_span(), b_run=first.run_id).one().span_key)
        tx.execute(_prolong(), b_key=keys[0], until_at=first.until_at, last_sequence=first.last_sequence)
    if new:
        first_key = next_keys(tx, "recorder_span", len(new))
        rows: list[dict[str, Any]] = [
            {
                "node_key": tx.node_key,
                "span_key": key,
                "run_id": span.run_id,
                "from_at": span.from_at,
                "until_at": span.until_at,
                "node_started_at": span.node_started_at,
                "last_sequence": span.last_sequence,
            }
            for key, span in enumerate(new, first_key)
        ]
        tx.connection.execute(recorder_span.insert(), rows)
        keys += [row["span_key"] for row in rows]
    return keys


@cache
def _prolong() -> Executable:
    values: dict[str, Any] = {name: bindparam(name) for name in ("until_at", "last_sequence")}
    mine = (recorder_span.c.node_key == NODE, recorder_span.c.span_key == bindparam("b_key"))
    return update(recorder_span).where(*mine).values(values)


def _save_events(tx: Tx, folded: Folded, keys: Sequence[int]) -> None:
    """Peers and channels that we don't know are strangers: what they do isn't stored."""
    if not folded.events:
        return
    peers, channels = peer_keys(tx), channel_keys(tx)
    rows = [
        _event(tx, keys[span], line, peers[line.peer_id], channels.get(line.channel_id or ""))
        for span, line in folded.events
        if line.peer_id in peers and (line.channel_id is None or line.channel_id in channels)
    ]
    if rows:
        tx.connection.execute(recorder_event.insert(), rows)


def _event(tx: Tx, span_key: int, line: SpoolLine, peer_key: int, channel_key: int | None) -> dict[str, Any]:
    return {
        "node_key": tx.node_key,
        "span_key": span_key,
        "sequence": line.sequence,
        "kind": line.kind.value,
        "happened_at": line.at,
        "peer_key": peer_key,
        "channel_key": channel_key,
        "old_state": line.old_state,
        "new_state": line.new_state,
        "cause": line.cause,
    }


def spans_since(tx: Tx, since_at: float) -> list[RecorderSpan]:
    """Given a moment, return the spans that reach beyond it, in order, and before them the last one that doesn't."""
    rows = [*tx.execute(_spans_after(), b_since=since_at).all(), *tx.execute(_span_before(), b_since=since_at).all()]
    return sorted(map(_span, rows), key=lambda span: span.from_at)


@cache
def _spans_after() -> Executable:
    later = recorder_span.c.until_at >= bindparam("b_since")
    return select(recorder_span).where(recorder_span.c.node_key == NODE, later)


@cache
def _span_before() -> Executable:
    earlier = recorder_span.c.until_at < bindparam("b_since")
    last = recorder_span.c.until_at.desc()
    return select(recorder_span).where(recorder_span.c.node_key == NODE, earlier).order_by(last).limit(1)


def recorded(tx: Tx) -> RecorderRecord | None:
    """Return what was read in all, without the gaps; None where no spool was ever read."""
    row = _row(tx)
    if row is None:
        return None
    counts = {name: getattr(row, name) for name in _COUNTS}
    return RecorderRecord(last_at=row.last_at, readable=row.readable, place=_place(row), **counts)


def latest_events(tx: Tx, limit: int) -> tuple[RecordedEvent, ...]:
    """Given how many are wanted at most, return what peers and channels did, the latest first."""
    rows = tx.execute(_latest_events(), b_limit=limit).all()
    channels = named_channels(tx) if any(row.channel_key is not None for row in rows) else {}
    return tuple(
        RecordedEvent(
            happened_at=row.happened_at,
            kind=LineKind(row.kind),
            peer_id=row.peer_id,
            alias=row.alias,
            channel=None if row.channel_key is None else channels[row.channel_key].name,
            old_state=row.old_state,
            new_state=row.new_state,
            cause=row.cause,
        )
        for row in rows
    )


@cache
def _latest_events() -> Executable:
    same_peer = (peer.c.node_key == recorder_event.c.node_key) & (peer.c.peer_key == recorder_event.c.peer_key)
    latest = (recorder_event.c[name].desc() for name in ("happened_at", "span_key", "sequence"))
    return (
        select(recorder_event, peer.c.peer_id, peer.c.alias)
        .join(peer, same_peer)
        .where(recorder_event.c.node_key == NODE)
        .order_by(*latest)
        .limit(bindparam("b_limit"))
    )


def prune_recorder(tx: Tx, before_at: float) -> int:
    """Given a moment, delete the events before it, and the spans that ended before; return how many events. Counts
    stay, and so does the last span.
    """
    old = (recorder_event.c.node_key == tx.node_key, recorder_event.c.happened_at < before_at)
    count = tx.connection.execute(delete(recorder_event).where(*old)).rowcount
    used = select(recorder_event.c.span_key).where(recorder_event.c.node_key == tx.node_key)
    newest = select(func.max(recorder_span.c.span_key)).where(recorder_span.c.node_key == tx.node_key)
    tx.connection.execute(
        delete(recorder_span).where(
            recorder_span.c.node_key == tx.node_key,
            recorder_span.c.until_at < before_at,
            recorder_span.c.span_key.not_in(used),
            recorder_span.c.span_key != newest.scalar_subquery(),
        )
    )
    return count
