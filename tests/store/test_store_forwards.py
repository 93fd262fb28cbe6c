"""Forwards: each counts once, whatever is repeated, interrupted, out of order or pruned in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from msgspec import structs
from sqlalchemy import func, select

from revops.domain.forward import Flow, ForwardStatus
from revops.domain.listed import Forward
from revops.domain.traffic import FinalForward, Lesson
from revops.errors import BugError, DataError
from revops.store import books, channels, cursors, flows, forwards, rollup
from revops.store.cursors import FORWARDS_CREATED, FORWARDS_UPDATED
from revops.store.earned import earned_since
from revops.store.engine import Database, Tx
from revops.store.forwards import IngestCount
from revops.store.tables import forward
from tests.builders import DAY, NOW, channel_id
from tests.store.machines import run_on
from tests.store.rows import FAILED, OFFERED, REFUSED, SETTLED, make_forward, new_node, record, scid
from tests.store.sums import kept, recounted


def test_page_is_inserted_then_known(database: Database, node_key: int) -> None:
    page = [make_forward(1), make_forward(2, status=OFFERED, updated_index=None)]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        assert forwards.ingest(tx, page, NOW) == IngestCount(2, 0, 0)
        assert forwards.ingest(tx, page, NOW + 60) == IngestCount(0, 0, 2)
        settled = make_forward(2, updated_index=9)
        assert forwards.ingest(tx, [page[0], settled], NOW) == IngestCount(0, 1, 1)
        assert forwards.ingest(tx, [page[1]], NOW) == IngestCount(0, 0, 1)
        assert flows.settled_fees_msat(tx, None) == 200


def test_empty_page(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        assert forwards.ingest(tx, [], NOW) == IngestCount()


def test_page_that_lists_a_row_twice(database: Database, node_key: int) -> None:
    """The node may change a row between two pages that we put together."""
    offered = make_forward(1, status=OFFERED, updated_index=None)
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        assert forwards.ingest(tx, [make_forward(1), offered, make_forward(1)], NOW) == IngestCount(1, 0, 2)
        assert flows.settled_fees_msat(tx, None) == 100


def test_of_two_final_rows_the_later_change_wins(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, [make_forward(1, updated_index=5, fee_msat=50)], NOW)
        assert forwards.ingest(tx, [make_forward(1, updated_index=4, fee_msat=40)], NOW) == IngestCount(0, 0, 1)
        assert forwards.ingest(tx, [make_forward(1, updated_index=6, fee_msat=60)], NOW) == IngestCount(0, 1, 0)
        assert flows.settled_fees_msat(tx, None) == 60


def test_amounts_beyond_a_float_are_exact(database: Database, node_key: int) -> None:
    large = 2**60 + 1
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, [make_forward(1, in_msat=large, out_msat=large, fee_msat=2**53 + 1)], NOW)
        forwards.ingest(tx, [make_forward(2, fee_msat=2**53 + 1)], NOW)
    with database.read(node_key) as tx:
        found = flows.flows(tx, None)[channel_id(2)]
        assert (found.out_msat, found.earned_msat) == (large + 1_000_000, 2**54 + 2)


def test_no_forward_is_counted_after_it_was_seen(database: Database, node_key: int) -> None:
    """Income from a future that a wrong clock invented would widen the budget until then."""
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, [make_forward(1, received_at=NOW + 900 * DAY)], NOW)
        assert flows.settled_fees_msat(tx, NOW + 1) == 0
        assert flows.settled_fees_msat(tx, NOW) == 100


def test_when_a_forward_was_resolved_is_known_whatever_the_clock_said(database: Database, node_key: int) -> None:
    """It is stored only where it isn't counted then; and it is no change that it may be counted then by now."""
    page = [
        make_forward(1),
        make_forward(2, resolved_at=NOW + 900 * DAY),
        make_forward(3, status=FAILED),
        make_forward(4, status=REFUSED),
        make_forward(5, status=OFFERED),
        make_forward(6, status=REFUSED, received_at=NOW + 900 * DAY),
    ]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, page, NOW)
        rows = tx.connection.execute(select(forward).order_by(forward.c.created_index)).all()
        assert [forwards.resolved_at(row) for row in rows] == [row.resolved_at for row in page]
        assert [row.created_index for row in rows if row.resolved_at is not None] == [2]
        assert forwards.ingest(tx, page, NOW + 901 * DAY).unchanged == len(page)
        changed = structs.replace(page[0], resolved_at=NOW - 1)
        assert forwards.ingest(tx, [changed], NOW).updated == 1


