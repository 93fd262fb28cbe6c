"""`splice plan` and `splice run` on a real node: into a channel and out of one, from the plan to depth and books; a
run that dies at each step; a peer that goes in the middle. What a month of traffic would have recorded is given
(`splice_driver.py`), all else is the node's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import revops
from tests.regtest.life import agree, new_operator, new_street, profit
from tests.regtest.network import Lightningd
from tests.regtest.operator_home import Operator
from tests.regtest.processes import wait_until
from tests.regtest.street import ALICE_BASE_MSAT, ALICE_PPM, MSAT_PER_BTC, Street

pytestmark = [pytest.mark.regtest, pytest.mark.timeout(600)]

WANTED_SAT, FUNDED_SAT = 300_000, 1_000_000
ROOT = Path(__file__).parents[2]
#: lightningd draws them by lot; each pays for a splice alone. (At the lowest feerate of all, v26.06.6 may refuse a
#: splice that took several: it reckons the fee a sat too low.)
COINS_SAT = [600_000] * 4 + [3_000_000]


class Scene:
    """alice, whose channel with bob wants more, and whose channel with carol is dead."""

    def __init__(self, stack: ExitStack, home: Path) -> None:
        self.street: Street = new_street(stack, {"bob": (), "carol": ()})
        self.alice = self.street.alice
        self.bob, self.carol = (self.street.neighbours[name] for name in ("bob", "carol"))
        self.operator: Operator = new_operator(self.street, home)
        self.operator.settings |= {
            "splice.mode": "act", "splice.daily_sat": "50000", "splice.weekly_sat": "100000",
            "splice.min_amount_sat": "10000", "reserve.onchain_sat": "100000",
        }  # fmt: skip
        self.street.fund(self.alice, *COINS_SAT)
        self.street.mine()
        for peer in (self.bob, self.carol):
            self.street.connect(self.alice, peer)
            self.alice.call("fundchannel", id=peer.node_id, amount=FUNDED_SAT)
            self.street.mine(6)
        self.street.usable((self.alice, self.bob), (self.alice, self.carol))
        self.wanted, self.dead = (self.channel(peer)["channel_id"] for peer in (self.bob, self.carol))

    def channel(self, peer: Lightningd) -> dict[str, Any]:
        return self.street.channel(self.alice, peer)

    def command(self, *arguments: str, die: str = "", patience: float = 0.0) -> list[str]:
        given = {
            "wanted": self.wanted, "wanted_sat": WANTED_SAT, "dead": self.dead, "die": die, "patience": patience,
            "arguments": [*arguments, "--json"],
        }  # fmt: skip
        return [sys.executable, "-m", "tests.regtest.splice_driver", json.dumps(given)]

    def environment(self) -> dict[str, str]:
        operator = self.operator
        settings = {f"REVOPS_{name.replace('.', '_').upper()}": value for name, value in operator.settings.items()}
        return {
            "PATH": os.environ.get("PATH", os.defpath), "HOME": str(operator.home), "LC_ALL": "C.UTF-8",
            "PYTHONPATH": f"{Path(revops.__file__).parents[1]}{os.pathsep}{ROOT}",
            "REVOPS_CONFIG": str(operator.config_path), **settings,
        }  # fmt: skip

    def drive(self, *arguments: str, die: str = "", patience: float = 0.0, code: int = 0) -> dict[str, Any]:
        """Run a command; return its document."""
        done = subprocess.run(
            self.command(*arguments, die=die, patience=patience), env=self.environment(), cwd=ROOT, check=False,
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return dict(json.loads(done.stdout)) if done.stdout.startswith("{") else {}

    def plan(self) -> list[dict[str, Any]]:
        """Plan; return what is to be done."""
        found = self.drive("splice", "plan")["decisions"]
        return [one for one in found if one["outcome"] == "change"]

    def run(self, **more: Any) -> list[str]:
        """Run; return what was said of each splice."""
        jobs = self.drive("splice", "run", **more)["jobs"]
        return [job["reason"]["code"] for job in jobs]

    def deep(self, peer: Lightningd, before: str) -> None:
        """Mine what a splice needs, and wait until both sides have locked it in."""
        self.street.mine(6)
        wait_until("lock-in", lambda: self.renamed(peer, before))
        self.street.usable((self.alice, peer))

    def renamed(self, peer: Lightningd, before: str) -> bool:
        ends = (self.channel(peer), self.street.channel(peer, self.alice))
        return all(end["state"] == "CHANNELD_NORMAL" and end["short_channel_id"] != before for end in ends)

    def jobs(self) -> list[dict[str, Any]]:
        return self.operator.rows("SELECT direction, status, txid, cost_msat FROM splice_job ORDER BY splice_key")

    def ledger_msat(self) -> tuple[int, int]:
        """What is settled, and what is reserved, by the rows alone."""
        rows = self.operator.rows("SELECT * FROM spend_ledger")
        closed = {row["reserve_key"] for row in rows if row["kind"] != "reserve"}
        settled_msat = sum(row["amount_msat"] for row in rows if row["kind"] == "settle")
        open_rows = [row for row in rows if row["kind"] == "reserve" and row["entry_key"] not in closed]
        return settled_msat, sum(row["amount_msat"] for row in open_rows)

    def fee_msat(self, txid: str) -> int:
        """What a transaction in the mempool pays, by bitcoind."""
        entry = json.loads(self.street.bitcoind.call("getmempoolentry", txid), parse_float=Decimal)
        return int(entry["fees"]["base"] * MSAT_PER_BTC)


@pytest.fixture
def scene(stack: ExitStack, tmp_path: Path) -> Scene:
    return Scene(stack, tmp_path / "home")


def test_into_a_channel_and_out_of_one(scene: Scene) -> None:
    street, alice, bob, carol = scene.street, scene.alice, scene.bob, scene.carol
    street.send(alice, bob, amount_msat=300_000_000)
    street.send(bob, alice, carol, amount_msat=20_000_000)
    before = scene.channel(bob)
    [planned] = scene.plan()
    assert (planned["channel_id"], planned["direction"], planned["amount_sat"]) == (scene.wanted, "in", WANTED_SAT)
    assert scene.run() == ["splice_begun"]
    [job] = scene.jobs()
    listed = scene.channel(bob)
    assert (listed["state"], listed["inflight"][0]["funding_txid"]) == ("CHANNELD_AWAITING_SPLICE", job["txid"])
    paid_msat, reserved_msat = scene.fee_msat(job["txid"]), scene.ledger_msat()[1]
    assert 0 < paid_msat <= reserved_msat <= planned["terms"]["max_cost_msat"]
    assert scene.run() == ["splice_waits"]
    street.send(bob, alice, carol, amount_msat=20_000_000)
    scene.deep(bob, before["short_channel_id"])
    assert scene.run() == ["splice_locked"]
    after = scene.channel(bob)
    assert after["total_msat"] - before["total_msat"] == WANTED_SAT * 1_000
    assert [(one["status"], one["cost_msat"]) for one in scene.jobs()] == [("settled", paid_msat)]
    assert scene.ledger_msat() == (paid_msat, 0)
    street.send(bob, alice, carol, amount_msat=20_000_000)
    street.send(carol, alice, bob, amount_msat=10_000_000)
    agree(scene.operator)
    # Under its old name and its new one, the channel's history is one.
    lines = {one["channel_id"]: one["line"] for one in profit(scene.operator)["channels"]}
    fee_msat = ALICE_BASE_MSAT + 20_000_000 * ALICE_PPM // 1_000_000
    assert (lines[scene.wanted]["sourced_msat"], lines[scene.dead]["earned_msat"]) == (3 * fee_msat, 3 * fee_msat)
    assert lines[scene.wanted]["earned_msat"] == ALICE_BASE_MSAT + 10_000_000 * ALICE_PPM // 1_000_000
    assert lines[scene.wanted]["splice_msat"] == paid_msat

    # The wallet is short of its reserve now: who does nothing gives.
    scene.operator.settings["reserve.onchain_sat"] = "5000000"
    before = scene.channel(carol)
    [planned] = scene.plan()
    assert (planned["channel_id"], planned["direction"]) == (scene.dead, "out")
    assert scene.run() == ["splice_begun"]
    job = scene.jobs()[-1]
    out_msat = scene.fee_msat(job["txid"])
    scene.deep(carol, before["short_channel_id"])
    assert scene.run() == ["splice_locked"]
    after = scene.channel(carol)
    assert before["total_msat"] - after["total_msat"] == planned["amount_sat"] * 1_000 + out_msat
    assert scene.ledger_msat() == (paid_msat + out_msat, 0)
    agree(scene.operator)


@pytest.mark.parametrize(
    ("die", "left", "then", "ended"),
    [
        ("commit mark_reserved", "reserved", ["splice_never_sent"], "released"),
        ("before dryrun", "reserved", ["splice_never_sent"], "released"),
        ("after dryrun", "reserved", ["splice_never_sent"], "released"),
        ("commit mark_sending", "sending", ["splice_unclear"], "failed"),
        ("before splice", "sending", ["splice_unclear"], "failed"),
        ("after splice", "sending", ["splice_waits"], "settled"),
        ("commit mark_in_flight", "in_flight", ["splice_waits"], "settled"),
    ],
)
def test_a_run_that_dies_is_picked_up(scene: Scene, die: str, left: str, then: list[str], ended: str) -> None:
    before = scene.channel(scene.bob)
    assert len(scene.plan()) == 1
    scene.drive("splice", "run", die=die, code=-signal.SIGKILL)
    assert [job["status"] for job in scene.jobs()] == [left]
    assert scene.ledger_msat()[1] > 0
    assert scene.run() == then
    if ended == "settled":
        scene.deep(scene.bob, before["short_channel_id"])
    else:
        wait_until("bob", partial(usable_again, scene))
    scene.run()
    [job] = scene.jobs()
    assert job["status"] == ended
    assert scene.ledger_msat() == (job["cost_msat"] or 0, 0)
    agree(scene.operator)
    # And the next one goes through.
    before = scene.channel(scene.bob)
    assert len(scene.plan()) == 1
    assert scene.run() == ["splice_begun"]
    scene.deep(scene.bob, before["short_channel_id"])
    assert scene.run() == ["splice_locked"]
    agree(scene.operator)


def usable_again(scene: Scene) -> bool:
    found = scene.channel(scene.bob)
    return bool(found["peer_connected"] and found.get("reestablished"))


def test_a_peer_that_stands_still_and_goes_costs_nothing(scene: Scene) -> None:
    """bob answers nothing more in the middle of it; then he is gone; then he is back."""
    assert len(scene.plan()) == 1
    scene.bob.daemon.pause()
    try:
        scene.drive("splice", "run", patience=4.0, code=69)
        assert [job["status"] for job in scene.jobs()] == ["sending"]
        assert scene.ledger_msat()[1] > 0
        assert scene.run(patience=3_600.0) == ["splice_unclear"]
    finally:
        scene.bob.daemon.resume()
    scene.bob.stop()
    scene.bob.start()
    wait_until("answer of bob", scene.bob.up)
    wait_until("bob", partial(usable_again, scene))
    scene.run()
    wait_until("bob", partial(usable_again, scene))
    [job] = scene.jobs()
    if job["status"] in {"sending", "in_flight"}:
        scene.street.mine(6)
        scene.run()
        wait_until("bob", partial(usable_again, scene))
        scene.run()
        [job] = scene.jobs()
    assert job["status"] in {"failed", "settled"}
    assert scene.ledger_msat() == (job["cost_msat"] or 0, 0)
    agree(scene.operator)
