"""Two million forwards: the queries of every run find by an index the rows that they need, whatever the table's
size.

SQLite plans without statistics, so that an empty table shows the plan of a full one; PostgreSQL needs rows and
ANALYZE. Measured once on 2,000,000 forwards over a year (SQLite, two shared cores): earned_since for 500 channels
0.05 s. Sums over windows and over all time read sums by day and channel, and raw rows only at a window's ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event

from revops.domain.decision import BudgetVerdict, WindowBudget
from revops.store import books, channels, cursors, flow_hours, flows, forwards, ledger, queries, rollup
from revops.store.cursors import FORWARDS_CREATED
from revops.store.earned import earned_since
from revops.store.engine import Database, Tx
from tests.builders import DAY, NOW, channel_id, make_channel
from tests.store.rows import FAILED, SETTLED, make_forward, new_node, record, scid

COUNT = 500
STARTS = {channel_id(number): NOW - number * 60.0 for number in range(1, COUNT + 1)}
BUDGET = BudgetVerdict(NOW, WindowBudget("daily", 1, 0, 0), WindowBudget("weekly", 1, 0, 0))


@contextmanager
def watched(tx: Tx) -> Iterator[list[tuple[str, Any]]]:
    """The statements that the body sends, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_connection, _cursor, statement, parameters, _context, _many) -> None:
        seen.append((statement, parameters))

    event.listen(tx.connection, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(tx.connection, "before_cursor_execute", note)


def plans_of(tx: Tx, call: Callable[[], object]) -> list[str]:
    """How the database would answer the call's statements on raw forwards and their sums."""
    with watched(tx) as seen:
        call()
    explain = "EXPLAIN QUERY PLAN " if tx.connection.dialect.name == "sqlite" else "EXPLAIN "
    plans = []
    for statement, parameters in seen:
        if re.search(r"\b(FROM|JOIN) (forward|flow_sum)\b", statement):
            rows = tx.connection.exec_driver_sql(explain + statement, parameters).all()
            plans.append(" | ".join(str(row[-1]).strip() for row in rows))
    return plans


CALLS: dict[str, tuple[str, Callable[[Tx], object]]] = {
    "earned_since": ("ix_forward_earned", lambda tx: earned_since(tx, STARTS)),
    "interest since": ("ix_forward_interest", lambda tx: earned_since(tx, STARTS)),
    "flows of a window": ("ix_forward_status", lambda tx: flows.flows(tx, NOW - 14 * DAY)),
    "flows between": ("ix_forward_status", lambda tx: flows.flows(tx, NOW - 30 * DAY, NOW)),
    "flows ever": ("flow_sum", lambda tx: flows.flows(tx, None)),
    "flows by hour": ("ix_forward_status", lambda tx: flow_hours.hour_sums(tx, NOW - DAY, NOW)),
    "failures by hour": ("ix_forward_status", lambda tx: flow_hours.hour_sums(tx, NOW - DAY, NOW)),
    "sold in a window": ("ix_forward_status", lambda tx: flows.sold_msat(tx, NOW - 30 * DAY)),
    "income": ("ix_forward_status", lambda tx: ledger.income_between(tx, NOW - 7 * DAY, NOW)),
    "books": ("flow_sum", lambda tx: books.record_reconciliation(tx, 1, NOW)),
    "report": ("ix_forward_status", lambda tx: queries.report(tx, NOW, 7, BUDGET, 10)),
}


@pytest.mark.parametrize("name", CALLS)
def test_sqlite_finds_its_rows_by_an_index(sqlite_url: str, name: str) -> None:
    index, call = CALLS[name]
    with closing(Database.open(sqlite_url)) as database, database.transaction(new_node(database)) as tx:
        channels.record_channels(tx, [make_channel(number) for number in range(1, COUNT + 1)], NOW)
        plans = plans_of(tx, lambda: call(tx))
    assert plans
    assert any(index in plan for plan in plans)
    for plan in plans:
        assert "SEARCH forward USING INDEX" in plan or "SEARCH flow_sum USING PRIMARY KEY" in plan
        assert "SCAN f" not in plan
        assert "ix_forward_earned" not in plan or "received_at>" in plan
        assert "ix_forward_status" not in plan or "status=? AND counted_at>" in plan


def test_nothing_adds_up_raw_forwards_over_more_than_the_ends_of_a_window(sqlite_url: str) -> None:
    """Of a report only the window's first day, whatever its length; of all time nothing."""
    with closing(Database.open(sqlite_url)) as database, database.transaction(new_node(database)) as tx:
        record(tx, 1, 2)
        with watched(tx) as seen:
            queries.report(tx, NOW, 30, BUDGET, 10)
            books.record_reconciliation(tx, 1, NOW)
    bounds = [parameters for statement, parameters in seen if "FROM forward " in statement.replace("\n", " ")]
    assert len(bounds) == 4
    for parameters in bounds:
        since_at, until_at = (value for value in parameters if isinstance(value, float))
        assert since_at == NOW - 30 * DAY
        assert since_at < until_at <= since_at + DAY


@pytest.mark.postgres
def test_postgresql_walks_an_index_for_every_window(
    postgres_urls: Callable[[str | None], str], postgres_template: str
) -> None:
    """In a database of its own: what others have under way in it would keep VACUUM from seeing rows as settled."""
    import psycopg

    postgres_url = postgres_urls(postgres_template)
    page = [
        make_forward(
            index,
            in_scid=scid(index % 50 + 1),
            out_scid=scid(index % 49 + 1),
            received_at=NOW - (20_000 - index) * 1_500.0,  # a year
            status=SETTLED if index % 3 else FAILED,
        )
        for index in range(1, 20_001)
    ]
    with closing(Database.open(postgres_url)) as database:
        node_key = new_node(database)
        with database.transaction(node_key) as tx:
            channels.record_channels(tx, [make_channel(number) for number in range(1, 51)], NOW)
            forwards.ingest(tx, page, NOW)
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE forward")  # as autovacuum does
        with database.transaction(node_key) as tx:
            windows = ("flows of a window", "flows between", "flows by hour", "failures by hour", "income")
            for name in ("earned_since", "interest since", *windows):
                index_name, call = CALLS[name]
                plans = " ".join(plans_of(tx, partial(call, tx)))
                assert index_name in plans, (name, plans)
                assert "Seq Scan on forward " not in plans, name


def test_number_of_statements_does_not_grow_with_channels_or_forwards(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        channels.record_channels(tx, [make_channel(number) for number in range(1, COUNT + 1)], NOW)
        with watched(tx) as seen:
            earned_since(tx, STARTS)
        assert len(seen) == 2  # the keys, and one query for all channels
        page = [make_forward(index, out_scid=scid(index % COUNT + 1)) for index in range(1, 5_001)]
        with watched(tx) as seen:
            forwards.ingest(tx, page, NOW)
        assert len(seen) < 20
        with watched(tx) as seen:
            channels.record_channels(tx, [make_channel(number) for number in range(1, COUNT + 1)], NOW)
        assert len(seen) < 20


def test_page_of_the_largest_size_is_taken_and_pruned_in_one_go(database: Database, node_key: int) -> None:
    """More rows than a statement may have parameters."""
    page = [make_forward(index, received_at=NOW - index) for index in range(1, 5_001)]
    with database.transaction(node_key) as tx:
        channels.record_channels(tx, [make_channel(1), make_channel(2)], NOW)
        for part in range(4):
            moved = [make_forward(row.created_index + part * 5_000, received_at=row.received_at) for row in page]
            assert forwards.ingest(tx, moved, NOW).inserted == 5_000
        cursors.set_cursor(tx, FORWARDS_CREATED, 20_000)
        cursors.set_cursor(tx, "forwards_updated", 20_000)
        assert rollup.prune_forwards(tx, NOW + DAY, 20_000) == 20_000
        assert flows.settled_fees_msat(tx, None) == 2_000_000
