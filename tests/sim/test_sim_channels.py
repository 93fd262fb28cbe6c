"""setchannel, gossip, layers and routes: clamping, grace periods, who may be routed through."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from revops.sim.channels import Channel, Policy
from revops.sim.world import SimConfig, SimulatedNode
from tests.sim.driving import channels, quiet_node, refused


@pytest.fixture
def node() -> SimulatedNode:
    return quiet_node()


def first(node: SimulatedNode) -> dict[str, Any]:
    """Return a channel with a scid."""
    return next(row for row in channels(node) if "short_channel_id" in row)


def test_setchannel_shows_in_channels_and_gossip(node: SimulatedNode) -> None:
    row = first(node)
    scid = row["short_channel_id"]
    answer = node.handle("setchannel", {"id": scid, "feebase": 7, "feeppm": 777})["channels"]
    assert [(one["channel_id"], one["fee_base_msat"], one["fee_proportional_millionths"]) for one in answer] == [
        (row["channel_id"], 7, 777)
    ]
    now = node.handle("listpeerchannels", {"short_channel_id": scid})["channels"][0]
    assert (now["fee_base_msat"], now["fee_proportional_millionths"]) == (7, 777)
    assert now["updates"]["local"]["fee_proportional_millionths"] == 777
    gossip = node.handle("listchannels", {"short_channel_id": scid})["channels"]
    ours = next(one for one in gossip if one["source"] == node.node_id)
    assert (ours["fee_per_millionth"], ours["last_update"]) == (777, int(node.now_at))
    assert node.call_log.writing_calls() == [("setchannel", {"id": scid, "feebase": 7, "feeppm": 777})]


def test_htlc_limits_are_clamped_with_a_warning(node: SimulatedNode) -> None:
    row = first(node)
    most = node.channel(row["channel_id"]).htlc_max_possible_msat()
    answer = node.handle("setchannel", {"id": row["channel_id"], "htlcmax": row["total_msat"]})["channels"][0]
    assert answer["maximum_htlc_out_msat"] == most < row["total_msat"]
    assert "warning_htlcmax_too_high" in answer
    channel = next(one for one in node.world.channels.values() if one.remote.htlc_minimum_msat > 0)
    answer = node.handle("setchannel", {"id": channel.channel_id, "htlcmin": 0})["channels"][0]
    assert answer["minimum_htlc_out_msat"] == channel.remote.htlc_minimum_msat
    assert "warning_htlcmin_too_low" in answer
    error = refused(node, "setchannel", {"id": "all", "htlcmin": 2, "htlcmax": 1})
    assert (error.code, error.message) == (-1, "htlcmax cannot be less than htlcmin")


def test_a_peer_or_all_means_every_channel(node: SimulatedNode) -> None:
    double = next(row["id"] for row in node.handle("listpeers")["peers"] if row["num_channels"] == 2)
    answer = node.handle("setchannel", {"id": double, "feeppm": 5})["channels"]
    assert {row["peer_id"] for row in answer} == {double}
    assert len(answer) == 2
    assert len(node.handle("setchannel", {"id": "all", "feeppm": 6})["channels"]) == 20


def test_setchannel_refuses_as_lightningd_does(node: SimulatedNode) -> None:
    error = refused(node, "setchannel", {"id": "1x1x1", "feeppm": 5})
    assert (error.code, error.message) == (
        -32602,
        "id: Short channel id not found: invalid token (see logs for details)",
    )
    row = first(node)
    node.close_channel(row["channel_id"], forget=False)
    error = refused(node, "setchannel", {"id": row["channel_id"], "feeppm": 5})
    assert error.message.startswith("id: Channel in state ONCHAIN")
    if len(node.world.peers[row["peer_id"]].channels) == 1:
        error = refused(node, "setchannel", {"id": row["peer_id"], "feeppm": 5})
        assert error.code == -1
    assert row["channel_id"] not in [one["channel_id"] for one in node.handle("setchannel", ["all", 0])["channels"]]


def test_a_false_reply_differs_from_what_was_done(node: SimulatedNode) -> None:
    row = first(node)
    node.false_reply("setchannel", {"channels.0.fee_proportional_millionths": 12_345})
    answer = node.handle("setchannel", {"id": row["channel_id"], "feeppm": 50})["channels"][0]
    assert answer["fee_proportional_millionths"] == 12_345
    assert node.channel(row["channel_id"]).local.fee_ppm == 50
    node.false_reply("setchannel", None)
    answer = node.handle("setchannel", {"id": row["channel_id"], "feeppm": 51})["channels"][0]
    assert answer["fee_proportional_millionths"] == 51


def policy(ppm: int) -> Policy:
    """Return a policy of `ppm`."""
    return Policy(0, ppm, 0, 10**9, 34)


def test_a_raise_leaves_the_old_fee_acceptable_for_a_while(node: SimulatedNode) -> None:
    channel: Channel = node.channel(first(node)["channel_id"])
    channel.set_local(policy(100), 0.0, 0.0)
    channel.set_local(policy(200), 1_000.0, 600.0)
    assert (channel.grace_local, channel.grace_until_at) == (policy(100), 1_600.0)
    channel.set_local(policy(150), 1_100.0, 600.0)
    assert (channel.grace_local, channel.grace_until_at) == (policy(100), 1_600.0)
    channel.set_local(policy(300), 1_200.0, 600.0)
    assert (channel.grace_local, channel.grace_until_at) == (policy(150), 1_800.0)


def test_fees_changed_by_another_are_not_in_the_log(node: SimulatedNode) -> None:
    row = first(node)
    node.set_fee_externally(row["channel_id"], ppm=4_321)
    assert first(node)["fee_proportional_millionths"] == 4_321
    assert node.call_log.writing_calls() == []


def test_filters_of_listpeerchannels(node: SimulatedNode) -> None:
    row = first(node)
    by = {
        "id": row["peer_id"],
        "short_channel_id": row["short_channel_id"],
        "channel_id": row["channel_id"],
    }
    for name, value in by.items():
        found = node.handle("listpeerchannels", {name: value})["channels"]
        assert row["channel_id"] in [one["channel_id"] for one in found]
    assert node.handle("listpeerchannels", {"id": "02" + "ab" * 32}) == {"channels": []}
    assert refused(node, "listpeerchannels", by).code == -32602
    old = SimulatedNode(SimConfig(version="v25.12.1"))
    assert refused(old, "listpeerchannels", {"channel_id": row["channel_id"]}).message.startswith("unknown parameter")
    assert "max_total_htlc_in_msat" in channels(old)[0]
    assert "splice" not in old.handle("feerates", {"style": "perkb"})["perkb"]
    assert "max_total_htlc_in_msat" not in row


def route_between(node: SimulatedNode, **more: Any) -> dict[str, Any]:
    """Return getroutes' parameters between two peers."""
    peers = list(node.world.peers)
    return {
        "source": peers[2],
        "destination": peers[3],
        "amount_msat": 10_000_000,
        "layers": [],
        "maxfee_msat": 10**9,
        "final_cltv": 18,
        **more,
    }


