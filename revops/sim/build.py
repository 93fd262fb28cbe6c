"""Make a world: peers with their demand, our channels, and their history on the chain. All is drawn here, once.

Roles go round in a fixed order, so that even a small node has sources, sinks, a dead peer, a bursty one, a slow one,
two peers with two channels, a private channel known by its alias alone, and a peer whose alias attacks terminals and
pages.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from random import Random

from revops.sim.build_graph import add_graph
from revops.sim.channels import MAX_U64, Channel, Policy
from revops.sim.config import DAY_SECONDS, SimConfig
from revops.sim.demand import Demand, Family
from revops.sim.history import record_history
from revops.sim.ids import alias_scid, digest, direction_of, node_id
from revops.sim.state import Peer, World
from revops.sim.state_changes import lockin_change
from revops.sim.wallet import open_wallet

HOSTILE_ALIAS = "\x1b[2J\"'<b>\n&,=1+1\u202e;`x`<script"
OUR_CLTV_DELTA_BLOCKS = 34


@dataclass(frozen=True, slots=True)
class Role:
    """What kind of neighbour a peer is: share of demand, weight of entries, who opens, and its quirks."""

    family: Family
    share: float
    entry_weight: float
    opener: str
    failure_ratio: float = 0.06
    hold_median_seconds: float = 1.5
    burst_factor: float = 1.0
    size_factor: float = 1.0
    capacity_factor: float = 1.0


SINK = Role(Family.EXPONENTIAL, 1.6, 0.25, "local")
SOURCE = Role(Family.ISOELASTIC, 0.3, 2.2, "remote", failure_ratio=0.1)
BALANCED = Role(Family.EXPONENTIAL, 1.0, 1.0, "remote")
DEAD = Role(Family.EXPONENTIAL, 0.004, 0.01, "local", failure_ratio=0.3)
STEEP = Role(Family.STEP, 1.2, 0.5, "local", size_factor=0.7)
BURST = Role(Family.ISOELASTIC, 0.25, 0.4, "local", burst_factor=15.0)
SLOW = Role(Family.ISOELASTIC, 0.8, 0.8, "remote", failure_ratio=0.2, hold_median_seconds=15.0)
EXCHANGE = Role(Family.ISOELASTIC, 2.0, 1.2, "local", size_factor=1.8)
#: A small channel through which much would go, at one price: more than fits, so that it runs empty whatever is asked.
TIGHT = Role(Family.STEP, 3.0, 1.5, "local", size_factor=1.5, capacity_factor=0.2)
#: Much of ours, and nobody comes.
IDLE = replace(DEAD, share=1e-6, entry_weight=1e-9, capacity_factor=1.5)
ROLES = (SINK, BALANCED, SOURCE, EXCHANGE, DEAD, STEEP, BALANCED, BURST, SOURCE, SLOW, SINK, BALANCED)
NAMED_ROLES = {
    "sink": SINK,
    "source": SOURCE,
    "balanced": BALANCED,
    "dead": DEAD,
    "idle": IDLE,
    "steep": STEEP,
    "burst": BURST,
    "slow": SLOW,
    "exchange": EXCHANGE,
    "tight": TIGHT,
}


def build_world(config: SimConfig) -> World:
    """Given a config, return the world at its beginning, with nothing scheduled yet."""
    world = World(config, node_id(config.seed, "self"))
    doubles = min(2, config.channel_count // 8)
    peer_count = config.channel_count - doubles
    rng = world.rng("build")
    markets = [min(3_000.0, max(10.0, rng.lognormvariate(math.log(250), 0.8))) for _ in range(peer_count)]
    first_ppms = [
        config.initial_fee_ppm if config.initial_fee_ppm is not None else round(market * rng.lognormvariate(-0.1, 0.5))
        for market in markets
    ]
    kinds = [NAMED_ROLES[name] for name in config.roles] or ROLES
    roles = [kinds[number % len(kinds)] for number in range(peer_count)]
    total_share = sum(role.share for role in roles)
    for number, (role, market) in enumerate(zip(roles, markets, strict=True)):
        share = role.share / total_share
        demand = make_demand(role, market, first_ppms[number], share * config.forwards_per_day, rng)
        add_peer(world, number, demand)
    open_wallet(world)
    for number in range(config.channel_count):
        peer_number = number if number < peer_count else (number - peer_count) * 3
        add_channel(world, number, peer_number, roles[peer_number], max(1, first_ppms[peer_number]), rng)
    record_history(world)
    add_graph(world, markets)
    return world


def make_demand(role: Role, market_ppm: float, first_ppm: float, per_day: float, rng: Random) -> Demand:
    """Return the demand of a peer that draws `per_day` attempts at its first fee."""
    steepness = 2.2
    scale = {
        Family.EXPONENTIAL: market_ppm,
        Family.ISOELASTIC: market_ppm * (steepness - 1.0) * 0.8,
        Family.STEP: market_ppm * 1.3,
    }[role.family]
    shape = Demand(
        role.family,
        scale,
        steepness,
        1.0,
        role.entry_weight * rng.lognormvariate(0.0, 0.3),
        role.size_factor,
        role.failure_ratio,
        role.hold_median_seconds,
        role.burst_factor,
        rng.uniform(0.0, 2.0 * math.pi),
    )
    return Demand(
        shape.family,
        shape.scale_ppm,
        shape.steepness,
        per_day / max(0.1, shape.survival(first_ppm)),
        shape.entry_weight,
        shape.size_factor,
        shape.failure_ratio,
        shape.hold_median_seconds,
        shape.burst_factor,
        shape.phase,
    )


def add_peer(world: World, number: int, demand: Demand) -> None:
    """Add peer `number`, connected since a while before the world's beginning."""
    identity = node_id(world.config.seed, "peer", number)
    alias = HOSTILE_ALIAS if number == 1 else f"peer-{number:02d}"
    peer = Peer(identity, alias, f"203.0.113.{number % 250 + 1}", 9735, demand)
    peer.connected_at = world.now_at - 86_400.0 - number
    world.peers[identity] = peer


