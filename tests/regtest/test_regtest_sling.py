"""The plugin sling on a real node: what it does for us is closed by the node's own records, at what they say it cost.

REVOPS_SLING_PLUGIN names the plugin's program, v4.1.3 or later. Without it only its absence is tested.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from revops.actuate.sling import STOPPED_SECONDS
from revops.domain.sling import SlingOrder, order_of
from tests.regtest.network import RpcRefused
from tests.regtest.operator_home import Operator
from tests.regtest.processes import wait_until
from tests.regtest.ring import Ring
from tests.regtest.test_regtest_rebalance import balances, job_of, ledger_of, statuses_of

pytestmark = pytest.mark.regtest

PLUGIN = os.environ.get("REVOPS_SLING_PLUGIN", "")
SLING_SECONDS = 180.0


@pytest.fixture
def sling(ring: Ring) -> Iterator[Ring]:
    """The ring, with the plugin running on alice."""
    if not PLUGIN:
        pytest.skip("REVOPS_SLING_PLUGIN names no plugin")
    ring.alice.call("plugin", subcommand="start", plugin=PLUGIN)
    try:
        yield ring
    finally:
        if _runs(ring):
            ring.alice.call("plugin", subcommand="stop", plugin=PLUGIN)


def _runs(ring: Ring) -> bool:
    try:
        ring.alice.call("sling-version")
    except RpcRefused:
        return False
    return True


def ordered(operator: Operator) -> SlingOrder:
    order = order_of(job_of(operator)["label"])
    assert order is not None
    return order


def paid(ring: Ring, order: SlingOrder) -> list[dict[str, Any]]:
    """The payments of a job, by their size."""
    rows = ring.alice.call("listsendpays", status="complete")["payments"]
    return [row for row in rows if row["amount_msat"] == order.chunk_msat and "label" not in row]


def moved_msat(ring: Ring, hashes: set[str]) -> tuple[int, int]:
    """What arrived, and what it cost, by the node's own ledger of moves."""
    moves = [move for move in ring.alice.call("listchannelmoves")["channelmoves"] if move.get("payment_hash") in hashes]
    arrived, left = sum(move["credit_msat"] for move in moves), sum(move["debit_msat"] for move in moves)
    return arrived, left - arrived


def assert_closed(ring: Ring, operator: Operator, before: tuple[int, int]) -> None:
    """The job is closed, and payments, moves, ledger and balances name one price for it."""
    ring.settle_down()
    job, rows = job_of(operator), paid(ring, ordered(operator))
    arrived, cost = moved_msat(ring, {row["payment_hash"] for row in rows})
    assert cost == sum(row["amount_sent_msat"] - row["amount_msat"] for row in rows)
    (reserved, closed) = ledger_of(operator)
    assert closed == (("settle", cost) if rows else ("release", 0))
    assert job["status"] == ("settled" if rows else "failed")
    assert (job["fee_msat"], job["executor"]) == (cost, "sling")
    assert cost <= reserved[1]
    assert balances(ring) == (before[0] - arrived - cost, before[1] + arrived)
    claimed = operator.rows("SELECT hex(payment_hash) AS name FROM rebalance_payment WHERE job_key = ?", job["job_key"])
    assert {row["name"].lower() for row in claimed} == {row["payment_hash"] for row in rows}


def test_a_job_is_done_by_sling_and_closed_by_the_nodes_records(sling: Ring, rebalancer: Operator) -> None:
    rebalancer.settings["rebalance.executor"] = "sling"
    before = balances(sling)
    rebalancer.cron("rebalance", "run")
    order = ordered(rebalancer)
    wait_until("end of sling's job", lambda: len(paid(sling, order)) == order.payment_count, SLING_SECONDS)
    sling.settle_down()
    rebalancer.cron("rebalance", "run")
    assert statuses_of(rebalancer, job_of(rebalancer)["job_key"])[-1] == "stopped"
    time.sleep(STOPPED_SECONDS + 1)
    rebalancer.cron("rebalance", "run")
    assert_closed(sling, rebalancer, before)


def test_a_plugin_that_is_stopped_leaves_nothing_open(sling: Ring, rebalancer: Operator) -> None:
    rebalancer.settings["rebalance.executor"] = "sling"
    before = balances(sling)
    rebalancer.cron("rebalance", "run")
    order = ordered(rebalancer)
    wait_until("first payment of sling's", lambda: len(paid(sling, order)) > 0, SLING_SECONDS)
    sling.alice.call("plugin", subcommand="stop", plugin=PLUGIN)
    rebalancer.cron("rebalance", "run")
    time.sleep(STOPPED_SECONDS + 1)
    rebalancer.cron("rebalance", "run")
    assert_closed(sling, rebalancer, before)


def test_sling_without_its_plugin_says_so_and_reserves_nothing(ring: Ring, rebalancer: Operator) -> None:
    assert not _runs(ring)
    rebalancer.settings["rebalance.executor"] = "sling"
    before = balances(ring)
    ran = rebalancer.run("rebalance", "run")
    assert (ran.code, ran.out) == (78, "")
    assert "the plugin sling doesn't answer" in ran.err
    assert (job_of(rebalancer)["status"], ledger_of(rebalancer), balances(ring)) == ("planned", [], before)
