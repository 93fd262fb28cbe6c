"""sling executes: what is reserved, what is asked for, when a job is over, and whose payments are whose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from revops.cycle import rebalance
from revops.domain.reason import ReasonCode
from revops.domain.rebalance import FailureKind
from revops.errors import ConfigError, DataError, RevopsError
from revops.node.errors import NodeError
from revops.sim.faults import Fault, FaultKind
from revops.sim.slingjobs import SlingTerms
from tests.actuate.bench import HOUR
from tests.actuate.sling_bench import AMOUNT_MSAT, STOPPED_SECONDS, SlingBench, open_sling_bench


@pytest.fixture
def bench(template: Path) -> Iterator[SlingBench]:
    with open_sling_bench(template) as opened:
        yield opened


def standing(bench: SlingBench, scid: str, amount_sat: int = 50_000) -> None:
    """The operator lets sling pull into a channel for good."""
    plugin = bench.node.world.sling
    assert plugin is not None
    plugin.jobs[scid] = SlingTerms(scid, True, amount_sat * 1_000, 500, out_ppm=100)


# ---- as planned


def test_all_is_moved_and_booked_at_what_it_cost(bench: SlingBench) -> None:
    bench.order_plan()
    summary = bench.run()
    job, order = bench.job(), bench.order()
    assert (job.status, job.executor, job.payment_hash) == ("in_flight", "sling", None)
    assert summary.jobs[0].reason is not None
    assert summary.jobs[0].reason.code is ReasonCode.PAYMENT_PENDING
    assert job.reserved_msat is not None
    assert job.reserved_msat >= order.payment_count * order.chunk_fee_msat
    assert job.reserved_msat % 1_000 == 0
    ((asked,),) = [bench.calls("sling-once")]
    assert asked["amount"] * order.payment_count == asked["onceamount"] <= AMOUNT_MSAT // 1_000
    assert asked["paralleljobs"] == 1
    bench.later(600)
    assert bench.words()[-1] == "stopped"
    assert bench.job().status == "in_flight"
    bench.check()
    bench.later(STOPPED_SECONDS)
    job = bench.job()
    assert job.status == "settled"
    assert job.fee_msat == bench.spent_msat > 0
    assert job.reason is not None
    assert job.reason.numbers == {"amount_msat": order.amount_msat, "fee_msat": job.fee_msat}
    rows = bench.rows("SELECT * FROM rebalance_payment")
    assert [row.job_key for row in rows] == [job.job_key] * order.payment_count
    assert sum(row.fee_msat for row in rows) == job.fee_msat
    moves = bench.node.answer("listchannelmoves", {})["channelmoves"]
    hashes = {row.payment_hash.hex() for row in rows}
    ours = [row for row in moves if row.get("payment_hash") in hashes]
    assert sum(row["debit_msat"] - row["credit_msat"] for row in ours) == job.fee_msat
    bench.check(final=True)


@pytest.mark.parametrize("side", ["source", "target"])
def test_nothing_is_ordered_on_a_channel_with_a_splice_in_flight(bench: SlingBench, side: str) -> None:
    """sling would forget the job when it is locked in, and takes all for spendable that the node lists so."""
    bench.order_plan(sources=1)
    job = bench.job()
    spliced = job.source_channel_id if side == "source" else job.target_channel_id
    bench.node.splice_channel(spliced, 100_000, lock_in=False)
    bench.run()
    ended = bench.job()
    assert (ended.status, bench.calls("sling-once")) == ("failed", [])
    assert ended.reason is not None
    assert (ended.reason.code, ended.reason.numbers) == (ReasonCode.SPLICE_SLING, {"side": f"the {side}"})
    bench.check(final=True)


def test_sources_keep_what_the_order_says(bench: SlingBench) -> None:
    bench.order_plan(sources=3, amount_msat=8 * AMOUNT_MSAT, max_fees_msat=(8 * 200_000,))
    before = {one.scid: one.to_us_msat for one in bench.channels()}
    bench.run()
    order = bench.order()
    bench.end()
    after = {one.scid: one.to_us_msat for one in bench.channels()}
    drawn = {scid for scid in before if after[scid] < before[scid]}
    assert drawn <= set(order.source_scids)
    for scid in drawn:
        assert after[scid] >= order.floor_sat * 1_000 - order.chunk_msat - order.chunk_fee_msat


def test_no_source_pays_more_than_it_may(bench: SlingBench) -> None:
    """A limit is for all sources alike: one that may pay less isn't asked."""
    bench.order_plan(sources=3, max_fees_msat=(40_000, 90_000, 20_000))
    bench.run()
    allowed = {offer.name: offer.max_fee_msat for offer in bench.job().sources}
    order = bench.order()
    for scid in order.source_scids:
        assert order.max_ppm * AMOUNT_MSAT <= allowed[scid] * 1_000_000


