"""`listchannels destination=…`: read strictly, from a recorded reply and from the simulated node."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from revops.node.errors import NodeError
from revops.node.methods import METHODS
from revops.node.reader import NodeReader, Reader
from revops.sim.world import SimConfig, SimulatedNode
from tests.node.samples import FOLDER, Replay

RECORDED: dict[str, Any] = json.loads((FOLDER / "listchannels.json").read_text())["result"]
PEER_ID: str = RECORDED["channels"][0]["destination"]
INTO: dict[str, Any] = {"channels": [row for row in RECORDED["channels"] if row["destination"] == PEER_ID]}


def test_what_is_asked_and_what_is_made_of_it() -> None:
    rpc = Replay(listchannels=INTO)
    reader: Reader = NodeReader(rpc)
    edges = reader.channels_into(PEER_ID)
    assert rpc.asked == [("listchannels", {"destination": PEER_ID})]
    first = INTO["channels"][0]
    assert len(edges) == len(INTO["channels"])
    assert (edges[0].scid, edges[0].source_id) == (first["short_channel_id"], first["source"])
    assert (edges[0].capacity_msat, edges[0].fee_ppm) == (5_000_000_000, 120)
    assert (edges[0].fee_base_msat, edges[0].active) == (0, True)
    assert NodeReader(Replay(listchannels={"channels": []})).channels_into(PEER_ID) == ()


READ = (
    "source",
    "destination",
    "short_channel_id",
    "amount_msat",
    "base_fee_millisatoshi",
    "fee_per_millionth",
    "active",
)


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("value", [None, "x", -1, 1.5])
def test_a_field_that_is_missing_or_of_another_kind_is_an_error(name: str, value: object) -> None:
    broken = copy.deepcopy(INTO)
    if value is None:
        del broken["channels"][0][name]
    else:
        broken["channels"][0][name] = value
    with pytest.raises(NodeError, match=rf"listchannels: field channels\[0\]\.{name} ") as caught:
        NodeReader(Replay(listchannels=broken)).channels_into(PEER_ID)
    assert caught.value.exit_code == 65


def test_a_channel_to_somewhere_else_is_an_error() -> None:
    with pytest.raises(NodeError, match="destination is not the node that was asked for"):
        NodeReader(Replay(listchannels=INTO)).channels_into("02" * 33)


def test_only_fees_adjust_asks_for_it() -> None:
    assert METHODS["listchannels"].commands == {"fees adjust"}
    assert not METHODS["listchannels"].writes


def test_the_simulated_node_is_read_alike() -> None:
    node = SimulatedNode(SimConfig(seed=3, history_days=0.2))
    peer_id = next(iter(node.world.peers))
    reply = node.handle("listchannels", {"destination": peer_id})
    edges = NodeReader(Replay(listchannels=reply)).channels_into(peer_id)
    assert {edge.scid for edge in edges} == {row["short_channel_id"] for row in reply["channels"]}
    assert node.node_id in {edge.source_id for edge in edges}
