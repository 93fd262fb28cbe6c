"""Money: a circular payment that the records of both the node and the ledger agree on, in every way it can end."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.regtest.operator_home import Operator
from tests.regtest.processes import wait_until
from tests.regtest.ring import REBALANCE_SAT, Ring, footprint

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
    assert operator.metric("revops_node_rebalance_fees_msat_total") == fee_msat
    return fee_msat


def test_a_planned_job_is_executed_settled_and_booked(ring: Ring, rebalancer: Operator) -> None:
    before = balances(ring)

    rebalancer.cron("rebalance", "run")

    fee_msat = assert_settled(ring, rebalancer, before)
    report, verdict = rebalancer.json("report"), rebalancer.json("budget", "check")
    assert report["lifetime"]["rebalance_fees_msat"] == fee_msat
    assert (report["lifetime"]["rebalanced_msat"], report["lifetime"]["rebalance_count"]) == (AMOUNT_MSAT, 1)
    for window in ("daily", "weekly"):
        assert verdict[window] == report["budget"][window]
        assert (verdict[window]["spent_msat"], verdict[window]["reserved_msat"]) == (fee_msat, 0)
    after = footprint(ring.alice)
    rebalancer.cron("rebalance", "run")
    assert footprint(ring.alice) == after, "a second run did something"
    assert [kind for kind, _ in ledger_of(rebalancer)] == ["reserve", "settle"]


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
        daily = rebalancer.json("budget", "check")["daily"]
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


def test_a_payment_that_fails_costs_nothing_and_its_pair_is_left_alone(ring: Ring, rebalancer: Operator) -> None:
    before = balances(ring)
    emptied_sat = ring.empty()
    try:
        rebalancer.cron("rebalance", "run")
        job = job_of(rebalancer)
        assert (job["status"], own_payment(ring, job)["status"]) == ("failed", "failed")
        assert [kind for kind, _ in ledger_of(rebalancer)] == ["reserve", "release"]
        assert balances(ring) == before
        assert ring.alice.call("listinvoices", label=job["label"])["invoices"] == []
        daily = rebalancer.json("budget", "check")["daily"]
        assert (daily["spent_msat"], daily["reserved_msat"]) == (0, 0)
        # Where it failed is known to the node's router, and the pair cools down.
        half = ring.bob.channel_with(ring.carol)
        (layer,) = ring.alice.call("askrene-listlayers", layer="revops")["layers"]
        hop = f"{half['short_channel_id']}/{half['direction']}"
        assert hop in {known["short_channel_id_dir"] for known in layer["constraints"]}
        (planned,) = (
            decision
            for decision in rebalancer.json("rebalance", "plan")["decisions"]
            if decision["target_channel_id"] == ring.alice.channel_with(ring.carol)["channel_id"]
        )
        assert (planned["outcome"], planned["reasons"][0]["code"]) == ("skip", "cooling_down")
    finally:
        ring.alice.call("askrene-remove-layer", layer="revops")
        ring.pay(ring.carol, ring.bob, emptied_sat, directly=True)


def test_a_dry_run_says_what_it_would_do_and_does_none_of_it(ring: Ring, rebalancer: Operator) -> None:
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
    assert "change" in {decision["outcome"] for decision in planned["decisions"]}
    (job,) = run["jobs"]
    assert (job["status"], job["reason"]["code"]) == ("planned", "route_found")
    assert footprint(ring.alice) == node
    assert rebalancer.decided() == records
    assert rebalancer.metrics() == metrics
