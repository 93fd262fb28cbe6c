"""Profit and loss: each day by plain arithmetic, days add up to periods, and exports to both, to the msat."""

from __future__ import annotations

import re
import time
import tracemalloc
from collections import Counter
from contextlib import closing
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from revops.cycle.profit import spans
from revops.domain.period import Period
from revops.domain.profit import ProfitLine, total_of
from revops.store import export_rows, profits, queries
from revops.store.engine import Database, Tx
from revops.store.keys import channel_keys
from revops.store.profit_days import day_lines
from revops.store.tables import chain_cost, flow_sum, forward, rebalance_payment
from tests.builders import DAY, NOW
from tests.store.histories import MIDNIGHT, NEWEST, OLDEST, History, by_day, histories, store
from tests.store.rows import SETTLED, new_node, record
from tests.store.test_store_scale import watched

TODAY = int(MIDNIGHT // DAY)
bounds = st.none() | st.integers(TODAY + OLDEST - 1, TODAY + NEWEST + 2)
example = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)  # fmt: skip


def without_capital(line: ProfitLine) -> dict[str, int]:
    return {name: amount for name, amount in asdict(line).items() if name != "capital_msat" and amount}


@example
@given(history=histories, first=bounds, end=bounds)
def test_days_are_plain_sums_and_add_up_to_every_period(
    database: Database, history: History, first: int | None, end: int | None
) -> None:
    with database.transaction(new_node(database)) as tx:
        store(tx, history)
        found, whole = day_lines(tx, first, end), profits.lines(tx, first, end)
        every = day_lines(tx, None, None)
    wanted = by_day(history)
    shown = {
        day: {name: amount for name, amount in {**asdict(one.line), "untold_msat": one.untold_msat}.items() if amount}
        for day, one in every.items()
    }
    assert {day: sums for day, sums in shown.items() if sums} == wanted
    assert {day for day, one in every.items() if one.has_balance} == {TODAY + day for day, _ in history.balances}
    assert list(every) == sorted(every)
    inside = [day for day in every if (first is None or day >= first) and (end is None or day < end)]
    assert found == {day: every[day] for day in inside}
    assert without_capital(total_of(one.line for one in found.values())) == without_capital(whole.total)
    assert sum(one.untold_msat for one in found.values()) == whole.untold_msat
    assert sum(one.has_balance for one in found.values()) == whole.capital_days


@example
@given(history=histories)
def test_what_a_channel_has_brought_is_one_figure_in_the_report_and_in_the_books(
    database: Database, history: History
) -> None:
    with database.transaction(new_node(database)) as tx:
        store(tx, history)
        keys, ever = channel_keys(tx), profits.lines(tx, None, None)
        reported = {keys[one.channel_id]: one.lifetime_net_msat for one in queries.channel_records(tx, NOW)}
    assert reported == {key: ever.by_channel.get(key, ProfitLine()).net_msat for key in keys.values()}


@example
@given(history=histories, first=bounds, end=st.integers(TODAY + OLDEST, TODAY + NEWEST + 2))
def test_exports_add_up_to_every_period(database: Database, history: History, first: int | None, end: int) -> None:
    period = Period(first, end)
    with database.transaction(new_node(database)) as tx:
        store(tx, history)
        total, untold_msat = (lines := profits.lines(tx, first, end)).total, lines.untold_msat
        forwards = list(export_rows.forward_entries(tx, period))
        payments = list(export_rows.circular_entries(tx, period))
        costs = list(export_rows.cost_entries(tx, period))
    assert total.earned_msat == total.sourced_msat == sum(row.fee_msat for row in forwards)
    assert total.in_msat == sum(row.in_msat for row in forwards)
    assert total.out_msat == sum(row.out_msat for row in forwards)
    assert total.out_count == sum(row.forward_count for row in forwards)
    assert total.rebalance_msat == sum(row.fee_msat for row in payments)
    assert total.rebalanced_msat == sum(row.amount_msat for row in payments)
    assert total.rebalance_count == sum(row.payment_count for row in payments)
    by_kind: Counter[str] = Counter()
    for row in costs:
        by_kind[row.kind] += row.cost_msat
    assert sum(by_kind.values()) == total.chain_msat + total.lease_paid_msat - total.lease_earned_msat
    assert by_kind["closing"] + by_kind["sweep"] == total.close_msat
    assert by_kind["lease_paid"] == total.lease_paid_msat
    assert sum(row.untold_msat for row in costs) == untold_msat
    for rows in (forwards, payments, costs):
        times = [row[0] for row in rows]
        assert times == sorted(times)
        assert all((first is None or at >= first * DAY) and at < end * DAY for at in times)


def test_months_are_of_calendar_and_end_with_what_has_begun(database: Database, node_key: int) -> None:
    first = 20_393  # 2025-11-01
    rows = [(first + 3, 5), (first + 29, 7), (first + 30, 11), (first + 70, 13)]
    with database.transaction(node_key) as tx:
        for day, fee_msat in rows:
            tx.connection.execute(insert(flow_sum).values(_flow(node_key, day, 1, fee_msat)))
        now = (first + 75) * DAY + 5
        months = spans(tx, Period(None, first + 80), now, "month")
        days = spans(tx, Period(None, first + 80), now, "day")
        assert spans(tx, Period(None, first), now, "day") == ()
    shown = [(one.since_at / DAY - first, one.until_at / DAY - first, one.line.earned_msat) for one in months]
    assert shown == [(3, 30, 12), (30, 61, 11), (61, 76, 13)]
    assert [one.since_at / DAY - first for one in days] == list(range(3, 76))
    assert all(one.until_at == after.since_at for one, after in pairwise(days))
    assert sum(one.line.earned_msat for one in days) == 36


