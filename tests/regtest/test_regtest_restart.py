"""lightningd away and back: one line on standard error, exit 69, and all is well again when it is."""

from __future__ import annotations

import pytest

from tests.regtest.operator_home import Operator
from tests.regtest.processes import wait_until
from tests.regtest.ring import Ring

pytestmark = pytest.mark.regtest


def test_a_stopped_node_is_one_line_and_exit_69_and_a_restarted_one_works(ring: Ring, operator: Operator) -> None:
    ring.pay(ring.carol, ring.bob, 20_000)
    operator.cron("sync")
    earned_msat = ring.alice.call("getinfo")["fees_collected_msat"]
    ring.alice.stop()
    try:
        for line in ("sync", "rebalance run"):
            # Killed, it leaves its socket behind; stopped in order, or before its first start, there is none.
            ring.alice.rpc_path.unlink(missing_ok=line != "sync")
            ran = operator.run(*line.split())
            assert (ran.code, ran.out, ran.err.count("\n")) == (69, "", 1), (line, ran)
            assert ran.err.startswith("revops: getinfo: ")
            assert str(ring.alice.rpc_path) in ran.err
        # What only reads the records works on.
        assert operator.json("report")["lifetime"]["earned_msat"] == earned_msat
    finally:
        ring.alice.start()
        wait_until("answer of alice", ring.alice.up)
    # As soon as it answers, its peers may still be away.
    operator.cron("sync")
    ring.settle_down()
    ring.pay(ring.carol, ring.bob, 20_000)

    operator.cron("sync")

    report = operator.json("report")
    assert report["lifetime"]["earned_msat"] == ring.alice.call("getinfo")["fees_collected_msat"] > earned_msat
    assert report["books"]["difference_msat"] == 0
    assert {run["command"]: run["exit_code"] for run in report["runs"]} == {"sync": 0, "rebalance run": 69}
