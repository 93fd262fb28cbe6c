"""Liquidity ads on a real node: what is offered is in force, is offered again when the node has forgotten it, is leased
by a peer, booked, and promised.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from revops.cli.main import main
from revops.cycle import ads_input
from revops.domain.capital import RatioRange
from tests.regtest.life import Life, agree, new_operator, new_street, profit
from tests.regtest.network import Lightningd
from tests.regtest.processes import wait_until

pytestmark = [pytest.mark.regtest, pytest.mark.timeout(600)]

DUAL_FUND = "--experimental-dual-fund"
LEASED_SAT, THEIRS_SAT = 600_000, 700_000


def adjusted(capsys: pytest.CaptureFixture[str], *flags: str) -> dict[str, Any]:
    """A run of `ads adjust`, as JSON."""
    capsys.readouterr()
    code = main(["ads", "adjust", "--json", *flags])
    said = capsys.readouterr()
    assert code == 0, said
    return dict(json.loads(said.out))


def offered(node: Lightningd) -> dict[str, Any]:
    """What the node's funder does now."""
    return dict(node.call("funderupdate"))


def test_a_node_without_dual_funding_is_told_so(stack: ExitStack, tmp_path: Path) -> None:
    street = new_street(stack, {})
    ran = new_operator(street, tmp_path / "home").run("ads", "adjust", "-v")
    assert (ran.code, ran.err) == (0, "")
    assert "experimental-dual-fund" in ran.out


def test_what_is_offered_is_leased_booked_and_promised(
    stack: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    street = new_street(stack, {"bob": (DUAL_FUND,)}, DUAL_FUND)
    alice, bob = street.alice, street.neighbours["bob"]
    operator = new_operator(street, tmp_path / "home")
    life = Life(street, operator)
    street.fund(alice, 3_000_000, 2_000_000)
    street.fund(bob, 3_000_000)
    life.confirm(set())
    for name, value in {"HOME": operator.home, "REVOPS_CONFIG": operator.config_path, "REVOPS_ADS_MODE": "act"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(ads_input, "cost_of_capital", lambda *_: RatioRange(0.01, 0.02, 0.10))
    found = adjusted(capsys)["decision"]
    in_force = offered(alice)
    assert (found["outcome"], in_force["policy"], in_force["policy_mod"]) == ("change", "match", 100)
    assert in_force["lease_fee_basis"] > 0
    assert found["price_msat"] >= found["cost_msat"] > 0
    assert adjusted(capsys)["decision"]["outcome"] == "skip"

    street.connect(bob, alice)
    opened = bob.call(
        "fundchannel", id=alice.node_id, amount=THEIRS_SAT, request_amt=LEASED_SAT,
        compact_lease=in_force["compact_lease"],
    )  # fmt: skip
    life.confirm({(opened["txid"], "open")})
    street.usable((alice, bob))
    agree(operator)
    funding = street.channel(alice, bob)["funding"]
    assert funding["local_funds_msat"] == LEASED_SAT * 1_000
    least_msat = in_force["lease_fee_base_msat"] + LEASED_SAT * 1_000 * in_force["lease_fee_basis"] // 10_000
    assert funding["fee_rcvd_msat"] >= least_msat
    assert profit(operator)["total"]["lease_earned_msat"] == funding["fee_rcvd_msat"]

    # lightningd forgets an offer when it stops.
    alice.stop()
    alice.start()
    wait_until("answer of alice", alice.up)
    assert offered(alice)["policy_mod"] == 0
    # Until it has read its last blocks again it doesn't know its coins, and nothing is offered.
    wait_until("alice's blocks", lambda: not any(name.startswith("warning_") for name in alice.call("getinfo")))
    assert adjusted(capsys)["decision"]["outcome"] == "change"
    again = offered(alice)
    # What may be lent in all, and so what may not, follows the coins that are left.
    changed = {"summary", "reserve_tank_msat"}
    assert {name: again[name] for name in again.keys() - changed} == {
        name: in_force[name] for name in in_force.keys() - changed
    }

    monkeypatch.setenv("REVOPS_ADS_MAX_TOTAL_SAT", "0")
    assert adjusted(capsys)["decision"]["outcome"] == "change"
    withdrawn = offered(alice)
    assert (withdrawn["policy"], withdrawn["policy_mod"]) == ("fixed", 0)
    assert "compact_lease" not in withdrawn
