"""The simulated node's rows have the shape of a real v26.06.6 node's: same members, same types, same words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from revops.sim.channels import marginal_feerate
from revops.sim.world import SimConfig, SimulatedNode
from tests.sim.driving import channels, prepare, quiet_node, rebalance, refused

FOLDER = Path(__file__).parents[1] / "fixtures" / "node-samples"


def sample(name: str) -> dict[str, Any]:
    """Return a recorded call."""
    recorded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return recorded


def shape(value: Any) -> Any:
    """Return a value's shape: types for leaves, members for objects, the element's shape for arrays."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def differences(real: Any, ours: Any, path: str = "") -> list[str]:
    """Return where two shapes differ; an empty array fits any."""
    if isinstance(real, dict) and isinstance(ours, dict):
        found = [f"{path}.{name} missing" for name in real if name not in ours]
        found += [f"{path}.{name} extra" for name in ours if name not in real]
        for name in real:
            if name in ours:
                found += differences(real[name], ours[name], f"{path}.{name}")
        return found
    if isinstance(real, list) and isinstance(ours, list):
        return differences(real[0], ours[0], f"{path}[]") if real and ours else []
    return [] if real == ours else [f"{path}: {real} is {ours}"]


@pytest.fixture(scope="module")
def node() -> SimulatedNode:
    node = SimulatedNode(SimConfig(seed=3, history_days=2.0, stuck_ratio=0.05))
    rebalance(node)
    return node


@pytest.mark.parametrize(
    "name",
    [
        "getinfo",
        "feerates",
        "feerates.perkb",
        "listnodes",
        "listchannels",
        "listsendpays",
        "listinvoices",
        "listconfigs",
    ],
)
def test_answers_have_the_recorded_shape(node: SimulatedNode, name: str) -> None:
    recorded = sample(name)
    ours = node.handle(recorded["method"], {k: v for k, v in recorded["params"].items() if k == "style"})
    if name == "listconfigs":
        ours = {"configs": {key: ours["configs"][key] for key in recorded["result"]["configs"]}}
        ours["configs"].pop("cltv-delta"), recorded["result"]["configs"].pop("cltv-delta")
    assert differences(shape(recorded["result"]), shape(ours)) == []


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("listforwards", "status"),
        ("listchannelmoves", "primary_tag"),
        ("listchainmoves", "primary_tag"),
        ("listnetworkevents", "type"),
    ],
)
def test_each_kind_of_row_has_recorded_members(node: SimulatedNode, name: str, key: str) -> None:
    (rows,) = sample(name)["result"].values()
    recorded = {(row[key], tuple(row)) for row in rows}
    if name == "listforwards":
        for other in ("listforwards.local_failed", "listforwards.updated-start5-limit10"):
            recorded |= {(row[key], tuple(row)) for row in sample(other)["result"]["forwards"]}
    if name == "listchannelmoves":
        # A payment received is recorded without part and group, one sent with them; the recording has both.
        assert len([kind for kind, _ in recorded if kind == "invoice"]) == 2
    (ours,) = node.handle(name).values()
    kinds = {(row[key], tuple(row)) for row in ours}
    comparable = {kind for kind in kinds if kind[0] in {known for known, _ in recorded}}
    assert comparable
    assert comparable <= recorded


def test_a_forward_in_flight_is_a_settled_one_without_its_end(node: SimulatedNode) -> None:
    settled = next(row for row in sample("listforwards")["result"]["forwards"] if row["status"] == "settled")
    offered = node.handle("listforwards", {"status": "offered"})["forwards"]
    assert offered
    for row in offered:
        assert set(settled) - set(row) == {"updated_index", "resolved_time"}
        assert set(row) <= set(settled)


OPTIONAL_CHANNEL_MEMBERS = {"last_stable_connection", "scratch_txid", "owner", "reestablished", "short_channel_id"}


def test_channels_have_the_recorded_members(node: SimulatedNode) -> None:
    recorded = sample("listpeerchannels")["result"]["channels"]
    known = {name: value for row in recorded for name, value in row.items()}
    for row in channels(node):
        assert set(row) <= set(known)
        assert set(known) - set(row) <= OPTIONAL_CHANNEL_MEMBERS
        rest = differences(shape({name: known[name] for name in row}), shape(row))
        assert [one for one in rest if not one.startswith(".funding.psbt")] == []


def test_a_pending_splice_shows_as_recorded() -> None:
    node = quiet_node()
    row = next(row for row in channels(node) if "short_channel_id" in row)
    node.splice_channel(row["channel_id"], 100_000, lock_in=False)
    ours = next(one for one in channels(node) if one["channel_id"] == row["channel_id"])
    recorded = sample("listpeerchannels.splice-inflight")["result"]["channels"][0]
    assert differences(shape(recorded), shape(ours)) == []
    assert ours["state"] == recorded["state"]
    assert ours["inflight"][0]["splice_amount"] == recorded["inflight"][0]["splice_amount"] == 100_000


