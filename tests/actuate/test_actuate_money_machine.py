"""Money under everything at once: plans and runs, payments that hang, fail and are released, lost replies, kills at any
call or commit, a clock that is set wrong, budgets that are changed, records that the node deletes.

What must hold is checked against the node's own truth, which no command sees: what its payments have really cost, by
the real time.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from revops.cycle import rebalance_plan
from revops.errors import BugError, RevopsError
from revops.sim.faults import FaultKind
from revops.store import ledger
from revops.store.samples import record_clock_mark
from tests.actuate.bench import (
    AMOUNT_MSAT,
    DAY,
    EASY,
    HOUR,
    NODE_KEY,
    Bench,
    Killed,
    Killer,
    killing,
    open_bench,
)

METHODS = ["invoice", "sendpay", "waitsendpay", "listsendpays", "listinvoices", "delinvoice", "getroutes"]
FAULTS = [FaultKind.REPLY_LOST, FaultKind.DROP_BEFORE, FaultKind.DROP_MIDWAY, FaultKind.GARBAGE]
#: Shorter steps than these can't be told from a slow or a quick few hours on the chain.
OFFSETS = [0.6 * DAY, 2 * DAY, 9 * DAY, 40 * DAY, -0.6 * DAY, -2 * DAY, -9 * DAY, -400 * DAY]

#: What may be spent of what was earned; None: whatever it was.
SHARES: dict[str, float | None] = {"wide": 10.0, "half": 0.5, "unset": None}


class Money(RuleBasedStateMachine):
    """The operator, cron, the network and bad luck."""

    #: An empty database with its schema.
    template: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        self.bench: Bench = self.stack.enter_context(self.open())
        self.bench.settings["rebalance"] |= {
            "max_in_flight": 3,
            "max_hung": 2,
            "max_attempts": 2,
            "wait_seconds": 5,
            "plan_lifetime_seconds": 86_400,
        }
        self.pairs = [(source["channel_id"], target["channel_id"]) for source, target in self.bench.pairs()]
        #: (when at the earliest, at which height, msat) of what rebalances have really cost.
        self.costs: list[tuple[float, int, int]] = []
        self.step_began_at = self.bench.node.now_at
        self.step_began_height = self.bench.node.world.height
        self.clock_was_wrong = False
        self.share = "wide"
        self.reserved_count = 0
        self.patch.setattr(ledger, "reserve", self._reserve(ledger.reserve))
        self._remember_the_clock()

    def open(self) -> AbstractContextManager[Bench]:
        """The node and its database."""
        return open_bench(self.template, channel_count=8)

    def _remember_the_clock(self) -> None:
        """Cron has run every hour for two days: what the clock is held against."""
        node = self.bench.node
        with self.bench.database.transaction(NODE_KEY) as tx:
            for hours in range(48, 0, -1):
                record_clock_mark(tx, node.now_at - hours * HOUR, node.world.height - hours * 6)

    def teardown(self) -> None:
        """Once everything is final, the books agree to the msat."""
        try:
            self._end()
        finally:
            self.stack.close()

    def _end(self) -> None:
        bench = self.bench
        bench.faults.rules.clear()
        bench.clock_offset = 0.0
        bench.node.hold_payments(False)
        bench.node.advance_by(HOUR)
        self._run()
        self._run()
        bench.check(final=True)

    # What really was spent.

    def _reserve(self, reserve: Any) -> Any:
        def checked(tx: Any, **given: Any) -> int:
            key: int = reserve(tx, **given)
            self.reserved_count += 1
            self._assert_within_limits(given["amount_msat"])
            return key

        return checked

    def _assert_within_limits(self, amount_msat: int) -> None:
        """The limits in force, by the real time and the node's own figures, hold for this attempt too."""
        node, budget = self.bench.node, self.bench.settings["budget"]
        self._note_costs()
        pending = [row for row in self.bench.payments() if row["status"] == "pending"]
        at_risk_msat = amount_msat + sum(row["amount_sent_msat"] - row["amount_msat"] for row in pending)
        daily_msat, weekly_msat, ratio = budget["daily_sat"] * 1_000, budget["weekly_sat"] * 1_000, SHARES[self.share]
        # A week of another clock is another week's income; the sums above still hold.
        if ratio is not None and not self.clock_was_wrong:
            in_day, in_week = (self._earned_msat(days) for days in (1, 7))
            weekly_msat = min(weekly_msat, in_week * ratio)
            daily_msat = min(daily_msat, max(in_day, in_week / 7) * ratio)
        for limit_msat, days, blocks in ((daily_msat, 1, ledger.DAY_BLOCKS), (weekly_msat, 7, ledger.WEEK_BLOCKS)):
            since_at = node.now_at - days * DAY
            since_height = node.world.height - blocks if self.clock_was_wrong else 0
            spent_msat = sum(cost for at, height, cost in self.costs if at > since_at and height > since_height)
            assert spent_msat + at_risk_msat <= limit_msat

    def _earned_msat(self, days: int) -> int:
        """What forwards of the last days have really earned."""
        since_at = self.bench.node.now_at - days * DAY
        settled = [row for row in self.bench.node.world.forwards if row.status == "settled"]
        return sum(row.fee_msat or 0 for row in settled if (row.resolved_at or 0.0) >= since_at)

    def _note_costs(self) -> None:
        new_msat = self.bench.spent_msat - sum(cost for _, _, cost in self.costs)
        if new_msat:
            self.costs.append((self.step_began_at, self.step_began_height, new_msat))
        self.step_began_at = self.bench.node.now_at
        self.step_began_height = self.bench.node.world.height

    def _run(self) -> None:
        try:
            self.bench.run()
        except BugError:
            raise
        except RevopsError:
            pass  # the node went away, or lied: the next run goes on

    # What may happen.

    @rule(data=st.data(), count=st.integers(1, 3), sat=st.sampled_from([20_000, 50_000, 50_000, 90_000]))
    def plan(self, data: Any, count: int, sat: int) -> None:
        pairs = data.draw(st.lists(st.sampled_from(self.pairs), min_size=count, max_size=count))
        self.bench.plan_pairs(*pairs, amount_msat=sat * 1_000, max_fee_msat=sat)

    @rule()
    def run(self) -> None:
        self._run()

    @rule(data=st.data(), then=st.sampled_from(["pay", "pay", "hold", "fail"]))
    def plan_and_run(self, data: Any, then: str) -> None:
        self.bench.node.hold_payments(then == "hold")
        self.bench.node.fail_payments(then == "fail")
        self._plan_one(data)
        self._run()

    @rule(data=st.data(), moment=st.integers(1, 40))
    def plan_and_run_killed(self, data: Any, moment: int) -> None:
        self._plan_one(data)
        self._run_killed(moment, "getroutes")

    @rule(data=st.data(), method=st.sampled_from(METHODS), kind=st.sampled_from(FAULTS))
    def plan_and_run_with_a_loss(self, data: Any, method: str, kind: FaultKind) -> None:
        self.bench.fault(method, kind)
        self._plan_one(data)
        self._run()

    def _plan_one(self, data: Any) -> None:
        self.bench.plan_pairs(data.draw(st.sampled_from(self.pairs)), amount_msat=AMOUNT_MSAT)

    @rule(
        data=st.data(),
        offset=st.sampled_from(OFFSETS),
        planned_before=st.booleans(),
        seconds=st.sampled_from([0, HOUR]),
    )
    def the_clock_is_wrong_for_a_run(self, data: Any, offset: float, planned_before: bool, seconds: float) -> None:
        if planned_before:
            self._plan_one(data)
        self._set_clock(offset)
        if not planned_before:
            self._plan_one(data)
        self._run()
        self.bench.node.advance_by(seconds)
        self._run()
        self.bench.clock_offset = 0.0

    @rule(moment=st.integers(1, 30))
    def run_killed(self, moment: int) -> None:
        self._run_killed(moment, "listsendpays")

    def _run_killed(self, moment: int, start_method: str) -> None:
        with killing(self.patch, moment, start_method=start_method) as killer:
            try:
                self._run()
            except Killed:
                assert isinstance(killer, Killer)
                assert killer.dead

    @rule(hold=st.booleans())
    def hold(self, hold: bool) -> None:
        self.bench.node.hold_payments(hold)

    @rule(failing=st.booleans())
    def fail_new(self, failing: bool) -> None:
        self.bench.node.fail_payments(failing)

    @rule()
    def fail_held(self) -> None:
        self.bench.fail_held()

    @rule(seconds=st.sampled_from([60.0, 60.0, HOUR, 7 * HOUR, DAY, 8 * DAY]))
    def time_passes(self, seconds: float) -> None:
        self.bench.node.advance_by(seconds)

    @rule()
    def earn(self) -> None:
        self.bench.node.pause_market(False)
        self.bench.node.advance_by(4 * HOUR)
        self.bench.node.pause_market()
        self.bench.node.advance_by(600)

    @rule(offset=st.sampled_from([0.0, 0.0, *OFFSETS]))
    def the_clock_is_set(self, offset: float) -> None:
        self._set_clock(offset)

    def _set_clock(self, offset: float) -> None:
        self.bench.clock_offset = offset
        self.clock_was_wrong = self.clock_was_wrong or offset != 0.0

    @rule(data=st.data(), offset=st.sampled_from(OFFSETS), hours=st.sampled_from([1, 26]))
    def a_hung_payment_is_settled_while_the_clock_is_wrong(self, data: Any, offset: float, hours: int) -> None:
        self.bench.node.hold_payments()
        self._plan_one(data)
        self._run()
        for _ in range(hours):
            self.bench.node.advance_by(HOUR)
        self.bench.node.hold_payments(False)
        self.bench.node.advance_by(60)
        self._set_clock(offset)
        self._run()
        self._set_clock(0.0)
        self._plan_one(data)
        self._run()

    @rule(
        daily_sat=st.sampled_from([20, 60, 100, 200]),
        weekly_sat=st.sampled_from([200, 300]),
        share=st.sampled_from(sorted(SHARES)),
    )
    def budget_is_changed(self, daily_sat: int, weekly_sat: int, share: str) -> None:
        self.share = share
        self.bench.settings["budget"] |= {"daily_sat": daily_sat, "weekly_sat": weekly_sat}
        self.bench.settings["budget"]["revenue_share_ratio"] = "none" if SHARES[share] is None else SHARES[share]

    @rule(method=st.sampled_from(METHODS), kind=st.sampled_from(FAULTS), times=st.sampled_from([1, 1, 3]))
    def something_is_lost(self, method: str, kind: FaultKind, times: int) -> None:
        self.bench.fault(method, kind, times=times)

    @rule(code=st.sampled_from([-1, -4, -5, 200, 203, 204]), method=st.sampled_from(["sendpay", "waitsendpay"]))
    def something_is_refused(self, code: int, method: str) -> None:
        self.bench.refuse(method, code)

    @precondition(lambda self: self.bench.payments())
    @rule(paid_invoices=st.booleans(), expired_invoices=st.booleans())
    def records_are_deleted(self, paid_invoices: bool, expired_invoices: bool) -> None:
        self.bench.autoclean(paid_invoices=paid_invoices, expired_invoices=expired_invoices)

    @rule(data=st.data(), paid_invoices=st.booleans())
    def paid_and_deleted_before_the_next_run(self, data: Any, paid_invoices: bool) -> None:
        """The run ends while its payment is under way; the node cleans up before anybody looks."""
        self.bench.node.hold_payments()
        self._plan_one(data)
        self._run()
        self.bench.node.hold_payments(False)
        self.bench.autoclean(paid_invoices=paid_invoices)

    # What must hold.

    @invariant()
    def books_hold(self) -> None:
        self._note_costs()
        self.bench.check()


