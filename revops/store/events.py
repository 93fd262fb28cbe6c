"""Peers' comings and goings (`listnetworkevents`). A row never changes: a repeat changes nothing.

What says nothing new is read past without being stored, since the cursor moves anyway: pings (one a minute and peer),
events of strangers with whom we never had a channel, and failed attempts to connect after a failed one (one every few
minutes for a peer that is gone for good).

What is here can have a beginning: the node keeps its rows for 30 days, and ours go with the retention. `EVENTS_SINCE`
says since when nothing is missing, so that a peer whose rows are gone isn't taken for one that was never there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, bindparam, delete, func, select

from revops.domain.node import NodeEvent
from revops.store.cursors import EVENTS_FROM, EVENTS_SINCE, NETWORK_EVENTS, cursor, cursors, set_cursor
from revops.store.engine import NODE, Tx
from revops.store.keys import chunks, peer_keys
from revops.store.moves import insert_new
from revops.store.tables import channel, peer, peer_event

_PING: Final = "ping"
_FAILED: Final = "connect_fail"
_TELLING: Final = ("connect", "disconnect", _FAILED)


def ingest_events(tx: Tx, rows: Sequence[NodeEvent]) -> int:
    """Given a page of listnetworkevents, store what is new and tells something; return how many rows were stored.

    Rows that are missing between the last page and this one were deleted by the node before we came: then the record
    begins anew with this page.
    """
    _note_gap(tx, rows)
    keys = peer_keys(tx)
    known = [row for row in rows if row.kind != _PING and row.peer_id in keys]
    failing = {keys[row.peer_id] for row in known if row.kind == _FAILED}
    last_kinds = _last_kinds(tx, failing, rows[0].created_index) if failing else {}
    kept: list[dict[str, Any]] = []
    for row in known:
        peer_key = keys[row.peer_id]
        if row.kind == _FAILED and last_kinds.get(peer_key) == _FAILED:
            continue
        last_kinds[peer_key] = row.kind
        kept.append(
            {
                "node_key": tx.node_key,
                "created_index": row.created_index,
                "peer_key": peer_key,
                "kind": row.kind,
                "happened_at": row.happened_at,
                "duration_seconds": row.duration_seconds,
            }
        )
    return insert_new(tx, peer_event, kept)


def _note_gap(tx: Tx, rows: Sequence[NodeEvent]) -> None:
    if not rows:
        return
    last_index, first = cursor(tx, NETWORK_EVENTS), rows[0]
    if last_index == 0 or first.created_index > last_index + 1:
        set_cursor(tx, EVENTS_FROM, first.created_index)
        set_cursor(tx, EVENTS_SINCE, first.happened_at)


def _last_kinds(tx: Tx, keys: Iterable[int], before_index: int) -> dict[int, str]:
    """The kind of each peer's last row before an index."""
    found: dict[int, str] = {}
    for some in chunks(sorted(keys)):
        last = (
            select(func.max(peer_event.c.created_index))
            .where(
                peer_event.c.node_key == tx.node_key,
                peer_event.c.peer_key.in_(some),
                peer_event.c.created_index < before_index,
            )
            .group_by(peer_event.c.peer_key)
        )
        statement = select(peer_event.c.peer_key, peer_event.c.kind).where(
            peer_event.c.node_key == tx.node_key, peer_event.c.created_index.in_(last)
        )
        found |= {row.peer_key: row.kind for row in tx.connection.execute(statement)}
    return found


def comings_and_goings(tx: Tx, since_at: float) -> tuple[float | None, dict[str, list[NodeEvent]]]:
    """Given a moment, return since when no event is missing (None: there are none), and each peer_id's connects,
    disconnects and failed attempts since the moment, in order, with the last one before it.
    """
    known = cursors(tx)
    from_index = known.get(EVENTS_FROM, 0)
    before_index = tx.execute(_last_before(), b_since=since_at).scalar() or 0
    by_key: dict[int, list[NodeEvent]] = {}
    events: dict[str, list[NodeEvent]] = {}
    names = {key: peer_id for peer_id, key in peer_keys(tx).items()}
    for statement in (_states(), _rows_after()):
        for index, peer_key, kind, happened_at, duration_seconds in tx.execute(
            statement, b_from=from_index, b_before=before_index
        ).all():
            peer_id = names[peer_key]
            if (found := by_key.get(peer_key)) is None:
                found = by_key[peer_key] = events[peer_id] = []
            found.append(NodeEvent(index, peer_id, kind, happened_at, duration_seconds))
    complete_since_at = known.get(EVENTS_SINCE)
    if complete_since_at is None:  # recorded by a version that didn't note it: as far back as there are rows
        complete_since_at = tx.execute(_first()).scalar()
    return complete_since_at, events