def test_wallet_and_peers_have_the_recorded_members(node: SimulatedNode) -> None:
    for name in ("outputs", "channels"):
        recorded = sample("listfunds")["result"][name][0]
        ours = [row for row in node.handle("listfunds")[name] if row.get("status", "confirmed") == "confirmed"]
        whole = [
            row for row in ours if row.get("reserved") is not True and ("txid" in row or "short_channel_id" in row)
        ]
        assert differences(shape(recorded), shape(whole[0])) == []
    recorded_peer = sample("listpeers")["result"]["peers"][0]
    ours_peer = next(row for row in node.handle("listpeers")["peers"] if row["connected"])
    # remote_addr is what the peer told of our own address; not every peer does.
    assert differences(shape(recorded_peer), shape(ours_peer)) in ([], [".remote_addr missing"])


def test_payments_are_answered_as_recorded() -> None:
    node = quiet_node()
    prepared = prepare(node)
    begun = node.handle("sendpay", prepared.params(label="circular"))
    assert differences(shape(sample("sendpay.circular")["result"]), shape(begun)) == []
    assert begun["message"] == sample("sendpay.circular")["result"]["message"]
    done = node.handle("waitsendpay", {"payment_hash": prepared.payment_hash, "timeout": 30})
    assert differences(shape(sample("waitsendpay.circular")["result"]), shape(done)) == []


def test_an_unknown_hash_fails_as_recorded() -> None:
    node = quiet_node()
    row = max((row for row in channels(node) if "short_channel_id" in row), key=lambda row: int(row["spendable_msat"]))
    hop = {"id": row["peer_id"], "channel": row["short_channel_id"], "amount_msat": 1_000_000, "delay": 22}
    node.handle("sendpay", {"route": [hop], "payment_hash": "11" * 32, "payment_secret": "22" * 32})
    error = refused(node, "waitsendpay", {"payment_hash": "11" * 32, "timeout": 30})
    recorded = sample("waitsendpay.failed")["error"]
    assert (error.code, error.message) == (recorded["code"], recorded["message"])
    assert error.data is not None
    assert differences(shape(recorded["data"]), shape(error.data)) == []
    for name in ("erring_index", "failcode", "failcodename", "status"):
        assert error.data[name] == recorded["data"][name]


@pytest.mark.parametrize("name", ["setchannel", "setchannel.htlcmax"])
def test_setchannel_answers_as_recorded(node: SimulatedNode, name: str) -> None:
    recorded = sample(name)
    row = next(row for row in channels(node) if "short_channel_id" in row and row["total_msat"] > 4 * 10**9)
    ours = node.handle("setchannel", recorded["params"] | {"id": row["short_channel_id"]})
    assert differences(shape(recorded["result"]), shape(ours)) == []


def test_layers_answer_as_recorded() -> None:
    node = quiet_node()
    for name in ("askrene-create-layer", "askrene-disable-node", "askrene-inform-channel", "askrene-age"):
        recorded = sample(name)
        ours = node.handle(name, recorded["params"])
        if name == "askrene-age":
            assert ours["num_removed"] in (0, 1)
        assert differences(shape(recorded["result"]), shape(ours)) == []
    assert node.handle("askrene-remove-layer", {"layer": "t1"}) == sample("askrene-remove-layer")["result"]


@pytest.mark.parametrize("name", ["wait", "wait.forwards-updated", "wait.channelmoves", "wait.networkevents"])
def test_wait_answers_as_recorded(node: SimulatedNode, name: str) -> None:
    recorded = sample(name)
    assert differences(shape(recorded["result"]), shape(node.handle("wait", recorded["params"]))) == []


def test_getroutes_answers_as_recorded(node: SimulatedNode) -> None:
    recorded = sample("getroutes.layers")
    first, second = [row["peer_id"] for row in channels(node) if "short_channel_id" in row][2:4]
    asked = recorded["params"] | {"source": first, "destination": second, "layers": ["auto.sourcefree"]}
    ours = node.handle("getroutes", asked | {"amount_msat": 1_000_000})
    assert differences(shape(recorded["result"]), shape(ours)) == []
    error = refused(node, "getroutes", asked | {"destination": first})
    assert error.as_json() == sample("getroutes.self")["error"]


def test_spendable_follows_the_recorded_node() -> None:
    """Our arithmetic gives the recorded channels' spendable and receivable to the msat."""
    assert marginal_feerate(1_255) == 2_484
    for row in sample("listpeerchannels")["result"]["channels"]:
        node = SimulatedNode(SimConfig(channel_count=1))
        channel = node.channel(channels(node)[0]["channel_id"])
        channel.capacity_msat, channel.to_us_msat = row["total_msat"], row["to_us_msat"]
        channel.our_reserve_msat, channel.their_reserve_msat = row["our_reserve_msat"], row["their_reserve_msat"]
        channel.opener, channel.commit_feerate_perkw = row["opener"], row["feerate"]["perkw"]
        assert channel.spendable_msat() == row["spendable_msat"]
        assert channel.receivable_msat() == row["receivable_msat"]
