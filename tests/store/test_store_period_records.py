"""What was decided, tried and earned at each price in a period, on both databases."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from revops.domain.period import Period
from revops.domain.price_history import PriceChange, PriceSum
from revops.domain.record import FeeChange
from revops.domain.review import Attempts
from revops.store import fees, job_stories, period_records, profits
from revops.store.engine import Database, Tx
from revops.store.keys import channel_keys
from revops.store.price_histories import price_histories
from revops.store.tables import decision, rebalance_job, rebalance_plan
from tests.builders import DAY, HOUR, NOW, channel_id
from tests.store.histories import CHANNELS, MIDNIGHT, NEWEST, OLDEST, History, histories, moments, store
from tests.store.rows import SETTLED, new_node, record, scid

TODAY = int(MIDNIGHT // DAY)
example = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)  # fmt: skip


def changed(tx: Tx, number: int, at: float, ppm: int, source: str = fees.REVOPS) -> None:
    fees.record_fee_change(tx, FeeChange(channel_id(number), at, None, ppm, source))


def sold(at: float, fee_msat: int, number: int = 2, out_msat: int = 1_000) -> dict[str, Any]:
    return {
        "in_scid": scid(1), "out_scid": scid(number), "in_msat": out_msat + fee_msat, "out_msat": out_msat,
        "fee_msat": fee_msat, "status": SETTLED, "received_at": at - 9.0, "resolved_at": at,
    }  # fmt: skip


def test_each_price_has_what_was_resolved_while_it_was_in_force(database: Database) -> None:
    first = MIDNIGHT - 2 * DAY
    rows = [
        sold(first - 1, 1), sold(first, 2), sold(first + 6 * HOUR - 1, 4), sold(first + 6 * HOUR, 8),
        sold(MIDNIGHT - DAY + 1, 16), sold(MIDNIGHT - 1, 32, number=3), sold(MIDNIGHT, 64),
    ]  # fmt: skip
    with database.transaction(new_node(database)) as tx:
        store(tx, History(forwards=rows))
        changed(tx, 2, first - 5 * DAY, 7)
        changed(tx, 2, first - DAY, 100)
        changed(tx, 2, first + HOUR, 100, fees.VALVE)  # the fee stayed
        changed(tx, 2, first + 6 * HOUR, 200)
        changed(tx, 2, MIDNIGHT + DAY, 300)
        second, third = price_histories(tx, [channel_id(2), channel_id(3)], Period(TODAY - 2, TODAY), NOW)
        assert price_histories(tx, [], Period(TODAY - 2, TODAY), NOW) == ()
    assert second.changes == (PriceChange(first, 100), PriceChange(first + 6 * HOUR, 200))
    assert second.sums == {100: PriceSum(6 * HOUR, 2_000, 6, 2), 200: PriceSum(2 * DAY - 6 * HOUR, 2_000, 24, 2)}
    assert second.earned_msat == {TODAY - 2: 14, TODAY - 1: 16}
    # No price of it is on record.
    assert (third.changes, third.unknown) == ((PriceChange(first, None),), PriceSum(2 * DAY, 1_000, 32, 1))


def test_a_period_that_runs_ends_with_the_moment(database: Database) -> None:
    with database.transaction(new_node(database)) as tx:
        store(tx, History(forwards=[sold(MIDNIGHT + HOUR, 5)]))
        changed(tx, 2, MIDNIGHT - DAY, 100)
        period = Period(TODAY, TODAY + 1)
        (found,) = price_histories(tx, [channel_id(2)], period, MIDNIGHT + 2 * HOUR)
        (ever,) = price_histories(tx, [channel_id(2)], Period(None, TODAY + 1), MIDNIGHT + 2 * HOUR)
    assert found.sums == {100: PriceSum(2 * HOUR, 1_000, 5, 1)} == ever.sums


_changes = st.lists(
    st.tuples(st.sampled_from(CHANNELS), moments, st.sampled_from([1, 50, 999])), max_size=8
)  # fmt: skip


@example
@given(
    history=histories, changes=_changes, first=st.none() | st.integers(TODAY + OLDEST - 1, TODAY + NEWEST),
    length=st.integers(1, 8),
)  # fmt: skip
def test_all_prices_together_are_what_pnl_says(
    database: Database, history: History, changes: list[tuple[int, float, int]], first: int | None, length: int
) -> None:
    end = (TODAY + OLDEST if first is None else first) + length
    with database.transaction(new_node(database)) as tx:
        store(tx, history)
        for number, at, ppm in changes:
            changed(tx, number, at, ppm)
        found = price_histories(tx, [channel_id(number) for number in CHANNELS], Period(first, end), NOW)
        keys, lines = channel_keys(tx), profits.lines(tx, first, end).by_channel
    for one in found:
        line = lines.get(keys[one.channel_id])
        earned = (0, 0, 0) if line is None else (line.earned_msat, line.out_msat, line.out_count)
        assert (one.total.earned_msat, one.total.out_msat, one.total.out_count) == earned
        assert sum(one.earned_msat.values()) == earned[0]


def test_decisions_of_a_period_are_counted_and_the_latest_listed(database: Database) -> None:
    spans = {1: (-9, -6), 2: (-6, -4), 3: (-3, -2), 4: (-1, 0), 5: (1, 2)}
    with database.transaction(new_node(database)) as tx:
        record(tx, 1)
        rows = [
            {
                "node_key": tx.node_key, "decision_key": 10 * key + skip, "run_key": 1, "command": "fees adjust",
                "channel_key": channel_keys(tx)[channel_id(1)] if key != 3 else None, "source_channel_key": 0,
                "name": f"{key}", "outcome": "skip" if skip else "change" if key % 2 else "defer", "old_ppm": 1,
                "new_ppm": 2, "amount_msat": None, "expected_gain_msat": 0, "reasons_json": "[]",
                "first_at": NOW + first * DAY, "last_at": NOW + last * DAY, "repeat_count": 3, "details_json": None,
            }
            for key, (first, last) in spans.items()
            for skip in (0, 1)
        ]  # fmt: skip
        tx.connection.execute(insert(decision), rows)
        bounds = (NOW - 5 * DAY, NOW + DAY)
        count, found = period_records.decisions_between(tx, *bounds, 2, skips=False)
        skip_count, skips = period_records.decisions_between(tx, *bounds, 9, skips=True)
    assert (count, [one.name for one in found], found[1].channel_id) == (3, ["4", "3"], None)
    assert (skip_count, [one.name for one in skips]) == (3, ["4", "3", "2"])
    assert {one.outcome for one in skips} == {"skip"}


def test_jobs_of_a_period_settled_or_cost_nothing(database: Database) -> None:
    ended: list[tuple[str, str | None, float]] = [
        ("settled", None, -6), ("settled", None, -5), ("settled", None, -1), ("settled", None, 0),
        ("failed", "no_route", -2), ("failed", "no_route", -3), ("failed", "liquidity", -3), ("released", None, -4),
        ("expired", None, -2), ("failed", "no_route", -9),
    ]  # fmt: skip
    with database.transaction(new_node(database)) as tx:
        record(tx, 1, 2)
        keys = channel_keys(tx)
        plan = {"node_key": tx.node_key, "plan_key": 1, "run_key": 1, "created_at": NOW, "expires_at": NOW}
        tx.connection.execute(insert(rebalance_plan), [plan])
        rows = [
            {
                "node_key": tx.node_key, "job_key": number, "plan_key": 1, "source_channel_key": keys[channel_id(1)],
                "target_channel_key": keys[channel_id(2)], "amount_msat": 1, "max_fee_msat": 1,
                "expected_gain_msat": 1, "status": status, "created_at": NOW, "expires_at": NOW,
                "failure": failure, "finished_at": NOW + days * DAY, "fee_msat": 1,
            }
            for number, (status, failure, days) in enumerate(ended, 1)
        ]  # fmt: skip
        tx.connection.execute(insert(rebalance_job), rows)
        bounds = (NOW - 5 * DAY, NOW)
        assert period_records.settled_job_count(tx, *bounds) == 2
        found = job_stories.settled_between(tx, *bounds, 1, NOW, {})
        assert [one.job.job_key for one in found] == [3]
        assert period_records.attempts_between(tx, *bounds) == (
            Attempts("failed", "no_route", 2), Attempts("failed", "liquidity", 1), Attempts("released", None, 1),
        )  # fmt: skip
