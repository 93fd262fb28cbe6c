"""Native rebalances on a node that lies, forgets, refuses or goes away: no reservation is freed that may still cost."""

from __future__ import annotations

from typing import Any

import pytest

from revops.domain.reason import ReasonCode
from revops.errors import BugError, DataError, RevopsError, TemporaryError
from revops.node.errors import NodeError
from revops.node.rpc import Rpc
from revops.sim.faults import FaultKind
from revops.sim.lifecycle import forget_channel
from revops.store import jobs, ledger, runs
from tests.actuate.bench import AMOUNT_MSAT, DAY, NODE_KEY, Bench, Killed, killing

LOST = [FaultKind.REPLY_LOST, FaultKind.DROP_MIDWAY, FaultKind.GARBAGE]
#: The node stops answering: the rest of the run, and its retries, fail.
GONE = 100


def statuses(bench: Bench) -> list[str]:
    return [job.status for job in bench.jobs()]


def kinds(bench: Bench) -> list[str]:
    return [kind for kind, _ in bench.entries()]


def fails(bench: Bench, exit_code: int = 69) -> RevopsError:
    with pytest.raises(RevopsError) as caught:
        bench.run()
    assert caught.value.exit_code == exit_code, caught.value
    bench.check()
    return caught.value


# Replies that never arrive, of calls that were executed.


@pytest.mark.parametrize("kind", LOST)
def test_a_lost_reply_of_invoice_costs_nothing(bench: Bench, kind: FaultKind) -> None:
    bench.plan()
    bench.fault("invoice", kind)
    fails(bench, 65 if kind is FaultKind.GARBAGE else 69)
    assert statuses(bench) == ["reserved"]
    assert list(bench.invoices().values()) == ["unpaid"]
    bench.run()
    assert (statuses(bench), kinds(bench)) == (["failed"], ["reserve", "release"])
    assert bench.invoices() == {}
    assert bench.calls("sendpay") == []
    bench.check(final=True)


@pytest.mark.parametrize("kind", LOST)
def test_a_lost_reply_of_sendpay_is_no_failure(bench: Bench, kind: FaultKind) -> None:
    bench.plan()
    bench.fault("sendpay", kind)
    fails(bench, 65 if kind is FaultKind.GARBAGE else 69)
    assert (statuses(bench), kinds(bench)) == (["sending"], ["reserve"])
    bench.run()  # no time has passed on the node: still under way
    assert (statuses(bench), kinds(bench)) == (["sending"], ["reserve"])
    bench.node.advance_by(60)
    bench.run()
    assert (statuses(bench), kinds(bench)) == (["settled"], ["reserve", "settle"])
    assert len(bench.calls("sendpay")) == 1
    bench.check(final=True)


@pytest.mark.parametrize("kind", LOST)
def test_a_lost_reply_of_waitsendpay_is_no_failure(bench: Bench, kind: FaultKind) -> None:
    bench.plan()
    bench.fault("waitsendpay", kind, times=GONE)
    fails(bench, 65 if kind is FaultKind.GARBAGE else 69)
    assert (statuses(bench), kinds(bench)) == (["in_flight"], ["reserve"])
    bench.run()
    assert (statuses(bench), kinds(bench)) == (["settled"], ["reserve", "settle"])
    bench.check(final=True)


def test_a_lost_reply_of_delinvoice_is_looked_up_in_the_node_s_ledger(bench: Bench) -> None:
    """Neither payment nor invoice is on record then: what was never taken is told from what was paid and deleted."""
    bench.plan()
    bench.refuse("sendpay", -1)
    bench.fault("delinvoice", FaultKind.REPLY_LOST)
    fails(bench)
    assert (statuses(bench), bench.invoices()) == (["sending"], {})
    bench.run()
    assert (statuses(bench), kinds(bench)) == (["failed"], ["reserve", "release"])
    bench.check(final=True)


