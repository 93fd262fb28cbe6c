"""The first contact: `revops init` on a real node, then every command of the crontab as it was left: watching."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from tests.regtest.operator_home import Operator
from tests.regtest.ring import Ring, footprint

pytestmark = pytest.mark.regtest


def test_the_doctor_finds_nothing_wrong_with_a_real_node(ring: Ring, newcomer: Operator) -> None:
    """It asks for some of everything that a sync reads, and for the methods of the plugins."""
    assert newcomer.run("init", "--rpc", str(ring.alice.rpc_path)).code == 0
    newcomer.cron("sync")
    before = footprint(ring.alice)
    ran = newcomer.run("doctor", "--json")
    assert ran.err == ""
    of_the_node = {one["check"]: one for one in ran.document["findings"] if one["check"].startswith("node.")}
    assert {one["severity"] for one in of_the_node.values()} <= {"ok", "note"}, of_the_node
    assert {"node.replies", "node.router", "node.bookkeeper", "node.autoclean"} <= of_the_node.keys()
    assert "bookkeeper is on" in of_the_node["node.bookkeeper"]["sentence"]
    assert footprint(ring.alice) == before


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_newcomer_gets_a_private_configuration_and_a_crontab_that_only_watches(
    ring: Ring, newcomer: Operator
) -> None:
    ring.drain()
    before = footprint(ring.alice)

    ran = newcomer.run("init", "--rpc-path", str(ring.alice.rpc_path))

    assert (ran.code, ran.err) == (0, "")
    assert mode_of(newcomer.config_path) == 0o600
    assert mode_of(newcomer.database_path) == 0o600
    written = tomllib.loads(newcomer.config_path.read_text(encoding="utf-8"))
    assert written["node"]["rpc_path"] == str(ring.alice.rpc_path)
    assert (written["fees"]["mode"], written["rebalance"]["mode"]) == ("observe", "observe")
    again = newcomer.run("init", "--rpc-path", str(ring.alice.rpc_path))
    assert (again.code, again.err) == (0, "")
    assert "nothing was changed" in again.out

    # Now everything is worth doing; `observe` alone stands between that and the node.
    newcomer.settings |= {
        "fees.min_ppm": "2000", "rebalance.max_amount_sat": "100000", "budget.daily_sat": "1000",
        "budget.weekly_sat": "1000",
    }  # fmt: skip
    for line in ("sync", "fees adjust", "rebalance plan -q", "budget check -q", "rebalance run", "rollup"):
        newcomer.cron(*line.split())

    assert footprint(ring.alice) == before
    deferred = newcomer.rows("SELECT * FROM decision WHERE outcome = 'defer'")
    assert {row["command"] for row in deferred} == {"fees adjust", "rebalance plan"}
    assert all("observe_mode" in row["reasons_json"] for row in deferred)
    assert newcomer.rows("SELECT * FROM action") == newcomer.rows("SELECT * FROM spend_ledger") == []
