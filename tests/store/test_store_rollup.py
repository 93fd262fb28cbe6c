"""Retention: what is pruned was added up first; what still counts, or is still open, stays."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from revops.domain.decision import Outcome, RebalanceDecision, RebalancePlan
from revops.domain.node import Feerates, NodeEvent
from revops.domain.reason import ReasonCode, why
from revops.domain.record import FeeChange
from revops.store import (
    actions,
    cursors,
    decisions,
    events,
    fees,
    flows,
    forwards,
    jobs,
    ledger,
    moves,
    plans,
    queries,
    rollup,
    runs,
    samples,
    tables,
    tally,
)
from revops.store.cursors import FORWARDS_CREATED, FORWARDS_UPDATED, PRUNED
from revops.store.engine import Database, Tx
from revops.store.tables import forward, forward_day
from tests.builders import DAY, NOW, channel_id, node_id
from tests.store.rows import FAILED, OFFERED, REFUSED, make_forward, make_move, record, scid


def caught_up(tx: Tx, index: int) -> None:
    for name in (FORWARDS_CREATED, FORWARDS_UPDATED):
        cursors.set_cursor(tx, name, index)


def indexes(tx: Tx) -> list[int]:
    return list(tx.connection.execute(select(forward.c.created_index).order_by(forward.c.created_index)).scalars())


def test_days_keep_both_directions_and_the_kinds_of_failure(database: Database, node_key: int) -> None:
    page = [
        make_forward(1),
        make_forward(2),
        make_forward(3, in_scid=scid(2), out_scid=scid(1)),
        make_forward(4, status=FAILED),
        make_forward(5, status=REFUSED, out_scid=None, out_msat=None, fee_msat=None),
        make_forward(6, received_at=NOW - DAY),
    ]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, page, NOW)
        caught_up(tx, 6)
        totals = queries.channel_records(tx, NOW - DAY)
        assert rollup.prune_forwards(tx, NOW + 1, 100) == 6
        assert indexes(tx) == []
        assert cursors.cursor(tx, PRUNED) == 6
        days = tx.connection.execute(
            select(forward_day).order_by(forward_day.c.day, forward_day.c.in_channel_key, forward_day.c.out_channel_key)
        ).all()
        today = int((NOW - 999) // DAY)
        assert [(row.day - today, row.in_channel_key, row.out_channel_key) for row in days] == [
            (-1, 1, 2),
            (0, 1, 0),
            (0, 1, 2),
            (0, 2, 1),
        ]
        same_way = days[2]
        assert (same_way.settled_count, same_way.fee_msat, same_way.settled_in_msat) == (2, 200, 2_000_200)
        assert (same_way.failed_count, same_way.failed_in_msat, same_way.refused_count) == (1, 1_000_100, 0)
        assert (days[1].refused_count, days[1].refused_in_msat, days[1].settled_count) == (1, 1_000_100, 0)
        assert same_way.last_settled_at == NOW - 997
        after = queries.channel_records(tx, NOW - DAY)
        assert [one.lifetime for one in after] == [one.lifetime for one in totals]


def test_only_what_both_passes_have_seen_is_pruned(database: Database, node_key: int) -> None:
    page = [
        make_forward(1, updated_index=7),
        make_forward(2, updated_index=9),
        make_forward(3, updated_index=None, status=REFUSED),
        make_forward(4, updated_index=None, status=OFFERED),
        make_forward(5, updated_index=None, status=REFUSED),
    ]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, page, NOW)
        assert rollup.prune_forwards(tx, NOW, 100) == 0
        cursors.set_cursor(tx, FORWARDS_CREATED, 4)
        cursors.set_cursor(tx, FORWARDS_UPDATED, 8)
        assert rollup.prune_forwards(tx, NOW, 100) == 2
        assert indexes(tx) == [2, 4, 5]
        # The stale offered row stays however old it is, and settles when the node says so.
        caught_up(tx, 99)
        assert rollup.prune_forwards(tx, NOW + 900 * DAY, 100) == 2
        assert indexes(tx) == [4]
        forwards.ingest(tx, [make_forward(4, updated_index=99)], NOW)
        assert flows.settled_fees_msat(tx, None) == 300


def test_rows_go_in_portions(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, [make_forward(index) for index in range(1, 12)], NOW)
        caught_up(tx, 11)
        assert [rollup.prune_forwards(tx, NOW, 4) for _ in range(4)] == [4, 4, 3, 0]
        assert flows.settled_fees_msat(tx, None) == 1_100


def test_prune_is_undone_with_its_transaction(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, [make_forward(1), make_forward(2)], NOW)
        caught_up(tx, 2)

    def prune_and_die(tx: Tx) -> None:
        rollup.prune_forwards(tx, NOW, 10)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), database.transaction(node_key) as tx:
        prune_and_die(tx)
    with database.read(node_key) as tx:
        assert indexes(tx) == [1, 2]
        assert flows.settled_fees_msat(tx, None) == 200
        assert cursors.cursor(tx, PRUNED) == 0


def test_window_that_begins_inside_a_pruned_day_leaves_that_day_out(database: Database, node_key: int) -> None:
    """Income must not be overstated: it widens the budget."""
    noon = NOW // DAY * DAY + DAY / 2
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, [make_forward(1, received_at=noon), make_forward(2, received_at=noon + DAY)], NOW + 9 * DAY)
        caught_up(tx, 2)
        assert ledger.income_between(tx, noon - 1, NOW + 9 * DAY) == 200
        rollup.prune_forwards(tx, noon + 5 * DAY, 10)
        assert ledger.income_between(tx, noon - 1, NOW + 9 * DAY) == 100
        assert ledger.income_between(tx, noon - DAY / 2, NOW + 9 * DAY) == 200
        assert flows.settled_fees_msat(tx, None, noon + 1.25 * DAY) == 100


def prune_all(tx: Tx, before_at: float) -> dict[str, int]:
    return rollup.prune_other(
        tx,
        decisions_before_at=before_at,
        runs_before_at=before_at,
        events_before_at=before_at,
        samples_before_at=before_at,
        moves_before_at=before_at,
    )


def count(tx: Tx, table) -> int:
    return int(tx.connection.execute(select(func.count()).select_from(table)).scalar_one())


def test_each_kind_has_its_own_retention(database: Database, node_key: int) -> None:
    old, new = NOW - 10 * DAY, NOW
    with database.transaction(node_key) as tx:
        record(tx, 1)
        happened = [(1, old - 5), (2, old), (3, new)]
        events.ingest_events(tx, [NodeEvent(index, node_id(1), "connect", int(at), None) for index, at in happened])
        moves.ingest_channel_moves(tx, [make_move(1, moved_at=int(old)), make_move(2, moved_at=int(new))])
        for at in (old, new):
            samples.record_feerates(tx, Feerates(at, 1, 2, 3, 4, 5, 6, None))
        gone = prune_all(tx, NOW - DAY)
        assert (gone["events"], gone["channel_moves"], gone["feerates"]) == (1, 1, 1)
        # A peer's last event before that stays: it says where the peer was from there on.
        assert [count(tx, table) for table in (tables.peer_event, tables.channel_move, tables.feerate_sample)] == [
            2, 1, 1,
        ]  # fmt: skip
        untouched = rollup.prune_other(
            tx,
            decisions_before_at=0,
            runs_before_at=0,
            events_before_at=0,
            samples_before_at=0,
            moves_before_at=NOW + DAY,
        )
        assert (untouched["channel_moves"], untouched["events"], untouched["feerates"]) == (1, 0, 0)


def test_last_run_and_last_success_of_each_command_stay(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        for at, exit_code in ((1, 0), (2, 0), (3, 75), (4, 75)):
            runs.end_run(tx, runs.begin_run(tx, "sync", NOW + at, "0.1.0"), NOW + at, exit_code, None)
        runs.begin_run(tx, "rollup", NOW, "0.1.0")
        assert prune_all(tx, NOW + DAY)["runs"] == 2
        assert runs.last_success(tx, "sync") == NOW + 2
        assert [(run.command, run.exit_code) for run in runs.last_runs(tx)] == [("rollup", None), ("sync", 75)]


def test_last_fee_change_of_each_channel_stays(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        for number, at in ((1, 1), (1, 2), (2, 1)):
            fees.record_fee_change(tx, FeeChange(channel_id(number), NOW + at, None, 100 + at, "external"))
        assert prune_all(tx, NOW + DAY)["fee_changes"] == 1
        assert {name: change.new_ppm for name, change in fees.last_fee_changes(tx).items()} == {
            channel_id(1): 102,
            channel_id(2): 101,
        }


@pytest.mark.parametrize(
    ("sources", "kept"),
    [
        # A turn of the valve is no change of the fee, nor is somebody else's change an announcement of ours.
        (["revops", "valve"], [0, 1]),
        (["revops", "revops", "valve", "valve"], [1, 3]),
        (["revops", "valve", "external", "external"], [1, 3]),
        (["external", "revops"], [1]),
    ],
)
def test_what_a_fee_decision_asks_for_stays_however_old(
    database: Database, node_key: int, sources: list[str], kept: list[int]
) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1)
        for number, source in enumerate(sources):
            fees.record_fee_change(tx, FeeChange(channel_id(1), NOW + number, 100, 100 + number, source))
        before = (fees.last_fee_changes(tx), fees.last_own_changes(tx))
        prune_all(tx, NOW + DAY)
        assert (fees.last_fee_changes(tx), fees.last_own_changes(tx)) == before
        changed = tx.connection.execute(select(tables.fee_change.c.new_ppm)).scalars()
        assert sorted(ppm - 100 for ppm in changed) == kept


def test_open_actions_and_jobs_stay_and_so_does_the_money(database: Database, node_key: int) -> None:
    refill = RebalanceDecision(
        target_channel_id=channel_id(1),
        target_name="t",
        source_channel_id=channel_id(2),
        source_name="s",
        outcome=Outcome.CHANGE,
        amount_msat=1_000,
        max_fee_msat=10,
        expected_gain_msat=5,
        reasons=(why(ReasonCode.PLAN_FULL, job_count=1),),
    )
    skip = RebalanceDecision(channel_id(1), "t", None, None, Outcome.SKIP, 0, 0, 0, (why(ReasonCode.NO_SOURCE),))
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        run_key = runs.begin_run(tx, "rebalance run", NOW, "0.1.0")
        plans.add_plan(tx, run_key, RebalancePlan(NOW, NOW + 60, (refill, refill, refill, skip)))
        decisions.record_rebalance_plan(tx, run_key, RebalancePlan(NOW, NOW + 60, (skip,)))
        settled, failed, waiting = (job.job_key for job in jobs.planned_jobs(tx))
        for job_key in (settled, waiting):
            reserve_key = ledger.reserve(
                tx, run_key=run_key, job_key=job_key, amount_msat=10, at=NOW, limits=(100, 100)
            )
            jobs.mark_reserved(tx, job_key, run_key=1, at=NOW, reserve_key=reserve_key, label=f"label-{job_key}")
            jobs.mark_sending(tx, job_key, "ab" * 32, run_key=1, at=NOW)
        ledger.settle(tx, reserve_key - 1, 7, NOW, run_key)
        jobs.finish_job(tx, settled, "settled", 7, NOW, why(ReasonCode.NO_SOURCE), run_key=1)
        jobs.finish_job(tx, failed, "failed", 0, NOW, why(ReasonCode.NO_SOURCE), run_key=1)
        pending = actions.begin_action(tx, run_key, "setchannel", channel_id(1), {}, NOW)
        done = actions.begin_action(tx, run_key, "setchannel", channel_id(1), {}, NOW)
        actions.finish_action(tx, done, "done", {}, NOW)

        gone = prune_all(tx, NOW + 900 * DAY)
        assert (gone["jobs"], gone["actions"], gone["decisions"]) == (1, 1, 1)
        assert [job.job_key for job in jobs.recent_jobs(tx, 9)] == [waiting, settled]
        assert [action.action_key for action in actions.pending_actions(tx, "setchannel")] == [pending]
        assert ledger.totals(tx, NOW) == (7, 7, 10)
        assert count(tx, tables.rebalance_plan) == 1
        # What was counted stays, also of the job and the decision that are gone.
        assert tally.outcome_counts(tx) == {
            ("rebalance plan", "skip"): 1, ("rebalance run", "failed"): 1, ("rebalance run", "settled"): 1,
        }  # fmt: skip


def test_plan_goes_with_its_last_job(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        plans.add_plan(tx, 1, RebalancePlan(NOW, NOW + 60, ()))
        assert count(tx, tables.rebalance_plan) == 1
        prune_all(tx, NOW - DAY)
        assert count(tx, tables.rebalance_plan) == 1
        prune_all(tx, NOW + DAY)
        assert count(tx, tables.rebalance_plan) == 0


def test_another_nodes_rows_stay(database: Database, node_key: int) -> None:
    other = database.node_key(node_id(50), "other", "bitcoin")
    for key in (node_key, other):
        with database.transaction(key) as tx:
            record(tx, 1, 2)
            forwards.ingest(tx, [make_forward(1)], NOW)
            caught_up(tx, 1)
            for at in (NOW, NOW + 1):
                runs.end_run(tx, runs.begin_run(tx, "sync", at, "0.1.0"), at, 0, None)
    with database.transaction(node_key) as tx:
        assert rollup.prune_forwards(tx, NOW, 10) == 1
        assert prune_all(tx, NOW + DAY)["runs"] == 1
    with database.read(other) as tx:
        assert indexes(tx) == [1]
        assert tx.connection.execute(select(func.count()).where(tables.run.c.node_key == other)).scalar() == 2
