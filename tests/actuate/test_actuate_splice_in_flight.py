"""What commands make of a splice in flight, and what splices may cost."""

from __future__ import annotations

import pytest

from revops.cycle import budget
from revops.cycle.verdict import splice_limits_in_force
from revops.domain.budget import Category, Limit
from revops.domain.policy import SpliceConfig
from revops.store import ledger
from tests.actuate.bench import NODE_KEY, Bench


def test_splices_are_paid_within_limits_of_their_own(bench: Bench) -> None:
    bench.sync()
    assert [one.category for one in budget.run(bench.options, bench.clock).categories] == [Category.REBALANCE]
    bench.settings["splice"] = {"daily_sat": 5, "weekly_sat": 20}
    limits = splice_limits_in_force(SpliceConfig(daily_sat=5, weekly_sat=20))
    with bench.database.transaction(NODE_KEY) as tx:
        held = ledger.reserve(
            tx, run_key=1, job_key=None, amount_msat=4_000, at=bench.clock(), limits=limits, category=Category.SPLICE
        )
        with pytest.raises(ledger.BudgetExceededError, match="has 1 sat left"):
            ledger.reserve(
                tx, run_key=1, job_key=None, amount_msat=1_001, at=bench.clock(), limits=limits,
                category=Category.SPLICE,
            )  # fmt: skip
    rebalances, splices = budget.run(bench.options, bench.clock).categories
    assert (rebalances.daily.reserved_msat, splices.category) == (0, Category.SPLICE)
    assert (splices.daily.limit, splices.weekly.limit) == (Limit(5_000), Limit(20_000))
    assert (splices.daily.reserved_msat, splices.daily.left_msat, splices.weekly.left_msat) == (4_000, 1_000, 16_000)
    with bench.database.transaction(NODE_KEY) as tx:
        ledger.settle(tx, held, 3_000, bench.clock(), 1)
    assert budget.run(bench.options, bench.clock).categories[1].daily.spent_msat == 3_000
