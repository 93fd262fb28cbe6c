"""Native rebalances from reserve to settle, against a node that behaves: each way in which one can end."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from revops.domain.reason import ReasonCode
from revops.errors import RevopsError
from tests.actuate.bench import AMOUNT_MSAT, DAY, HOUR, Bench, open_bench


def code_of(bench: Bench) -> ReasonCode:
    reason = bench.job().reason
    assert reason is not None
    return reason.code


def assert_settled(bench: Bench) -> None:
    """One payment, complete; ledger, job, node's payment and node's books name one price."""
    job = bench.job()
    (payment,) = bench.payments(job)
    fee_msat = payment["amount_sent_msat"] - AMOUNT_MSAT
    assert (job.status, payment["status"], job.fee_msat) == ("settled", "complete", fee_msat)
    assert bench.entries() == [("reserve", fee_msat), ("settle", fee_msat)]
    assert fee_msat == bench.spent_msat > 0
    assert bench.totals() == (fee_msat, fee_msat, 0)
    bench.check(final=True)


def assert_unspent(bench: Bench, kinds: list[str]) -> None:
    """Nothing was spent, nothing is held back."""
    assert [kind for kind, _ in bench.entries()] == kinds
    assert bench.spent_msat == 0
    assert bench.totals() == (0, 0, 0)
    bench.check(final=True)


def assert_pending(bench: Bench, status: str = "in_flight") -> int:
    """One reservation, open, of at least what the payment may cost; return it."""
    job = bench.job()
    assert (job.status, job.fee_msat) == (status, None)
    ((kind, reserved_msat),) = bench.entries()
    assert kind == "reserve"
    assert bench.totals().reserved_msat == reserved_msat == job.reserved_msat
    bench.check()
    return reserved_msat


def test_a_job_is_paid_and_booked_to_the_msat(bench: Bench) -> None:
    bench.plan()
    bench.run()
    assert_settled(bench)
    assert bench.invoices() == {bench.job().label: "paid"}
    before = len(bench.node.call_log.writing_calls())
    bench.run()
    assert len(bench.node.call_log.writing_calls()) == before, "a second run did something"
    assert_settled(bench)


@pytest.mark.parametrize("version", ["v25.12.1", "v26.04.1", "v26.06.6"])
def test_every_supported_node_is_paid_the_same(template: Path, version: str) -> None:
    """The releases name the amounts of a route differently; confusing them costs money with each payment."""
    with open_bench(template, version=version) as bench:
        bench.plan()
        bench.run()
        assert_settled(bench)
        (sent,) = bench.calls("sendpay")
        amounts = [hop["amount_msat"] for hop in sent["route"]]
        assert amounts == sorted(amounts, reverse=True)
        assert amounts[-1] == AMOUNT_MSAT
        with open_bench(template) as newest:
            newest.plan()
            newest.run()
            assert newest.entries() == bench.entries()


def test_a_private_target_is_named_by_the_alias_that_its_peer_gave_us(bench: Bench) -> None:
    (target,) = (row for row in bench.node.world.channels.values() if row.private)
    assert target.scid is None
    sources = sorted(bench.pairs(), key=lambda pair: -int(pair[0]["spendable_msat"]))
    bench.plan_pairs((sources[0][0]["channel_id"], target.channel_id))
    received_msat = target.to_us_msat
    bench.run()
    assert bench.calls("sendpay")[0]["route"][-1]["channel"] == target.alias_remote
    assert target.to_us_msat == received_msat + AMOUNT_MSAT
    assert_settled(bench)


def test_a_route_dearer_than_the_plan_allows_is_not_taken(bench: Bench) -> None:
    bench.plan(max_fee_msat=1)
    bench.run()
    assert code_of(bench) in {ReasonCode.ROUTE_TOO_DEAR, ReasonCode.NO_ROUTE}
    assert bench.calls("invoice") == bench.calls("sendpay") == []
    assert_unspent(bench, [])


def test_a_ceiling_that_was_lowered_after_the_plan_holds(bench: Bench) -> None:
    bench.plan()
    bench.settings["rebalance"]["max_fee_ppm"] = 1
    bench.run()
    assert code_of(bench) in {ReasonCode.ROUTE_TOO_DEAR, ReasonCode.NO_ROUTE}
    assert bench.calls("sendpay") == []
    assert_unspent(bench, [])


@pytest.mark.parametrize("code", [205, 206, 210])
def test_no_route_closes_the_job_before_anything_is_reserved(bench: Bench, code: int) -> None:
    bench.plan()
    bench.refuse("getroutes", code)
    bench.run()
    reason = bench.job().reason
    assert reason is not None
    assert reason.code is ReasonCode.NO_ROUTE
    assert re.match(r"no route: none within [\d,]+ ppm \(getroutes: ", reason.sentence)
    assert bench.job().status == "failed"
    assert_unspent(bench, [])


def test_a_payment_that_fails_costs_nothing_and_leaves_no_invoice(bench: Bench) -> None:
    bench.plan()
    bench.node.fail_payments()
    bench.run()
    assert (bench.job().status, code_of(bench)) == ("failed", ReasonCode.PAYMENT_FAILED)
    assert bench.invoices() == {}
    assert_unspent(bench, ["reserve", "release"])
    assert bench.calls("askrene-inform-channel")


def test_a_pending_payment_stays_reserved_whatever_its_age_then_completes(bench: Bench) -> None:
    bench.plan()
    bench.node.hold_payments()
    bench.run()
    reserved_msat = assert_pending(bench)
    for days in (0.01, 1, 39):
        bench.node.days(days)
        bench.run()
        assert assert_pending(bench) == reserved_msat
        assert code_of_summary(bench) is ReasonCode.PAYMENT_PENDING
    assert len(bench.calls("sendpay")) == 1
    bench.node.hold_payments(False)
    bench.run()
    assert_settled(bench)


def code_of_summary(bench: Bench) -> ReasonCode:
    (job,) = bench.run().jobs
    assert job.reason is not None
    return job.reason.code


def test_a_pending_payment_that_fails_after_weeks_frees_its_reservation(bench: Bench) -> None:
    bench.plan()
    bench.node.hold_payments()
    bench.run()
    bench.node.days(40)
    bench.run()
    assert_pending(bench)
    bench.fail_held()
    bench.run()
    assert_unspent(bench, ["reserve", "release"])


def test_what_is_pending_leaves_less_for_others(bench: Bench) -> None:
    taken: set[str] = set()
    bench.plan(busy=taken)
    bench.node.hold_payments()
    bench.run()
    limit_sat = assert_pending(bench) // 1_000 + 1
    bench.settings["budget"] |= {"daily_sat": limit_sat, "weekly_sat": limit_sat}
    bench.plan(busy=taken)
    bench.run()
    assert code_of(bench) is ReasonCode.BUDGET_EXHAUSTED
    assert len(bench.calls("sendpay")) == 1
    bench.node.hold_payments(False)
    bench.run()
    bench.check(final=True)
    assert bench.totals().reserved_msat == 0


def test_no_more_than_max_in_flight_are_under_way(bench: Bench) -> None:
    bench.settings["rebalance"]["max_in_flight"] = 2
    bench.plan(3)
    bench.node.hold_payments()
    bench.run()
    assert [job.status for job in bench.jobs()] == ["in_flight", "in_flight", "planned"]
    bench.run()
    assert [job.status for job in bench.jobs()] == ["in_flight", "in_flight", "planned"]
    bench.check()
    bench.node.hold_payments(False)
    bench.run()
    assert [job.status for job in bench.jobs()] == ["settled", "settled", "settled"]
    bench.check(final=True)


def test_a_channel_that_takes_part_in_an_open_job_takes_part_in_no_other(bench: Bench) -> None:
    bench.plan()
    bench.node.hold_payments()
    bench.run()
    first = bench.job()
    (other, *_) = (
        target["channel_id"]
        for source, target in bench.pairs()
        if source["channel_id"] == first.source_channel_id and target["channel_id"] != first.target_channel_id
    )
    bench.plan_pairs((first.source_channel_id, other))
    bench.run()
    assert (bench.job().status, len(bench.calls("sendpay"))) == ("planned", 1)
    bench.node.hold_payments(False)
    bench.run()
    assert [job.status for job in bench.jobs()] == ["settled", "settled"]
    bench.check(final=True)


# Between plan and run.


def test_a_budget_that_was_lowered_after_the_plan_holds(bench: Bench) -> None:
    bench.plan()
    bench.settings["budget"] |= {"daily_sat": 1, "weekly_sat": 1}
    bench.run()
    assert code_of(bench) is ReasonCode.BUDGET_EXHAUSTED
    assert bench.calls("invoice") == []
    assert_unspent(bench, [])


def test_a_node_that_earns_nothing_spends_nothing(bench: Bench) -> None:
    bench.plan()
    bench.settings["budget"]["revenue_share_ratio"] = 0.0
    bench.run()
    assert code_of(bench) is ReasonCode.BUDGET_EXHAUSTED
    assert_unspent(bench, [])


@pytest.mark.parametrize("floor", ["onchain_sat", "offchain_sat"])
def test_a_reserve_that_is_crossed_after_the_plan_suspends(bench: Bench, floor: str) -> None:
    bench.plan()
    bench.settings["reserve"] = {floor: 2_000_000_000}
    summary = bench.run()
    assert [reason.code for reason in summary.reasons] == [ReasonCode.RESERVE_LOW]
    assert bench.job().status == "planned"
    assert bench.calls("invoice") == bench.calls("sendpay") == []
    assert_unspent(bench, [])


def test_a_reserve_that_the_run_itself_crosses_suspends_the_rest(bench: Bench) -> None:
    """What hangs can't be spent: the second payment would go below the floor."""
    bench.plan(2)
    spendable_msat = sum(row.spendable_msat() for row in bench.node.world.channels.values())
    bench.settings["reserve"] = {"offchain_sat": spendable_msat // 1_000 - 10_000}
    bench.node.hold_payments()
    summary = bench.run()
    assert [job.status for job in bench.jobs()] == ["in_flight", "planned"]
    assert [reason.code for reason in summary.reasons] == [ReasonCode.RESERVE_LOW]


def test_a_plan_that_grows_old_during_the_run_is_not_carried_on(bench: Bench) -> None:
    bench.settings["rebalance"] |= {"wait_seconds": 120, "plan_lifetime_seconds": 60, "max_in_flight": 1}
    bench.plan(2)
    bench.node.hold_payments()
    bench.run()
    assert [job.status for job in bench.jobs()] == ["in_flight", "expired"]
    assert len(bench.calls("sendpay")) == 1


def test_an_old_plan_expires(bench: Bench) -> None:
    bench.plan()
    bench.node.advance_by(2 * HOUR)
    bench.run()
    assert (bench.job().status, code_of(bench)) == ("expired", ReasonCode.PLAN_EXPIRED)
    assert_unspent(bench, [])


def test_a_plan_from_the_future_is_not_carried_out(bench: Bench) -> None:
    """A clock that was wrong made it: it would be good for years, and its age would say nothing."""
    pairs = [(source["channel_id"], target["channel_id"]) for source, target in list(bench.pairs())[:1]]
    bench.clock_offset = 40 * DAY
    bench.plan_pairs(*pairs)
    bench.clock_offset = 0.0
    bench.run()
    assert (bench.job().status, code_of(bench)) == ("expired", ReasonCode.PLAN_EXPIRED)
    assert_unspent(bench, [])


@pytest.mark.parametrize(("field", "other"), [("network", "regtest"), ("id", "03" + "b" * 64)])
@pytest.mark.parametrize("call", [2, 3])
def test_a_node_that_says_once_that_it_is_another_stops_that_run_and_no_later_one(
    bench: Bench, field: str, other: str, call: int
) -> None:
    """Whichever of a run's calls it is: nothing of it may be kept."""
    bench.plan()
    real, count = bench.node.answer, 0

    def answer(method: str, given: Any) -> Any:
        nonlocal count
        reply = real(method, given)
        count += method == "getinfo"
        return reply | {field: other} if method == "getinfo" and count == call else reply

    with patch.object(bench.node, "answer", answer), suppress(RevopsError):
        bench.run()
    assert count >= call
    bench.check()
    bench.run()
    assert bench.job().status == "settled"
    (row,) = bench.rows("SELECT node_id, network FROM node")
    assert (row.node_id, row.network) == (bench.node.node_id, bench.node.world.config.network)
    bench.check(final=True)


def test_what_a_sale_has_moved_meanwhile_is_noticed(bench: Bench) -> None:
    bench.plan()
    source = bench.node.channel(bench.job().source_channel_id)
    source.to_us_msat -= source.spendable_msat() - AMOUNT_MSAT + 1
    bench.run()
    assert code_of(bench) is ReasonCode.LIQUIDITY_CHANGED
    assert_unspent(bench, [])


def second_channel(bench: Bench, channel_id: str) -> None:
    """Give the peer of one channel of the stored job another one, that of somebody else."""
    job, world = bench.job(), bench.node.world
    chosen = bench.node.channel(channel_id)
    used = {job.source_channel_id, job.target_channel_id}
    other = next(row for row in world.channels.values() if row.channel_id not in used and not row.private)
    world.peer_of(other).channels.remove(other)
    other.peer_id, other.direction = chosen.peer_id, chosen.direction
    world.peer_of(chosen).channels.append(other)


def test_a_target_whose_peer_got_a_second_channel_is_left_alone(bench: Bench) -> None:
    """It may deliver over the other channel: paid for, and the target stays empty."""
    bench.plan()
    second_channel(bench, bench.job().target_channel_id)
    bench.run()
    assert code_of(bench) is ReasonCode.SEVERAL_CHANNELS
    assert bench.calls("sendpay") == []
    assert_unspent(bench, [])


def test_out_of_a_source_it_goes_by_the_channel_that_was_planned(bench: Bench) -> None:
    bench.plan()
    source_id = bench.job().source_channel_id
    second_channel(bench, source_id)
    bench.run()
    assert bench.job().status == "settled"
    moves = bench.node.world.channelmoves
    moved = {row.account_id for row in moves if row.primary_tag == "invoice" and row.debit_msat}
    assert moved == {source_id}


@pytest.mark.parametrize("days", [0.6, 2.0, 8.5, 40.0, 4_000.0])
def test_a_clock_that_jumps_forward_suspends_spending(bench: Bench, days: float) -> None:
    """It would empty the spending windows; a jump by more than a window leaves no mark in it."""
    bench.settings["rebalance"]["plan_lifetime_seconds"] = 86_400
    bench.clock_offset = days * DAY
    bench.sync()
    bench.plan_pairs(*((s["channel_id"], t["channel_id"]) for s, t in list(bench.pairs())[:1]))
    for _ in range(3):
        summary = bench.run()
        assert ReasonCode.CLOCK_DOUBTFUL in {reason.code for reason in summary.reasons}
        bench.node.advance_by(HOUR)
    assert bench.calls("sendpay") == []
    assert_unspent(bench, [])


def test_a_payment_that_settles_under_a_clock_that_went_back_still_counts(bench: Bench) -> None:
    bench.plan()
    bench.node.hold_payments()
    bench.run()
    bench.node.hold_payments(False)
    bench.clock_offset = -400 * DAY
    bench.run()
    assert bench.job().status == "settled"
    bench.clock_offset = 0.0
    assert bench.totals().spent_day_msat == bench.spent_msat > 0


def test_a_clock_that_jumps_within_the_run_does_not_empty_the_window(bench: Bench, monkeypatch: Any) -> None:
    """The windows end at the moment that the chain confirmed, not at what the clock says when money is reserved."""
    bench.plan()
    bench.run()
    spent_msat = bench.spent_msat
    bench.settings["budget"]["daily_sat"] = spent_msat // 1_000 + 1
    bench.plan(busy={bench.job().source_channel_id, bench.job().target_channel_id})
    asked = bench.node.handle

    def jumping(method: str, params: Any = None) -> dict[str, Any]:
        if method == "getroutes":
            bench.clock_offset = 2 * DAY
        return asked(method, params)

    monkeypatch.setattr(bench.node, "handle", jumping)
    bench.run()
    assert bench.clock_offset > 0
    assert code_of(bench) is ReasonCode.BUDGET_EXHAUSTED
    assert bench.spent_msat == spent_msat