def test_a_job_that_finds_nothing_is_stopped_and_released(bench: SlingBench) -> None:
    bench.order_plan(max_fees_msat=(100,))
    bench.run()
    bench.later(HOUR / 2)
    assert bench.states() == ["1:NoCheapRoute"]
    assert bench.words()[-1] == "in_flight"
    bench.later(HOUR / 2)
    assert bench.words()[-1] == "stopped"
    bench.later(STOPPED_SECONDS)
    job = bench.job()
    assert (job.status, job.failure) == ("failed", FailureKind.FEE_TOO_LOW)
    assert [kind for kind, _ in bench.entries()] == ["reserve", "release"]
    assert len(bench.jobs()) == 1, "sling has tried all sources: there is no other to try next"
    bench.check(final=True)


# ---- without a word


@pytest.mark.parametrize("gone", [False, True])
def test_a_job_that_vanished_is_settled_by_the_moves(bench: SlingBench, gone: bool) -> None:
    bench.order_plan()
    bench.run()
    bench.node.advance_by(11)
    bench.node.forget_sling(gone=gone)
    bench.later(60)
    assert bench.words()[-1] == "stopped"
    bench.later(STOPPED_SECONDS)
    assert bench.job().status == "settled"
    assert 0 < len([row for row in bench.payments() if row["status"] == "complete"]) < bench.order().payment_count
    bench.check(final=True)


def test_a_plugin_that_is_gone_frees_nothing_that_hangs(bench: SlingBench) -> None:
    bench.order_plan()
    bench.node.hold_payments()
    bench.run()
    bench.node.advance_by(30)
    bench.node.forget_sling(gone=True)
    for _ in range(5):
        bench.later(HOUR)
        assert bench.job().status == "in_flight"
        bench.check()
    bench.node.hold_payments(False)
    bench.later(60)
    assert bench.job().status == "settled"
    bench.check(final=True)


def test_a_splice_ends_the_job(bench: SlingBench) -> None:
    bench.order_plan()
    bench.run()
    bench.node.advance_by(11)
    bench.node.splice_channel(bench.job().target_channel_id, 100_000)
    bench.later(60)
    bench.later(STOPPED_SECONDS)
    assert bench.job().status == "settled"
    bench.check(final=True)


def test_a_target_that_is_closed_ends_the_job(bench: SlingBench) -> None:
    bench.order_plan()
    bench.run()
    bench.node.advance_by(11)
    bench.node.close_channel(bench.job().target_channel_id)
    bench.later(60)
    bench.later(STOPPED_SECONDS)
    assert bench.job().status == "settled"
    bench.check(final=True)


def test_payments_that_hang_are_paid_beyond_the_order_and_within_the_reservation(bench: SlingBench) -> None:
    """sling takes for failed what it has stopped waiting for, and sends the next: all of them are paid in the end."""
    bench.order_plan()
    bench.node.hold_payments()
    bench.run()
    order, reserved_msat = bench.order(), bench.job().reserved_msat
    for _ in range(8):
        bench.later(HOUR / 4)
        bench.check()
    bench.node.hold_payments(False)
    bench.end()
    paid = [row for row in bench.payments() if row["status"] == "complete"]
    assert len(paid) > order.payment_count
    assert reserved_msat is not None
    assert bench.job().fee_msat == bench.spent_msat <= reserved_msat


