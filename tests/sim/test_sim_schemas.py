"""Every answer conforms to Core Lightning's schema of the release imitated, and so does every request of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from revops.sim.world import SimConfig, SimulatedNode
from tests.sim.driving import channels, layers, prepare, rebalance
from tests.sim.schemas import complaints, schema_folder

RELEASES = [("v26.06.6", None), ("v26.04.1", "v26.04.1"), ("v25.12.1", "v25.12.1")]


class Recorder:
    """Calls a node and keeps what the schemas say against requests and responses."""

    def __init__(self, node: SimulatedNode, folder: Path) -> None:
        self.node, self.folder = node, folder
        self.complaints: list[str] = []
        self.methods: dict[str, int] = {}

    def __call__(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        result = self.node.handle(method, params)
        self.complaints += complaints(self.folder, method, "request", params or {})
        self.complaints += complaints(self.folder, method, "response", schema_view(method, result))
        self.methods[method] = self.methods.get(method, 0) + 1
        return result


def schema_view(method: str, result: dict[str, Any]) -> dict[str, Any]:
    """Return what may be held against the schema.

    listfunds' schema requires a scid of every normal channel; wallet/walletrpc.c leaves it out where there is none.
    """
    if method != "listfunds":
        return result
    return result | {"channels": [row for row in result["channels"] if "short_channel_id" in row]}


def busy_node(version: str) -> SimulatedNode:
    """Return a node with something in each list: a past, HTLCs in flight, a closed channel, a pending splice."""
    node = SimulatedNode(SimConfig(seed=7, version=version, history_days=3.0, stuck_ratio=0.1, forwards_per_day=900))
    rows = [row for row in channels(node) if "short_channel_id" in row]
    node.close_channel(rows[4]["channel_id"])
    node.close_channel(rows[8]["channel_id"], closer="local", forget=False)
    node.splice_channel(rows[0]["channel_id"], 250_000)
    node.splice_channel(rows[1]["channel_id"], -100_000, lock_in=False)
    node.disconnect_peer(rows[3]["peer_id"])
    return node


@pytest.mark.parametrize(("version", "folder_version"), RELEASES)
def test_every_method_conforms(version: str, folder_version: str | None) -> None:
    folder = schema_folder(folder_version)
    node = busy_node(version)
    call = Recorder(node, folder)
    for method in (
        "getinfo",
        "listpeerchannels",
        "listclosedchannels",
        "listpeers",
        "listnodes",
        "listchannels",
        "listforwards",
        "listchannelmoves",
        "listchainmoves",
        "listnetworkevents",
        "listfunds",
        "listconfigs",
        "listinvoices",
        "listsendpays",
        "askrene-listlayers",
    ):
        result = call(method)
        assert result, method
    for style in ("perkb", "perkw"):
        call("feerates", {"style": style})
    call("listforwards", {"index": "updated", "start": 3, "limit": 50})
    call("listforwards", {"status": "failed"})
    call("listnodes", {"id": node.node_id})
    call("listconfigs", {"config": "network"})
    for subsystem in ("forwards", "sendpays", "invoices", "htlcs", "chainmoves", "channelmoves", "networkevents"):
        for index in ("created", "updated", "deleted"):
            call("wait", {"subsystem": subsystem, "indexname": index, "nextvalue": 0})
    exercise_payments(call)
    exercise_settings(call)
    assert call.complaints == []


def exercise_payments(call: Recorder) -> None:
    """Call everything that a rebalance calls, with a success, a failure and a payment in flight."""
    node = call.node
    rebalance(node, label="first")
    prepared = prepare(node, label="second")
    remote = next(row for row in channels(node) if row["channel_id"] == prepared.target)["updates"]["remote"]
    call(
        "getroutes",
        {
            "source": prepared.route[0]["id"],
            "destination": prepared.route[-2]["id"],
            "amount_msat": 50_000_000,
            "layers": ["auto.sourcefree", "revops"],
            "maxfee_msat": "1000sat",
            "final_cltv": 18 + remote["cltv_expiry_delta"],
        },
    )
    node.hold_payments()
    call("sendpay", prepared.params(label="second"))
    node.advance_by(30.0)
    call("listsendpays", {"status": "pending"})
    call("listpeerchannels")
    node.hold_payments(False)
    call("waitsendpay", {"payment_hash": prepared.payment_hash, "timeout": 10})
    call("sendpay", prepared.params())
    call("listinvoices", {"label": "first"})
    call("invoice", {"amount_msat": "any", "label": 7, "description": "", "expiry": 60})
    call("delinvoice", {"label": "7", "status": "unpaid"})
    call("delinvoice", {"label": "first", "status": "paid"})
    node.fail_payments()
    failing = prepare(node, label="third")
    call("sendpay", failing.params(description="third"))
    node.advance_by(30.0)
    call("listsendpays")
    call("listsendpays", {"payment_hash": failing.payment_hash})
    node.advance_by(700_000.0)
    call("listinvoices")


def exercise_settings(call: Recorder) -> None:
    """Call setchannel with clamping, and every askrene writer."""
    assert any(layer["layer"] == "revops" for layer in layers(call.node))
    row = next(row for row in channels(call.node) if row["state"] == "CHANNELD_NORMAL")
    call("setchannel", {"id": row["channel_id"], "feebase": 0, "feeppm": 333, "htlcmin": 0, "htlcmax": "100btc"})
    call("setchannel", {"id": "all", "feeppm": 100, "enforcedelay": 0})
    call("askrene-create-layer", {"layer": "other", "persistent": True})
    for inform in ("constrained", "unconstrained", "succeeded"):
        call(
            "askrene-inform-channel",
            {"layer": "other", "short_channel_id_dir": "1x2x3/1", "amount_msat": 5000, "inform": inform},
        )
    call("askrene-disable-node", {"layer": "other", "node": call.node.node_id})
    call("askrene-listlayers", {"layer": "other"})
    call("askrene-age", {"layer": "other", "cutoff": 2**33})
    call("askrene-remove-layer", {"layer": "other"})


def test_the_checker_sees_what_is_wrong() -> None:
    folder = schema_folder()
    node = SimulatedNode(SimConfig(channel_count=3))
    result = node.handle("listpeerchannels")
    row = result["channels"][0]
    assert complaints(folder, "listpeerchannels", "response", result) == []
    for spoiled in ({"to_us_msat": "5msat"}, {"peer_id": "04" + "0" * 64}, {"no_such_field": 1}):
        assert complaints(folder, "listpeerchannels", "response", {"channels": [row | spoiled]}) != []
    without = {name: value for name, value in row.items() if name != "direction"}
    assert complaints(folder, "listpeerchannels", "response", {"channels": [without]}) != []
    assert complaints(folder, "setchannel", "request", {"id": "all", "ppm": 5}) != []