@pytest.mark.parametrize(
    "method", ["listpeerchannels", "getroutes", "invoice", "sendpay", "waitsendpay", "listsendpays", "listinvoices"]
)
def test_a_connection_that_is_gone_in_the_middle_leaves_a_job_that_can_be_settled(bench: Bench, method: str) -> None:
    bench.plan()
    bench.fault(method, FaultKind.DROP_BEFORE, after=1 if method == "listpeerchannels" else 0, times=GONE)
    if method == "listinvoices":  # only asked where a payment failed
        bench.node.fail_payments()
    fails(bench)
    bench.faults.rules.clear()
    bench.node.fail_payments(False)
    bench.node.advance_by(60)
    bench.run()
    assert statuses(bench)[0] in {"settled", "failed"}
    bench.check(final=True)


# Refusals.


@pytest.mark.parametrize("code", [-1, -32602, 200, 201, 202, 203, 204, 205, 209])
def test_a_refused_sendpay_frees_the_reservation_once_the_invoice_is_gone(bench: Bench, code: int) -> None:
    bench.plan(2)
    bench.refuse("sendpay", code)
    bench.run()
    assert statuses(bench) == ["failed", "settled"], "one refusal doesn't end the run"
    assert kinds(bench) == ["reserve", "release", "reserve", "settle"]
    assert len(bench.invoices()) == 1
    bench.check(final=True)


@pytest.mark.parametrize("code", [-4, -5])
@pytest.mark.parametrize("method", ["invoice", "sendpay"])
def test_a_node_that_shuts_down_while_it_is_asked_may_have_done_it(bench: Bench, method: str, code: int) -> None:
    bench.plan()
    bench.refuse(method, code)
    fails(bench)
    assert kinds(bench) == ["reserve"]
    bench.run()
    assert (statuses(bench), kinds(bench)) == (["failed"], ["reserve", "release"])
    bench.check(final=True)


def test_a_refused_invoice_frees_the_reservation(bench: Bench) -> None:
    bench.plan(2)
    bench.refuse("invoice", 900, "Duplicate label")
    bench.run()
    assert (statuses(bench), kinds(bench)) == (["failed", "settled"], ["reserve", "release", "reserve", "settle"])
    bench.check(final=True)


def test_a_request_that_arrives_after_its_job_was_closed_costs_nothing(bench: Bench) -> None:
    """The socket's buffer outlives us: the payment comes to an invoice that is gone."""
    bench.plan()
    late: list[Any] = []
    call = Rpc.call

    def delayed(self: Rpc, method: str, params: Any = None, timeout_seconds: float | None = None) -> dict[str, object]:
        if method != "sendpay":
            return call(self, method, params, timeout_seconds)
        late.append(params)
        raise NodeError("sendpay", "no reply", outcome_unknown=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rpc, "call", delayed)
        fails(bench)
    bench.run()
    assert (statuses(bench), kinds(bench)) == (["failed"], ["reserve", "release"])
    bench.node.handle("sendpay", late[0])
    bench.node.advance_by(60)
    assert [row["status"] for row in bench.payments()] == ["failed"]
    bench.check(final=True)


def test_a_request_that_arrives_while_its_job_is_closed_keeps_it_open(bench: Bench) -> None:
    """Between the first look at the records and the second: the payment can only fail, but it is under way."""
    bench.plan()
    late: list[Any] = []
    call = Rpc.call

    def delayed(self: Rpc, method: str, params: Any = None, timeout_seconds: float | None = None) -> dict[str, object]:
        if method == "sendpay":
            late.append(params)
            raise NodeError("sendpay", "no reply", outcome_unknown=True)
        result = call(self, method, params, timeout_seconds)
        if method == "delinvoice":
            bench.node.handle("sendpay", late.pop())
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rpc, "call", delayed)
        fails(bench)
        bench.run()
    assert (statuses(bench), kinds(bench)) == (["sending"], ["reserve"])
    bench.check()
    bench.node.advance_by(60)
    bench.run()
    assert (statuses(bench), kinds(bench)) == (["failed"], ["reserve", "release"])
    bench.check(final=True)