def test_sums_over_all_time_are_of_no_period_before_1970(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1)
        store(tx, History(leases=[(1, int(NOW), 5, 0)]))
        for first in (None, 0, -1, -700_000):
            assert profits.lines(tx, first, None).total.lease_earned_msat == 5
            assert sum(one.line.lease_earned_msat for one in day_lines(tx, first, None).values()) == 5
        assert profits.lines(tx, -9, -1).total == ProfitLine()


def _flow(node_key: int, day: int, key: int, fee_msat: int) -> dict[str, Any]:
    return {
        "node_key": node_key, "day": day, "channel_key": key, "in_count": 1, "in_msat": 1, "sourced_msat": 0,
        "out_count": 1, "out_msat": 1, "earned_msat": fee_msat, "refused_count": 0, "failed_count": 0,
    }  # fmt: skip


def many(tx: Tx, count: int) -> None:
    """Settled forwards, ten a second, written past everything that counts them."""
    record(tx, 1, 2)
    base = {
        "node_key": tx.node_key, "in_channel_key": 1, "out_channel_key": 2, "in_msat": 1_001, "out_msat": 1_000,
        "fee_msat": 1, "status": int(SETTLED),
    }  # fmt: skip
    rows = [
        {**base, "created_index": index, "received_at": NOW, "counted_at": NOW + index / 10} for index in range(count)
    ]
    tx.connection.execute(insert(forward), rows)


def test_forwards_are_streamed(database: Database, node_key: int) -> None:
    """Memory doesn't grow with them, nor do they wait for a sort of all; a reader may stop anywhere."""
    with database.transaction(node_key) as tx:
        many(tx, 40_000)
    period = Period(None, TODAY + 9)
    with database.read(node_key) as tx:
        tracemalloc.start()
        try:
            fees_msat = sum(row.fee_msat for row in export_rows.forward_entries(tx, period))
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert fees_msat == 40_000
        assert peak_bytes < 6_000_000  # a list of them takes 15 MB
    with database.read(node_key) as tx, closing(export_rows.forward_entries(tx, period)) as started:
        assert next(started).created_index == 0
        if tx.connection.dialect.name == "postgresql":
            assert tx.connection.exec_driver_sql("SELECT count(*) FROM pg_cursors").scalar_one() > 0


def test_forwards_come_in_the_order_of_an_index(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        if tx.connection.dialect.name != "sqlite":
            return  # it plans by statistics
        with watched(tx) as seen:
            assert list(export_rows.forward_entries(tx, Period(TODAY - 3, TODAY))) == []
        plans = [
            " | ".join(str(row[-1]) for row in tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given).all())
            for text, given in seen
            if "FROM forward" in text
        ]
    assert any(
        "USING INDEX ix_forward_status (node_key=? AND status=? AND counted_at>? AND counted_at<?)" in plan
        for plan in plans
    )
    # Those of one instant are sorted by themselves.
    assert all("TEMP B-TREE" not in re.sub("TEMP B-TREE FOR (RIGHT PART|LAST TERM)", "", plan) for plan in plans)


def test_two_years_by_day_take_a_moment(database: Database, node_key: int) -> None:
    """730 days of 100 channels, 20 refills and 2 transactions a day: some 0.15 s, and a fixed number of statements."""
    days = range(TODAY - 729, TODAY + 1)
    with database.transaction(node_key) as tx:
        tx.connection.execute(insert(flow_sum), [_flow(node_key, day, key, 1) for day in days for key in range(1, 101)])
        payment = {"node_key": node_key, "job_key": 0, "source_channel_key": 1, "target_channel_key": 2}
        tx.connection.execute(
            insert(rebalance_payment),
            [
                {
                    **payment, "payment_hash": f"{day * 20 + number:032}".encode(), "amount_msat": 9, "fee_msat": 3,
                    "moved_at": day * DAY + number,
                }
                for day in days
                for number in range(20)
            ],
        )  # fmt: skip
        cost = {"node_key": node_key, "account_key": 0, "kind": "wallet", "blockheight": 1, "share_count": 1}
        tx.connection.execute(
            insert(chain_cost),
            [
                {**cost, "txid": f"{day * 2 + number:064x}", "cost_msat": 5, "booked_at": int(day * DAY)}
                for day in days
                for number in range(2)
            ],
        )
        with watched(tx) as seen:
            took_seconds = -time.monotonic()
            found = spans(tx, Period(days[0], days[-1] + 1), NOW, "day")
            took_seconds += time.monotonic()
    assert len(found) == 730
    assert {(one.line.earned_msat, one.line.rebalance_msat, one.line.wallet_msat) for one in found} == {(100, 60, 10)}
    assert len(seen) == 7
    assert took_seconds < 5  # of a machine that does other things, too
    print(f"{took_seconds:.3f} s")
