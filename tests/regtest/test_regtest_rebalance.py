"""Money: a circular payment that the records of both the node and the ledger agree on, in every way it can end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from revops.domain.decision import Outcome, RebalanceDecision, RebalancePlan
from revops.domain.rebalance import SourceOffer
from revops.store import plans, runs
from revops.store.engine import Database
from tests.regtest.bookkeeping import circles, circular_cost_msat
from tests.regtest.operator_home import Operator
from tests.regtest.processes import wait_until
from tests.regtest.ring import KNOWN_LAYER, REBALANCE_SAT, Ring, footprint, last_payment

pytestmark = pytest.mark.regtest

AMOUNT_MSAT = REBALANCE_SAT * 1_000


def job_of(operator: Operator) -> dict[str, Any]:
    (job,) = operator.rows("SELECT * FROM rebalance_job")
    return job


def ledger_of(operator: Operator) -> list[tuple[str, int]]:
    return [(row["kind"], row["amount_msat"]) for row in operator.rows("SELECT * FROM spend_ledger ORDER BY entry_key")]


def own_payment(ring: Ring, job: dict[str, Any]) -> dict[str, Any]:
    """The node's record of the job's payment."""
    (payment,) = ring.alice.call("listsendpays", payment_hash=job["payment_hash"])["payments"]
    return dict(payment)


def balances(ring: Ring) -> tuple[int, int]:
    return ring.alice.channel_with(ring.bob)["to_us_msat"], ring.alice.channel_with(ring.carol)["to_us_msat"]


def assert_settled(ring: Ring, operator: Operator, before: tuple[int, int]) -> int:
    """The job is settled, and the node's records, the ledger and the balances name one price for it. Return that."""
    ring.settle_down()
    job = job_of(operator)
    payment = own_payment(ring, job)
    assert (job["status"], payment["status"]) == ("settled", "complete")
    assert (payment["destination"], payment["label"]) == (ring.alice.node_id, job["label"])
    fee_msat = int(payment["amount_sent_msat"] - payment["amount_msat"])
    assert payment["amount_msat"] == job["amount_msat"] == AMOUNT_MSAT
    assert 0 < fee_msat == job["fee_msat"] <= job["max_fee_msat"]
    (reserved, settled) = ledger_of(operator)
    assert reserved[0] == "reserve"
    assert fee_msat <= reserved[1]
    assert settled == ("settle", fee_msat)
    assert balances(ring) == (before[0] - AMOUNT_MSAT - fee_msat, before[1] + AMOUNT_MSAT)
    (invoice,) = ring.alice.call("listinvoices", label=job["label"])["invoices"]
    assert invoice["status"] == "paid"
    assert_moved(ring, operator, job)
    # The node's life so far: what other tests have moved in circles, too.
    assert operator.metric("revops_node_rebalance_fees_msat_total") == circular_cost_msat(ring.alice) >= fee_msat
    return fee_msat


def assert_moved(ring: Ring, operator: Operator, job: dict[str, Any]) -> None:
    """The node's own ledger says the same: by which channels it went, what arrived and what it cost."""
    moves = ring.alice.call("listchannelmoves")["channelmoves"]
    mine = [move for move in moves if move.get("payment_hash") == job["payment_hash"]]
    (credit,) = (move for move in mine if move["credit_msat"] > 0)
    (debit,) = (move for move in mine if move["debit_msat"] > 0)
    assert {move["primary_tag"] for move in mine} == {"invoice"}
    assert debit["account_id"] == ring.alice.channel_with(ring.bob)["channel_id"]
    assert credit["account_id"] == ring.alice.channel_with(ring.carol)["channel_id"]
    assert debit["debit_msat"] - credit["credit_msat"] == job["fee_msat"]
    statement = """SELECT p.*, s.channel_id AS source, t.channel_id AS target FROM rebalance_payment AS p
        JOIN channel AS s ON s.channel_key = p.source_channel_key
        JOIN channel AS t ON t.channel_key = p.target_channel_key WHERE job_key = ?"""
    if not operator.rows(statement, job["job_key"]):
        operator.cron("sync")  # lightningd may write a move after it has said that the payment is complete
    (paid,) = operator.rows(statement, job["job_key"])
    assert (paid["source"], paid["target"]) == (debit["account_id"], credit["account_id"])
    assert (paid["amount_msat"], paid["fee_msat"]) == (credit["credit_msat"], job["fee_msat"])


