"""What metrics read beside a report: tallies, marks of prices, the last feerates, gaps between runs, the size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from revops.domain.decision import FeePlan, FeeState, Outcome, RebalanceDecision, RebalancePlan
from revops.domain.measures import PriceMarks, Tally
from revops.domain.node import Feerates
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.rebalance import FailureKind
from revops.errors import DataError
from revops.store import decisions, fees, jobs, plans, rollup, runs, samples, space, tally
from revops.store.engine import Database, Tx
from revops.store.tables import decision, metadata
from tests.builders import NOW, channel_id
from tests.store.rows import record
from tests.store.test_store_decisions import make_fee

FAR = NOW + 400 * 86_400
OFF, BAND = why(ReasonCode.STRATEGY_OFF), why(ReasonCode.DEAD_BAND, change_ppm=1, band_ppm=3)


@pytest.fixture
def tx(database: Database, node_key: int) -> Iterator[Tx]:
    with database.transaction(node_key) as opened:
        yield opened


def take(tx: Tx, *reasons: Reason, outcome: Outcome = Outcome.SKIP) -> None:
    plan = FeePlan(NOW, (make_fee(outcome=outcome, reasons=reasons),))
    decisions.record_fee_plan(tx, 1, plan)


def found(tx: Tx, command: str) -> dict[tuple[str, str], int]:
    return {(one.outcome, one.word): one.count for one in tally.tallies(tx) if one.command == command}


def prune(tx: Tx) -> None:
    rollup.prune_other(
        tx,
        decisions_before_at=FAR,
        runs_before_at=FAR,
        events_before_at=FAR,
        samples_before_at=FAR,
        moves_before_at=FAR,
    )


def test_decisions_are_counted_by_outcome_and_by_each_reason(tx: Tx) -> None:
    record(tx, 1)
    take(tx, OFF)
    take(tx, OFF, BAND)
    take(tx, BAND, BAND, outcome=Outcome.CHANGE)  # a reason that stands twice counts once
    counted = {
        ("skip", ""): 2, ("skip", "strategy_off"): 2, ("skip", "dead_band"): 1, ("change", ""): 1,
        ("change", "dead_band"): 1,
    }  # fmt: skip
    assert found(tx, "fees adjust") == counted
    assert tally.tallies(tx)[0] == Tally("fees adjust", "change", "", 1)
    assert tally.outcome_counts(tx) == {("fees adjust", "skip"): 2, ("fees adjust", "change"): 1}
    # No retention lowers it.
    prune(tx)
    assert tx.connection.execute(decision.select()).all() == []
    assert found(tx, "fees adjust") == counted
    take(tx, OFF)
    assert found(tx, "fees adjust") == counted | {("skip", ""): 3, ("skip", "strategy_off"): 3}


def test_ends_of_jobs_are_counted_by_what_stopped_them(tx: Tx) -> None:
    record(tx, 1, 2)

    def end(status: str, failure: FailureKind | None = None) -> None:
        refill = RebalanceDecision(
            channel_id(1), "t", channel_id(2), "s", Outcome.CHANGE, 10**9, 10**5, 5, (why(ReasonCode.NO_SOURCE),)
        )
        plans.add_plan(tx, 1, RebalancePlan(NOW, NOW + 3_600, (refill,)))
        (job,) = jobs.planned_jobs(tx)
        jobs.finish_job(tx, job.job_key, status, 0, NOW + 1, BAND, run_key=1, failure=failure)

    end("failed", FailureKind.NO_ROUTE)
    end("failed", FailureKind.NO_ROUTE)
    end("failed")  # not told why
    end("released")
    end("expired")
    counted = {
        ("failed", ""): 3, ("failed", "no_route"): 2, ("failed", "other"): 1, ("released", ""): 1, ("expired", ""): 1,
    }  # fmt: skip
    assert found(tx, "rebalance run") == counted
    prune(tx)
    assert found(tx, "rebalance run") == counted


def test_marks_of_a_price_are_read_whatever_the_rest_of_the_state_is(tx: Tx) -> None:
    record(tx, 1, 2)
    state = FeeState(100, NOW - 60, NOW, open_seconds=55.5, asleep_until_at=NOW + 9, congested_since_at=NOW - 3)
    fees.save_fee_states(tx, {channel_id(1): state, channel_id(2): FeeState(7, NOW, NOW)}, NOW)
    assert fees.price_marks(tx) == {
        channel_id(1): PriceMarks(NOW - 60, 55.5, NOW + 9, NOW - 3),
        channel_id(2): PriceMarks(NOW, 0.0, None, None),
    }
    tx.connection.exec_driver_sql("""UPDATE fee_state SET state_json = '{"newer": 1}'""")
    with pytest.raises(DataError, match="window_start_at"):
        fees.price_marks(tx)


def test_the_last_feerates(tx: Tx) -> None:
    assert samples.last_feerates(tx) is None
    rates = Feerates(NOW, 253, None, 2, 3, 4, 5, 6)
    samples.record_feerates(tx, rates)
    samples.record_feerates(tx, replace(rates, sampled_at=NOW - 60, floor_perkw=1))
    assert samples.last_feerates(tx) == rates


def test_the_starts_of_the_last_runs_of_a_command(tx: Tx) -> None:
    assert runs.latest_starts(tx, "sync", 3) == ()
    for at in (0, 1_000, 1_010, 1_030, 1_000):  # the clock went back
        runs.begin_run(tx, "sync", NOW + at, "0.1.0")
    runs.begin_run(tx, "rollup", NOW + 1_005, "0.1.0")
    assert runs.latest_starts(tx, "sync", 3) == (NOW + 1_000, NOW + 1_030, NOW + 1_010)
    assert len(runs.latest_starts(tx, "sync", 9)) == 5
    assert runs.latest_starts(tx, "rollup", 9) == (NOW + 1_005,)


def test_size_and_rows_of_a_database(database: Database, node_key: int) -> None:
    with database.read(node_key) as tx:
        before, size = space.row_counts(tx), space.database_size(tx)
    assert before.keys() == {table.name for table in metadata.sorted_tables}
    assert size.size_bytes > 50_000
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
    with database.transaction(node_key + 1) as tx:
        runs.begin_run(tx, "sync", NOW, "0.1.0")  # of another node
    with database.read(node_key) as tx:
        after = space.row_counts(tx)
        sqlite = tx.connection.dialect.name == "sqlite"
    assert after["channel"] == before["channel"] + 3
    assert after["run"] == before["run"]
    assert (size.free_bytes is not None) is sqlite
