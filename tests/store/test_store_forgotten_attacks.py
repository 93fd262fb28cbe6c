"""What a peer, a second sync or a wrong clock could do to forwards that are found again in the ledger."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import pytest

from revops.domain.listed import ChannelMove
from revops.errors import TemporaryError
from revops.store import cursors, forgotten, forwards, moves
from revops.store.engine import Database, Tx
from revops.store.flows import flow_sums, settled_fees_msat
from revops.store.matched import Listed, match
from revops.store.move_sums import moves_ever
from revops.store.routed import Halves, Pair
from tests.builders import DAY, NOW
from tests.store.rows import make_forward, record, scid
from tests.store.test_store_forgotten import FEE_MSAT, find, pair, routed, waiting

AT = NOW - DAY


def listed(index: int, entry: int, leave: int, at: float = AT) -> Any:
    return make_forward(index, in_scid=scid(entry), out_scid=scid(leave), received_at=at, resolved_at=at + 0.2)


def test_equal_parts_of_a_payment_whose_entries_come_in_another_order_are_not_counted_twice(
    database: Database, node_key: int
) -> None:
    """From 1 to 2 and from 3 to 4: by the ledger it may as well have been from 3 to 2 and from 1 to 4."""
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3, 4)
        forwards.ingest(tx, [listed(7, 1, 2), listed(8, 3, 4)], NOW)
        page = [routed(1, 2, debit=1_000_000, at=AT), routed(2, 4, debit=1_000_000, at=AT)]
        page += [routed(3, 3, credit=1_000_100, at=AT), routed(4, 1, credit=1_000_100, at=AT)]
        moves.ingest_channel_moves(tx, page)
        assert waiting(tx) == 4
    assert find(database, node_key).forward_count == 0
    with database.read(node_key) as tx:
        assert settled_fees_msat(tx, None) == 2 * FEE_MSAT
        assert waiting(tx) == 0


@pytest.mark.parametrize("first_entry", [1, 3])
def test_nor_while_an_entry_is_still_to_come(database: Database, node_key: int, first_entry: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3, 4)
        forwards.ingest(tx, [listed(7, 1, 2), listed(8, 3, 4)], NOW)
        page = [routed(1, 2, debit=1_000_000, at=AT), routed(2, 4, debit=1_000_000, at=AT)]
        moves.ingest_channel_moves(tx, [*page, routed(3, first_entry, credit=1_000_100, at=AT)])
    assert find(database, node_key).forward_count == 0
    with database.transaction(node_key) as tx:
        assert waiting(tx) == 0
        moves.ingest_channel_moves(tx, [routed(4, 4 - first_entry, credit=1_000_100, at=AT + 60)])
    assert find(database, node_key).forward_count == 0


def test_equal_payments_all_day_hide_none_that_was_deleted(database: Database, node_key: int) -> None:
    """Those that came more than an hour after the first that is listed have no moves that are looked at."""
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, [listed(1_000 + n, 1, 2, AT + 60 * n) for n in range(180)], NOW)
        page: list[ChannelMove] = []
        for n in range(-60, 180):
            page += pair(len(page) + 1, 1_000_000, AT + 60 * n, 1_000 + n)
        moves.ingest_channel_moves(tx, page)
    assert find(database, node_key).forward_count == 60


def test_two_finds_at_once_count_once(database: Database, node_key: int) -> None:
    """The other has lost its lock, and finds all while this one is between two transactions."""
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, [listed(7, 1, 2)], NOW)
        moves.ingest_channel_moves(tx, [*pair(1, 50_000, AT, 1), *pair(3, 1_000_000, AT, 2)])
    begun = 0

    def begin() -> AbstractContextManager[Tx]:
        nonlocal begun
        begun += 1
        if begun == 3:
            assert find(database, node_key).forward_count == 1
        return database.transaction(node_key)

    with pytest.raises(TemporaryError):
        forgotten.find(begin, NOW)
    with database.read(node_key) as tx:
        assert settled_fees_msat(tx, None) == 2 * FEE_MSAT


def test_a_page_that_another_sync_has_read_counts_once(database: Database, node_key: int) -> None:
    """Nor does a row that a page lists twice."""
    page = pair(1, 1_000, AT, 1)
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
    for _ in range(2):
        with database.transaction(node_key) as tx:
            moves.ingest_channel_moves(tx, page * 2)
            cursors.set_cursor(tx, cursors.CHANNEL_MOVES, 2)
    with database.read(node_key) as tx:
        assert {(row.move_count, row.credit_msat + row.debit_msat) for row in moves_ever(tx)} == {
            (1, 1_000),
            (1, 1_100),
        }


def test_what_a_wrong_clock_dates_into_the_future_is_counted_now(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        moves.ingest_channel_moves(tx, pair(1, 50_000, NOW + 900 * DAY, 1))
    assert find(database, node_key).forward_count == 1
    with database.read(node_key) as tx:
        assert forgotten.looked_at(tx)[0] <= NOW
        assert flow_sums(tx, NOW + DAY) == {}
        assert settled_fees_msat(tx, None) == FEE_MSAT


def test_a_half_waits_no_longer_than_an_htlc_lasts(database: Database, node_key: int) -> None:
    """One side was settled by a transaction, say: the other half won't come, and each sync would look at it again."""
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        moves.ingest_channel_moves(tx, [pair(1, 50_000, NOW - 90 * DAY, 1)[0], pair(3, 60_000, NOW - 9 * DAY, 2)[0]])
    find(database, node_key)
    with database.transaction(node_key) as tx:
        assert waiting(tx) == 2
        forwards.ingest(tx, [listed(7, 1, 2)], NOW)
    find(database, node_key)
    with database.read(node_key) as tx:
        assert waiting(tx) == 1