@pytest.mark.parametrize("missing", [{"out_scid": None}, {"out_msat": None}, {"fee_msat": None}])
def test_settled_forward_without_its_amounts_is_refused(
    database: Database, node_key: int, missing: dict[str, None]
) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
    with pytest.raises(DataError, match="forward 3 is settled without"), database.transaction(node_key) as tx:
        forwards.ingest(tx, [make_forward(1), make_forward(3, **missing)], NOW)
    with database.read(node_key) as tx:
        assert tx.connection.execute(select(func.count()).select_from(forward)).scalar() == 0


def test_failures_may_lack_everything(database: Database, node_key: int) -> None:
    bare = make_forward(1, status=REFUSED, out_scid=None, out_msat=None, fee_msat=None)
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        assert forwards.ingest(tx, [bare, make_forward(2, status=FAILED)], NOW).inserted == 2
        # Both carry a fee in the node's list, and neither earned it.
        assert flows.flows(tx, None) == {}
        assert books.books(tx) is None


def test_scid_must_be_resolved_first(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1)
        with pytest.raises(BugError, match=scid(2)):
            forwards.ingest(tx, [make_forward(1)], NOW)


def test_cursor_never_moves_back(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        assert cursors.cursor(tx, "x") == 0
        for value, expected in ((5, 5), (3, 5), (5, 5), (9, 9), (0, 9)):
            cursors.set_cursor(tx, "x", value)
            assert cursors.cursor(tx, "x") == expected
        assert cursors.cursor(tx, "y") == 0


def test_pruned_row_is_not_let_in_again(database: Database, node_key: int) -> None:
    page = [make_forward(1), make_forward(2), make_forward(3, received_at=NOW + 2 * DAY)]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, page, NOW + 3 * DAY)
        for name in (FORWARDS_CREATED, FORWARDS_UPDATED):
            cursors.set_cursor(tx, name, 3)
        assert rollup.prune_forwards(tx, NOW + DAY, 100) == 2
        assert forwards.ingest(tx, page, NOW + 3 * DAY) == IngestCount(0, 0, 3)
        assert flows.settled_fees_msat(tx, None) == 300


def rank(item: Forward) -> tuple[bool, int]:
    return item.status.final, item.updated_index or 0


def lesson_of(index: int, status: ForwardStatus) -> Lesson:
    """What the scorer of the machine below says of a forward."""
    return Lesson(-index if status is SETTLED else None, 0 if status is REFUSED else index * 7 % 1_001)


rarely = st.sampled_from([False, False, False, True])


