"""Make the network around us: hubs, channels among our peers, and the prices that others charge into each peer.

The price of an edge into a peer is drawn round that peer's market price, which is also what the payers' willingness is
drawn round (`build.make_demand`): what competitors charge is evidence of what can be charged.
"""

from __future__ import annotations

import math
from random import Random

from revops.sim.channels import Policy
from revops.sim.graph import GraphNode, PublicChannel
from revops.sim.ids import node_id
from revops.sim.state import World


def add_graph(world: World, markets: list[float]) -> None:
    """Add the hubs, our peers and ourselves as nodes, and the channels among others."""
    rng = world.rng("graph")
    peers = list(world.peers.values())
    prices: dict[str, float] = {}
    for peer, market in zip(peers, markets, strict=True):
        announce(world, peer.node_id, peer.alias, peer.address, peer.port)
        prices[peer.node_id] = market
    hubs = [node_id(world.config.seed, "hub", number) for number in range(world.config.hub_count)]
    for number, hub in enumerate(hubs):
        announce(world, hub, f"hub-{number}", f"198.51.100.{number + 1}", 9735)
        prices[hub] = 60.0
    announce(world, world.node_id, world.config.alias, "192.0.2.1", 9735)
    pairs: dict[tuple[str, str], None] = {}
    for number, hub in enumerate(hubs):
        for second in hubs[number + 1 :]:
            pairs[sorted_pair(hub, second)] = None
    for peer in peers:
        for hub in rng.sample(hubs, min(len(hubs), rng.randint(2, 4))):
            pairs[sorted_pair(peer.node_id, hub)] = None
        for other in rng.sample(peers, min(len(peers), 2)):
            if other is not peer:
                pairs[sorted_pair(peer.node_id, other.node_id)] = None
    for number, pair in enumerate(pairs):
        world.graph.add(make_channel(world, number, pair, prices, rng))


def announce(world: World, identity: str, alias: str, address: str, port: int) -> None:
    """Add a node announcement."""
    at = int(world.now_at) - 7_200 - len(world.graph.nodes)
    world.graph.nodes[identity] = GraphNode(identity, alias, address, port, at)


def sorted_pair(one: str, other: str) -> tuple[str, str]:
    """Return two node ids in BOLT 7 order."""
    return (one, other) if one < other else (other, one)


def make_channel(
    world: World, number: int, pair: tuple[str, str], prices: dict[str, float], rng: Random
) -> PublicChannel:
    """Draw a channel between two other nodes."""
    capacity_msat = round(min(200_000_000, max(1_000_000, rng.lognormvariate(math.log(10_000_000), 0.8)))) * 1000
    policies = [
        Policy(
            rng.choice((0, 0, 0, 1000)),
            max(0, round(prices[destination] * rng.lognormvariate(-0.5, 0.7))),
            rng.choice((0, 1, 1000)),
            capacity_msat * 99 // 100,
            rng.choice((34, 40, 80, 144)),
        )
        for destination in (pair[1], pair[0])
    ]
    return PublicChannel(
        f"{world.height - rng.randrange(1000, 60_000)}x{number + 1}x{rng.randrange(3)}",
        pair,
        capacity_msat,
        policies,
        round(capacity_msat * rng.betavariate(0.9, 0.9)),
        [int(world.now_at) - rng.randrange(600, 500_000) for _ in range(2)],
        [rng.random() > 0.03, rng.random() > 0.03],
    )


def drift(world: World, rng: Random) -> None:
    """Let the network live: each hour a twelfth of the hidden balances are drawn anew (others' payments)."""
    for channel in world.graph.channels.values():
        redraw, balance = rng.random() < 1 / 12, rng.betavariate(0.9, 0.9)
        if redraw:
            channel.balance_msat = round(channel.capacity_msat * balance)
    world.schedule(world.now_at + 3_600.0, drift, rng)