def test_routes_add_up(node: SimulatedNode) -> None:
    route = node.handle("getroutes", route_between(node))["routes"][0]
    path = route["path"]
    assert path[-1]["amount_out_msat"] == route["amount_msat"] == 10_000_000
    assert path[-1]["cltv_out"] == route["final_cltv"] == 18
    for before, hop in pairwise(path):
        assert before["node_id_out"] == hop["node_id_in"]
        assert before["amount_out_msat"] == hop["amount_in_msat"]
        assert before["cltv_out"] == hop["cltv_in"]
    for hop in path:
        assert (hop["next_node_id"], hop["amount_msat"], hop["delay"]) == (
            hop["node_id_out"],
            hop["amount_in_msat"],
            hop["cltv_in"],
        )
        gossip = node.handle("listchannels", {"short_channel_id": hop["short_channel_id_dir"].rpartition("/")[0]})
        edge = next(one for one in gossip["channels"] if one["source"] == hop["node_id_in"])
        fee = edge["base_fee_millisatoshi"] + hop["amount_out_msat"] * edge["fee_per_millionth"] // 1_000_000
        assert hop["amount_in_msat"] - hop["amount_out_msat"] == fee
        assert hop["cltv_in"] - hop["cltv_out"] == edge["delay"]


def test_older_releases_name_one_end_only() -> None:
    node = quiet_node(version="v26.04.1")
    hop = node.handle("getroutes", route_between(node))["routes"][0]["path"][0]
    assert set(hop) == {"short_channel_id_dir", "next_node_id", "amount_msat", "delay"}