REACHED: list[int] = []


class Counted(Money):
    """Remembers how much was reserved, so that a machine that never spends doesn't pass for a proof."""

    def teardown(self) -> None:
        super().teardown()
        REACHED.append(self.reserved_count)


class RealPlans(Counted):
    """The same on a node with a history, by plans that the product makes: jobs that share sources, and are judged."""

    def __init__(self) -> None:
        super().__init__()
        self.bench.settings["rebalance"] |= EASY | {"min_gain_sat": 1, "kelly_fraction": 1.0}
        self.bench.settings["budget"] |= {"daily_sat": 700, "weekly_sat": 900}

    def open(self) -> AbstractContextManager[Bench]:
        return open_bench(self.template, seed=4, channel_count=12, history_days=7.0, forwards_per_day=200.0)

    @rule(then=st.sampled_from(["pay", "pay", "hold", "fail"]), most_sat=st.sampled_from([1_000_000, 600_000, 90_000]))
    def plan_as_the_product_does_and_run(self, then: str, most_sat: int) -> None:
        try:
            rebalance_plan.run(self.bench.options, self.bench.clock)
        except BugError:
            raise
        except RevopsError:
            pass
        self.bench.node.hold_payments(then == "hold")
        self.bench.node.fail_payments(then == "fail")
        self.bench.settings["rebalance"]["max_amount_sat"] = most_sat
        self._run()
        self.bench.settings["rebalance"]["max_amount_sat"] = 1_000_000


def machine_settings(max_examples: int, step_count: int) -> settings:
    return settings(
        max_examples=max_examples,
        stateful_step_count=step_count,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.timeout(600)
def test_no_order_of_events_overspends_or_loses_count(template: Path) -> None:
    Money.template = template
    REACHED.clear()
    run_state_machine_as_test(Counted, settings=machine_settings(12, 20))
    assert sum(REACHED) > len(REACHED)


@pytest.mark.timeout(600)
def test_no_order_of_events_overspends_where_plans_are_judged(template: Path) -> None:
    Money.template = template
    REACHED.clear()
    run_state_machine_as_test(RealPlans, settings=machine_settings(6, 15))
    assert sum(REACHED) > len(REACHED)


@pytest.mark.campaign
def test_no_order_of_events_overspends_or_loses_count_in_a_long_campaign(template: Path) -> None:
    Money.template = template
    run_state_machine_as_test(Counted, settings=machine_settings(settings().max_examples, 50))
