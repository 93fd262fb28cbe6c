"""Forwards that the node lists no more, found again in its ledger: each once, whatever comes in which order."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from revops.domain.listed import ChannelMove
from revops.store import forgotten, forwards, matched, moves, scids
from revops.store.engine import Database, Tx
from revops.store.flows import flow_sums
from revops.store.keys import channel_keys
from revops.store.tables import channel_move
from tests.builders import DAY, NOW, channel_id
from tests.store.rows import make_forward, new_node, record
from tests.store.sums import kept, recounted

FEE_MSAT = 100


def routed(index: int, number: int, *, credit: int = 0, debit: int = 0, at: float, name: int = 1) -> ChannelMove:
    """Half of a forward: what entered by a channel, or what left by one."""
    payment_hash = f"{name:064x}"
    return ChannelMove(index, channel_id(number), credit, debit, int(at), "routed", payment_hash, FEE_MSAT)


def pair(index: int, out_msat: int, at: float, name: int) -> list[ChannelMove]:
    """A forward from channel 1 to channel 2 as the ledger has it, the exit first."""
    return [
        routed(index, 2, debit=out_msat, at=at, name=name),
        routed(index + 1, 1, credit=out_msat + FEE_MSAT, at=at, name=name),
    ]


def find(database: Database, node_key: int) -> forgotten.Found:
    return forgotten.find(lambda: database.transaction(node_key), NOW)


def earned(tx: Tx) -> dict[str, tuple[int, int]]:
    """What each channel has earned and sourced."""
    ids = {key: name for name, key in channel_keys(tx).items()}
    return {ids[key]: (one.earned_msat, one.sourced_msat) for key, one in flow_sums(tx, None).items()}


def waiting(tx: Tx) -> int:
    count: int = tx.connection.execute(
        select(func.count()).select_from(channel_move).where(channel_move.c.node_key == tx.node_key)
    ).scalar_one()
    return count


def test_what_only_the_ledger_has_is_added_up_by_its_day(database: Database, node_key: int) -> None:
    old = NOW - 40 * DAY
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, [make_forward(7, resolved_at=NOW - DAY + 0.5, received_at=NOW - DAY)], NOW)
        moves.ingest_channel_moves(tx, [*pair(1, 50_000, old, 1), *pair(3, 1_000_000, NOW - DAY, 2)])
        assert waiting(tx) == 4
    found = find(database, node_key)
    assert (found.forward_count, found.earned_msat) == (1, FEE_MSAT)
    with database.read(node_key) as tx:
        assert waiting(tx) == 0
        assert earned(tx) == {channel_id(1): (0, 2 * FEE_MSAT), channel_id(2): (2 * FEE_MSAT, 0)}
        assert kept(tx) == recounted(tx)
        assert {day for day, _key in kept(tx)} == {-1, int(old // DAY), int((NOW - DAY) // DAY)}
    assert find(database, node_key).forward_count == 0


def test_of_equal_ones_as_many_are_lost_as_the_list_lacks(database: Database, node_key: int) -> None:
    at = NOW - DAY
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, [make_forward(7, resolved_at=at + 0.2, received_at=at)], NOW)
        moves.ingest_channel_moves(tx, [*pair(1, 1_000_000, at, 1), *pair(3, 1_000_000, at, 1)])
    assert find(database, node_key).forward_count == 1


def test_a_half_waits_for_the_other(database: Database, node_key: int) -> None:
    leave, entry = pair(1, 50_000, NOW - 40 * DAY, 1)
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        moves.ingest_channel_moves(tx, [leave])
    assert find(database, node_key).forward_count == 0
    with database.transaction(node_key) as tx:
        assert waiting(tx) == 1
        moves.ingest_channel_moves(tx, [entry])
    assert find(database, node_key).forward_count == 1


def test_a_half_of_a_forward_that_we_have_goes(database: Database, node_key: int) -> None:
    """The other lay beyond what needed a look."""
    at = NOW - DAY
    for half in pair(1, 1_000_000, at, 1):
        node = new_node(database)
        with database.transaction(node) as tx:
            record(tx, 1, 2)
            forwards.ingest(tx, [make_forward(7, resolved_at=at + 0.2, received_at=at)], NOW)
            moves.ingest_channel_moves(tx, [half])
            assert waiting(tx) == 1
        assert find(database, node).forward_count == 0
        with database.read(node) as tx:
            assert waiting(tx) == 0


def test_what_needs_no_look_is_not_stored(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, [make_forward(7, resolved_at=NOW - 3 * DAY, received_at=NOW - 3 * DAY)], NOW)
        moves.ingest_channel_moves(tx, pair(1, 50_000, NOW - DAY, 1))
        assert waiting(tx) == 0
        assert forgotten.looked_at(tx) == (-matched.APART_SECONDS, NOW - 3 * DAY + matched.APART_SECONDS)
    find(database, node_key)
    with database.transaction(node_key) as tx:
        assert forgotten.looked_at(tx)[0] == NOW - 3 * DAY - matched.APART_SECONDS
        moves.ingest_channel_moves(tx, pair(3, 50_000, NOW - 9 * DAY, 2))
        assert waiting(tx) == 0


def test_a_forward_whose_channel_nobody_can_name_is_no_lost_one(database: Database, node_key: int) -> None:
    """It was spliced and closed before we came: the node lists the forward by an scid that it can't explain itself."""
    at = NOW - DAY
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        scids.add_placeholder(tx, "9x9x9", NOW)
        row = make_forward(7, out_scid="9x9x9", resolved_at=at + 0.2, received_at=at)
        forwards.ingest(tx, [row], NOW)
        leave, entry = pair(1, 1_000_000, at, 1)
        moves.ingest_channel_moves(tx, [leave, entry, pair(3, 1_000_000, at, 2)[0]])
    assert find(database, node_key).forward_count == 0
    with database.read(node_key) as tx:
        assert waiting(tx) == 1  # the second half has no forward, and none is left that it could be


