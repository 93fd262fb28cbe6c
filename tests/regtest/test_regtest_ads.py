"""Liquidity ads on a real node: what is offered follows what the node earns and what the chain costs, as reckoned by
hand; it is in force, is offered again when the node has forgotten it, is leased by a peer, booked, and promised; and
ends when a lessee has bumped the opening so that nothing was paid.
"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from fractions import Fraction
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from revops.cli.main import main
from revops.cycle import ads, ads_input, sync
from revops.domain.ads import AdsDecision
from revops.domain.capital import RatioRange
from revops.domain.options import CommonOptions
from tests.regtest.life import Life, agree, new_operator, new_street, profit
from tests.regtest.network import Lightningd
from tests.regtest.operator_home import Operator
from tests.regtest.processes import wait_until
from tests.regtest.street import ALICE_BASE_MSAT, Street

pytestmark = [pytest.mark.regtest, pytest.mark.timeout(600)]

DUAL_FUND = "--experimental-dual-fund"
LEASED_SAT, THEIRS_SAT = 600_000, 700_000
DAY = 86_400


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


def enter(monkeypatch: pytest.MonkeyPatch, operator: Operator, **settings: str) -> None:
    """Run as that operator in this process, with these settings."""
    environment = {"HOME": str(operator.home), "REVOPS_CONFIG": str(operator.config_path), "REVOPS_ADS_MODE": "act"}
    for name, value in (environment | settings).items():
        monkeypatch.setenv(name, value)


def decided(at: float) -> AdsDecision:
    """`ads adjust` at a time that the test names."""
    decision = ads.run(CommonOptions(), clock=lambda: at).decision
    assert decision is not None
    return decision


def by_hand(alice: Lightningd, days: Fraction, perkw: int) -> dict[str, int]:
    """What `funderupdate` must show for 2,000,000 sat (the most of one lease), by plain arithmetic.

    - The capital's share: what the forwards have earned, by alice's own list, of what lies in her channels, over the
      days on record; a lease runs for 4,032 blocks, 28 days. A quarter more for the risk, in parts of 10,000, rounded
      up.
    - The later close, if by force (BOLT 3 and 5): 766 to bump it by its anchor, with the wallet's input, and 538 to
      sweep the balance, at today's feerate; a quarter more, in whole sat rounded up, and 2 sat for the roundings of the
      fee.
    - Our part of the opening: one coin of the wallet (41 bytes and a witness of 111) and change (43 bytes).
    - The promise: max_ppm of 2,500 in whole thousandths, and the base fee with which a channel begins.
    """
    earned_msat = sum(one["fee_msat"] for one in alice.forwards() if one["status"] == "settled")
    capital_msat = sum(one["to_us_msat"] for one in alice.channels())
    share = Fraction(earned_msat, capital_msat) * 28 / days
    return {
        "lease_fee_basis": ceil(share * Fraction(125, 100) * 10_000),
        "lease_fee_base_msat": (ceil(Fraction((766 + 538) * perkw * 125, 100 * 1_000)) + 2) * 1_000,
        "funding_weight": 4 * 41 + 111 + 4 * 43,
        "channel_fee_max_base_msat": ALICE_BASE_MSAT,
        "channel_fee_max_proportional_thousandths": 3,
    }


def shown(alice: Lightningd, expected: dict[str, int]) -> dict[str, Any]:
    """Of what the node shows, what was reckoned."""
    in_force = offered(alice)
    assert (in_force["policy"], in_force["policy_mod"], in_force["per_channel_max_msat"]) == ("match", 100, 2 * 10**9)
    return {name: in_force[name] for name in expected}


def forward(street: Street, count: int) -> None:
    """Payments through alice, there and back, so that her channels hold what they held."""
    alice, bob, carol = street.alice, street.neighbours["bob"], street.neighbours["carol"]
    for _ in range(count):
        street.send(bob, alice, carol, amount_msat=300_000_000)
        street.send(carol, alice, bob, amount_msat=300_000_000)
    street.settle()


def test_rates_follow_earnings_and_feerates_as_reckoned_by_hand(
    stack: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The forwards are real, and all records are the commands' own. Only the days between them pass by the clock that
    the commands are given: what a year brings isn't told before a week is on record.
    """
    street = new_street(stack, {"bob": (), "carol": ()}, DUAL_FUND, "--force-feerates=1000")
    alice, bob, carol = street.alice, street.neighbours["bob"], street.neighbours["carol"]
    operator = new_operator(street, tmp_path / "home")
    street.fund(alice, 6_000_000)
    for node in (bob, carol):
        street.fund(node, 2_000_000)
    street.mine()
    for node in (bob, carol):
        street.connect(node, alice)
        node.call("fundchannel", id=alice.node_id, amount=1_000_000, push_msat=500_000_000)
    street.mine(6)
    street.usable((bob, alice), (carol, alice))
    enter(monkeypatch, operator)
    began_at = time.time()
    sync.run(CommonOptions(), clock=lambda: began_at)
    forward(street, 3)
    at = began_at
    for _ in range(9):
        at += DAY
        sync.run(CommonOptions(), clock=partial(float, at))
    # Balances are on record for whole days, from the first one's beginning on.
    days = Fraction(int(at) - int(began_at) // DAY * DAY, DAY)
    first = by_hand(alice, days, 1_000)
    assert decided(at).outcome == "change"
    assert shown(alice, first) == first
    assert first["lease_fee_basis"] > 10

    # It earns twice as much.
    forward(street, 3)
    second = by_hand(alice, days, 1_000)
    assert second["lease_fee_basis"] >= 2 * first["lease_fee_basis"] - 2
    assert {**second, "lease_fee_basis": 0} == {**first, "lease_fee_basis": 0}
    assert decided(at + 1).outcome == "change"
    assert shown(alice, second) == second

    # The chain costs four times as much: only what is paid there. It has forgotten what it offered as it stopped.
    alice.stop()
    alice.start("--force-feerates=4000")
    wait_until("answer of alice", alice.up)
    wait_until("alice's blocks", lambda: not any(name.startswith("warning_") for name in alice.call("getinfo")))
    assert alice.call("feerates", style="perkw")["perkw"]["unilateral_close"] == 4_000
    third = by_hand(alice, days, 4_000)
    assert third["lease_fee_base_msat"] > 3 * second["lease_fee_base_msat"]
    assert {**third, "lease_fee_base_msat": 0} == {**second, "lease_fee_base_msat": 0}
    found = decided(at + 2)
    assert found.outcome == "change"
    assert shown(alice, third) == third
    # And what a lease of the largest size brings covers what it costs.
    amount_msat = 2 * 10**9
    assert found.price_msat is not None
    assert found.price_msat >= third["lease_fee_base_msat"] + amount_msat * (third["lease_fee_basis"] - 1) // 10_000

    # Beyond max_feerate_sat_per_vb of 50 nothing is offered.
    alice.stop()
    alice.start("--force-feerates=250000")
    wait_until("answer of alice", alice.up)
    wait_until("alice's blocks", lambda: not any(name.startswith("warning_") for name in alice.call("getinfo")))
    assert [str(one.code) for one in decided(at + 3).reasons][:1] == ["ads_feerate_high"]
    assert (offered(alice)["policy"], offered(alice)["policy_mod"]) == ("fixed", 0)
    assert "compact_lease" not in offered(alice)


def test_a_lessee_who_bumps_the_opening_pays_nothing_and_ends_the_offer(
    stack: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """lightningd drops the fee of a lease when the transaction's feerate is raised, and lends all the same."""
    street = new_street(stack, {"bob": (DUAL_FUND,)}, DUAL_FUND)
    alice, bob = street.alice, street.neighbours["bob"]
    operator = new_operator(street, tmp_path / "home")
    street.fund(alice, 3_000_000, 2_000_000)
    street.fund(bob, 3_000_000)
    street.mine()
    enter(monkeypatch, operator)
    monkeypatch.setattr(ads_input, "cost_of_capital", lambda *_: RatioRange(0.01, 0.02, 0.10))
    assert adjusted(capsys)["decision"]["outcome"] == "change"
    street.connect(bob, alice)
    opened = bob.call(
        "fundchannel", id=alice.node_id, amount=THEIRS_SAT, request_amt=LEASED_SAT,
        compact_lease=offered(alice)["compact_lease"], feerate="1000perkw",
    )  # fmt: skip
    assert alice.channel_with(bob)["funding"]["fee_rcvd_msat"] > 0
    coins = [f"{one['txid']}:{one['output']}" for one in bob.call("listfunds")["outputs"] if one["reserved"]]
    psbt = bob.call(
        "utxopsbt", satoshi=THEIRS_SAT, feerate="2500perkw", startweight=4 * (10 + 43) + 2, utxos=coins,
        reservedok=True, excess_as_change=True,
    )["psbt"]  # fmt: skip
    bumped = bob.call(
        "openchannel_bump", channel_id=opened["channel_id"], amount=THEIRS_SAT, initialpsbt=psbt,
        funding_feerate="2500perkw",
    )  # fmt: skip
    made = bob.call("openchannel_update", channel_id=opened["channel_id"], psbt=bumped["psbt"])
    signed = bob.call("signpsbt", psbt=made["psbt"])["signed_psbt"]
    bob.call("openchannel_signed", channel_id=opened["channel_id"], signed_psbt=signed)
    street.mine(6)
    street.usable((alice, bob))
    funding = street.channel(alice, bob)["funding"]
    assert (funding["local_funds_msat"], "fee_rcvd_msat" in funding) == (LEASED_SAT * 1_000, False)

    decision = adjusted(capsys)["decision"]
    assert decision["outcome"] == "change"
    assert [one["code"] for one in decision["reasons"]] == ["ads_given"]
    assert offered(alice)["policy_mod"] == 0
