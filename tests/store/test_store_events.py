"""Comings and goings: what tells nothing new isn't kept, and what is missing is known to be."""

from __future__ import annotations

from sqlalchemy import select

from revops.domain.node import NodeEvent
from revops.store import events
from revops.store.cursors import EVENTS_FROM, EVENTS_SINCE, NETWORK_EVENTS, cursor, set_cursor
from revops.store.engine import Database, Tx
from revops.store.tables import cursor as cursor_table
from revops.store.tables import peer_event
from tests.builders import DAY, NOW, node_id
from tests.store.rows import record


def event(index: int, peer: int, kind: str, days_ago: float = 0.0, duration_seconds: float | None = None) -> NodeEvent:
    return NodeEvent(index, node_id(peer), kind, int(NOW - days_ago * DAY), duration_seconds)


def stored(tx: Tx) -> list[tuple[int, str, float | None]]:
    rows = tx.connection.execute(select(peer_event).order_by(peer_event.c.created_index)).all()
    return [(row.created_index, row.kind, row.duration_seconds) for row in rows]


def ingest(tx: Tx, *page: NodeEvent) -> int:
    """As a sync does: the cursor moves after its page."""
    count = events.ingest_events(tx, page)
    set_cursor(tx, NETWORK_EVENTS, page[-1].created_index)
    return count


def seen(tx: Tx, days: float) -> tuple[float | None, dict[str, list[int]]]:
    since_at, found = events.comings_and_goings(tx, NOW - days * DAY)
    return since_at, {peer_id: [one.created_index for one in rows] for peer_id, rows in found.items()}


def test_pings_strangers_and_what_fails_again_are_read_past(database: Database, node_key: int) -> None:
    page = [
        event(1, 1, "connect"),
        event(2, 1, "ping", duration_seconds=0.2),
        event(3, 7, "connect"),
        event(4, 1, "disconnect", duration_seconds=5.125),
        event(5, 1, "connect_fail"),
        event(6, 2, "connect_fail"),
        event(7, 1, "connect_fail"),
        event(8, 1, "ping"),
        event(9, 1, "connect_fail"),
    ]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        assert events.ingest_events(tx, page) == 4
        wanted = [(1, "connect", None), (4, "disconnect", 5.125), (5, "connect_fail", None), (6, "connect_fail", None)]
        assert stored(tx) == wanted
        # Again, whole and in other pieces: a run that was killed before its cursor moved.
        assert events.ingest_events(tx, page) == 0
        assert [events.ingest_events(tx, page[start:]) for start in range(len(page))] == [0] * len(page)
        assert stored(tx) == wanted
        # It goes on failing on the next page; then it is back, and fails anew.
        later = [event(10, 1, "connect_fail"), event(11, 1, "connect"), event(12, 1, "connect_fail")]
        assert ingest(tx, *later) == 2
        assert stored(tx)[4:] == [(11, "connect", None), (12, "connect_fail", None)]
        assert events.ingest_events(tx, []) == 0


def test_comings_and_goings_know_how_the_window_began(database: Database, node_key: int) -> None:
    days_ago = [
        (1, 40, "disconnect"),
        (1, 35, "connect"),
        (2, 33, "connect"),
        (2, 32, "disconnect"),
        (1, 31, "hello"),
        (1, 3, "connect"),
        (2, 2, "connect_fail"),
    ]
    with database.transaction(node_key) as tx:
        assert seen(tx, 30) == (None, {})
        record(tx, 1)
        record(tx, 2)
        page = [event(number, peer, kind, days, 5.0) for number, (peer, days, kind) in enumerate(days_ago, 1)]
        assert ingest(tx, *page) == 7
        assert seen(tx, 30) == (int(NOW - 40 * DAY), {node_id(1): [2, 6], node_id(2): [4, 7]})
        assert seen(tx, 2.5) == (int(NOW - 40 * DAY), {node_id(1): [6], node_id(2): [4, 7]})
        assert seen(tx, 50)[1] == {node_id(1): [1, 2, 6], node_id(2): [3, 4, 7]}


def test_the_record_begins_with_the_first_row_that_was_read_a_ping_too(database: Database, node_key: int) -> None:
    """A steady peer has no row but pings: that it has none says something."""
    with database.transaction(node_key) as tx:
        record(tx, 1)
        assert ingest(tx, event(5_000, 1, "ping", 30), event(5_001, 1, "ping", 29)) == 0
        assert seen(tx, 7) == (int(NOW - 30 * DAY), {})
        ingest(tx, event(5_002, 1, "connect", 1))
        assert seen(tx, 7) == (int(NOW - 30 * DAY), {node_id(1): [5_002]})


def test_rows_that_the_node_deleted_before_we_came_make_a_new_beginning(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1)
        record(tx, 2)
        ingest(tx, event(1, 1, "connect", 50), event(2, 2, "disconnect", 49, 5.0))
        assert seen(tx, 60)[0] == int(NOW - 50 * DAY)
        ingest(tx, event(3, 1, "ping", 48))
        assert seen(tx, 60)[0] == int(NOW - 50 * DAY), "the next row is no gap"
        ingest(tx, event(900, 2, "connect", 5))
        # Of peer 1, and of peer 2 before, nobody knows what became meanwhile.
        assert seen(tx, 60) == (int(NOW - 5 * DAY), {node_id(2): [900]})
        assert seen(tx, 1) == (int(NOW - 5 * DAY), {node_id(2): [900]})


def test_pruning_keeps_the_last_row_of_each_peer_and_says_what_is_missing(database: Database, node_key: int) -> None:
    rows = [
        event(1, 1, "connect", 100),
        event(2, 2, "connect", 99),
        event(3, 2, "disconnect", 20, 5.0),
        event(4, 2, "connect", 15),
        event(5, 2, "disconnect", 4, 5.0),
        event(6, 2, "connect", 3),
    ]
    with database.transaction(node_key) as tx:
        record(tx, 1)
        record(tx, 2)
        ingest(tx, *rows)
        assert events.prune_events(tx, NOW - 200 * DAY) == 0
        assert cursor(tx, EVENTS_SINCE) == int(NOW - 100 * DAY)
        assert events.prune_events(tx, NOW - 10 * DAY) == 2
        assert [index for index, _, _ in stored(tx)] == [1, 4, 5, 6]
        # Peer 1 has been there for 100 days, and it is known since the newest row that went.
        assert seen(tx, 30) == (int(NOW - 20 * DAY), {node_id(1): [1], node_id(2): [4, 5, 6]})
        assert events.prune_events(tx, NOW - 10 * DAY) == 0
        assert events.prune_events(tx, NOW) == 2
        assert seen(tx, 30) == (int(NOW - 4 * DAY), {node_id(1): [1], node_id(2): [6]})


def test_a_database_of_before_goes_back_as_far_as_its_rows(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1)
        ingest(tx, event(7, 1, "connect", 50), event(8, 1, "connect", 3))
        noted = cursor_table.c.name.in_((EVENTS_SINCE, EVENTS_FROM))
        tx.connection.execute(cursor_table.delete().where(noted))
        assert seen(tx, 7) == (int(NOW - 50 * DAY), {node_id(1): [7, 8]})
