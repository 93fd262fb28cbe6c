"""Money: never more spent and reserved than the limits allow, and each reservation closed once, whatever overlaps."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import delete, select, update

from revops.domain.budget import Category, LedgerEntry, OpenReservation, Spent
from revops.domain.decision import Outcome, RebalanceDecision, RebalancePlan
from revops.domain.reason import ReasonCode, why
from revops.domain.units import MAX_MSAT
from revops.errors import BugError, DataError, RevopsError, TemporaryError
from revops.store import forwards, jobs, ledger, plans, runs, spending
from revops.store.engine import Database, Tx
from revops.store.tables import ledger_head, node, rebalance_job, spend_ledger
from revops.store.upgrade import check
from tests.builders import DAY, NOW, OWN_ID, channel_id
from tests.store.machines import run_on
from tests.store.rows import make_forward, new_node, record

WIDE = (10**12, 10**12)


def add_jobs(tx: Tx, count: int, run_key: int = 1) -> list[int]:
    """Plan some jobs to reserve for; return their keys."""
    decision = RebalanceDecision(
        target_channel_id=channel_id(1),
        target_name="t",
        source_channel_id=channel_id(2),
        source_name="s",
        outcome=Outcome.CHANGE,
        amount_msat=10**6,
        max_fee_msat=10**4,
        expected_gain_msat=5,
        reasons=(why(ReasonCode.NO_SOURCE),),
    )
    plans.add_plan(tx, run_key, RebalancePlan(NOW, NOW + 60, (decision,) * count))
    return [job.job_key for job in jobs.planned_jobs(tx)]


@dataclass
class Spender:
    """A run that may spend, with one job to spend on."""

    tx: Tx
    run_key: int
    job_key: int

    def reserve(self, amount_msat: int, limits: ledger.Limits = WIDE, at: float = NOW) -> int:
        return ledger.reserve(
            self.tx, run_key=self.run_key, job_key=self.job_key, amount_msat=amount_msat, at=at, limits=limits
        )


def spender(tx: Tx) -> Spender:
    record(tx, 1, 2)
    return Spender(tx, runs.begin_run(tx, "rebalance run", NOW, "0"), add_jobs(tx, 1)[0])


def test_reservation_counts_until_it_is_closed(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        assert ledger.totals(tx, NOW) == (0, 0, 0)
        first, second = run.reserve(100), run.reserve(50)
        assert ledger.totals(tx, NOW) == ledger.LedgerTotals(0, 0, 150)
        # Whatever its age: its payment may still be in flight.
        assert ledger.totals(tx, NOW + 900 * DAY).reserved_msat == 150
        ledger.settle(tx, first, 70, NOW + 1, run.run_key)
        assert ledger.totals(tx, NOW + 1) == (70, 70, 50)
        ledger.release(tx, second, NOW + 2, run.run_key)
        assert ledger.totals(tx, NOW + 2) == (70, 70, 0)


def test_spending_is_dated_by_its_settlement_and_the_future_counts(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        for amount, at in (
            (1, 0.0),
            (10, -DAY),
            (100, -DAY + 1),
            (1_000, -7 * DAY),
            (10_000, -7 * DAY + 1),
            (100_000, DAY),
        ):
            ledger.settle(tx, run.reserve(amount, at=NOW - 9 * DAY), amount, NOW + at, run.run_key)
        assert ledger.totals(tx, NOW) == (100_101, 110_111, 0)


@pytest.mark.parametrize(
    ("limits", "window"), [((149, 10**6), "daily"), ((10**6, 249), "weekly"), ((149, 249), "daily"), ((0, 0), "daily")]
)
def test_limit_is_the_last_msat(database: Database, node_key: int, limits: tuple[int, int], window: str) -> None:
    """100 settled three days ago, 50 settled today, 40 reserved: 60 more fill 150 and 250."""
    with database.transaction(node_key) as tx:
        run = spender(tx)
        ledger.settle(tx, run.reserve(100, at=NOW - 4 * DAY), 100, NOW - 3 * DAY, run.run_key)
        ledger.settle(tx, run.reserve(50, at=NOW - 90), 50, NOW - 60, run.run_key)
        run.reserve(40)
        with pytest.raises(ledger.BudgetExceededError) as caught:
            run.reserve(60, limits)
        assert caught.value.reason.code is ReasonCode.BUDGET_EXHAUSTED
        assert caught.value.reason.numbers["window"] == window
        # Refusing changes nothing, in the same transaction too.
        assert ledger.totals(tx, NOW) == (50, 150, 40)
        run.reserve(60, (150, 250))
        assert ledger.totals(tx, NOW).reserved_msat == 100


def test_refusal_names_what_is_left_in_sat_rounded_against_us(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        run.reserve(2_500)
        with pytest.raises(ledger.BudgetExceededError, match=r"the daily budget has 2 sat left, 4 are wanted"):
            run.reserve(3_001, (5_499, 10**6))
        with pytest.raises(ledger.BudgetExceededError, match="0 sat left"):
            run.reserve(1, (2_000, 10**6))  # a limit that was lowered below what is reserved already


def test_limits_may_be_worked_out_inside_the_transaction(database: Database, node_key: int) -> None:
    asked: list[float] = []

    def limits(tx: Tx, at: float) -> tuple[int, int]:
        asked.append(at)
        income = ledger.income_between(tx, at - 7 * DAY, at)
        return income, income // 2

    with database.transaction(node_key) as tx:
        run = spender(tx)
        forwards.ingest(tx, [make_forward(index) for index in range(1, 5)], NOW)
        run.reserve(200, limits)
        with pytest.raises(ledger.BudgetExceededError, match="weekly"):
            run.reserve(1, limits)
    assert asked == [NOW, NOW]


def test_nothing_is_reserved_by_a_negative_amount(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        with pytest.raises(BugError):
            run.reserve(-1)
        run.reserve(0, (0, 0))


def close(tx: Tx, how: str, reserve_key: int, run_key: int) -> None:
    if how == "settle":
        ledger.settle(tx, reserve_key, 7, NOW, run_key)
    else:
        ledger.release(tx, reserve_key, NOW, run_key)


@pytest.mark.parametrize("first", ["settle", "release"])
@pytest.mark.parametrize("second", ["settle", "release"])
def test_reservation_is_closed_once(database: Database, node_key: int, first: str, second: str) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        reserve_key = run.reserve(10)
        close(tx, first, reserve_key, run.run_key)
        before = ledger.totals(tx, NOW)
    with pytest.raises(BugError, match="closed already"), database.transaction(node_key) as tx:
        close(tx, second, reserve_key, run.run_key)
    with database.read(node_key) as tx:
        assert ledger.totals(tx, NOW) == before


# ---- categories


def splice(tx: Tx, run_key: int, amount_msat: int, limits: ledger.Limits = WIDE) -> int:
    return ledger.reserve(
        tx, run_key=run_key, job_key=None, amount_msat=amount_msat, at=NOW, limits=limits, category="splice"
    )


def test_each_category_has_its_own_limits(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        ledger.settle(tx, run.reserve(60, (100, 200)), 60, NOW, run.run_key)
        run.reserve(40, (100, 200))
        with pytest.raises(ledger.BudgetExceededError):
            run.reserve(1, (100, 200))
        # What rebalances have used up is no splice's, and the other way round.
        first = splice(tx, run.run_key, 50, (70, 200))
        with pytest.raises(ledger.BudgetExceededError):
            splice(tx, run.run_key, 21, (70, 200))
        ledger.settle(tx, first, 55, NOW, run.run_key)
        splice(tx, run.run_key, 15, (70, 200))
        assert ledger.totals(tx, NOW) == (60, 60, 40)
        assert ledger.totals(tx, NOW, Category.SPLICE) == (55, 55, 15)
        categories = tx.connection.execute(select(spend_ledger.c.category, spend_ledger.c.job_key)).all()
        assert set(categories) == {("rebalance", run.job_key), ("splice", None)}


def test_a_category_without_a_limit_spends_nothing(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        with pytest.raises(ledger.BudgetExceededError):
            splice(tx, run.run_key, 1, (0, 0))


@pytest.mark.parametrize("category", ["lease", "", "Splice", "rebalance "])
def test_an_unknown_category_is_refused(database: Database, node_key: int, category: str) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        with pytest.raises(BugError, match="no category"):
            ledger.reserve(tx, run_key=run.run_key, job_key=None, amount_msat=1, at=NOW, limits=WIDE, category=category)


def test_only_a_rebalance_has_a_job_and_it_has_one(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        for category, job_key in (("rebalance", None), ("splice", run.job_key)):
            with pytest.raises(BugError, match="rebalance job"):
                ledger.reserve(
                    tx, run_key=run.run_key, job_key=job_key, amount_msat=1, at=NOW, limits=WIDE, category=category
                )


def test_entries_of_another_category_that_vanish_stop_spending_too(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        splice(tx, run.run_key, 10)
        tx.connection.execute(delete(spend_ledger))
        with pytest.raises(DataError, match="0 entries, 1 were written"):
            run.reserve(1)


# ---- what is no amount, no limit and no instant

NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize("amount", [-1, MAX_MSAT + 1, 2**63, 2**64 - 1, NAN, 0.5, True])
def test_what_is_no_amount_reserves_nothing(database: Database, node_key: int, amount: Any) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        with pytest.raises(BugError):
            run.reserve(amount, (2**64, 2**64))
        assert ledger.totals(tx, NOW) == (0, 0, 0)


@pytest.mark.parametrize("limits", [(NAN, 100), (100, NAN), (INFINITE, INFINITE), (1e9, 1e9)])
def test_what_is_no_limit_grants_nothing(database: Database, node_key: int, limits: Any) -> None:
    """Nothing is above NaN: as a limit it would be none."""
    with database.transaction(node_key) as tx:
        run = spender(tx)
        with pytest.raises(BugError, match="limit"):
            run.reserve(1, limits)


def test_a_negative_limit_grants_nothing(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        with pytest.raises(ledger.BudgetExceededError):
            run.reserve(0, (-1, 100))


@pytest.mark.parametrize("at", [NAN, INFINITE, -INFINITE])
def test_what_is_no_instant_is_in_no_window_and_refused(database: Database, node_key: int, at: float) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        key = run.reserve(10)
        for operation in (
            lambda: run.reserve(1, at=at),
            lambda: ledger.settle(tx, key, 1, at, run.run_key),
            lambda: ledger.release(tx, key, at, run.run_key),
            lambda: ledger.totals(tx, at),
        ):
            with pytest.raises(BugError):
                operation()
        assert ledger.totals(tx, NOW) == (0, 0, 10)


@pytest.mark.parametrize("fee", [-1, MAX_MSAT + 1, 2**63, 2**64 - 1])
def test_a_cost_that_cant_be_true_leaves_the_reservation(database: Database, node_key: int, fee: int) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        key = run.reserve(10)
    with pytest.raises(DataError, match="can't have cost"), database.transaction(node_key) as tx:
        ledger.settle(tx, key, fee, NOW, run.run_key)
    with database.read(node_key) as tx:
        assert ledger.totals(tx, NOW) == (0, 0, 10)


def test_sums_beyond_what_a_database_counts_to_grant_nothing(database: Database, node_key: int) -> None:
    """Five times all the bitcoin is beyond 2^63: SQLite refuses to add it up, PostgreSQL does it."""
    with database.transaction(node_key) as tx:
        run = spender(tx)
        for key in [run.reserve(0, at=NOW - 4 * DAY) for _ in range(5)]:
            ledger.settle(tx, key, MAX_MSAT, NOW - 3 * DAY, run.run_key)
    with pytest.raises((ledger.BudgetExceededError, DataError)), database.transaction(node_key) as tx:
        Spender(tx, run.run_key, run.job_key).reserve(1, (MAX_MSAT, 2**63 - 1))


# ---- for people


def test_reservations_are_told_with_their_jobs(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        key = run.reserve(10)
        closed, lost, other = run.reserve(20), run.reserve(30), splice(tx, run.run_key, 5)
        tx.connection.execute(
            update(rebalance_job)
            .where(rebalance_job.c.job_key == run.job_key)
            .values(status="sending", reserve_key=key)
        )
        ledger.release(tx, closed, NOW, run.run_key)
        found = spending.open_reservations(tx, Category.REBALANCE)
        names = ("700002x1x0", "700001x1x0")
        assert found == (
            OpenReservation(key, run.job_key, 10, NOW, "sending", *names),
            OpenReservation(lost, run.job_key, 30, NOW),
        )
        assert spending.open_reservations(tx, Category.SPLICE) == (OpenReservation(other, None, 5, NOW),)


def test_entries_are_told_with_what_was_reserved(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        run.reserve(1, at=NOW - DAY)
        first, second = run.reserve(10), splice(tx, run.run_key, 20)
        ledger.settle(tx, first, 7, NOW + 1, run.run_key)
        ledger.release(tx, second, NOW + 2, run.run_key)
        assert spending.entries_since(tx, NOW) == (
            LedgerEntry("reserve", Category.REBALANCE, 10, 10, NOW),
            LedgerEntry("reserve", Category.SPLICE, 20, 20, NOW),
            LedgerEntry("settle", Category.REBALANCE, 7, 10, NOW + 1),
            LedgerEntry("release", Category.SPLICE, 0, 20, NOW + 2),
        )


def test_spent_entries_are_those_that_count(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        synced(tx, 900_000)
        for amount, at in ((1, NOW - 9 * DAY), (2, NOW - 3 * DAY), (0, NOW - 60), (3, NOW - 30)):
            ledger.settle(tx, run.reserve(amount, at=at), amount, at, run.run_key)
        synced(tx, 900_000 + 500)
        day, week = spending.spent_entries(tx, NOW, Category.REBALANCE)
        assert day == (Spent(3, NOW - 30, 900_000),)
        # The one of nine days ago: the chain has come 500 blocks since.
        assert [one.amount_msat for one in week] == [1, 2, 3]
        sums = ledger.totals(tx, NOW)
        assert (sums.spent_day_msat, sums.spent_week_msat) == (3, 6)
        assert spending.spent_entries(tx, NOW, Category.SPLICE) == ((), ())


def test_jobs_that_a_limit_stopped_are_counted(database: Database, node_key: int) -> None:
    exceeded = why(ReasonCode.BUDGET_EXHAUSTED, left_sat=0, wanted_sat=1, window="daily")
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        run_key = runs.begin_run(tx, "rebalance run", NOW, "0")
        keys = add_jobs(tx, 4)
        for key, at, reason in (
            (keys[0], NOW - DAY, exceeded),
            (keys[1], NOW, exceeded),
            (keys[2], NOW, why(ReasonCode.NO_SOURCE)),
        ):
            jobs.finish_job(tx, key, "failed", 0, at, reason, run_key=run_key)
        assert spending.refused_at(tx, NOW) == (NOW,)


def test_only_a_reservation_can_be_closed(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        settled = ledger.settle(tx, run.reserve(10), 7, NOW, run.run_key)
    for wrong in (settled, 99):
        with pytest.raises(BugError, match="doesn't exist"), database.transaction(node_key) as tx:
            ledger.release(tx, wrong, NOW, run.run_key)


def test_cost_above_the_reservation_is_recorded_as_it_is(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        ledger.settle(tx, run.reserve(10), 25, NOW, run.run_key)
        assert ledger.totals(tx, NOW) == (25, 25, 0)


def test_cost_is_never_dated_before_its_reservation(database: Database, node_key: int) -> None:
    """A clock that went back for a moment would else put it where no window sees it once the clock is right again."""
    with database.transaction(node_key) as tx:
        run = spender(tx)
        ledger.settle(tx, run.reserve(10), 10, NOW - 30 * DAY, run.run_key)
        assert ledger.totals(tx, NOW + 60) == (10, 10, 0)


def test_run_that_was_overtaken_is_turned_away(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        ledger.take_fence(tx, run.run_key)
        reserve_key = run.reserve(10)
        newer = runs.begin_run(tx, "rebalance run", NOW, "0")
        run.reserve(10)  # a run that merely exists doesn't fence
        ledger.take_fence(tx, newer)
        ledger.take_fence(tx, newer)
    for operation in (
        lambda tx: ledger.take_fence(tx, run.run_key),
        lambda tx: Spender(tx, run.run_key, run.job_key).reserve(1),
        lambda tx: ledger.settle(tx, reserve_key, 1, NOW, run.run_key),
        lambda tx: ledger.release(tx, reserve_key, NOW, run.run_key),
    ):
        with pytest.raises(TemporaryError, match="newer run"), database.transaction(node_key) as tx:
            operation(tx)
    with database.transaction(node_key) as tx:
        ledger.settle(tx, reserve_key, 5, NOW, newer)
        assert ledger.totals(tx, NOW) == (5, 5, 10)


@pytest.mark.parametrize("vanished", ["settle", "reserve"])
def test_entries_that_vanish_stop_spending(database: Database, url: str, node_key: int, vanished: str) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        if vanished == "settle":
            ledger.settle(tx, run.reserve(10), 10, NOW, run.run_key)
        else:
            run.reserve(10)
        tx.connection.execute(delete(spend_ledger).where(spend_ledger.c.kind == vanished))
    with pytest.raises(DataError, match="spending stops"), database.transaction(node_key) as tx:
        Spender(tx, run.run_key, run.job_key).reserve(1)
    assert any("spend ledger has" in problem for problem in check(url).problems)


def test_ledger_of_another_node_is_its_own(database: Database, node_key: int) -> None:
    other = new_node(database)
    with database.transaction(node_key) as tx:
        spender(tx).reserve(100)
    with database.transaction(other) as tx:
        run = spender(tx)
        assert ledger.totals(tx, NOW) == (0, 0, 0)
        run.reserve(100, (100, 100))


def test_income_is_dated_by_settlement(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, [make_forward(1, received_at=NOW - 8 * DAY, resolved_at=NOW - 6 * DAY)], NOW)
        assert ledger.income_between(tx, NOW - 7 * DAY, NOW) == 100
        assert ledger.income_between(tx, NOW - 5 * DAY, NOW) == 0


def test_income_of_the_future_is_none_yet(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, [make_forward(1, received_at=NOW + 300 * DAY)], NOW + 301 * DAY)
        assert ledger.income_between(tx, NOW - 7 * DAY, NOW) == 0


# ---- the clock and the chain


def synced(tx: Tx, height: int, network: str = "bitcoin") -> None:
    """What a sync has read of the chain."""
    mine = node.c.node_key == tx.node_key
    tx.connection.execute(update(node).where(mine).values(blockheight=height, network=network))


def spend(tx: Tx, at: float, height: int) -> None:
    run = spender(tx)
    synced(tx, height)
    ledger.settle(tx, run.reserve(10, at=at), 10, at, run.run_key)


@pytest.mark.parametrize(
    ("elapsed_days", "blocks", "day_msat", "week_msat"),
    [
        # An honest clock and chain.
        (0.99, 143, 10, 10),
        (1.01, 144, 0, 10),
        (7.01, 1_008, 0, 0),
        # The clock jumped: the chain says that it isn't over.
        (1.01, 114, 10, 10),
        (1.01, 115, 0, 10),
        (4_000, 0, 10, 10),
        (7.01, 906, 0, 10),
        (7.01, 907, 0, 0),
        # The clock went back: the entry lies ahead of it, or the chain was fast.
        (-3, 0, 10, 10),
        (-3, 5_000, 10, 10),
        (0.9, 300, 10, 10),
        # The node shows an older chain than before.
        (1.01, -50, 10, 10),
    ],
)
def test_window_ends_when_clock_and_chain_say_so(
    database: Database, node_key: int, elapsed_days: float, blocks: int, day_msat: int, week_msat: int
) -> None:
    with database.transaction(node_key) as tx:
        spend(tx, NOW, 900_000)
        synced(tx, 900_000 + blocks)
        found = ledger.totals(tx, NOW + elapsed_days * DAY)
        assert (found.spent_day_msat, found.spent_week_msat) == (day_msat, week_msat)


def test_on_a_chain_without_a_pace_only_the_clock_counts(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        spend(tx, NOW, 900_000)
        synced(tx, 900_000, "regtest")
        assert ledger.totals(tx, NOW + 1.01 * DAY).spent_day_msat == 0


def test_no_cost_is_dated_years_ahead(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        synced(tx, 900_000)
        ledger.settle(tx, run.reserve(10, at=NOW), 10, NOW + 4_000 * DAY, run.run_key)
        synced(tx, 900_000 + 23 * 144)
        assert ledger.totals(tx, NOW + 21 * DAY).spent_week_msat == 10
        assert ledger.totals(tx, NOW + 23 * DAY).spent_week_msat == 0


# ---- two runs at once


def test_concurrent_reservations_never_exceed_the_limit(url: str) -> None:
    """Two READ COMMITTED transactions that both see room would both take it, but for the head row that they share."""
    with closing(Database.open(url)) as database:
        node_key = database.node_key(OWN_ID, "ours", "bitcoin")
        with database.transaction(node_key) as tx:
            run = spender(tx)
            ledger.take_fence(tx, run.run_key)
    start = threading.Barrier(4)
    granted: list[int] = []
    refused: list[int] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with closing(Database.open(url)) as mine:
                start.wait()
                for _ in range(8):
                    try:
                        with mine.transaction(node_key) as tx:
                            granted.append(Spender(tx, run.run_key, run.job_key).reserve(70, (1_000, 2_000)))
                    except ledger.BudgetExceededError:
                        refused.append(1)
        except RevopsError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert (len(granted), len(refused)) == (14, 18)
    with closing(Database.open(url)) as database, database.read(node_key) as tx:
        assert ledger.totals(tx, NOW) == (0, 0, 980)


def test_reservation_waits_for_the_one_that_is_being_made(url: str) -> None:
    """The second transaction starts its reserve while the first is uncommitted, and must see it."""
    with closing(Database.open(url)) as database, closing(Database.open(url)) as second:
        node_key = database.node_key(OWN_ID, "ours", "bitcoin")
        with database.transaction(node_key) as tx:
            run = spender(tx)
            ledger.take_fence(tx, run.run_key)
        outcome: list[str] = []

        def overtake() -> None:
            try:
                with second.transaction(node_key) as other:
                    Spender(other, run.run_key, run.job_key).reserve(60, (100, 100))
                outcome.append("granted")
            except ledger.BudgetExceededError:
                outcome.append("refused")

        thread = threading.Thread(target=overtake)
        with database.transaction(node_key) as tx:
            Spender(tx, run.run_key, run.job_key).reserve(60, (100, 100))
            thread.start()
            thread.join(timeout=0.5)
            assert outcome == []  # it waits
        thread.join()
    assert outcome == ["refused"]


# ---- any sequence of operations


rarely = st.sampled_from([False, False, False, True])


class LedgerMachine(RuleBasedStateMachine):
    """Runs that overlap, overtake each other, crash and retry, against plain bookkeeping of what must hold."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.node_key = new_node(database)
        with database.transaction(self.node_key) as tx:
            record(tx, 1, 2)
            self.job_key = add_jobs(tx, 1)[0]
        self.runs: list[int] = []
        self.fence = 0
        self.open: dict[int, int] = {}
        self.reserved_at: dict[int, float] = {}
        self.closed: list[int] = []
        self.spent: list[tuple[float, int]] = []
        self.now = NOW
        self.limits = (1_000, 3_000)
        self.start_run()

    amounts = st.integers(0, 600)

    @rule()
    def start_run(self) -> None:
        with self.database.transaction(self.node_key) as tx:
            run_key = runs.begin_run(tx, "rebalance run", self.now, "0")
            ledger.take_fence(tx, run_key)
        self.runs.append(run_key)
        self.fence = run_key

    @rule(seconds=st.sampled_from([1.0, DAY / 2, DAY, DAY, 3 * DAY, -3_600.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(daily=st.integers(500, 2_000), weekly=st.integers(500, 2_000))
    def change_limits(self, daily: int, weekly: int) -> None:
        self.limits = (daily, weekly)

    def window(self, seconds: float) -> int:
        return sum(amount for at, amount in self.spent if at > self.now - seconds)

    def room(self) -> int:
        reserved = sum(self.open.values())
        daily, weekly = self.limits
        return min(daily - self.window(DAY), weekly - self.window(7 * DAY)) - reserved

    @rule(amount=amounts, data=st.data(), crash=rarely)
    def reserve(self, amount: int, data: st.DataObject, crash: bool) -> None:
        run_key = data.draw(st.sampled_from([self.fence, self.fence, *self.runs]))
        room = self.room()
        try:
            with self.database.transaction(self.node_key) as tx:
                key = Spender(tx, run_key, self.job_key).reserve(amount, self.limits, self.now)
                if crash:
                    raise KeyboardInterrupt
        except TemporaryError:
            assert run_key < self.fence
        except ledger.BudgetExceededError:
            assert amount > room
        except KeyboardInterrupt:
            pass
        else:
            assert run_key == self.fence
            assert amount <= room
            self.open[key] = amount
            self.reserved_at[key] = self.now

    @precondition(lambda self: self.open)
    @rule(data=st.data(), share=st.sampled_from([0, 50, 100]), settle=st.booleans(), crash=rarely)
    def close(self, data: st.DataObject, share: int, settle: bool, crash: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.open)))
        run_key = data.draw(st.sampled_from([self.fence, self.fence, *self.runs]))
        fee = self.open[key] * share // 100
        try:
            with self.database.transaction(self.node_key) as tx:
                if settle:
                    ledger.settle(tx, key, fee, self.now, run_key)
                else:
                    ledger.release(tx, key, self.now, run_key)
                if crash:
                    raise KeyboardInterrupt
        except TemporaryError:
            assert run_key < self.fence
            return
        except KeyboardInterrupt:
            return
        assert run_key == self.fence
        del self.open[key]
        self.closed.append(key)
        if settle:
            self.spent.append((max(self.now, self.reserved_at[key]), fee))

    @precondition(lambda self: self.closed)
    @rule(data=st.data(), settle=st.booleans())
    def close_again(self, data: st.DataObject, settle: bool) -> None:
        key = data.draw(st.sampled_from(self.closed))
        with pytest.raises(BugError), self.database.transaction(self.node_key) as tx:
            close(tx, "settle" if settle else "release", key, self.fence)

    @invariant()
    def totals_are_what_was_done(self) -> None:
        with self.database.read(self.node_key) as tx:
            found = ledger.totals(tx, self.now)
        assert found == (self.window(DAY), self.window(7 * DAY), sum(self.open.values()))

    def teardown(self) -> None:
        with self.database.read(self.node_key) as tx:
            mine = spend_ledger.c.node_key == self.node_key
            rows = tx.connection.execute(select(spend_ledger).where(mine)).all()
            count = tx.connection.execute(
                select(ledger_head.c.entry_count).where(ledger_head.c.node_key == self.node_key)
            ).scalar_one()
        assert len(rows) == count == len(self.open) + 2 * len(self.closed)
        closes = [row.reserve_key for row in rows if row.reserve_key is not None]
        assert sorted(closes) == sorted(self.closed)


def test_no_sequence_of_operations_breaks_the_limits(database: Database) -> None:
    run_on(database, LedgerMachine, example_count=20, step_count=40)


def test_head_count_is_part_of_the_ledger(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        run = spender(tx)
        run.reserve(1)
        tx.connection.execute(update(ledger_head).values(entry_count=0))
        with pytest.raises(DataError, match="1 entries, 0 were written"):
            run.reserve(1)