def statuses_of(operator: Operator, job_key: int) -> list[str]:
    """The states that a job went through."""
    rows = operator.rows("SELECT status FROM rebalance_step WHERE job_key = ? ORDER BY step", job_key)
    return [row["status"] for row in rows]


def test_a_planned_job_is_executed_settled_and_booked(ring: Ring, rebalancer: Operator) -> None:
    before = balances(ring)

    rebalancer.cron("rebalance", "run")

    fee_msat = assert_settled(ring, rebalancer, before)
    report, verdict = rebalancer.json("report"), rebalancer.json("budget", "check")
    lifetime, payments = report["lifetime"], circles(ring.alice)
    arrived_msat = sum(move["credit_msat"] for moves in payments.values() for move in moves)
    assert job_of(rebalancer)["payment_hash"] in payments
    assert lifetime["rebalance_fees_msat"] == circular_cost_msat(ring.alice)
    assert (lifetime["rebalanced_msat"], lifetime["rebalance_count"]) == (arrived_msat, len(payments))
    rebalances = verdict["categories"][0]
    for window in ("daily", "weekly"):
        shown = report["budget"][window]
        assert (shown["spent_msat"], shown["reserved_msat"]) == (fee_msat, 0)
        assert (rebalances[window]["spent_msat"], rebalances[window]["reserved_msat"]) == (fee_msat, 0)
    after = footprint(ring.alice)
    rebalancer.cron("rebalance", "run")
    assert footprint(ring.alice) == after, "a second run did something"
    assert [kind for kind, _ in ledger_of(rebalancer)] == ["reserve", "settle"]
    passed = ["planned", "reserved", "sending", "in_flight", "settled"]
    assert statuses_of(rebalancer, job_of(rebalancer)["job_key"]) == passed


def test_a_new_database_on_the_same_node_starts_without_trouble(
    ring: Ring, rebalancer: Operator, planned: Callable[[], Operator]
) -> None:
    rebalancer.cron("rebalance", "run")
    ring.settle_down()
    # Its keys begin anew, and the node remembers the labels of the first one.
    second = planned()
    before = balances(ring)

    second.cron("rebalance", "run")

    assert_settled(ring, second, before)


def test_what_a_lost_database_has_spent_is_booked_before_anything_else(
    ring: Ring, rebalancer: Operator, planned: Callable[[], Operator]
) -> None:
    known = last_payment(ring.alice)
    rebalancer.cron("rebalance", "run")
    ring.settle_down()
    lost = job_of(rebalancer)
    second = planned()
    second.know_payments(known)

    ran = second.run("rebalance", "run")

    assert ran.code == 0
    assert lost["label"] in ran.err
    assert "has forgotten" in ran.err
    ring.settle_down()
    own, stray = second.rows("SELECT * FROM rebalance_job ORDER BY job_key")
    assert (stray["status"], stray["payment_hash"], stray["fee_msat"]) == (
        "settled", lost["payment_hash"], lost["fee_msat"],
    )  # fmt: skip
    spent_msat = own["fee_msat"] + stray["fee_msat"]
    assert second.metric("revops_node_rebalance_fees_msat_total") == circular_cost_msat(ring.alice) >= spent_msat
    assert sum(amount for kind, amount in ledger_of(second) if kind == "settle") == spent_msat


def test_a_payment_still_under_way_keeps_its_reservation_and_a_later_run_settles_it(
    ring: Ring, rebalancer: Operator
) -> None:
    before = balances(ring)
    rebalancer.settings["rebalance.wait_seconds"] = "1"
    ring.carol.daemon.pause()
    try:
        rebalancer.cron("rebalance", "run")
        assert own_payment(ring, job_of(rebalancer))["status"] == "pending"
        assert job_of(rebalancer)["status"] == "in_flight"
        ((kind, reserved_msat),) = ledger_of(rebalancer)
        daily = rebalancer.json("budget", "check")["categories"][0]["daily"]
        assert (kind, daily["reserved_msat"], daily["spent_msat"]) == ("reserve", reserved_msat, 0)
        # Asked again while nothing is known, it is neither paid twice nor given up.
        rebalancer.cron("rebalance", "run")
        assert ledger_of(rebalancer) == [("reserve", reserved_msat)]
        assert own_payment(ring, job_of(rebalancer))["status"] == "pending"
    finally:
        ring.carol.daemon.resume()
    ring.settle_down()

    rebalancer.cron("rebalance", "run")

    assert_settled(ring, rebalancer, before)