# False replies.


def test_complete_is_believed_only_from_the_payment_s_own_record(bench: Bench) -> None:
    bench.plan()
    bench.node.hold_payments()
    bench.node.false_reply("sendpay", {"status": "complete"})
    lie = Rpc.call

    def lying(self: Rpc, method: str, *args: Any, **kwargs: Any) -> dict[str, object]:
        if method == "waitsendpay":
            (row,) = bench.payments()
            return row | {"status": "complete"}
        return lie(self, method, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rpc, "call", lying)
        bench.run()
    assert (statuses(bench), kinds(bench)) == (["in_flight"], ["reserve"])
    bench.check()
    bench.fail_held()
    bench.run()
    assert kinds(bench) == ["reserve", "release"]
    bench.check(final=True)


@pytest.mark.parametrize("code", [202, 203, 204, 208, 209])
def test_failed_is_believed_only_from_the_payment_s_own_record(bench: Bench, code: int) -> None:
    bench.plan()
    bench.node.hold_payments()
    bench.refuse("waitsendpay", code)
    bench.run()
    assert (statuses(bench), kinds(bench)) == (["in_flight"], ["reserve"])
    assert list(bench.invoices().values()) == ["unpaid"]
    bench.node.hold_payments(False)
    bench.run()
    assert kinds(bench) == ["reserve", "settle"]
    bench.check(final=True)


def test_a_record_that_says_failed_of_a_paid_invoice_frees_nothing(bench: Bench) -> None:
    bench.plan()
    bench.node.false_reply("listsendpays", {"payments.0.status": "failed"})
    bench.run()
    assert (statuses(bench), kinds(bench)) == (["in_flight"], ["reserve"])
    (job,) = bench.run().jobs
    assert job.reason is not None
    assert job.reason.code is ReasonCode.PAYMENT_UNCLEAR
    bench.node.false_reply("listsendpays", None)
    bench.run()
    assert kinds(bench) == ["reserve", "settle"]
    bench.check(final=True)


def test_a_record_that_says_failed_of_a_payment_under_way_costs_nothing(bench: Bench) -> None:
    """Its invoice is deleted before anything is freed: it can't complete any more."""
    bench.plan()
    bench.node.hold_payments()
    bench.node.false_reply("listsendpays", {"payments.0.status": "failed"})
    bench.run()
    assert statuses(bench) == ["in_flight"], "waitsendpay says that it is pending"
    bench.run()
    assert (statuses(bench), bench.invoices()) == (["failed"], {})


def test_what_was_sent_above_the_reservation_is_booked_as_it_is(bench: Bench) -> None:
    """The money is gone: hiding it would make room that isn't there."""
    bench.plan()
    bench.node.hold_payments()
    bench.run()
    (row,) = bench.payments()
    bench.node.hold_payments(False)
    bench.node.false_reply("listsendpays", {"payments.0.amount_sent_msat": AMOUNT_MSAT + 99_000_000})
    bench.run()
    assert bench.entries() == [("reserve", row["amount_sent_msat"] - AMOUNT_MSAT), ("settle", 99_000_000)]
    assert bench.totals().spent_day_msat == 99_000_000
    bench.plan()
    bench.run()
    reason = bench.job().reason
    assert reason is not None
    assert reason.code is ReasonCode.BUDGET_EXHAUSTED


def test_less_sent_than_arrived_is_an_error_and_keeps_no_other_job_open(bench: Bench) -> None:
    bench.plan(2)
    bench.node.hold_payments()
    bench.run()
    bench.node.hold_payments(False)
    first, _ = bench.jobs()
    (row,) = bench.payments(first)
    forged = next(one for one in bench.node.world.payments if one.payment_hash == first.payment_hash)
    forged.amount_sent_msat = AMOUNT_MSAT - 1
    error = fails(bench, 65)
    assert isinstance(error, DataError)
    assert statuses(bench) == ["in_flight", "settled"]
    forged.amount_sent_msat = row["amount_sent_msat"]
    bench.run()
    assert statuses(bench) == ["settled", "settled"]
    bench.check(final=True)