class NodeAndStore(RuleBasedStateMachine):
    """A node that forwards, a sync that copies it in pages and is interrupted, and rollups in between."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.node_key = new_node(database)
        self.rows: list[Forward] = []
        self.updates = 0
        #: What the store must hold: the furthest version of each row that was committed.
        self.known: dict[int, Forward] = {}
        self.old_pages: list[list[Forward]] = []
        #: How often each forward was handed over as final.
        self.final: Counter[int] = Counter()
        with database.transaction(self.node_key) as tx:
            channels.record_channels(tx, [], NOW)
            record(tx, 1, 2)

    numbers = st.integers(1, 2)
    arrivals = st.tuples(numbers, st.none() | numbers, st.integers(0, 10**9), st.integers(0, 3 * 24))
    endings = st.tuples(st.sampled_from([SETTLED, SETTLED, SETTLED, FAILED, REFUSED]), st.integers(0, 24))

    @initialize(arrivals=st.lists(arrivals, min_size=4, max_size=12))
    def begin_with_a_history(self, arrivals: list[tuple[int, int | None, int, int]]) -> None:
        self.receive(arrivals)
        for place in range(0, len(self.rows), 2):
            if self.rows[place].status is OFFERED:
                self.end(place, SETTLED, 1)

    @rule(arrivals=st.lists(arrivals, min_size=1, max_size=6))
    def receive(self, arrivals: list[tuple[int, int | None, int, int]]) -> None:
        for entry, way_out, amount, hours in arrivals:
            row = make_forward(
                len(self.rows) + 1,
                in_scid=scid(entry),
                out_scid=None if way_out is None else scid(way_out),
                in_msat=amount + amount // 100,
                out_msat=None if way_out is None else amount,
                fee_msat=None if way_out is None else amount // 100,
                status=REFUSED if way_out is None else OFFERED,
                updated_index=None,
                received_at=NOW + hours * 3_600.0,
                resolved_at=None,
            )
            self.rows.append(row)

    @precondition(lambda self: any(row.status is OFFERED for row in self.rows))
    @rule(data=st.data(), endings=st.lists(endings, min_size=1, max_size=6))
    def resolve(self, data: st.DataObject, endings: list[tuple[ForwardStatus, int]]) -> None:
        offered = [place for place, row in enumerate(self.rows) if row.status is OFFERED]
        chosen = data.draw(st.permutations(offered))
        for place, (status, hours) in zip(chosen, endings, strict=False):
            self.end(place, status, hours)

    def end(self, place: int, status: ForwardStatus, hours: int) -> None:
        self.updates += 1
        row = self.rows[place]
        resolved_at = None if status is REFUSED else row.received_at + hours * 3_600.0
        self.rows[place] = structs.replace(row, status=status, updated_index=self.updates, resolved_at=resolved_at)

    def page(self, name: str, limit: int) -> tuple[list[Forward], int]:
        """The node's next page after a cursor, and where the cursor stands after it."""
        with self.database.read(self.node_key) as tx:
            start = cursors.cursor(tx, name) + 1
        if name == FORWARDS_CREATED:
            page = self.rows[start - 1 : start - 1 + limit]
            return page, page[-1].created_index if page else start - 1
        changed = sorted((row.updated_index, row) for row in self.rows if (row.updated_index or 0) >= start)
        page = [row for _, row in changed[:limit]]
        return page, page[-1].updated_index or 0 if page else start - 1

    @rule(name=st.sampled_from([FORWARDS_CREATED, FORWARDS_UPDATED]), limit=st.integers(1, 12), crash=rarely)
    def one_page(self, name: str, limit: int, crash: bool) -> None:
        self.sync(name, limit, crash)

    def sync(self, name: str, limit: int, crash: bool) -> None:
        page, end = self.page(name, limit)
        self.old_pages.append(page)
        final: list[int] = []
        try:
            with self.database.transaction(self.node_key) as tx:
                self.ingest(tx, page, final)
                cursors.set_cursor(tx, name, end)
                if crash:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            return
        self.remember(page, final)

    def ingest(self, tx: Tx, page: list[Forward], final: list[int]) -> None:
        def note(found: Sequence[FinalForward]) -> dict[int, Lesson]:
            final.extend(row.created_index for row in found)
            return {row.created_index: lesson_of(row.created_index, row.status) for row in found}

        forwards.ingest(tx, page, NOW + 100 * DAY, note)

    @rule(name=st.sampled_from([FORWARDS_CREATED, FORWARDS_UPDATED]), both=st.booleans())
    def catch_up(self, name: str, both: bool) -> None:
        """Whole passes, as most runs make them."""
        for one in (FORWARDS_CREATED, FORWARDS_UPDATED) if both else (name,):
            while self.page(one, 12)[0]:
                self.sync(one, 12, crash=False)

    @precondition(lambda self: self.old_pages)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """A page from any earlier time comes again; only rows that a pass has seen can."""
        page = data.draw(st.sampled_from(self.old_pages))
        page = [row for row in page if row.created_index in self.known]
        final: list[int] = []
        with self.database.transaction(self.node_key) as tx:
            self.ingest(tx, page, final)
        self.remember(page, final)

    def remember(self, page: list[Forward], final: list[int]) -> None:
        self.final.update(final)
        for row in page:
            have = self.known.get(row.created_index)
            if have is None or rank(row) >= rank(have):
                self.known[row.created_index] = row

    @precondition(lambda self: any(row.status.final for row in self.known.values()))
    @rule(days=st.sampled_from([2, 3, 9]), max_rows=st.integers(1, 6), crash=rarely)
    def prune(self, days: int, max_rows: int, crash: bool) -> None:
        try:
            with self.database.transaction(self.node_key) as tx:
                rollup.prune_forwards(tx, NOW + days * DAY, max_rows)
                if crash:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass

    @invariant()
    def store_adds_up_to_what_was_committed(self) -> None:
        with self.database.read(self.node_key) as tx:
            assert flows.flows(tx, None) == expected(self.known.values(), None, None)
            earned = earned_since(tx, {channel_id(number): 0.0 for number in (1, 2)})
            assert kept(tx) == recounted(tx)
        assert self.final == Counter(index for index, row in self.known.items() if row.status.final)
        # Each final forward has what it taught once, also in the days.
        lessons = {status: self.lessons(status) for status in (SETTLED, FAILED)}
        assert sum(one.score_msat for one in earned.values()) == sum(one.score_msat or 0 for one in lessons[SETTLED])
        settled, failed = (sum(one.interest_permille for one in taught) / 1_000 for taught in lessons.values())
        assert sum(one.settled_interest_count for one in earned.values()) == pytest.approx(settled)
        assert sum(one.interest_count for one in earned.values()) == pytest.approx(settled + failed)

    def lessons(self, status: ForwardStatus) -> list[Lesson]:
        return [lesson_of(row.created_index, status) for row in self.known.values() if row.status is status]

    def teardown(self) -> None:
        self.catch_up(FORWARDS_CREATED, both=True)
        for place, row in enumerate(self.rows):
            if row.status is OFFERED:
                self.end(place, SETTLED, 1)
        self.catch_up(FORWARDS_CREATED, both=True)
        midnight = NOW // DAY * DAY
        with self.database.read(self.node_key) as tx:
            assert flows.flows(tx, None) == expected(self.rows, None, None)
            for since, until in ((0, 3), (1, None), (None, 4), (3, 5)):
                since_at = None if since is None else midnight + since * DAY
                until_at = None if until is None else midnight + until * DAY
                assert flows.flows(tx, since_at, until_at) == expected(self.rows, since_at, until_at)


