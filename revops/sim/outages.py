"""Peers that go and come back, and the rows of listnetworkevents that tell of it."""

from __future__ import annotations

import math
from random import Random

from revops.sim.config import DAY_SECONDS
from revops.sim.rows import NetworkEvent
from revops.sim.state import Peer, World

RECONNECT_SECONDS = 300.0
NSEC = 1_000_000_000


def start_outages(world: World) -> None:
    """Schedule each peer's first outage and its pings."""
    for number, peer in enumerate(world.peers.values()):
        rng = world.rng("outage", number)
        # Every fifth peer flaps.
        per_day = world.config.outages_per_day * (8.0 if number % 5 == 4 else 1.0)
        if per_day > 0.0:
            world.schedule(world.now_at + rng.expovariate(per_day / DAY_SECONDS), outage, peer, rng, per_day)
        if world.config.ping_interval_seconds > 0.0:
            pings = world.rng("ping", number)
            world.schedule(world.now_at + pings.random() * world.config.ping_interval_seconds, ping, peer, pings)


def outage(world: World, peer: Peer, rng: Random, per_day: float) -> None:
    """Take a peer down, schedule its return and the outage after that."""
    seconds = min(2 * DAY_SECONDS, math.exp(rng.normalvariate(math.log(240.0), 1.3)))
    gap = rng.expovariate(per_day / DAY_SECONDS)
    disconnect(world, peer)
    fails = int(min(seconds, 12 * RECONNECT_SECONDS) // RECONNECT_SECONDS)
    for number in range(fails):
        world.schedule(world.now_at + (number + 1) * RECONNECT_SECONDS, fail_to_connect, peer)
    world.schedule(world.now_at + seconds, connect, peer)
    world.schedule(world.now_at + seconds + gap, outage, peer, rng, per_day)


def disconnect(world: World, peer: Peer) -> None:
    """Drop the connection, and with it a splice that isn't signed; nothing happens if it is down already."""
    if not peer.connected:
        return
    peer.connected = False
    for channel in peer.channels:
        for output in channel.negotiated or ():
            output.reserved_to_height = None
        channel.negotiated = None
    lasted = max(0.0, world.now_at - peer.connected_at)
    world.networkevents.add(
        NetworkEvent(peer.node_id, "disconnect", int(world.now_at), duration_nsec=int(lasted * NSEC))
    )


def connect(world: World, peer: Peer) -> None:
    """Reconnect, unless a test holds the peer down."""
    if peer.connected or peer.held_down:
        return
    peer.connected = True
    peer.connected_at = world.now_at
    world.networkevents.add(NetworkEvent(peer.node_id, "connect", int(world.now_at), "reconnect by timer", 40_000_000))
    world.schedule(world.now_at + 60.0, mark_stable, peer, world.now_at)


def mark_stable(world: World, peer: Peer, since_at: float) -> None:
    """A minute after a reconnection the channels count as stably connected (last_stable_connection)."""
    if peer.connected and peer.connected_at == since_at:
        for channel in peer.channels:
            channel.last_stable_at = int(world.now_at)


def fail_to_connect(world: World, peer: Peer) -> None:
    """Write the row of an attempt that found nobody."""
    if not peer.connected:
        world.networkevents.add(
            NetworkEvent(
                peer.node_id,
                "connect_fail",
                int(world.now_at),
                f"{peer.address}:{peer.port}: Connection establishment: Connection timed out.",
                60 * NSEC,
                True,
            )
        )


def ping(world: World, peer: Peer, rng: Random) -> None:
    """Write a ping row; real nodes ping idle peers about every minute, here it is rarer by default."""
    latency = rng.lognormvariate(math.log(0.08), 0.5)
    if peer.connected:
        world.networkevents.add(
            NetworkEvent(peer.node_id, "ping", int(world.now_at), duration_nsec=int(latency * NSEC))
        )
    world.schedule(world.now_at + world.config.ping_interval_seconds, ping, peer, rng)