def test_a_second_attempt_under_way_keeps_a_complete_job_open(bench: Bench) -> None:
    """Closed only when all attempts on its hash are final."""
    bench.plan()
    bench.node.hold_payments()
    bench.run()
    bench.node.hold_payments(False)
    world = bench.node.world
    (done,) = list(world.payments)
    twin = type(done)(done.payment_hash, 2, 0, done.destination, AMOUNT_MSAT, AMOUNT_MSAT, AMOUNT_MSAT + 7, 0)
    world.payments.add(twin)
    bench.run()
    assert (statuses(bench), kinds(bench)) == (["in_flight"], ["reserve"])
    twin.status = "failed"
    bench.run()
    assert kinds(bench) == ["reserve", "settle"]


# Records that the node has deleted.


def test_a_paid_invoice_whose_payment_was_deleted_is_booked_by_the_ledger_of_moves(bench: Bench) -> None:
    bench.plan()
    bench.node.hold_payments()
    bench.run()
    bench.node.hold_payments(False)
    bench.autoclean()
    assert bench.payments() == []
    bench.run()
    job = bench.job()
    assert job.reason is not None
    assert (job.status, job.reason.code) == ("settled", ReasonCode.PAYMENT_SETTLED)
    bench.check(final=True)


@pytest.mark.parametrize("status", ["in_flight", "sending"])
def test_a_payment_deleted_with_its_paid_invoice_is_found_in_the_ledger_of_moves(bench: Bench, status: str) -> None:
    bench.plan()
    bench.node.hold_payments()
    if status == "sending":
        bench.fault("sendpay", FaultKind.REPLY_LOST)
        fails(bench)
        bench.node.advance_by(60)
    else:
        bench.run()
    assert statuses(bench) == [status]
    bench.node.hold_payments(False)
    bench.autoclean(paid_invoices=True)
    assert (bench.payments(), bench.invoices()) == ([], {})
    bench.run()
    job = bench.job()
    assert job.reason is not None
    assert (job.status, job.reason.code) == ("settled", ReasonCode.PAYMENT_SETTLED)
    bench.check(final=True)


@pytest.mark.parametrize("expired_invoices", [False, True])
def test_a_failed_payment_whose_record_was_deleted_is_freed(bench: Bench, expired_invoices: bool) -> None:
    """Its invoice is deleted unpaid, or is gone and the ledger of an open channel knows nothing of it."""
    bench.plan()
    bench.node.hold_payments()
    bench.run()
    bench.node.days(1)
    bench.fail_held()
    bench.autoclean(expired_invoices=expired_invoices)
    assert bench.payments() == []
    bench.run()
    assert (statuses(bench), kinds(bench)) == (["failed"], ["reserve", "release"])
    assert bench.invoices() == {}
    bench.check(final=True)


def test_without_any_record_and_with_the_channel_on_the_chain_nothing_is_freed(bench: Bench, caplog: Any) -> None:
    """An HTLC that is settled on the chain leaves no row in the ledger of channel moves. Once the channel is forgotten
    the payment is final, and the worst is assumed.
    """
    bench.plan()
    bench.node.hold_payments()
    bench.run()
    bench.node.days(1)
    bench.node.world.held = []
    source_id = bench.job().source_channel_id
    source = bench.node.channel(source_id)
    bench.node.close_channel(source_id, forget=False)
    bench.autoclean(expired_invoices=True)
    assert bench.payments() == []
    for _ in range(3):
        bench.node.days(13)
        (job,) = bench.run().jobs
        assert job.reason is not None
        assert (job.status, job.reason.code) == ("in_flight", ReasonCode.PAYMENT_UNCLEAR)
        assert kinds(bench) == ["reserve"]
    assert "rebalance job 1: the node's records don't agree" in caplog.text
    forget_channel(bench.node.world, source)
    bench.run()
    job = bench.job()
    assert job.reason is not None
    assert (job.status, job.reason.code) == ("settled", ReasonCode.PAYMENT_ASSUMED)
    assert job.fee_msat == job.reserved_msat == bench.totals().spent_day_msat