def test_a_run_that_is_killed_while_its_payment_is_under_way_is_finished_by_the_next(
    ring: Ring, rebalancer: Operator
) -> None:
    before = balances(ring)
    ring.carol.daemon.pause()
    try:
        with rebalancer.start("rebalance", "run") as process:
            wait_until(
                "job in flight", lambda: process.poll() is not None or job_of(rebalancer)["status"] == "in_flight"
            )
            process.kill()
            assert process.wait() == -signal.SIGKILL
        assert [kind for kind, _ in ledger_of(rebalancer)] == ["reserve"]
    finally:
        ring.carol.daemon.resume()
    ring.settle_down()

    rebalancer.cron("rebalance", "run")

    assert_settled(ring, rebalancer, before)


def disconnect_bob(ring: Ring) -> None:
    ring.alice.call("disconnect", id=ring.bob.node_id, force=True)


def disconnect_carol(ring: Ring) -> None:
    ring.alice.call("disconnect", id=ring.carol.node_id, force=True)


def restart_bob(ring: Ring) -> None:
    """Who holds the payment meanwhile; he reads of it again in his database."""
    ring.bob.stop()
    ring.bob.start()
    wait_until("answer of bob", ring.bob.up)
    ring.keep_off(ring.bob, ring.carol)


@pytest.mark.parametrize("trouble", [disconnect_bob, disconnect_carol, restart_bob])
def test_a_peer_that_goes_in_mid_flight_leaves_a_job_that_ends(
    ring: Ring, rebalancer: Operator, trouble: Callable[[Ring], None]
) -> None:
    """Settled or failed, as the payment was: never unknown, and booked to the msat."""
    before = balances(ring)
    rebalancer.settings["rebalance.wait_seconds"] = "1"
    ring.carol.daemon.pause()
    try:
        rebalancer.cron("rebalance", "run")
        assert job_of(rebalancer)["status"] == "in_flight"
        trouble(ring)
    finally:
        ring.carol.daemon.resume()
    ring.settle_down()
    rebalancer.settings["rebalance.wait_seconds"] = "60"
    rebalancer.cron("rebalance", "run")
    ring.settle_down()
    rebalancer.cron("rebalance", "run")

    jobs = rebalancer.rows("SELECT * FROM rebalance_job ORDER BY job_key")
    assert {job["status"] for job in jobs} <= {"settled", "failed"}
    cost_msat = 0
    for job in jobs:
        assert (job["failure"] is None) == (job["status"] == "settled")
        if job["payment_hash"] is None:
            continue
        payment = own_payment(ring, job)
        assert payment["status"] == {"settled": "complete", "failed": "failed"}[job["status"]]
        if job["status"] == "settled":
            cost_msat += payment["amount_sent_msat"] - payment["amount_msat"]
            assert_moved(ring, rebalancer, job)
    settled = [msat for kind, msat in ledger_of(rebalancer) if kind == "settle"]
    daily = rebalancer.json("budget", "check")["categories"][0]["daily"]
    assert (sum(settled), daily["spent_msat"], daily["reserved_msat"]) == (cost_msat, cost_msat, 0)
    arrived_msat = AMOUNT_MSAT * len(settled)
    assert balances(ring) == (before[0] - arrived_msat - cost_msat, before[1] + arrived_msat)


def test_two_jobs_are_under_way_at_once_and_each_source_pays_for_what_it_may(
    ring: Ring, started: Callable[[], Operator]
) -> None:
    """Towards each other: out by bob and in by carol, and the other way round. Neither channel is part of both jobs
    at once, so that the second begins when the first has ended, in one run.
    """
    ring.drain()
    ring.stock()
    operator = started()
    operator.settings |= {"rebalance.mode": "act", "budget.daily_sat": "1000", "budget.weekly_sat": "1000"}
    operator.cron("sync")
    bob, carol = (ring.alice.channel_with(peer)["channel_id"] for peer in (ring.bob, ring.carol))
    plant(operator, [(carol, [bob]), (bob, [carol])])
    before = balances(ring)

    operator.cron("rebalance", "run")

    first, second = operator.rows("SELECT * FROM rebalance_job ORDER BY job_key")
    assert (first["status"], second["status"]) == ("settled", "settled")
    assert (
        first["finished_at"]
        <= operator.rows(
            "SELECT stepped_at FROM rebalance_step WHERE job_key = ? AND status = 'reserved'", second["job_key"]
        )[0]["stepped_at"]
    )
    ring.settle_down()
    assert sum(balances(ring)) == sum(before) - first["fee_msat"] - second["fee_msat"]


