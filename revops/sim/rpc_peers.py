"""RPCs about our peers: listpeers, disconnect."""

from __future__ import annotations

from typing import Any

from revops.sim.errors import LIGHTNINGD, SimRpcError, bad_param
from revops.sim.outages import connect, disconnect
from revops.sim.state import Peer, World

Args = dict[str, Any]
PEER_FEATURES = "800898880a8a59a1"
#: Without option_splice (BOLT 9: bits 62 and 63).
PLAIN_FEATURES = "000898880a8a59a1"
#: After `disconnect` a peer with a channel is connected to anew.
RECONNECT_SECONDS = 1.0


def listpeers(world: World, args: Args) -> dict[str, Any]:
    """Answer listpeers: a peer without channels and connection vanishes."""
    wanted = args.get("id")
    peers = [peer for peer in world.peers.values() if peer.channels or peer.connected]
    return {"peers": [peer_json(peer) for peer in peers if wanted in (None, peer.node_id)]}


def peer_json(peer: Peer) -> dict[str, Any]:
    """Return a peer."""
    row: dict[str, Any] = {"id": peer.node_id, "connected": peer.connected, "num_channels": len(peer.channels)}
    if peer.connected:
        row["netaddr"] = [f"{peer.address}:{peer.port}"]
    row["features"] = PEER_FEATURES if peer.splices else PLAIN_FEATURES
    return row


def disconnect_from(world: World, args: Args) -> dict[str, Any]:
    """Answer disconnect (lightningd/peer_control.c, json_disconnect); a splice being negotiated is gone then."""
    peer = world.peers.get(args["id"])
    if peer is None:
        raise bad_param("id", "Unknown peer")
    if not peer.connected:
        raise SimRpcError(LIGHTNINGD, "Peer not connected")
    live = [channel for channel in peer.channels if channel.is_live]
    if live and not args.get("force", False):
        raise SimRpcError(LIGHTNINGD, f"Peer has (at least one) channel in state {live[0].state}")
    disconnect(world, peer)
    if peer.channels:
        world.schedule(world.now_at + RECONNECT_SECONDS, connect, peer)
    return {}