def test_a_disabled_node_is_avoided(node: SimulatedNode) -> None:
    node.handle("askrene-create-layer", {"layer": "mine"})
    asked = route_between(node, layers=["mine"])
    route = node.handle("getroutes", asked)["routes"][0]
    through = [hop["node_id_out"] for hop in route["path"][:-1]]
    for banned in through or [node.node_id]:
        node.handle("askrene-disable-node", {"layer": "mine", "node": banned})
    again = node.handle("getroutes", asked)["routes"][0]
    assert not set(through) & {hop["node_id_out"] for hop in again["path"]}
    for banned in list(node.world.graph.nodes):
        if banned not in (asked["source"], asked["destination"]):
            node.handle("askrene-disable-node", {"layer": "mine", "node": banned})
    direct = {"source": asked["source"], "destination": asked["destination"]}
    if not any(
        one["destination"] == direct["destination"]
        for one in node.handle("listchannels", {"source": direct["source"]})["channels"]
    ):
        assert refused(node, "getroutes", asked).code == 205


def test_what_a_layer_knows_of_a_channel_counts(node: SimulatedNode) -> None:
    node.handle("askrene-create-layer", {"layer": "mine"})
    asked = route_between(node, layers=["mine"])
    seen = []
    for _ in range(3):
        path = node.handle("getroutes", asked)["routes"][0]["path"]
        seen.append([hop["short_channel_id_dir"] for hop in path])
        for hop in path:
            node.handle(
                "askrene-inform-channel",
                {
                    "layer": "mine",
                    "short_channel_id_dir": hop["short_channel_id_dir"],
                    "amount_msat": 10_000_000,
                    "inform": "constrained",
                },
            )
    assert not set(seen[0]) & set(seen[1])
    removed = node.handle("askrene-age", {"layer": "mine", "cutoff": int(node.now_at) + 1})["num_removed"]
    assert removed == sum(map(len, seen))
    path = node.handle("getroutes", asked)["routes"][0]["path"]
    assert [hop["short_channel_id_dir"] for hop in path] == seen[0]


def test_refusals_of_getroutes(node: SimulatedNode) -> None:
    asked = route_between(node)
    assert refused(node, "getroutes", asked | {"layers": ["nobody"]}).message.startswith("layers: unknown layer")
    assert refused(node, "getroutes", asked | {"maxfee_msat": 1}).code == 206
    assert refused(node, "getroutes", asked | {"maxdelay": 3_000}).code == 217
    assert refused(node, "getroutes", asked | {"maxdelay": 20}).code == 206
    assert refused(node, "getroutes", asked | {"amount_msat": 10**15}).code == 205
    assert refused(node, "getroutes", asked | {"source": "02" + "00" * 32}).code == 205
    error = refused(node, "getroutes", asked | {"destination": asked["source"]})
    assert (error.code, error.message) == (-1, "child died with signal 6")


def test_a_large_amount_is_split_unless_forbidden(node: SimulatedNode) -> None:
    edges = node.handle("listchannels", {"source": route_between(node)["source"]})["channels"]
    widest = max(edge["htlc_maximum_msat"] for edge in edges if edge["destination"] != node.node_id)
    node.handle("askrene-create-layer", {"layer": "mine"})
    node.handle("askrene-disable-node", {"layer": "mine", "node": node.node_id})
    for amount_msat in range(widest * 11 // 10, widest * 2, widest // 10):
        asked = route_between(node, amount_msat=amount_msat, layers=["mine"])
        assert refused(node, "getroutes", asked | {"maxparts": 1}).code == 205
    small = route_between(node, amount_msat=widest // 3, layers=["mine", "auto.no_mpp_support"])
    assert len(node.handle("getroutes", small)["routes"]) == 1


def test_local_channels_have_known_room(node: SimulatedNode) -> None:
    row = max(channels(node), key=lambda row: int(row["spendable_msat"]))
    asked = {
        "source": node.node_id,
        "destination": row["peer_id"],
        "amount_msat": row["spendable_msat"],
        "layers": ["auto.localchans", "auto.sourcefree"],
        "maxfee_msat": 10**9,
        "final_cltv": 18,
        "maxparts": 1,
    }
    route = node.handle("getroutes", asked)["routes"][0]
    assert (len(route["path"]), route["probability_ppm"]) == (1, 1_000_000)
    assert route["path"][0]["amount_in_msat"] == row["spendable_msat"]
    more = refused(node, "getroutes", asked | {"amount_msat": row["spendable_msat"] + 10**9})
    assert more.code == 205
