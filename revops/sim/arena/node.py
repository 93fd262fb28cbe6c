"""The market's node as lightningd would show it: a simulated node whose payments and surroundings are the arena's.

The market stays the physics. Blocks, feerates, gossip and the peers' comings and goings are events of the simulated
world; what others charge into each peer stands on channels of a few hubs, by which circular payments find their way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from revops.decide.anchor import LEAST_CHANNELS
from revops.sim.arena import names
from revops.sim.arena.demand import SLOT_COUNT
from revops.sim.arena.families import DAY_SECONDS
from revops.sim.arena.market import Market
from revops.sim.arena.world import World
from revops.sim.build_graph import announce, drift, sorted_pair
from revops.sim.channels import MAX_U64, Channel, Policy
from revops.sim.config import SimConfig
from revops.sim.demand import Demand, Family
from revops.sim.graph import PublicChannel
from revops.sim.history import record_history
from revops.sim.ids import direction_of, node_id
from revops.sim.moves import record_deposit
from revops.sim.outages import connect, disconnect
from revops.sim.state import Peer
from revops.sim.state import World as NodeWorld
from revops.sim.state_changes import lockin_change
from revops.sim.wallet import add_output

HUB_COUNT: Final = LEAST_CHANNELS + 2
HUB_CAPACITY_MSAT: Final = 20_000_000_000
#: Enough that no reserve suspends anything.
WALLET_MSAT: Final = 10_000_000_000
#: The arena has customers of its own.
_NO_DEMAND: Final = Demand(Family.STEP, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0)


@dataclass(slots=True, eq=False)
class MarketChannel(Channel):
    """A channel whose policy is the market's to know, and of whose balance no fee of a commitment is kept back: the
    market reckons without.
    """

    on_policy: Callable[[Policy], None] = lambda _policy: None

    def commit_fee_msat(self) -> int:
        """Nothing."""
        return 0

    def set_local(self, policy: Policy, at: float, grace_seconds: float) -> None:
        """Change our policy, and tell the market."""
        Channel.set_local(self, policy, at, grace_seconds)
        self.on_policy(policy)


def build(world: World, market: Market) -> NodeWorld:
    """Given an arena's world and its market at the start, return the simulated node's world, with all that happens to
    it scheduled, but for payments.
    """
    config = SimConfig(
        seed=world.seed,
        channel_count=len(market.fee_ppm),
        start_at=int(names.EPOCH_AT),
        start_blockheight=names.START_BLOCKHEIGHT,
        version=names.VERSION,
        network=names.NETWORK,
        alias="arena",
        own_stuck_ratio=names.OWN_STUCK_RATIO,
    )
    node = NodeWorld(config, names.NODE_ID)
    output = add_output(node, "wallet", WALLET_MSAT, node.height - 2_000)
    record_deposit(node, output, names.OPENED_AT)
    for number in range(len(market.fee_ppm)):
        _add_channel(node, market, number)
    record_history(node)
    _add_graph(node, world)
    _schedule(node, world)
    return node


def _add_channel(node: NodeWorld, market: Market, number: int) -> None:
    peer = Peer(names.peer_id(number), f"peer-{number:02d}", f"203.0.113.{number % 250 + 1}", 9735, _NO_DEMAND)
    peer.connected_at = float(names.OPENED_AT)
    node.peers[peer.node_id] = peer
    capacity_msat, reserve_msat = market.capacity_msat[number], market.reserve_msat(number)
    htlc_max_msat = names.htlc_max_msat(capacity_msat, reserve_msat)
    alias_local, alias_remote = names.aliases(number)
    channel = MarketChannel(
        channel_id=names.channel_id(number),
        peer_id=peer.node_id,
        direction=direction_of(node.node_id, peer.node_id),
        scid=names.scid(number),
        alias_local=alias_local,
        alias_remote=alias_remote,
        funding_txid=names.channel_id(number),
        funding_outnum=0,
        capacity_msat=capacity_msat,
        to_us_msat=market.local_msat[number],
        local_funds_msat=market.local_msat[number],
        pushed_msat=0,
        opener="local",
        private=False,
        opened_at=names.OPENED_AT - 3_600,
        opened_height=800_000 + number,
        local=Policy(0, market.fee_ppm[number], names.HTLC_MIN_MSAT, htlc_max_msat, names.CLTV_DELTA_BLOCKS),
        remote=Policy(0, names.REMOTE_PPM, names.HTLC_MIN_MSAT, htlc_max_msat, names.CLTV_DELTA_BLOCKS),
        our_reserve_msat=reserve_msat,
        their_reserve_msat=reserve_msat,
        max_accepted_htlcs=SLOT_COUNT,
        peer_max_accepted_htlcs=SLOT_COUNT,
        their_max_in_flight_msat=MAX_U64,
        commit_feerate_perkw=1_255,
    )
    channel.state_changes.append(lockin_change(channel))
    node.channels[channel.channel_id] = channel
    peer.channels.append(channel)
    node.index_scids(channel)


def _add_graph(node: NodeWorld, world: World) -> None:
    """Hubs that know each other, and of each peer as many channels with them as make a price, or too few."""
    hubs = [node_id("arena", "hub", number) for number in range(HUB_COUNT)]
    for number, hub in enumerate(hubs):
        announce(node, hub, f"hub-{number}", f"198.51.100.{number + 1}", 9735)
    for peer in node.peers.values():
        announce(node, peer.node_id, peer.alias, peer.address, peer.port)
    announce(node, node.node_id, node.config.alias, "192.0.2.1", 9735)
    rng = node.rng("graph")
    pairs = [(hub, other, names.HUB_PPM) for place, hub in enumerate(hubs) for other in hubs[place + 1 :]]
    for number, ppm in enumerate(world.others_on(0)):
        count = LEAST_CHANNELS if ppm is not None else LEAST_CHANNELS - 1
        pairs += [(hub, names.peer_id(number), ppm or names.UNKNOWN_PPM) for hub in rng.sample(hubs, count)]
    for place, (hub, other, ppm) in enumerate(pairs):
        node.graph.add(_public_channel(place, hub, other, ppm, rng))


def _public_channel(place: int, hub: str, other: str, ppm: int, rng: Random) -> PublicChannel:
    """A channel by which `ppm` is charged from the hub to the other node."""
    pair = sorted_pair(hub, other)
    toll = Policy(0, ppm, 1, HUB_CAPACITY_MSAT * 99 // 100, 40)
    policies = [toll if source == hub else replace(toll, fee_ppm=names.HUB_PPM) for source in pair]
    balance_msat = round(HUB_CAPACITY_MSAT * rng.betavariate(0.9, 0.9))
    return PublicChannel(
        f"{700_000 + place}x1x0", pair, HUB_CAPACITY_MSAT, policies, balance_msat, [names.OPENED_AT] * 2
    )


def _schedule(node: NodeWorld, world: World) -> None:
    _change_feerate(node, world, 0)
    node.schedule(names.EPOCH_AT + DAY_SECONDS, _change_prices, world, 1)
    node.schedule(names.EPOCH_AT + names.BLOCK_SECONDS, _mine)
    node.schedule(names.EPOCH_AT, drift, node.rng("drift"))
    for number, absences in enumerate(world.absences):
        peer = node.peers[names.peer_id(number)]
        for gone_at, back_at in absences:
            if gone_at < world.days * DAY_SECONDS:
                node.schedule(names.EPOCH_AT + gone_at, disconnect, peer)
                node.schedule(names.EPOCH_AT + back_at, connect, peer)


def _change_feerate(node: NodeWorld, world: World, hour: int) -> None:
    node.feerate_perkw = world.feerates_perkw[hour]
    if hour + 1 < len(world.feerates_perkw):
        node.schedule(names.EPOCH_AT + (hour + 1) * 3_600, _change_feerate, world, hour + 1)


def _change_prices(node: NodeWorld, world: World, day: int) -> None:
    """Gossip shows what others charge from this day on."""
    into = {names.peer_id(number): ppm for number, ppm in enumerate(world.others_on(day)) if ppm is not None}
    for channel in node.graph.channels.values():
        for direction, (source, destination) in enumerate((channel.nodes, channel.nodes[::-1])):
            ppm = into.get(destination)
            if ppm is not None and source not in node.peers:
                channel.policies[direction] = replace(channel.policies[direction], fee_ppm=ppm)
                channel.updated_at[direction] = int(node.now_at)
    node.schedule(names.EPOCH_AT + (day + 1) * DAY_SECONDS, _change_prices, world, day + 1)


def _mine(node: NodeWorld) -> None:
    node.height += 1
    node.schedule(node.now_at + names.BLOCK_SECONDS, _mine)
