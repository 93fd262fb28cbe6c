"""The queue: several payments at once, the source that leaves most, another way after a failure, and what moves say."""

from __future__ import annotations

from typing import Any

import pytest

from revops.actuate import pricing
from revops.domain.reason import ReasonCode
from revops.domain.rebalance import FailureKind
from revops.sim import payments as sim_payments
from revops.sim.faults import Fault, FaultKind
from revops.sim.rows import ChannelMove
from revops.store import refills
from tests.actuate.bench import AMOUNT_MSAT, HOUR, MAX_FEE_MSAT, NODE_KEY, Bench

GENEROUS_MSAT = AMOUNT_MSAT // 20


def sources_of(bench: Bench) -> tuple[str, list[str]]:
    """A target, and all sources from which the network really carries a refill to it."""
    found: dict[str, list[str]] = {}
    for source, target in bench.pairs():
        found.setdefault(target["channel_id"], []).append(source["channel_id"])
    chosen = max(found, key=lambda name: len(found[name]))
    assert len(found[chosen]) >= 3
    return chosen, found[chosen]


def quotes(bench: Bench, target: str, sources: list[str]) -> dict[str, int]:
    """What a refill costs from each of the sources, each tried alone in a dry run's way."""
    costs: dict[str, int] = {}
    for source in sources:
        bench.plan_sources(target, {source: GENEROUS_MSAT})
        options = bench.options
        from revops.cycle import rebalance

        (job,) = rebalance.run(
            type(options)(config_path=options.config_path, lock_wait_seconds=0.0, dry_run=True), bench.clock
        ).jobs
        if job.reason is not None and job.reason.code is ReasonCode.ROUTE_FOUND:
            assert job.fee_msat is not None
            costs[source] = job.fee_msat
    return costs


# Several at once.


def test_jobs_are_under_way_at_once_and_the_next_begins_when_there_is_room(bench: Bench) -> None:
    bench.settings["rebalance"]["max_in_flight"] = 2
    bench.plan(3)
    bench.run()
    jobs = bench.jobs()
    assert [job.status for job in jobs] == ["settled"] * 3
    methods = [name for name, _ in bench.node.call_log if name in {"sendpay", "waitsendpay"}]
    assert methods[:2] == ["sendpay", "sendpay"], "the second is sent before the first is waited for"
    assert methods[2] == "waitsendpay"
    ends = sorted(job.finished_at or 0.0 for job in jobs)
    begun = sorted(step.stepped_at for job in jobs for step in bench.steps(job) if step.status == "reserved")
    assert begun[1] <= ends[0] <= begun[2]
    bench.check(final=True)


def test_a_payment_that_hangs_keeps_no_other_waiting(bench: Bench) -> None:
    bench.plan(2)
    bench.settings["rebalance"]["max_in_flight"] = 1
    bench.node.hold_payments()
    bench.run()
    assert [job.status for job in bench.jobs()] == ["in_flight", "planned"]
    bench.node.world.knobs.hold_payments = False
    bench.settings["rebalance"]["max_in_flight"] = 2
    summary = bench.run()
    assert [job.status for job in bench.jobs()] == ["in_flight", "settled"]
    assert [job.status for job in summary.jobs] == ["in_flight", "settled"]
    bench.check()
    bench.node.hold_payments(False)
    bench.node.advance_by(60)
    bench.run()
    bench.check(final=True)


