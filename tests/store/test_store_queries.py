"""Books and reports: the figures that people read add up, and come from one moment."""

from __future__ import annotations

import pytest

from revops.domain.decision import BudgetVerdict, RebalancePlan, WindowBudget
from revops.domain.reason import ReasonCode, why
from revops.domain.record import Books, ChannelRecord, Report, Totals
from revops.store import (
    books,
    channels,
    cursors,
    decisions,
    forwards,
    jobs,
    ledger,
    nodes,
    plans,
    queries,
    rollup,
    runs,
)
from revops.store.cursors import FORWARDS_CREATED, FORWARDS_UPDATED
from revops.store.engine import Database, Tx
from tests.builders import DAY, NOW, OWN_ID, channel_id, make_channel, make_node, node_id
from tests.store.rows import FAILED, REFUSED, make_closed, make_forward, new_node, record, scid
from tests.store.test_store_plans import refill

BUDGET = BudgetVerdict(NOW, WindowBudget("daily", 9, 1, 2), WindowBudget("weekly", 10, 1, 2))


def full_report(tx: Tx, days: int = 7) -> Report:
    return queries.report(tx, NOW, days, BUDGET, 10)


def rebalance(tx: Tx, source: int, target: int, amount: int, fee: int, at: float, status: str = "settled") -> None:
    decision = refill(source, target)
    plans.add_plan(tx, 1, RebalancePlan(at, at + 60, (decision,)))
    job = jobs.planned_jobs(tx)[0]
    reserve_key = ledger.reserve(
        tx, run_key=1, job_key=job.job_key, amount_msat=fee * 2, at=at, limits=(10**12, 10**12)
    )
    jobs.mark_reserved(tx, job.job_key, run_key=1, at=at, reserve_key=reserve_key, label=f"label-{job.job_key}")
    jobs.mark_sending(tx, job.job_key, "ab" * 32, run_key=1, at=at)
    if status == "settled":
        ledger.settle(tx, reserve_key, fee, at, 1)
    else:
        ledger.release(tx, reserve_key, at, 1)
    reason = why(ReasonCode.PAYMENT_SETTLED, amount_msat=amount, fee_msat=fee)
    jobs.finish_job(tx, job.job_key, status, fee if status == "settled" else 0, at, reason, run_key=1)


def test_report_of_a_node_that_was_never_synced(database: Database, node_key: int) -> None:
    with database.read(node_key) as tx:
        report = full_report(tx)
    assert (report.node_id, report.alias, report.synced_at, report.version) == (OWN_ID, "ours", None, "")
    assert (report.channels, report.decisions, report.runs) == ((), (), ())
    assert report.window == report.lifetime == Totals(0, 0, 0, 0, 0, 0, 0, 0)
    assert report.books is None
    assert report.budget == BUDGET


def test_report(database: Database, node_key: int) -> None:
    page = [
        make_forward(1, received_at=NOW - 30 * DAY, fee_msat=1_000),
        make_forward(2, received_at=NOW - 2 * DAY),
        make_forward(3, received_at=NOW - DAY, in_scid=scid(2), out_scid=scid(3), fee_msat=30, out_msat=500),
        make_forward(4, received_at=NOW - DAY, status=FAILED),
        make_forward(5, received_at=NOW - DAY, status=REFUSED),
        make_forward(6, received_at=NOW - DAY, status=REFUSED, out_scid=None, out_msat=None, fee_msat=None),
        make_forward(7, received_at=NOW - 30 * DAY, status=REFUSED),
    ]
    with database.transaction(node_key) as tx:
        channels.record_channels(tx, [make_channel(1, private=True), make_channel(2), make_channel(3)], NOW)
        channels.record_alias(tx, node_id(2), "zwei", NOW)
        channels.record_closed(tx, [make_closed(4)], NOW)
        forwards.ingest(tx, page, NOW)
        nodes.record_node(tx, make_node(), wallet_spendable_msat=5, channels_spendable_msat=6, synced_at=NOW - 9)
        rebalance(tx, 2, 1, 10**9, 40, NOW - 20 * DAY)
        rebalance(tx, 3, 1, 10**9, 2, NOW - 3 * DAY)
        rebalance(tx, 3, 2, 10**9, 7, NOW - 3 * DAY, status="failed")
        runs.end_run(tx, runs.begin_run(tx, "sync", NOW, "0"), NOW, 0, None)
        decisions.record_rebalance_plan(tx, 1, RebalancePlan(NOW, NOW + 60, (refill(),)))
    with database.read(node_key) as tx:
        report = full_report(tx)
    assert report.window == Totals(130, 1_000_500, 2, 1, 2, 2, 10**9, 1)
    assert report.lifetime == Totals(1_130, 2_000_500, 3, 1, 3, 42, 2 * 10**9, 2)
    assert (report.window.net_msat, report.lifetime.net_msat) == (128, 1_088)
    assert (report.synced_at, report.version, report.blockheight) == (NOW - 9, "v26.06.6", 900_000)
    assert (report.wallet_spendable_msat, report.window_days, report.taken_at) == (5, 7, NOW)
    assert [run.command for run in report.runs] == ["sync"]
    assert [decision.name for decision in report.decisions] == ["s2 -> t1"]
    by_id = {one.channel_id: one for one in report.channels}
    assert [one.channel_id for one in report.channels[:2]] == [channel_id(2), channel_id(3)]  # best earner first
    two, one, closed = by_id[channel_id(2)], by_id[channel_id(1)], by_id[channel_id(4)]
    assert (two.alias, two.window.earned_msat, two.lifetime.earned_msat) == ("zwei", 100, 1_100)
    assert (two.window.sourced_msat, two.window.refused_count, two.lifetime.refused_count) == (30, 1, 2)
    assert (one.window_rebalanced_in_msat, one.window_rebalance_fees_msat) == (10**9, 2)
    assert (one.lifetime_rebalance_fees_msat, one.private, one.open) == (42, True, True)
    assert (closed.open, closed.fee_ppm, closed.window.in_count) == (False, None, 0)
    # The closed one was never listed: what it could have in flight isn't known.
    assert (closed.occupancy_out, closed.occupancy_in, closed.nearest_expiry_blockheight) == (None, None, None)


