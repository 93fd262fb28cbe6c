"""A channel that changes its name, then goes: a splice gives it a new short channel id, a close ends it.

Forwards keep the id that they came by, so the books of a database that saw it all and of one that begins afterwards
must be the same. The ring of this test is its own.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.regtest.bookkeeping import assert_equal_books
from tests.regtest.network import RpcRefused
from tests.regtest.operator_home import Operator
from tests.regtest.processes import wait_until
from tests.regtest.ring import Ring

pytestmark = [pytest.mark.regtest, pytest.mark.timeout(600)]

SPLICED_SAT = 100_000


def test_a_spliced_and_a_closed_channel_keep_their_history(own_ring: Ring, tmp_path: Path) -> None:
    ring, alice = own_ring, own_ring.alice
    try:
        alice.call("help", command="splicein")
    except RpcRefused:
        pytest.skip("this lightningd has no splicein (v26.04 brought it)")
    witness = Operator(tmp_path / "witness")
    ran = witness.run("init", "--rpc-path", str(alice.rpc_path))
    assert (ran.code, ran.err) == (0, ""), ran
    late, last = (Operator(shutil.copytree(witness.home, tmp_path / name)) for name in ("late", "last"))
    ring.pay(ring.carol, ring.bob, 40_000)
    ring.pay(ring.bob, ring.carol, 50_000)
    witness.cron("sync")
    before = alice.channel_with(ring.carol)

    alice.call("splicein", channel=before["channel_id"], amount=str(SPLICED_SAT))
    assert alice.channel_with(ring.carol)["state"] == "CHANNELD_AWAITING_SPLICE"
    witness.cron("sync")
    assert {"state": "CHANNELD_AWAITING_SPLICE"} in witness.rows("SELECT state FROM channel")
    ring.bitcoind.mine(6)
    new_scid = wait_until("new scid", lambda: _other_scid(ring, before["short_channel_id"]))
    ring.settle_down()
    ring.pay(ring.bob, ring.carol, 12_000)
    witness.cron("sync")
    late.cron("sync")

    for operator in (witness, late):
        spliced = assert_equal_books(ring, operator)[new_scid]
        assert (spliced["channel_id"], spliced["state"]) == (before["channel_id"], "CHANNELD_NORMAL")
        assert spliced["capacity_msat"] == before["total_msat"] + SPLICED_SAT * 1_000
        assert (spliced["lifetime"]["out_count"], spliced["lifetime"]["in_count"]) == (2, 1)

    alice.call("close", id=ring.carol.node_id)
    ring.bitcoind.mine(1)
    witness.cron("sync")
    ring.bitcoind.mine(100)
    wait_until("closed channel", lambda: alice.call("listclosedchannels")["closedchannels"])
    witness.cron("sync")
    last.cron("sync")

    closed = assert_equal_books(ring, witness)[new_scid]
    assert (closed["channel_id"], closed["open"]) == (before["channel_id"], False)
    assert closed["lifetime"] == spliced["lifetime"]
    # The node no longer says whose name the old one was. Who comes only now has all of the forwards, in two places.
    shown = assert_equal_books(ring, last)
    pieces = [shown[name] for name in (before["short_channel_id"], new_scid)]
    assert [piece["open"] for piece in pieces] == [False, False]
    assert [piece["lifetime"]["out_count"] for piece in pieces] == [1, 1]
    assert causes(witness) == causes(late) == set()
    assert causes(last) == {"unknown_scid"}


def causes(operator: Operator) -> set[str]:
    """Why figures differ. All of that is explained."""
    found = operator.json("reconcile")
    assert found["unexplained_msat"] == 0
    return {one["cause"] for one in found["differences"]}


def _other_scid(ring: Ring, scid: str) -> str | None:
    """The channel's new name on both sides."""
    ends = (ring.alice.channel_with(ring.carol), ring.carol.channel_with(ring.alice))
    names = {channel["short_channel_id"] for channel in ends}
    return str(names.pop()) if len(names) == 1 and scid not in names else None
