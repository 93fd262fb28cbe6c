"""How the nodes on a route judge a payment of ours: policy, delays, liquidity, and the last hop back to us."""

from __future__ import annotations

from revops.sim.channels import Channel
from revops.sim.graph import Edge
from revops.sim.payrows import Hop
from revops.sim.state import World


def refusal_code(edge: Edge | None, before: Hop, hop: Hop) -> int | None:
    """Given the edge that a forwarder is asked to use, return the code with which its policy refuses, or None."""
    if edge is None:
        return 16394
    policy = edge.policy
    if not edge.enabled:
        return 4116
    if hop.amount_msat < policy.htlc_minimum_msat:
        return 4107
    if hop.amount_msat > policy.htlc_maximum_msat:
        return 4103
    if before.amount_msat - hop.amount_msat < policy.fee_msat(hop.amount_msat):
        return 4108
    if before.delay_blocks - hop.delay_blocks < policy.cltv_delta_blocks:
        return 4109
    return None


def home_channel(world: World, peer_id: str, hop: Hop) -> Channel | None:
    """Return our channel that a last hop names: by scid, or by the alias that the peer gave us."""
    peer = world.peers.get(peer_id)
    for channel in peer.channels if peer else ():
        if hop.scid in (channel.scid, channel.alias_remote, *channel.previous_scids):
            return channel
    return None


def edge_of_home(world: World, channel: Channel) -> Edge:
    """Return the peer's direction of one of our channels."""
    enabled = channel.is_live and world.peer_of(channel).connected
    return Edge(
        channel.key_scid,
        channel.peer_id,
        world.node_id,
        channel.capacity_msat,
        channel.remote,
        enabled,
        channel.opened_at,
    )


def with_room(world: World, channel: Channel, amount_msat: int) -> Channel | None:
    """Return the channel by which the peer forwards: another of ours with it if the named one lacks room (BOLT 4)."""
    others = world.peer_of(channel).channels
    return next((one for one in (channel, *others) if one.is_live and one.can_receive(amount_msat)), None)