def test_without_any_record_and_with_the_htlc_still_there_nothing_is_freed(bench: Bench) -> None:
    """A node that says "no such payment" of one that its channel still carries."""
    bench.plan()
    bench.node.hold_payments()
    bench.run()
    bench.node.days(1)
    bench.node.false_reply("listsendpays", {"payments": []})
    bench.autoclean(payments=False, expired_invoices=True)
    bench.run()
    assert (statuses(bench), kinds(bench)) == (["in_flight"], ["reserve"])
    bench.node.false_reply("listsendpays", None)
    bench.check()
    bench.node.hold_payments(False)
    bench.run()
    assert kinds(bench) == ["reserve", "settle"]
    bench.check(final=True)


def test_a_job_whose_sending_was_lost_with_the_database_is_found_by_its_label(bench: Bench) -> None:
    """A backup from just after the reservation, or a server that doesn't flush: the label leads to the payment."""
    bench.plan()
    bench.run()
    job = bench.job()
    with bench.database.transaction(NODE_KEY) as tx:
        tx.connection.exec_driver_sql("DELETE FROM spend_ledger WHERE kind = 'settle'")
        tx.connection.exec_driver_sql("UPDATE ledger_head SET entry_count = 1")
        tx.connection.exec_driver_sql(
            "UPDATE rebalance_job SET status = 'reserved', payment_hash = NULL, fee_msat = NULL, finished_at = NULL"
        )
    bench.run()
    assert (bench.job().status, bench.job().payment_hash) == ("settled", job.payment_hash)
    bench.check(final=True)


def test_a_new_database_never_uses_a_label_again(bench: Bench) -> None:
    """The node still has the old one's invoices: the same label would be refused, or lead to another's payment. What
    the old one has spent is found.
    """
    bench.plan()
    bench.run()
    first = bench.job().label
    with bench.database.transaction(NODE_KEY) as tx:
        gone = ("spend_ledger", "rebalance_source", "rebalance_step", "rebalance_job", "rebalance_plan")
        for table in (*gone, "ledger_head", "run"):
            tx.connection.exec_driver_sql(f"DELETE FROM {table}")
        serials = "('rebalance_job', 'rebalance_plan', 'spend_ledger')"
        tx.connection.exec_driver_sql(f"UPDATE serial SET last_key = 0 WHERE name IN {serials}")
        tx.connection.exec_driver_sql("UPDATE serial SET last_key = 1 WHERE name = 'run'")
    bench.node.advance_by(1)
    bench.plan()
    bench.run()
    second, found = bench.jobs()
    assert (second.job_key, second.status) == (1, "settled")
    assert (found.label, found.status) == (first, "settled")
    assert first is not None
    assert second.label is not None
    assert second.label.rpartition("-")[0] == first.rpartition("-")[0], "only the time tells them apart"
    assert second.label != first


# Killed, and overtaken.


def test_a_run_that_is_killed_anywhere_is_finished_by_the_next(template: Any, monkeypatch: Any) -> None:
    """At every call to the node and every commit, before and after: the books agree in the end."""
    from tests.actuate.bench import open_bench

    at, ends = 0, set()
    while True:
        at += 1
        with open_bench(template) as bench:
            bench.plan()
            killed = False
            with killing(monkeypatch, at, start_method="getroutes") as killer:
                try:
                    bench.run()
                except Killed:
                    killed = True
            assert killed is killer.dead
            bench.check()
            bench.node.advance_by(60)
            bench.run()
            bench.check(final=True)
            ends.add(bench.job().status)
            assert len(bench.calls("sendpay")) <= 1
        if not killed:
            break
    assert at > 20
    assert ends == {"failed", "settled"}


