"""What a splice into a channel costs on the real node, whatever kinds of coins the wallet has: no more than its weight
was reckoned at.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from revops.decide.splice.cost import in_weight
from tests.regtest.processes import wait_until
from tests.regtest.test_regtest_splice_run import WANTED_SAT, Scene

pytestmark = [pytest.mark.regtest, pytest.mark.timeout(600)]

PERKW = 2_000
#: How the scripts of outputs begin that a witness script opens (BIP 141).
SCRIPT_HASH = "0020"


def test_a_coin_that_a_force_close_left_costs_no_more_than_is_reckoned(stack: ExitStack, tmp_path: Path) -> None:
    scene = Scene(stack, tmp_path / "home")
    street, alice = scene.street, scene.alice
    alice.daemon.pause()
    scene.carol.call("close", id=alice.node_id, unilateraltimeout=1)
    alice.daemon.resume()
    street.mine(6)
    wait_until("what the close left", partial(coins, scene, left=True))
    alice.call(
        "withdraw", destination=street.bitcoind.call("getnewaddress").strip(), satoshi="all",
        utxos=[f"{one['txid']}:{one['output']}" for one in coins(scene, left=False)],
    )  # fmt: skip
    made = alice.call(
        "dev-splice", script_or_json=f"wallet -> {WANTED_SAT} + fee@{PERKW}; {WANTED_SAT} -> {scene.wanted}"
    )
    assert scene.fee_msat(made["txid"]) <= in_weight(1) * PERKW


def coins(scene: Scene, *, left: bool) -> list[dict[str, Any]]:
    """alice's confirmed coins: those that the close left, or the others."""
    listed = [one for one in scene.alice.call("listfunds")["outputs"] if one["status"] == "confirmed"]
    return [one for one in listed if one["scriptpubkey"].startswith(SCRIPT_HASH) is left]