def test_records_that_were_deleted_are_told_by_the_moves(bench: SlingBench) -> None:
    bench.order_plan()
    bench.run()
    bench.node.advance_by(600)
    spent_msat = bench.spent_msat
    bench.autoclean()
    bench.run()
    bench.later(STOPPED_SECONDS)
    assert (bench.job().status, bench.job().fee_msat) == ("settled", spent_msat)


def test_what_is_complete_waits_a_day_for_its_moves(bench: SlingBench) -> None:
    bench.order_plan()
    bench.run()
    bench.node.advance_by(600)
    moves = bench.node.world.channelmoves
    moves.delete(lambda row: row.created_index > bench.order().after_move and row.debit_msat > 0)
    bench.run()
    bench.later(STOPPED_SECONDS)
    job = bench.job()
    assert job.status == "in_flight"
    bench.later(25 * HOUR)
    assert (bench.job().status, bench.job().fee_msat) == ("settled", bench.spent_msat)


def test_two_lists_that_say_different_prices_close_nothing(bench: SlingBench) -> None:
    bench.order_plan()
    bench.run()
    bench.node.advance_by(600)
    next(row for row in bench.node.world.payments if row.status == "complete").amount_sent_msat += 10_000_000
    bench.run()
    bench.later(STOPPED_SECONDS)
    assert bench.job().status == "in_flight"
    with pytest.raises(DataError, match="sling was allowed"):
        bench.later(25 * HOUR)
    assert bench.job().status == "in_flight"


# ---- the operator's own


def test_a_channel_of_the_operators_is_no_target(bench: SlingBench) -> None:
    bench.order_plan()
    standing(bench, bench.channels()[-1].scid or "")
    bench.run()
    job = bench.job()
    assert (job.status, bench.entries(), bench.calls("sling-once")) == ("failed", [], [])
    assert job.reason is not None
    assert "sling has a job on the target" in job.reason.sentence


def test_a_once_job_of_the_operators_is_left_alone(bench: SlingBench) -> None:
    bench.order_plan()
    target = bench.channels()[-1]
    asked = {"scid": target.scid, "direction": "pull", "amount": 30_000, "onceamount": 90_000, "maxppm": 5_000,
             "outppm": 10_000}  # fmt: skip
    bench.node.answer("sling-once", asked)
    bench.node.advance_by(5)
    bench.run()
    assert (bench.job().status, bench.entries(), bench.calls("sling-stop")) == ("failed", [], [])
    bench.node.advance_by(600)
    assert len([row for row in bench.payments() if row["status"] == "complete"]) == 3


def test_a_channel_of_the_operators_is_no_source(bench: SlingBench) -> None:
    bench.order_plan(sources=2)
    standing(bench, bench.channels()[0].scid or "")
    bench.run()
    assert bench.order().source_scids == (bench.channels()[1].scid,)


def test_a_job_that_the_operator_sets_up_later_is_never_stopped(bench: SlingBench) -> None:
    bench.order_plan(max_fees_msat=(100,))
    bench.run()
    bench.node.advance_by(100)
    bench.node.answer("sling-stop", [bench.order().scid])
    standing(bench, bench.order().scid)
    bench.later(2 * HOUR)
    bench.later(STOPPED_SECONDS)
    assert bench.calls("sling-stop") == []
    assert bench.job().status == "failed"
    assert bench.order().scid in bench.node.answer("sling-jobsettings", [])
    bench.check(final=True)


def test_payments_of_the_operators_are_not_ours(bench: SlingBench) -> None:
    """Ours is stopped, not yet closed, and he lets sling pull into the same channel, out of the same ones."""
    bench.order_plan()
    bench.run()
    bench.later(600)
    ours = len(bench.payments())
    order = bench.order()
    asked = {"scid": order.scid, "direction": "pull", "amount": 20_000, "onceamount": 60_000, "maxppm": 5_000,
             "candidates": list(order.source_scids)}  # fmt: skip
    bench.node.answer("sling-once", asked)
    bench.node.advance_by(300)
    assert len(bench.payments()) == ours + 3
    bench.run()
    job = bench.job()
    cost_msat = sum(
        row["amount_sent_msat"] - row["amount_msat"]
        for row in bench.payments()
        if row["amount_msat"] == order.chunk_msat and row["status"] == "complete"
    )
    assert (job.status, job.fee_msat) == ("settled", cost_msat)
    assert cost_msat < bench.spent_msat
    assert bench.calls("sling-stop") == [[order.scid]], "his own is not stopped"
    assert {row.job_key for row in bench.rows("SELECT * FROM rebalance_payment")} == {0, job.job_key}


