"""Between which moments forwards may be missing where a reading of the list was broken off."""

from __future__ import annotations

from revops.domain.listed import Forward
from revops.store import cursors, forwards
from revops.store.engine import Database, Tx
from revops.store.matched import APART_SECONDS
from revops.store.resumed import gap, note_gap
from tests.builders import DAY, NOW
from tests.store.rows import REFUSED, make_forward, record

NONE = (0.0, 0.0)


def one(index: int, days_ago: int, *, settles: bool = True) -> Forward:
    """Settled a second after it came, or refused."""
    item = make_forward(index, received_at=NOW - days_ago * DAY)
    return item if settles else make_forward(index, received_at=NOW - days_ago * DAY, status=REFUSED)


def stored(tx: Tx, *page: Forward) -> tuple[Forward, ...]:
    forwards.ingest(tx, page, NOW)
    return page


def span(first_days_ago: int, last_days_ago: int, *, seconds: int = 1) -> tuple[float, float]:
    return NOW - first_days_ago * DAY - APART_SECONDS, NOW - last_days_ago * DAY + seconds + APART_SECONDS


def test_rows_that_are_missing_make_a_gap_up_to_the_first_that_settled(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        stored(tx, one(1, 20), one(2, 19))
        assert not note_gap(tx, 2, stored(tx, one(3, 18, settles=False)), NOW), "a refusal says nothing"
        assert gap(tx) == NONE
        assert note_gap(tx, 2, stored(tx, one(6, 15), one(9, 14)), NOW)
        assert gap(tx) == span(19, 15)
        # Broken off once more: both are still to be looked at.
        assert note_gap(tx, 9, stored(tx, one(12, 10)), NOW)
        assert gap(tx) == span(19, 10)
        cursors.set_cursor(tx, cursors.FORWARDS_UNTIL, int(NOW - 9 * DAY))
        assert gap(tx) == NONE, "they were"
        assert note_gap(tx, 12, (), NOW, 14)
        assert gap(tx) == span(10, 0, seconds=0)


def test_where_no_row_is_missing_there_is_no_gap(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        stored(tx, one(1, 20))
        assert note_gap(tx, 1, stored(tx, one(2, 19, settles=False), one(3, 18)), NOW)
        assert note_gap(tx, 3, stored(tx, one(4, 17, settles=False)), NOW, 4)
        assert gap(tx) == NONE