def test_payments_that_hang_leave_room_for_others_and_keep_what_they_hold(bench: Bench) -> None:
    """One hangs for three minutes: a second may begin beside it, on other channels. That one hangs as well: no third
    does.
    """
    bench.settings["rebalance"] |= {"max_in_flight": 1, "max_hung": 1, "plan_lifetime_seconds": 86_400}
    bench.settings["budget"] |= {"daily_sat": 1_000, "weekly_sat": 1_000}
    bench.plan(3)
    bench.node.hold_payments()
    bench.run()
    bench.node.advance_by(100)
    bench.run()
    assert [job.status for job in bench.jobs()] == ["in_flight", "planned", "planned"]
    reserved_msat = bench.totals().reserved_msat
    bench.node.advance_by(80)
    bench.run()
    assert [job.status for job in bench.jobs()] == ["in_flight", "in_flight", "planned"]
    assert bench.totals().reserved_msat > reserved_msat
    bench.node.advance_by(HOUR)
    bench.run()
    assert [job.status for job in bench.jobs()] == ["in_flight", "in_flight", "planned"]
    ends = [name for job in bench.jobs()[:2] for name in (job.source_channel_id, job.target_channel_id)]
    assert len(set(ends)) == len(ends)
    bench.check()
    bench.node.hold_payments(False)
    bench.node.advance_by(60)
    bench.run()
    assert {job.status for job in bench.jobs()} == {"settled"}
    bench.check(final=True)


def test_a_channel_on_which_a_payment_hangs_takes_part_in_no_other(bench: Bench) -> None:
    bench.plan()
    bench.node.hold_payments()
    bench.run()
    (hung,) = bench.jobs()
    bench.node.advance_by(HOUR)
    bench.plan_pairs((hung.source_channel_id, hung.target_channel_id))
    bench.run()
    assert [job.status for job in bench.jobs()] == ["in_flight", "planned"]
    assert len(bench.calls("sendpay")) == 1