def test_a_run_that_was_overtaken_may_not_spend(bench: Bench) -> None:
    """It lost its lock with its connection: the newer run's fence turns it away before it sends."""
    bench.plan()
    with bench.database.transaction(NODE_KEY) as tx:
        newest = runs.begin_run(tx, "rebalance run", bench.clock(), "0")
        ledger.take_fence(tx, newest + 5)
    with pytest.raises(TemporaryError):
        bench.run()
    assert bench.calls("invoice") == bench.calls("sendpay") == []
    assert statuses(bench) == ["planned"]


@pytest.mark.parametrize("moment", ["invoice", "sendpay"])
def test_a_run_that_is_overtaken_between_two_steps_pays_nothing(bench: Bench, monkeypatch: Any, moment: str) -> None:
    """The newer one finds the job, withdraws the invoice and frees the money; what the older one sends then fails."""
    bench.plan()
    call = Rpc.call
    overtaken: list[str] = []

    def overtaking(self: Rpc, method: str, *args: Any, **kwargs: Any) -> dict[str, object]:
        if method == moment and not overtaken:
            overtaken.append(method)
            (bench.folder / "elsewhere").mkdir()
            state = bench.settings["database"] | {"state_dir": str(bench.folder / "elsewhere")}
            bench.settings["database"], before = state, bench.settings["database"]
            bench.settings["rebalance"]["mode"] = "observe"
            bench.run()
            bench.settings["database"] = before
        return call(self, method, *args, **kwargs)

    monkeypatch.setattr(Rpc, "call", overtaking)
    with pytest.raises((BugError, TemporaryError)):
        bench.run()
    assert overtaken
    assert (statuses(bench), kinds(bench)) == (["failed"], ["reserve", "release"])
    bench.node.advance_by(60)
    assert bench.spent_msat == 0
    bench.check(final=True)


def test_a_dry_run_neither_reserves_nor_writes(bench: Bench) -> None:
    from dataclasses import replace

    from revops.cycle import rebalance

    bench.plan()
    before = len(bench.node.call_log.writing_calls())
    summary = rebalance.run(replace(bench.options, dry_run=True), bench.clock)
    assert [job.status for job in summary.jobs] == ["planned"]
    assert len(bench.node.call_log.writing_calls()) == before
    assert bench.entries() == []


def test_reservations_are_closed_once(bench: Bench) -> None:
    bench.plan()
    bench.run()
    with pytest.raises(BugError), bench.database.transaction(NODE_KEY) as tx:
        ledger.release(tx, 1, bench.clock(), 99)
    with pytest.raises(BugError), bench.database.transaction(NODE_KEY) as tx:
        jobs.mark_in_flight(tx, bench.job().job_key, run_key=1, at=0.0)
    assert kinds(bench) == ["reserve", "settle"]


def test_days_later_the_fee_has_left_the_window(bench: Bench) -> None:
    bench.plan()
    bench.run()
    spent_msat = bench.spent_msat
    bench.node.days(1)
    assert bench.totals().spent_day_msat == spent_msat, "nobody has looked at the chain since"
    bench.sync()
    assert bench.totals()[:2] == (0, spent_msat)
    bench.node.advance_by(6 * DAY)
    bench.sync()
    assert bench.totals() == (0, 0, 0)


def test_an_error_names_what_failed(bench: Bench) -> None:
    bench.plan()
    bench.fault("sendpay", FaultKind.REPLY_LOST)
    error = fails(bench)
    assert isinstance(error, NodeError)
    assert error.outcome_unknown
    assert str(error).startswith("sendpay: ")