def test_no_two_jobs_have_payments_of_one_size(bench: SlingBench) -> None:
    bench.settings["rebalance"]["max_in_flight"] = 5
    bench.order_plan(3, sources=1)
    bench.run()
    sizes = [bench.order(job).chunk_sat for job in bench.jobs()]
    assert len(set(sizes)) == 3
    assert len({bench.order(job).scid for job in bench.jobs()}) == 3
    bench.end()
    assert {job.status for job in bench.jobs()} == {"settled"}


# ---- replies that don't come, or say no


def test_a_lost_reply_to_the_order(bench: SlingBench) -> None:
    """It was begun, and nobody knows: it is stopped, and closed at what it cost by then."""
    bench.order_plan()
    bench.fault("sling-once", FaultKind.REPLY_LOST)
    with pytest.raises(NodeError) as caught:
        bench.run()
    assert caught.value.outcome_unknown
    assert bench.job().status == "sending"
    bench.later(10)
    assert bench.words()[-1] == "stopped"
    bench.later(STOPPED_SECONDS)
    assert bench.job().status == "sending", "it is looked at for longer than any call waits"
    bench.end()
    assert bench.job().status == "settled"
    assert len(bench.calls("sling-once")) == 1


def test_an_order_that_arrives_after_the_stop_is_stopped_again(bench: SlingBench) -> None:
    bench.order_plan()
    bench.fault("sling-once", FaultKind.DROP_BEFORE)
    with pytest.raises(NodeError):
        bench.run()
    bench.run()
    assert bench.words()[-1] == "stopped"
    order = bench.order()
    asked = {"scid": order.scid, "direction": "pull", "amount": order.chunk_sat,
             "onceamount": order.chunk_sat * order.payment_count, "maxppm": order.max_ppm,
             "candidates": list(order.source_scids)}  # fmt: skip
    bench.node.advance_by(300)
    bench.node.answer("sling-once", asked)
    bench.later(8)
    assert bench.words()[-2:] == ["stopped", "stopped"]
    bench.later(800)
    assert bench.job().status == "sending"
    bench.end()
    assert bench.job().status == "settled"


def test_an_order_that_is_refused_costs_nothing(bench: SlingBench) -> None:
    bench.order_plan()
    bench.refuse("sling-once", -32700, "Channel not found")
    bench.run()
    assert bench.words()[-1] == "stopped"
    bench.later(STOPPED_SECONDS)
    job = bench.job()
    assert (job.status, job.fee_msat, bench.entries()[-1][0]) == ("failed", 0, "release")
    assert job.reason is not None
    assert "Channel not found" in job.reason.sentence
    bench.check(final=True)


@pytest.mark.parametrize("method", ["sling-stats", "sling-jobsettings", "sling-stop"])
@pytest.mark.parametrize("code", [-32700, -4])
def test_a_plugin_that_says_nothing_useful_keeps_the_job_open(bench: SlingBench, method: str, code: int) -> None:
    bench.order_plan()
    bench.run()
    bench.node.advance_by(600)
    bench.refuse(method, code)
    summary = bench.run()
    assert summary.jobs[0].reason is not None
    assert summary.jobs[0].reason.code is ReasonCode.PAYMENT_UNCLEAR
    assert "stopped" not in bench.words()
    bench.end()
    assert bench.job().status == "settled"


def test_a_stop_that_hangs_doesnt_keep_other_jobs_open(bench: SlingBench) -> None:
    bench.settings["node"]["rpc_timeout_seconds"] = 1
    bench.order_plan()
    bench.run()
    bench.node.advance_by(600)
    bench.fault("sling-stats", Fault(FaultKind.DELAY, seconds=1.5))
    summary = bench.run()
    assert summary.jobs[0].reason is not None
    assert summary.jobs[0].reason.code is ReasonCode.PAYMENT_UNCLEAR
    bench.end()