def test_what_suspends_the_rest_doesn_t_keep_the_first_from_being_settled(bench: Bench) -> None:
    bench.plan(2)
    spendable_msat = sum(row.spendable_msat() for row in bench.node.world.channels.values())
    bench.settings["reserve"] = {"offchain_sat": spendable_msat // 1_000 - 10_000}
    summary = bench.run()
    assert [reason.code for reason in summary.reasons] == [ReasonCode.RESERVE_LOW]
    assert [job.status for job in bench.jobs()] == ["settled", "planned"]


def test_every_step_of_a_job_is_on_record_with_its_run(bench: Bench) -> None:
    bench.plan()
    bench.run()
    steps = bench.steps(bench.job())
    assert [step.status for step in steps] == ["planned", "reserved", "sending", "in_flight", "settled"]
    assert len({step.run_key for step in steps[1:]}) == 1
    assert steps[0].run_key != steps[1].run_key
    assert [step.stepped_at for step in steps] == sorted(step.stepped_at for step in steps)
    assert bench.job().local_before_msat is not None


# Which source pays.


def test_the_source_that_leaves_most_pays(bench: Bench) -> None:
    bench.settings["rebalance"]["max_fee_ppm"] = 100_000
    target, sources = sources_of(bench)
    costs = quotes(bench, target, sources)
    dearest, cheapest = max(costs, key=costs.__getitem__), min(costs, key=costs.__getitem__)
    assert costs[cheapest] < costs[dearest]
    bench.plan_sources(target, {dearest: GENEROUS_MSAT, cheapest: GENEROUS_MSAT})
    bench.run()
    job = bench.job()
    assert (job.status, job.source_channel_id, job.fee_msat) == ("settled", cheapest, costs[cheapest])
    # What the liquidity of the other is worth less counts as well.
    bench.node.advance_by(HOUR)
    bench.plan_sources(target, {dearest: GENEROUS_MSAT, cheapest: costs[cheapest] * 2})
    bench.run()
    assert bench.job().source_channel_id == dearest


def test_no_source_pays_more_than_its_own_limit(bench: Bench) -> None:
    target, sources = sources_of(bench)
    costs = quotes(bench, target, sources)
    cheapest = min(costs, key=costs.__getitem__)
    other = next(source for source in costs if source != cheapest)
    bench.plan_sources(target, {cheapest: costs[cheapest] - 1, other: costs[other]})
    bench.run()
    job = bench.job()
    assert (job.status, job.source_channel_id, job.fee_msat) == ("settled", other, costs[other])
    bench.plan_sources(target, {cheapest: 10, other: 10})
    bench.run()
    assert (bench.job().status, bench.job().failure) == ("failed", FailureKind.FEE_TOO_LOW)
    bench.check(final=True)


def test_routes_are_asked_for_as_long_as_another_may_leave_more(bench: Bench, monkeypatch: Any) -> None:
    target, sources = sources_of(bench)
    costs = quotes(bench, target, sources)
    first, second, third = sorted(costs, key=costs.__getitem__)[:3]
    asked = len(bench.calls("getroutes"))
    bench.plan_sources(target, {first: GENEROUS_MSAT, second: costs[first], third: costs[first]})
    bench.run()
    assert len(bench.calls("getroutes")) == asked + 1, "the others can't leave more"
    monkeypatch.setattr(pricing, "MOST_ROUTES", 2)
    bench.node.advance_by(HOUR)
    bench.plan_sources(target, dict.fromkeys((third, second, first), GENEROUS_MSAT))
    asked = len(bench.calls("getroutes"))
    bench.run()
    assert len(bench.calls("getroutes")) == asked + 2
    assert bench.job().source_channel_id != first


def test_a_source_that_a_rule_forbids_meanwhile_doesn_t_pay(bench: Bench) -> None:
    target, (first, second, *_) = sources_of(bench)
    bench.plan_sources(target, {first: GENEROUS_MSAT, second: GENEROUS_MSAT})
    job = bench.job()
    options = bench.options
    assert options.config_path is not None
    rule = f'[[rule]]\nname = "x"\nmatch = {{ channel_id = "{first}" }}\nrebalance = "none"\n'
    with options.config_path.open("a", encoding="utf-8") as file:
        file.write(rule)
    from revops.cycle import rebalance

    rebalance.run(options, bench.clock)
    assert job.source_channel_id == first
    assert (bench.job().status, bench.job().source_channel_id) == ("settled", second)


def test_a_source_that_is_gone_is_passed_over(bench: Bench) -> None:
    target, (first, second, *_) = sources_of(bench)
    bench.plan_sources(target, {first: GENEROUS_MSAT, second: GENEROUS_MSAT})
    bench.node.disconnect_peer(bench.node.channel(first).peer_id)
    bench.run()
    assert (bench.job().status, bench.job().source_channel_id) == ("settled", second)


# Another way.


def test_after_a_failure_on_the_way_another_way_is_tried_in_the_same_run(bench: Bench) -> None:
    bench.settings["rebalance"]["max_attempts"] = 4
    target, sources = sources_of(bench)
    bench.plan_sources(target, dict.fromkeys(sources, GENEROUS_MSAT))
    bench.node.fail_payments(count=2)
    bench.run()
    first, second, third = bench.jobs()
    assert [job.status for job in (first, second, third)] == ["failed", "failed", "settled"]
    assert [job.attempt for job in (first, second, third)] == [1, 2, 3]
    assert [job.retry_of_key for job in (first, second, third)] == [None, first.job_key, second.job_key]
    assert (first.failure, third.failure) == (FailureKind.LIQUIDITY, None)
    assert first.erring_scidd is not None
    assert first.erring_scidd != second.erring_scidd, "the second way avoids what failed on the first"
    informed = [call["short_channel_id_dir"] for call in bench.calls("askrene-inform-channel")]
    assert informed == [first.erring_scidd, second.erring_scidd]
    assert [kind for kind, _ in bench.entries()] == ["reserve", "release", "reserve", "release", "reserve", "settle"]
    bench.check(final=True)


def test_there_are_only_so_many_attempts(bench: Bench) -> None:
    bench.settings["rebalance"] |= {"max_attempts": 3, "wait_seconds": 60}
    target, sources = sources_of(bench)
    bench.plan_sources(target, dict.fromkeys(sources, GENEROUS_MSAT))
    bench.node.fail_payments()
    bench.run()
    assert [job.attempt for job in bench.jobs()] == [1, 2, 3]
    assert {job.status for job in bench.jobs()} == {"failed"}
    bench.run()
    assert len(bench.jobs()) == 3
    bench.check(final=True)


def test_a_first_peer_that_isn_t_ready_leaves_the_payment_to_the_other_sources(bench: Bench) -> None:
    bench.settings["rebalance"]["max_attempts"] = 2
    target, sources = sources_of(bench)
    costs = quotes(bench, target, sources)
    first, second = list(costs)[:2]
    bench.plan_sources(target, {first: GENEROUS_MSAT, second: costs[second]})
    scid = bench.node.channel(first).key_scid
    data = {"failcode": 4103, "erring_index": 0, "erring_channel": scid, "erring_direction": 0}
    bench.fault("sendpay", Fault(FaultKind.ERROR, code=204, message="First peer not ready", data=data))
    bench.run()
    failed, settled = bench.jobs()[-2:]
    assert (failed.failure, failed.erring_scidd) == (FailureKind.UNREACHABLE, f"{scid}/0")
    assert [offer.channel_id for offer in settled.sources] == [second]
    assert (settled.status, settled.source_channel_id) == ("settled", second)
    bench.check(final=True)


def test_a_target_that_fails_is_not_tried_again(bench: Bench) -> None:
    bench.settings["rebalance"]["max_attempts"] = 4
    bench.plan()
    target = bench.node.channel(bench.job().target_channel_id)
    data = {"failcode": 4103, "erring_index": 2, "erring_channel": target.key_scid, "erring_direction": 0}
    bench.node.hold_payments()
    bench.run()
    bench.fail_held()
    bench.fault("waitsendpay", Fault(FaultKind.ERROR, code=204, message="no", data=data))
    bench.run()
    (job,) = bench.jobs()
    assert (job.status, job.failure) == ("failed", FailureKind.LIQUIDITY)


def test_what_came_back_after_hours_hung(bench: Bench) -> None:
    bench.settings["rebalance"]["max_attempts"] = 4
    bench.settings["rebalance"]["plan_lifetime_seconds"] = 86_400
    target, sources = sources_of(bench)
    bench.plan_sources(target, dict.fromkeys(sources, GENEROUS_MSAT))
    bench.node.hold_payments()
    bench.run()
    bench.node.advance_by(2 * HOUR)
    bench.fail_held()
    bench.node.world.knobs.hold_payments = False
    bench.run()
    first, *others = bench.jobs()
    assert (first.status, first.failure) == ("failed", FailureKind.TIME_OUT)
    assert others
    assert others[-1].status == "settled", "a leftover of an earlier run is tried again, too"
    bench.check(final=True)


def test_no_other_way_is_tried_for_a_plan_that_is_over(bench: Bench) -> None:
    bench.settings["rebalance"]["max_attempts"] = 4
    bench.plan()
    bench.node.hold_payments()
    bench.run()
    bench.node.advance_by(2 * HOUR)
    bench.fail_held()
    bench.run()
    assert [job.status for job in bench.jobs()] == ["failed"]


def test_a_layer_that_is_gone_keeps_no_failed_job_open(bench: Bench) -> None:
    """lightningd was restarted: its layers are lost, and what is told to one is only a hint."""
    bench.plan()
    bench.node.hold_payments()
    bench.run()
    bench.fail_held()
    bench.node.handle("askrene-remove-layer", {"layer": "revops"})
    bench.run()
    assert bench.job().status == "failed"
    assert bench.job().erring_scidd is not None
    bench.check(final=True)


def test_nothing_is_ever_reserved_in_the_router(bench: Bench) -> None:
    """Its reservations never expire: what a killed run left there would narrow all routes until a restart."""
    bench.plan(2)
    bench.run()
    assert not [name for name, _ in bench.node.call_log if "reserve" in name]


# What the node's ledger of moves says.


def test_what_arrives_over_another_channel_is_seen_and_booked_there(
    bench: Bench, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bench.plan()
    planned = bench.job()
    other = next(
        channel
        for channel in bench.node.world.channels.values()
        if channel.channel_id not in {planned.source_channel_id, planned.target_channel_id}
    )
    monkeypatch.setattr(sim_payments, "with_room", lambda *_: other)
    bench.run()
    job = bench.job()
    assert job.status == "settled"
    assert f"it arrived over channel {other.channel_id}, not over {job.target_channel_id}" in caplog.text
    (row,) = bench.rows(
        """SELECT s.channel_id AS source, t.channel_id AS target, fee_msat FROM rebalance_payment
           JOIN channel AS s ON s.channel_key = source_channel_key
           JOIN channel AS t ON t.channel_key = target_channel_key"""
    )
    assert (row.source, row.target, row.fee_msat) == (job.source_channel_id, other.channel_id, job.fee_msat)
    assert (bench.steps(job)[-1].note or "?") in caplog.text
    caplog.clear()
    bench.run()
    assert caplog.text == "", "it is said once"
    bench.check(final=True)
    with bench.database.read(NODE_KEY) as tx:
        (lot,) = refills.lots(tx, bench.clock(), 14)[job.target_channel_id]
        (attempt,) = refills.attempts(tx, 0.0)
    assert (lot.amount_msat, lot.fee_msat, lot.sold_msat) == (job.amount_msat, job.fee_msat, 0), "it is at stake"
    assert attempt.failure is FailureKind.MISDELIVERED


@pytest.mark.parametrize("more_msat", [9_000, -9_000])
def test_a_cost_that_the_moves_tell_otherwise_is_a_warning_and_the_dearer_counts(
    bench: Bench, monkeypatch: Any, caplog: pytest.LogCaptureFixture, more_msat: int
) -> None:
    bench.plan()
    monkeypatch.setattr(sim_payments, "ChannelMove", _skewed(more_msat))
    bench.run()
    job = bench.job()
    true_msat = bench.spent_msat
    assert job.fee_msat == true_msat + max(more_msat, 0)
    assert f"it cost {true_msat} msat by listsendpays, {true_msat + more_msat} by listchannelmoves" in caplog.text
    assert bench.totals() == (job.fee_msat, job.fee_msat, 0)
    caplog.clear()
    bench.run()
    assert caplog.text == ""
    assert bench.totals() == (job.fee_msat, job.fee_msat, 0)


def _skewed(more_msat: int) -> Any:
    """The node's moves, whose debits are off."""
    real = ChannelMove

    def make(account_id: str, credit_msat: int, debit_msat: int, *rest: Any) -> Any:
        return real(account_id, credit_msat, debit_msat + (more_msat if debit_msat else 0), *rest)

    return make


def test_moves_that_come_later_are_read_by_a_later_run(bench: Bench) -> None:
    bench.plan()
    bench.fault("listchannelmoves", FaultKind.DROP_BEFORE, after=0, times=2)
    bench.run()
    job = bench.job()
    assert (job.status, bench.rows("SELECT * FROM rebalance_payment")) == ("settled", [])
    bench.run()
    (row,) = bench.rows("SELECT * FROM rebalance_payment")
    assert (row.job_key, row.fee_msat) == (job.job_key, job.fee_msat)
    bench.check(final=True)


def test_a_limit_is_above_what_is_allowed_never_below(bench: Bench) -> None:
    """The worst case is reserved: what left is what was reserved."""
    bench.plan(2, max_fee_msat=MAX_FEE_MSAT)
    bench.run()
    entries = bench.entries()
    assert sum(msat for kind, msat in entries if kind == "reserve") == bench.spent_msat
