"""A clock that is wrong makes no room in the budget: neither while it is, nor when it is put right."""

from __future__ import annotations

from typing import Any

import pytest

from revops.cycle.verdict import limits_in_force
from revops.domain.policy import BudgetConfig
from revops.store.samples import record_clock_mark
from tests.actuate.bench import DAY, HOUR, NODE_KEY, Bench

PLENTY = {"daily_sat": 1_000, "weekly_sat": 3_000}


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """A node whose cron has run every hour for two days, with a budget that is no hindrance yet."""
    node = bench.node
    with bench.database.transaction(NODE_KEY) as tx:
        for hours in range(48, 0, -1):
            record_clock_mark(tx, node.now_at - hours * HOUR, node.world.height - hours * 6)
    bench.settings["budget"] |= PLENTY
    return bench


def doubts(bench: Bench) -> bool:
    return any(reason.code == "clock_doubtful" for reason in bench.run().reasons)


def pay_one(bench: Bench) -> int:
    """One rebalance; what all have cost so far."""
    bench.plan(1)
    bench.run()
    return bench.spent_msat


def leave_room_for_one(bench: Bench, cost_msat: int, **factors: int) -> int:
    """Set a limit that one such payment uses up, and return it in msat."""
    limit_sat = cost_msat // 1_000 + 1
    bench.settings["budget"] |= {"daily_sat": limit_sat, "weekly_sat": limit_sat * factors.get("weeks", 10)}
    return limit_sat * 1_000


def hang_one(bench: Bench) -> int:
    """A payment that hangs for 26 hours, which its reservation outlives; the daily limit."""
    bench.node.hold_payments()
    bench.plan(1)
    bench.run()
    job = bench.job()
    assert job.status == "in_flight"
    limit_msat = leave_room_for_one(bench, job.reserved_msat or 0)
    for _ in range(26):
        bench.node.advance_by(HOUR)
        bench.sync()
    bench.node.hold_payments(False)
    bench.node.advance_by(60)
    return limit_msat


@pytest.mark.parametrize("offset_days", [16.5 / 24, 2, 4_000])
def test_a_clock_that_jumps_and_stays_does_not_end_the_day(bench: Bench, offset_days: float) -> None:
    limit_msat = leave_room_for_one(bench, pay_one(bench))
    height = bench.node.world.height
    bench.clock_offset = offset_days * DAY
    assert doubts(bench)
    while bench.node.world.height - height < 110:
        bench.node.advance_by(4 * HOUR)
        pay_one(bench)
        assert bench.spent_msat <= limit_msat or bench.node.world.height - height >= 115
    bench.check()


@pytest.mark.parametrize("offset_days", [-400, -20, -9, -2, 2, 40])
def test_what_is_settled_while_the_clock_is_wrong_counts_when_it_is_right_again(
    bench: Bench, offset_days: float
) -> None:
    limit_msat = hang_one(bench)
    bench.clock_offset = offset_days * DAY
    bench.run()
    bench.clock_offset = 0.0
    assert bench.job().status == "settled"
    pay_one(bench)
    assert bench.spent_msat <= limit_msat


@pytest.mark.parametrize("offset_days", [-400, -20, -9.5])
def test_what_was_spent_under_a_clock_that_was_behind_counts_when_it_is_put_right(
    bench: Bench, offset_days: float
) -> None:
    bench.clock_offset = offset_days * DAY
    limit_msat = leave_room_for_one(bench, pay_one(bench), weeks=1)
    bench.clock_offset = 0.0
    for _ in range(3):
        pay_one(bench)
        assert bench.spent_msat <= limit_msat
        bench.node.advance_by(7 * HOUR)


def test_a_clock_that_was_years_ahead_at_a_settlement_does_not_block_the_budget_for_years(bench: Bench) -> None:
    hang_one(bench)
    bench.clock_offset = 4_000 * DAY
    bench.run()
    bench.clock_offset = 0.0
    assert bench.job().status == "settled"
    for _ in range(24 * 4):
        bench.node.advance_by(6 * HOUR)
        bench.sync()
    assert bench.totals().spent_week_msat == 0


def test_a_wrong_clock_is_no_reason_to_stop_for_long_once_it_is_right(bench: Bench) -> None:
    for offset_days in (-9, 40):
        bench.clock_offset = offset_days * DAY
        bench.sync()
        bench.clock_offset = 0.0
        bench.node.advance_by(HOUR)
        assert not doubts(bench)


def test_income_of_the_future_raises_no_limit(bench: Bench, monkeypatch: Any) -> None:
    """Node and tool on one machine whose clock is a year ahead for some hours."""
    bench.node.pause_market(False)
    bench.node.advance_by(4 * HOUR)
    bench.node.pause_market()
    budget = BudgetConfig(daily_sat=10**6, weekly_sat=10**6, revenue_share_ratio=1.0)
    bench.sync()
    with bench.database.transaction(NODE_KEY) as tx:
        earned = limits_in_force(tx, budget, bench.node.now_at)
        assert earned > (0, 0)
        tx.connection.exec_driver_sql("UPDATE forward SET counted_at = counted_at + 31536000.0")
        tx.connection.exec_driver_sql("UPDATE flow_sum SET day = day + 365 WHERE day >= 0")
        assert limits_in_force(tx, budget, bench.node.now_at + DAY) == (0, 0)