# ---- limits and conditions


def test_a_worst_case_beyond_the_budget_is_not_begun(bench: SlingBench) -> None:
    bench.settings["budget"] |= {"daily_sat": 100, "weekly_sat": 100}
    bench.order_plan()
    bench.run()
    job = bench.job()
    assert (job.status, bench.entries(), bench.calls("sling-once")) == ("failed", [], [])
    assert job.reason is not None
    assert job.reason.code is ReasonCode.BUDGET_EXHAUSTED


def test_a_target_without_room_and_sources_without_funds(bench: SlingBench) -> None:
    bench.order_plan(amount_msat=10**12, max_fees_msat=(10**9,))
    bench.run()
    reason = bench.job().reason
    assert reason is not None
    assert reason.code is ReasonCode.LIQUIDITY_CHANGED
    assert bench.entries() == []


def test_a_dry_run_says_what_would_be_asked_and_asks_for_nothing(bench: SlingBench) -> None:
    bench.order_plan()
    before = bench.node.call_log.writing_calls()
    summary = rebalance.run(replace(bench.options, dry_run=True), bench.clock)
    (job,) = summary.jobs
    assert (job.status, bench.job().status, bench.entries()) == ("planned", "planned", [])
    assert job.reason is not None
    assert job.reason.code is ReasonCode.SLING_ORDER
    assert bench.node.call_log.writing_calls() == before


@pytest.mark.parametrize("version", ["v3.0.6", "v4.1.2", "nightly"])
def test_an_old_sling_is_refused(bench: SlingBench, version: str) -> None:
    bench.order_plan()
    bench.node.false_reply("sling-version", {"version": version})
    with pytest.raises(ConfigError, match=r"v4\.1\.3 or later"):
        bench.run()
    assert (bench.job().status, bench.entries()) == ("planned", [])


@pytest.mark.parametrize("dry_run", [False, True])
def test_sling_without_its_plugin_says_so(bench: SlingBench, dry_run: bool) -> None:
    bench.order_plan()
    bench.node.forget_sling(gone=True)
    with pytest.raises(ConfigError, match="sling doesn't answer") as caught:
        rebalance.run(replace(bench.options, dry_run=dry_run), bench.clock)
    assert caught.value.exit_code == 78
    assert (bench.job().status, bench.entries()) == ("planned", [])


def test_jobs_of_sling_are_settled_whatever_the_configuration_says_by_then(bench: SlingBench) -> None:
    bench.order_plan()
    bench.run()
    bench.settings["rebalance"] |= {"executor": "none", "mode": "observe"}
    bench.end()
    assert bench.job().status == "settled"


def test_auto_is_native(bench: SlingBench) -> None:
    bench.settings["rebalance"]["executor"] = "auto"
    bench.plan()
    bench.run()
    assert (bench.job().executor, bench.job().status) == ("native", "settled")
    assert [method for method in bench.node.call_log.methods() if method.startswith("sling-")] == []


def test_auto_without_a_router_is_sling(bench: SlingBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.settings["rebalance"]["executor"] = "auto"
    bench.order_plan()
    methods: dict[str, Any] = bench.node._methods
    monkeypatch.delitem(methods, "askrene-listlayers")
    bench.run()
    assert (bench.job().executor, bench.job().status) == ("sling", "in_flight")
    bench.end()
    bench.order_plan()
    bench.node.forget_sling(gone=True)
    with pytest.raises(ConfigError, match="askrene is missing"):
        bench.run()


def test_nothing_planned_asks_nothing_of_sling(bench: SlingBench) -> None:
    bench.node.forget_sling(gone=True)
    bench.run()
    assert [method for method in bench.node.call_log.methods() if method.startswith("sling-")] == []


def test_a_label_that_is_no_order_stops_the_job_not_the_run(bench: SlingBench) -> None:
    bench.order_plan()
    bench.run()
    with bench.database.transaction(1) as tx:
        tx.connection.exec_driver_sql("UPDATE rebalance_job SET label = 'x'")
    with pytest.raises(RevopsError, match="without an order for sling"):
        bench.run()
    assert bench.job().status == "in_flight"