@pytest.mark.parametrize("pruned", [1, 3, 100])
def test_pruning_changes_no_figure(database: Database, node_key: int, pruned: int) -> None:
    midnight = NOW // DAY * DAY
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        page = [
            make_forward(
                index,
                received_at=midnight - index * DAY / 2,
                in_scid=scid(index % 3 + 1),
                status=FAILED if index % 4 == 0 else REFUSED if index % 4 == 1 else make_forward(1).status,
            )
            for index in range(1, 30)
        ]
        forwards.ingest(tx, page, NOW)
        for name in (FORWARDS_CREATED, FORWARDS_UPDATED):
            cursors.set_cursor(tx, name, 99)
        before = queries.report(tx, midnight, 5, BUDGET, 10)
        assert rollup.prune_forwards(tx, midnight - 3 * DAY, pruned) > 0
        assert queries.report(tx, midnight, 5, BUDGET, 10) == before
        assert rollup.prune_forwards(tx, midnight + DAY, 1_000) > 0 or pruned == 100
        assert queries.report(tx, midnight, 5, BUDGET, 10) == before


def test_channel_records_are_those_of_the_report(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, [make_forward(1)], NOW)
        found = queries.channel_records(tx, NOW - 7 * DAY)
        assert found == full_report(tx).channels
        assert all(isinstance(one, ChannelRecord) for one in found)


def balance(tx: Tx) -> tuple[int | None, int | None]:
    """The opening and the difference."""
    found = books.books(tx)
    assert found is not None
    return found.opening_msat, found.difference_msat


def test_opening_is_what_our_rows_do_not_explain(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        assert books.books(tx) is None
        forwards.ingest(tx, [make_forward(1)], NOW)
        books.record_reconciliation(tx, 5_100, NOW)
        assert books.books(tx) == Books(5_100, 100, 5_000, NOW)
        assert balance(tx)[1] == 0
        # A forward of which the node's sum knows already, but which we haven't copied: shown, not booked away.
        books.record_reconciliation(tx, 5_230, NOW + 60)
        assert books.books(tx) == Books(5_230, 100, 5_000, NOW + 60)
        assert balance(tx)[1] == 130
        forwards.ingest(tx, [make_forward(2, fee_msat=130)], NOW)
        assert balance(tx)[1] == 0


def test_opening_is_set_once_and_is_never_negative(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, [make_forward(1)], NOW)
        books.record_reconciliation(tx, 40, NOW)
        assert books.books(tx) == Books(40, 100, 0, NOW)
        assert balance(tx)[1] == -60
        books.set_opening(tx, 77)
        assert balance(tx)[0] == 0
    with database.transaction(new_node(database)) as tx:
        books.set_opening(tx, 77)
        assert books.books(tx) is None
        books.record_reconciliation(tx, 1_000, NOW)
        assert books.books(tx) == Books(1_000, 0, 77, NOW)