def expected(rows, since_at: float | None, until_at: float | None) -> dict[str, Flow]:
    """The flows by plain arithmetic over all rows."""
    numbers = {scid(number): channel_id(number) for number in (1, 2)}
    found: dict[str, Flow] = {}
    for row in rows:
        at = row.received_at if row.resolved_at is None else row.resolved_at
        if (since_at is not None and at < since_at) or (until_at is not None and at >= until_at):
            continue
        if row.status is SETTLED:
            entry, way_out = numbers[row.in_scid], numbers[row.out_scid]
            have = found.get(entry, Flow())
            found[entry] = replace(
                have,
                in_msat=have.in_msat + row.in_msat,
                in_count=have.in_count + 1,
                sourced_msat=have.sourced_msat + row.fee_msat,
                last_settled_at=max(have.last_settled_at or 0, at),
            )
            have = found.get(way_out, Flow())
            found[way_out] = replace(
                have,
                out_msat=have.out_msat + row.out_msat,
                out_count=have.out_count + 1,
                earned_msat=have.earned_msat + row.fee_msat,
                last_settled_at=max(have.last_settled_at or 0, at),
            )
        elif row.status is REFUSED and row.out_scid is not None:
            have = found.get(numbers[row.out_scid], Flow())
            found[numbers[row.out_scid]] = replace(have, refused_count=have.refused_count + 1)
    return found


def test_each_forward_counts_exactly_once(database: Database) -> None:
    run_on(database, NodeAndStore, example_count=20, step_count=30)
