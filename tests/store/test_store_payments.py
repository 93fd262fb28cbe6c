"""Circular payments as the node's moves tell them: whatever comes first, by whichever channel they came back."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from revops.domain.listed import ChannelMove
from revops.domain.measures import Moved
from revops.domain.reason import ReasonCode, why
from revops.errors import BugError
from revops.store import circular, jobs, ledger, moves, payments, plans
from revops.store.engine import Database, Tx
from tests.builders import NOW, channel_id
from tests.store.rows import record
from tests.store.test_store_plans import plan, refill, reserve

HASH = "ab" * 32
SETTLED = why(ReasonCode.PAYMENT_SETTLED, amount_msat=1, fee_msat=1)


def move(index: int, account: int, credit: int = 0, debit: int = 0, payment_hash: str | None = HASH) -> ChannelMove:
    return ChannelMove(
        created_index=index,
        account=channel_id(account),
        credit_msat=credit,
        debit_msat=debit,
        moved_at=int(NOW) + index,
        tag="invoice",
        payment_hash=payment_hash,
        fees_msat=0,
    )


def settled_job(tx: Tx, fee_msat: int = 70, payment_hash: str = HASH) -> int:
    """A refill of channel 1 out of channel 2, of 1,000,000 sat."""
    plans.add_plan(tx, 1, plan(refill(2, 1)))
    job_key = jobs.planned_jobs(tx)[-1].job_key
    reserve_key = reserve(tx, job_key)
    jobs.mark_reserved(tx, job_key, run_key=1, at=NOW, reserve_key=reserve_key, label=payment_hash)
    jobs.mark_sending(tx, job_key, payment_hash, run_key=1, at=NOW)
    ledger.settle(tx, reserve_key, fee_msat, NOW, 1)
    jobs.finish_job(tx, job_key, "settled", fee_msat, NOW, SETTLED, run_key=1)
    return job_key


def recorded(tx: Tx) -> list[tuple[int, int, int, int, int]]:
    rows = tx.connection.exec_driver_sql(
        "SELECT job_key, source_channel_key, target_channel_key, amount_msat, fee_msat FROM rebalance_payment"
    )
    return [tuple(row) for row in rows]


def keys(tx: Tx) -> dict[int, int]:
    from revops.store.keys import channel_keys

    found = channel_keys(tx)
    return {number: found[channel_id(number)] for number in (1, 2, 3)}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_two_halves_come_in_either_order(database: Database, node_key: int, order: Sequence[int]) -> None:
    halves = [move(5, 1, credit=10**9), move(6, 2, debit=10**9 + 70)]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        job_key = settled_job(tx)
        moves.ingest_channel_moves(tx, [halves[order[0]]])
        assert recorded(tx) == []
        assert payments.fee_by_moves_msat(tx, job_key) is None
        moves.ingest_channel_moves(tx, [halves[order[1]]])
        assert recorded(tx) == [(job_key, keys(tx)[2], keys(tx)[1], 10**9, 70)]
        assert payments.fee_by_moves_msat(tx, job_key) == 70
        moves.ingest_channel_moves(tx, halves)
        assert len(recorded(tx)) == 1


def test_what_is_paid_to_others_and_received_from_others_is_not_circular(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        moves.ingest_channel_moves(tx, [move(1, 1, credit=500, payment_hash="01" * 32)])
        moves.ingest_channel_moves(tx, [move(2, 2, debit=500, payment_hash="02" * 32), move(3, 2, payment_hash=None)])
        assert recorded(tx) == []


def test_somebody_else_s_rebalance_belongs_to_no_job(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        settled_job(tx)
        foreign = "cd" * 32
        halves = [move(1, 3, credit=100, payment_hash=foreign), move(2, 2, debit=101, payment_hash=foreign)]
        moves.ingest_channel_moves(tx, halves)
        assert recorded(tx) == [(payments.NO_JOB, keys(tx)[2], keys(tx)[3], 100, 1)]
        assert payments.moved_by_target(tx, 0.0) == {keys(tx)[1]: (10**9, 70)}
        assert payments.surprises(tx, 0.0) == ()


def test_a_purchase_under_the_hash_of_an_own_invoice_is_no_rebalance(database: Database, node_key: int) -> None:
    """Somebody has us pay for something by the hash of a small invoice of ours, and pays that one."""
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        ours = "cd" * 32
        halves = [move(1, 3, credit=1_000, payment_hash=ours), move(2, 2, debit=50_000_000, payment_hash=ours)]
        moves.ingest_channel_moves(tx, halves)
        assert recorded(tx) == []


def test_parts_are_added_up_and_the_largest_names_the_channel(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        job_key = settled_job(tx, fee_msat=9)
        moves.ingest_channel_moves(tx, [move(1, 1, credit=600), move(2, 3, credit=400), move(3, 2, debit=1_009)])
        assert recorded(tx) == [(job_key, keys(tx)[2], keys(tx)[1], 1_000, 9)]


def test_what_arrived_elsewhere_is_booked_where_it_arrived(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        job_key = settled_job(tx)
        assert payments.moved_by_target(tx, 0.0) == {keys(tx)[1]: (10**9, 70)}, "as planned, as long as nobody knows"
        moves.ingest_channel_moves(tx, [move(1, 3, credit=10**9), move(2, 2, debit=10**9 + 70)])
        assert payments.moved_by_target(tx, 0.0) == {keys(tx)[3]: (10**9, 70)}
        assert payments.moved_by_target(tx, NOW + 1) == {}
        assert payments.refill_costs(tx, 0.0, {}) == {channel_id(3): 1}
        (found,) = payments.surprises(tx, 0.0)
        assert found == payments.Surprise(job_key, 70, 70, channel_id(1), channel_id(3))
        jobs.note_moves(tx, job_key, 70, run_key=4, at=NOW + 9, note="elsewhere")
        assert payments.surprises(tx, 0.0) == (), "it is told once"
        assert jobs.steps(tx, job_key)[-1].note == "elsewhere"


@pytest.mark.parametrize(("moved_msat", "costs_msat"), [(90, 90), (50, 70)])
def test_of_two_prices_the_dearer_counts(database: Database, node_key: int, moved_msat: int, costs_msat: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        job_key = settled_job(tx)
        moves.ingest_channel_moves(tx, [move(1, 1, credit=10**9), move(2, 2, debit=10**9 + moved_msat)])
        (found,) = payments.surprises(tx, 0.0)
        assert (found.booked_msat, found.moved_msat) == (70, moved_msat)
        if moved_msat > 70:
            ledger.correct(tx, run_key=1, job_key=job_key, amount_msat=moved_msat - 70, at=NOW)
        jobs.note_moves(tx, job_key, costs_msat, run_key=1, at=NOW, note="x")
        assert payments.surprises(tx, 0.0) == ()
        assert payments.moved_by_target(tx, 0.0) == {keys(tx)[1]: (10**9, costs_msat)}
        assert ledger.totals(tx, NOW) == (costs_msat, costs_msat, 0)


def test_a_correction_needs_something_to_correct(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        job_key = settled_job(tx)
        for amount_msat in (0, -1):
            with pytest.raises(BugError):
                ledger.correct(tx, run_key=1, job_key=job_key, amount_msat=amount_msat, at=NOW)
        plans.add_plan(tx, 1, plan(refill(2, 1)))
        with pytest.raises(BugError, match="isn't settled"):
            jobs.note_moves(tx, jobs.planned_jobs(tx)[0].job_key, 1, run_key=1, at=NOW, note="x")


def test_moves_without_end_cost_no_time(database: Database, node_key: int) -> None:
    """Every hash is looked up by its index."""
    many = [move(index, 1, credit=5, payment_hash=f"{index:064x}") for index in range(1, 12_001)]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        moves.ingest_channel_moves(tx, many)
        assert recorded(tx) == []


def test_what_was_ever_moved_only_grows(database: Database, node_key: int) -> None:
    """A job that is booked before its moves come adds nothing on the channel that it was planned for."""
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        assert circular.moved_ever(tx) == {}
        settled_job(tx, fee_msat=90)
        assert circular.moved_ever(tx) == {}
        # Planned for channel 1, arrived on channel 3, for less than was booked.
        moves.ingest_channel_moves(tx, [move(5, 3, credit=10**9), move(6, 2, debit=10**9 + 70)])
        assert circular.moved_ever(tx) == {keys(tx)[3]: Moved(10**9, 70, 1)}
        foreign = "cd" * 32
        halves = [move(7, 3, credit=100, payment_hash=foreign), move(8, 2, debit=101, payment_hash=foreign)]
        moves.ingest_channel_moves(tx, halves)
        assert circular.moved_ever(tx) == {keys(tx)[3]: Moved(10**9 + 100, 71, 2)}
