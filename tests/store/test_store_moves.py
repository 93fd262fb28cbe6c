"""Moves and samples: stored once, the redundant ones not at all."""

from __future__ import annotations

from functools import partial

from sqlalchemy import select

from revops.decide.chain_costs import chain_costs
from revops.domain.forward import ChainMove
from revops.domain.node import Feerates
from revops.domain.snapshot import ClockMark
from revops.store import accounts, forwards, moves, queries, samples
from revops.store.engine import Database
from revops.store.tables import chain_move, channel_move, feerate_sample
from tests.builders import DAY, HOUR, NOW, channel_id
from tests.store.rows import make_forward, make_move, record, scid

chain_costs_of = partial(chain_costs, opening={})


def test_channel_moves(database: Database, node_key: int) -> None:
    page = [
        make_move(1),
        make_move(2, tag="routed", credit_msat=10, debit_msat=0),
        make_move(3, account=channel_id(9), tag="pushed", payment_hash=None),
    ]
    with database.transaction(node_key) as tx:
        record(tx, 1)
        forwards.ingest(tx, [make_forward(1, out_scid=scid(1), resolved_at=NOW - 2 * DAY)], NOW)
        assert moves.ingest_channel_moves(tx, page) == 2
        assert moves.ingest_channel_moves(tx, page) == 0
        assert moves.ingest_channel_moves(tx, [*page[2:], make_move(4)]) == 1
        first, second, _ = tx.connection.execute(select(channel_move).order_by(channel_move.c.created_index)).all()
        assert (first.debit_msat, first.fees_msat, first.payment_hash) == (5_000, 7, b"\xab" * 32)
        assert (second.created_index, second.payment_hash) == (3, None)
        # An account that no list names any more is a channel all the same, and it is not open.
        gone = {one.channel_id: one for one in queries.channel_records(tx, NOW)}[channel_id(9)]
        assert (gone.open, gone.state) == (False, "UNKNOWN")
        assert moves.ingest_channel_moves(tx, []) == 0


def test_chain_moves(database: Database, node_key: int) -> None:
    outpoint = "cd" * 32 + ":1"
    page = [
        ChainMove(1, "wallet", 10, 0, int(NOW), "deposit", (), outpoint, None, 10, 900_000),
        ChainMove(
            2, "external", 0, 4, int(NOW), "withdrawal", ("splice", "stealable"), outpoint, "ef" * 32, 4, 900_001
        ),
        ChainMove(3, channel_id(1), 6, 0, int(NOW), "channel_open", ("opener",), outpoint, None, 6, 900_001),
    ]
    with database.transaction(node_key) as tx:
        record(tx, 1)
        assert moves.ingest_chain_moves(tx, page, chain_costs_of) == 3
        assert moves.ingest_chain_moves(tx, page, chain_costs_of) == 0
        rows = tx.connection.execute(select(chain_move).order_by(chain_move.c.created_index)).all()
        assert [(row.account_key, row.extra_tags) for row in rows] == [
            (accounts.WALLET_KEY, ""),
            (accounts.OUTSIDE_KEY, "splice,stealable"),
            (1, "opener"),
        ]
        assert (rows[1].spending_txid, rows[1].blockheight) == ("ef" * 32, 900_001)


def test_feerates(database: Database, node_key: int) -> None:
    sample = Feerates(NOW + 0.5, 253, 2_000, None, 4_000, 5_000, None, 253)
    with database.transaction(node_key) as tx:
        samples.record_feerates(tx, sample)
        samples.record_feerates(tx, sample)
        (row,) = tx.connection.execute(select(feerate_sample)).all()
        assert (row.sampled_at, row.floor_perkw, row.mutual_close_perkw, row.blocks_12_perkw) == (
            NOW + 0.5,
            253,
            None,
            253,
        )


def test_marks_are_an_hour_of_blocks_apart(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        for at in (0, 60, HOUR - 1, HOUR, HOUR + 1, 2 * HOUR):
            samples.record_clock_mark(tx, NOW + at, 900_000 + int(at // 600))
        assert samples.clock_marks(tx, 0) == (
            ClockMark(NOW, 900_000),
            ClockMark(NOW + HOUR, 900_006),
            ClockMark(NOW + 2 * HOUR, 900_012),
        )
        assert samples.clock_marks(tx, NOW + HOUR) == samples.clock_marks(tx, 0)[1:]


def test_step_of_the_clock_does_not_wipe_out_its_own_evidence(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        samples.record_clock_mark(tx, NOW, 900_000)
        samples.record_clock_mark(tx, NOW + 400 * DAY, 900_001)  # the clock jumped, the chain did not
        assert samples.clock_marks(tx, 0) == (ClockMark(NOW, 900_000),)
        samples.record_clock_mark(tx, NOW + 400 * DAY, 900_006)
        assert [mark.blockheight for mark in samples.clock_marks(tx, 0)] == [900_000, 900_006]


def test_clock_that_was_set_back_leaves_its_mark(database: Database, node_key: int) -> None:
    """Into time that is covered by marks already: the chain says that this is a new hour."""
    with database.transaction(node_key) as tx:
        for hour in range(48):
            samples.record_clock_mark(tx, NOW + hour * HOUR, 900_000 + 6 * hour)
        samples.record_clock_mark(tx, NOW + 10.5 * HOUR, 900_000 + 6 * 48)
        assert ClockMark(NOW + 10.5 * HOUR, 900_288) in samples.clock_marks(tx, 0)


def test_false_height_takes_no_more_with_it_than_it_must(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        samples.record_clock_mark(tx, NOW, 900_000)
        samples.record_clock_mark(tx, NOW + HOUR, 1_000_006)
        samples.record_clock_mark(tx, NOW + 2 * HOUR, 900_012)
        assert samples.clock_marks(tx, 0) == (ClockMark(NOW + 2 * HOUR, 900_012),)


def test_marks_are_kept_for_two_days_of_blocks(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        for day in range(17):
            samples.record_clock_mark(tx, NOW + day * DAY, 900_000 + 144 * day)
        heights = [mark.blockheight for mark in samples.clock_marks(tx, 0)]
        assert heights == [900_000 + 144 * day for day in (14, 15, 16)]