def test_only_what_lies_around_moves_is_read() -> None:
    hour = 3_600.0
    assert list(forgotten._spans([10_000_000, 0, 7_000, 10_000_000])) == [
        (-hour, 7_000 + hour),
        (10_000_000 - hour, 10_000_000 + hour),
    ]
    assert list(forgotten._spans([])) == []


def test_halves_of_one_payment_that_fit_nothing_are_not_looked_through() -> None:
    """One hash and one fee for all of them: each used to be held against all before it."""

    class Counted(SimpleNamespace):
        asked = 0

        @property
        def credit_msat(self) -> int:
            Counted.asked += 1
            return 0

    rows = [Counted(created_index=n, debit_msat=1_000 + n % 7, fees_msat=1, payment_hash=b"x") for n in range(1_000)]
    assert list(Halves().join(rows)) == []
    assert Counted.asked <= 10 * len(rows)


def test_syncs_that_read_the_same_page_at_once_count_it_once(database: Database, node_key: int) -> None:
    """On PostgreSQL only their turns keep them apart."""
    page = [row for n in range(50) for row in pair(2 * n + 1, 1_000 + n, AT, n)]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
    start = threading.Barrier(3)

    def sync() -> None:
        start.wait(timeout=30)
        with database.transaction(node_key) as tx:
            moves.ingest_channel_moves(tx, page)
            cursors.set_cursor(tx, cursors.CHANNEL_MOVES, 100)

    threads = [threading.Thread(target=sync) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    with database.read(node_key) as tx:
        assert {row.move_count for row in moves_ever(tx)} == {50}
        assert waiting(tx) == 100


@pytest.mark.parametrize("late_seconds", [0, 1])
def test_equal_payments_four_a_second_are_all_found_in_the_list(late_seconds: int) -> None:
    """The ledger knows whole seconds: what is next to one of its moves may belong to another."""
    count = 20_000
    near = [
        Pair(
            half(2 * n, account_key=1, credit_msat=1_001, moved_at=n // 4),
            half(2 * n + 1, account_key=2, debit_msat=1_000, moved_at=n // 4 + late_seconds),
        )
        for n in range(count)
    ]
    lost, dropped = match(near, [], Listed(((1, 2, 1_001, 1_000), n / 4) for n in range(count)))
    assert (lost, len(dropped)) == ([], 2 * count)
    lost, _ = match(near, [], Listed(((1, 2, 1_001, 1_000), n / 4) for n in range(count) if n % 5))
    assert len(lost) == count // 5


def half(index: int, **values: int) -> Any:
    return SimpleNamespace(
        created_index=index, fees_msat=1, payment_hash=None, **{"credit_msat": 0, "debit_msat": 0} | values
    )
