"""What lightningd records of a peer that leaves, and of its own end: the figures that stability rests on."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

import pytest

from tests.regtest.network import Lightningd
from tests.regtest.operator_home import Operator
from tests.regtest.processes import wait_until
from tests.regtest.ring import Ring

pytestmark = pytest.mark.regtest


@dataclass(frozen=True, slots=True)
class Day:
    """A peer in the last 24 hours, as `report peers` has it."""

    up_seconds: float
    down_seconds: float
    flap_count: int


def look(operator: Operator, peer: Lightningd) -> Day:
    operator.cron("sync")
    (found,) = [one for one in operator.json("report", "peers")["peers"] if one["peer_id"] == peer.node_id]
    day = found["stability"]["day"]
    return Day(day["up_seconds"], day["down_seconds"], day["flap_count"])


def away(ring: Ring, peer: Lightningd) -> bool:
    return not ring.alice.channel_with(peer)["peer_connected"]


def rows(ring: Ring, peer: Lightningd) -> list[str]:
    """alice's own rows of the peer, but for the pings."""
    found = ring.alice.call("listnetworkevents", id=peer.node_id)["networkevents"]
    return [row["type"] for row in found if row["type"] != "ping"]


def failed_last(ring: Ring, peer: Lightningd) -> bool:
    return rows(ring, peer)[-1] == "connect_fail"


def kill_alice(ring: Ring) -> None:
    """Not asked, she can say goodbye to nobody."""
    os.kill(ring.alice.daemon.pid, signal.SIGKILL)
    ring.alice.stop()


def start(ring: Ring, *nodes: Lightningd) -> None:
    for node in nodes:
        node.start()
    for node in nodes:
        wait_until(f"answer of {node.name}", node.up)


def test_a_peer_s_absence_is_its_own_and_ours_is_not(own_ring: Ring, newcomer: Operator) -> None:
    """On a ring of its own: a node that starts anew has forgotten the layers that the other tests pay by."""
    ring, operator = own_ring, newcomer
    assert operator.run("init", "--rpc-path", str(ring.alice.rpc_path)).code == 0
    before = look(operator, ring.bob)
    left_at = time.time()
    ring.bob.stop()
    wait_until("bob gone", lambda: away(ring, ring.bob))
    time.sleep(2)
    start(ring, ring.bob)
    ring.settle_down()
    outside_seconds = time.time() - left_at

    left = look(operator, ring.bob)

    assert left.flap_count == before.flap_count + 1
    # Her rows are in whole seconds.
    assert 1 <= left.down_seconds - before.down_seconds <= outside_seconds + 2

    # She ends, killed and in order: neither leaves a row, and her peers come back as if they had never left.
    for end in (kill_alice, lambda ring: ring.alice.stop()):
        count = len(rows(ring, ring.bob))
        end(ring)
        time.sleep(2)
        start(ring, ring.alice)
        ring.settle_down()
        assert rows(ring, ring.bob)[count:].count("disconnect") == 0
        again = look(operator, ring.bob)
        assert (again.down_seconds, again.flap_count) == (left.down_seconds, left.flap_count)
        assert again.up_seconds > left.up_seconds

    # Who leaves while she is away is missed by the attempts that fail, and was never dropped.
    carol = look(operator, ring.carol)
    kill_alice(ring)
    ring.carol.stop()
    start(ring, ring.alice)
    try:
        wait_until("attempt that fails", lambda: failed_last(ring, ring.carol))
        time.sleep(2)
        missed = look(operator, ring.carol)
        assert missed.flap_count == carol.flap_count
        assert missed.down_seconds > carol.down_seconds
    finally:
        start(ring, ring.carol)
        ring.settle_down()
    # However often she tries, it is one row here.
    kinds = operator.rows(
        "SELECT kind FROM peer_event JOIN peer USING (node_key, peer_key) WHERE peer_id = "
        f"'{ring.carol.node_id}' ORDER BY created_index"
    )
    assert kinds[-1]["kind"] == "connect_fail"
    assert kinds[-2]["kind"] == "connect"