class Dead(Exception):
    """The run is gone."""


@given(
    amounts=st.lists(st.integers(1, 3), min_size=1, max_size=12),
    listed=st.sets(st.integers(0, 11)),
    order=st.randoms(use_true_random=False),
    dies_at=st.integers(1, 9),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_killed_and_begun_again_each_is_found_once(
    database: Database, amounts: list[int], listed: set[int], order: Any, dies_at: int
) -> None:
    node, at = new_node(database), NOW - 2 * DAY
    rows = [half for place, out_msat in enumerate(amounts) for half in pair(1, out_msat, at, place)]
    order.shuffle(rows)
    page = [ChannelMove(index, *_values(row)) for index, row in enumerate(rows, 1)]
    kept_places = sorted(listed & set(range(len(amounts))))
    with database.transaction(node) as tx:
        record(tx, 1, 2)
        for place in kept_places:
            out_msat = amounts[place]
            row = make_forward(
                100 + place, in_msat=out_msat + FEE_MSAT, out_msat=out_msat, received_at=at, resolved_at=at + 0.3
            )
            forwards.ingest(tx, [row], NOW)
        moves.ingest_channel_moves(tx, page)
    begun = 0

    def begin() -> AbstractContextManager[Tx]:
        nonlocal begun
        begun += 1
        if begun == dies_at:
            raise Dead
        return database.transaction(node)

    with patch.object(forgotten, "_MOVES_AT_ONCE", 3):
        with pytest.raises(Dead) if dies_at <= 2 + -(-len(page) // 3) else nullcontext():
            forgotten.find(begin, NOW)
        find(database, node)
    with database.read(node) as tx:
        total_msat = sum(amounts)
        assert sum(one.out_msat for one in flow_sums(tx, None).values()) == total_msat
        assert earned(tx)[channel_id(2)] == (FEE_MSAT * len(amounts), 0)
        assert kept(tx) == recounted(tx)
        assert waiting(tx) == 0


def _values(row: ChannelMove) -> tuple[Any, ...]:
    return (row.account, row.credit_msat, row.debit_msat, row.moved_at, row.tag, row.payment_hash, row.fees_msat)