def _of_node() -> tuple[Any, ...]:
    return (peer_event.c.node_key == NODE, peer_event.c.kind.in_(_TELLING))


@cache
def _first() -> Executable:
    return select(peer_event.c.happened_at).where(*_of_node()).order_by(peer_event.c.created_index).limit(1)


@cache
def _last_before() -> Executable:
    """Walks back from the newest row, so that it reads no more than the window."""
    before = peer_event.c.happened_at < bindparam("b_since")
    latest = peer_event.c.created_index.desc()
    return select(peer_event.c.created_index).where(*_of_node(), before).order_by(latest).limit(1)


def _columns() -> tuple[Any, ...]:
    row = peer_event.c
    return (row.created_index, row.peer_key, row.kind, row.happened_at, row.duration_seconds)


@cache
def _states() -> Executable:
    """Each peer's last row up to `b_before`, and not from before a gap."""
    last = (
        select(func.max(peer_event.c.created_index))
        .where(
            *_of_node(),
            peer_event.c.peer_key == peer.c.peer_key,
            peer_event.c.created_index.between(bindparam("b_from"), bindparam("b_before")),
        )
        .correlate(peer)
        .scalar_subquery()
    )
    return (
        select(*_columns())
        .join(peer_event, (peer_event.c.node_key == peer.c.node_key) & (peer_event.c.created_index == last))
        .select_from(peer)
        .where(peer.c.node_key == NODE)
    )


@cache
def _rows_after() -> Executable:
    return (
        select(*_columns())
        .where(
            *_of_node(),
            peer_event.c.created_index > bindparam("b_before"),
            peer_event.c.created_index >= bindparam("b_from"),
        )
        .order_by(peer_event.c.created_index)
    )


def prune_events(tx: Tx, before_at: float) -> int:
    """Given a moment, delete the events before it; return how many. Each peer's last one stays whatever its age, since
    it says where the peer was from there on; the record counts as complete only after what went.
    """
    old = (peer_event.c.node_key == tx.node_key, peer_event.c.happened_at < before_at)
    last = select(func.max(peer_event.c.created_index)).where(*old).group_by(peer_event.c.peer_key)
    doomed = (*old, peer_event.c.created_index.not_in(last))
    newest_at = tx.connection.execute(select(func.max(peer_event.c.happened_at)).where(*doomed)).scalar()
    if newest_at is None:
        return 0
    set_cursor(tx, EVENTS_SINCE, newest_at)
    return tx.connection.execute(delete(peer_event).where(*doomed)).rowcount


def latest_index(tx: Tx) -> int:
    """Return the index of the newest event on record; 0 where there is none."""
    return int(tx.execute(_latest()).scalar() or 0)


@cache
def _latest() -> Executable:
    return select(func.max(peer_event.c.created_index)).where(peer_event.c.node_key == NODE)


def connected_since(tx: Tx, channel_id: str, since_at: float, after_index: int) -> bool:
    """Given a channel, a moment and an event, return whether its peer is known to have connected after both."""
    asked = {"b_channel": channel_id, "b_since": since_at, "b_after": after_index}
    return tx.execute(_connected(), **asked).first() is not None


@cache
def _connected() -> Executable:
    row, of = peer_event.c, channel.c
    its_peer = select(of.peer_key).where(of.node_key == NODE, of.channel_id == bindparam("b_channel"))
    mine = (row.node_key == NODE, row.peer_key.in_(its_peer), row.kind == "connect")
    later = (row.happened_at > bindparam("b_since"), row.created_index > bindparam("b_after"))
    return select(row.created_index).where(*mine, *later).limit(1)