def add_channel(world: World, number: int, peer_number: int, role: Role, ppm: int, rng: Random) -> None:
    """Open channel `number` with a peer. Amounts are whole sat, as a funding output is."""
    config = world.config
    peer = list(world.peers.values())[peer_number]
    median_sat = config.median_capacity_sat * role.capacity_factor
    capacity_sat = round(min(100_000_000, max(600_000, rng.lognormvariate(math.log(median_sat), 0.9))))
    ours_sat, pushed_sat = funds_sat(role, capacity_sat, number, rng)
    age_days = rng.uniform(8.0, 400.0)
    opened_at = int(world.now_at - age_days * DAY_SECONDS)
    opened_height = world.height - round(age_days * 144)
    reserve_msat = max(capacity_sat // 100, 546) * 1000
    # The third channel's peer allows few HTLCs; LND peers limit the value in flight to the capacity, others not at all.
    slots = 5 if number == 2 else 483
    limit = capacity_sat * 1000 if rng.random() < 0.4 else MAX_U64
    alias_only = number == 5
    base = rng.choice((0, 0, 0, 500, 1000))
    htlc_max = min(capacity_sat * 1000 - reserve_msat, limit)
    funding = digest(config.seed, "funding", number)
    channel = Channel(
        channel_id=digest(config.seed, "channel", number),
        peer_id=peer.node_id,
        direction=direction_of(world.node_id, peer.node_id),
        scid=None if alias_only else f"{opened_height}x{rng.randrange(1, 3000)}x{number % 3}",
        alias_local=alias_scid(config.seed, "alias-local", number),
        alias_remote=alias_scid(config.seed, "alias-remote", number),
        funding_txid=funding,
        funding_outnum=number % 3,
        capacity_msat=capacity_sat * 1000,
        to_us_msat=(ours_sat + pushed_sat) * 1000,
        local_funds_msat=ours_sat * 1000,
        pushed_msat=pushed_sat * 1000,
        opener=role.opener,
        private=alias_only,
        opened_at=opened_at,
        opened_height=opened_height,
        local=Policy(base, ppm, 0 if number % 4 else 1_000, htlc_max, OUR_CLTV_DELTA_BLOCKS),
        remote=remote_policy(htlc_max, rng),
        our_reserve_msat=reserve_msat,
        their_reserve_msat=reserve_msat,
        max_accepted_htlcs=slots,
        peer_max_accepted_htlcs=slots,
        their_max_in_flight_msat=limit,
        commit_feerate_perkw=1_255,
        last_stable_at=int(peer.connected_at) + 60,
    )
    channel.state_changes.append(lockin_change(channel))
    world.channels[channel.channel_id] = channel
    peer.channels.append(channel)
    world.index_scids(channel)


def funds_sat(role: Role, capacity_sat: int, number: int, rng: Random) -> tuple[int, int]:
    """Return (our part of the funding, what the opener pushed to us), in sat."""
    share, pushed = rng.uniform(0.6, 1.0), rng.uniform(0.05, 0.4)
    if role.opener == "local":
        return round(capacity_sat * share), 0
    return 0, round(capacity_sat * pushed) if number % 2 else 0


def remote_policy(htlc_max_msat: int, rng: Random) -> Policy:
    """Return a peer's policy towards us: what others charge into our node."""
    return Policy(
        rng.choice((0, 0, 1000)),
        round(min(2_000.0, rng.lognormvariate(math.log(120), 0.9))),
        rng.choice((0, 1, 1000)),
        htlc_max_msat,
        rng.choice((34, 40, 80, 144)),
    )