def plant(operator: Operator, wanted: list[tuple[str, list[str]]]) -> None:
    """Store a plan of (target, sources), past the planner."""
    now = time.time()
    decisions = tuple(
        RebalanceDecision(
            target_channel_id=target,
            target_name="target",
            source_channel_id=sources[0],
            source_name="source",
            outcome=Outcome.CHANGE,
            amount_msat=AMOUNT_MSAT // 2,
            max_fee_msat=AMOUNT_MSAT // 1_000,
            expected_gain_msat=1,
            reasons=(),
            sources=tuple(SourceOffer(source, "source", AMOUNT_MSAT // 1_000) for source in sources),
        )
        for target, sources in wanted
    )
    with Database.open(f"sqlite:///{operator.database_path}") as database:
        node_key = database.known_nodes()[0].node_key
        with database.transaction(node_key) as tx:
            run_key = runs.begin_run(tx, "rebalance plan", now, "0")
            runs.end_run(tx, run_key, now, 0, None)
            plans.add_plan(tx, run_key, RebalancePlan(now, now + 3_600, decisions))


def test_a_payment_that_fails_costs_nothing_and_its_pair_is_left_alone(ring: Ring, rebalancer: Operator) -> None:
    before = balances(ring)
    emptied_sat = ring.empty()
    try:
        rebalancer.cron("rebalance", "run")
        job, again = rebalancer.rows("SELECT * FROM rebalance_job ORDER BY job_key")
        assert (job["status"], own_payment(ring, job)["status"]) == ("failed", "failed")
        # Where it failed is avoided by the second attempt, and there is no other way.
        assert (job["failure"], again["failure"]) == ("liquidity", "no_route")
        assert (again["status"], again["attempt"], again["retry_of_key"]) == ("failed", 2, job["job_key"])
        assert [kind for kind, _ in ledger_of(rebalancer)] == ["reserve", "release"]
        assert balances(ring) == before
        assert ring.alice.call("listinvoices", label=job["label"])["invoices"] == []
        daily = rebalancer.json("budget", "check")["categories"][0]["daily"]
        assert (daily["spent_msat"], daily["reserved_msat"]) == (0, 0)
        # Where it failed is known to the node's router, and the pair cools down.
        half = ring.bob.channel_with(ring.carol)
        (layer,) = ring.alice.call("askrene-listlayers", layer=KNOWN_LAYER)["layers"]
        hop = f"{half['short_channel_id']}/{half['direction']}"
        assert job["erring_scidd"] == hop
        assert hop in {known["short_channel_id_dir"] for known in layer["constraints"]}
        (planned,) = (
            decision
            for decision in rebalancer.json("rebalance", "plan")["decisions"]
            if decision["target_channel_id"] == ring.alice.channel_with(ring.carol)["channel_id"]
        )
        assert (planned["outcome"], planned["reasons"][0]["code"]) == ("skip", "cooling_down")
    finally:
        ring.forget()
        ring.pay(ring.carol, ring.bob, emptied_sat, directly=True)


def test_a_dry_run_says_what_it_would_do_and_does_none_of_it(ring: Ring, rebalancer: Operator) -> None:
    # A dry run makes no layer, and asks for routes only where there is one.
    ring.keep_out()
    # Above both, whatever fees other tests have left.
    channels = [ring.alice.channel_with(peer) for peer in (ring.bob, ring.carol)]
    wanted_ppm = max(channel["fee_proportional_millionths"] for channel in channels) + 100
    rebalancer.settings |= {
        "fees.mode": "act", "fees.min_ppm": str(wanted_ppm), "fees.max_ppm": str(wanted_ppm + 1_000),
    }  # fmt: skip
    node, records, metrics = footprint(ring.alice), rebalancer.decided(), rebalancer.metrics()

    fees = rebalancer.json("fees", "adjust", "--dry-run")
    planned = rebalancer.json("rebalance", "plan", "--dry-run")
    run = rebalancer.json("rebalance", "run", "--dry-run")
    assert rebalancer.run("rollup", "--dry-run").code == 0

    assert [decision["outcome"] for decision in fees["decisions"]] == ["change", "change"]
    assert [decision["new_ppm"] for decision in fees["decisions"]] == [wanted_ppm, wanted_ppm]
    outcomes = {decision["outcome"] for decision in planned["decisions"]}
    assert "change" in outcomes, [reason["sentence"] for one in planned["decisions"] for reason in one["reasons"]]
    (job,) = run["jobs"]
    assert (job["status"], job["reason"]["code"]) == ("planned", "route_found")
    assert footprint(ring.alice) == node
    assert rebalancer.decided() == records
    assert rebalancer.metrics() == metrics
