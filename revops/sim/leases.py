"""Liquidity ads: others who lend, lessees who compare and lease, and what the plugin funder lends of our wallet.

A lessee wants an amount in a channel to itself, asks everybody's price at today's feerate, and takes the cheapest that
it is ready to pay. It closes the channel some time after the lease, or stays.
"""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

from revops.sim.channels import Channel
from revops.sim.config import DAY_SECONDS
from revops.sim.graph import LeaseRates
from revops.sim.lifecycle import close_channel
from revops.sim.moves import record_open, record_push
from revops.sim.opening import Opening, make_channel
from revops.sim.state import World
from revops.sim.state_changes import lockin_change
from revops.sim.wallet import choose_funds, free_outputs, receive, spend

LEASE_SECONDS = 4_032 * 600.0
#: What a lessee adds to what it leases: its own side of the channel.
OWN_SIDE_RATIO = 0.2
#: lightningd's defaults, of which lessors stray; and rates that nobody means.
USUAL_BASIS, USUAL_BASE_SAT = 65, 2_000
ABSURD = (LeaseRates(0, 0, 0, 0, 0), LeaseRates(2**32 - 1, 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**16 - 1))
#: What a lessee pays at most for a lease, as a share of it: half of them less.
WILLING_RATIO = 0.012
#: Of lessees so many close the channel within a month of the lease's end.
CLOSING_RATIO = 0.6


def start_leases(world: World) -> None:
    """Let lessors announce, and schedule the first lessee."""
    config, ratio = world.config, world.config.lessor_price_ratio
    rng = world.rng("lessors")
    others = [node for node in world.graph.nodes.values() if node.node_id != world.node_id]
    for number, node in enumerate(others[: config.lessor_count]):
        rates = LeaseRates(
            fee_base_sat=round(ratio * USUAL_BASE_SAT * math.exp(rng.normalvariate(0, 0.5))),
            fee_basis=round(ratio * USUAL_BASIS * math.exp(rng.normalvariate(0, 0.4))),
        )
        # Every fifth one asks for nothing, or for everything.
        chosen = ABSURD[number // 5 % 2] if number % 5 == 4 else rates
        world.graph.nodes[node.node_id] = replace(node, will_fund=chosen)
    if config.leases_per_day > 0:
        lessees = world.rng("lessees")
        world.schedule(world.now_at + lessees.expovariate(config.leases_per_day / DAY_SECONDS), lessee, lessees)


def lessee(world: World, rng: Random) -> None:
    """Let somebody look for a lease, and schedule the next."""
    amount_sat = round(min(5_000_000, max(200_000, rng.lognormvariate(math.log(1_000_000), 0.6))) / 1_000) * 1_000
    most_sat = amount_sat * WILLING_RATIO * math.exp(rng.normalvariate(0, 0.4))
    peer_id, closes = rng.choice(list(world.peers)), rng.random() < CLOSING_RATIO
    after_seconds, gap = rng.random() * 30 * DAY_SECONDS, rng.expovariate(world.config.leases_per_day / DAY_SECONDS)
    ours_sat = our_price_sat(world, amount_sat)
    if ours_sat is not None and ours_sat <= min(most_sat, cheapest_sat(world, amount_sat)):
        channel = lend(world, peer_id, amount_sat)
        if channel is not None and closes:
            world.schedule(world.now_at + LEASE_SECONDS + after_seconds, end_lease, channel)
    world.schedule(world.now_at + gap, lessee, rng)


def our_price_sat(world: World, amount_sat: int) -> int | None:
    """Return what we ask for a lease; None where we announce none."""
    rates = world.funder.rates
    return None if rates is None or rates.empty else rates.fee_sat(amount_sat, world.feerate_perkw)


def cheapest_sat(world: World, amount_sat: int) -> float:
    """Return the least that others ask. Who asks for nothing doesn't lend."""
    offers = [node.will_fund for node in world.graph.nodes.values() if node.will_fund is not None]
    return min(
        (one.fee_sat(amount_sat, world.feerate_perkw) for one in offers if one.fee_base_sat or one.fee_basis),
        default=math.inf,
    )


def contribution_sat(world: World, asked_sat: int) -> int:
    """Return what funder puts in where so much is asked for (plugins/funder_policy.c, calculate_our_funding)."""
    funder = world.funder
    available_sat = sum(output.amount_msat for output in free_outputs(world)) // 1000
    net_sat = available_sat - funder.reserve_tank_sat
    if net_sat <= 0:
        return 0
    wished_sat = {
        "match": asked_sat * funder.policy_mod // 100,
        "available": available_sat * funder.policy_mod // 100,
        "fixed": funder.policy_mod,
    }[funder.policy]
    found_sat = min(wished_sat, funder.per_channel_max_sat, net_sat)
    return found_sat if found_sat >= funder.per_channel_min_sat else 0


def lend(world: World, peer_id: str, amount_sat: int) -> Channel | None:
    """Answer a peer that asks for a lease: open the channel, locked in at once; None where we put in less than is asked
    for, which no lessee takes. Raise ValueError where the wallet can't pay.
    """
    fee_sat = our_price_sat(world, amount_sat)
    if fee_sat is None or not world.config.dual_fund or contribution_sat(world, amount_sat) < amount_sat:
        return None
    funds = choose_funds(world, amount_sat * 1000, world.feerate_perkw, outputs=0)
    theirs_sat = round(amount_sat * OWN_SIDE_RATIO) + fee_sat
    number = world.next_serial()
    txid = f"{number:08x}" + world.rng("lease", number).randbytes(28).hex()
    spend(world, funds.inputs, txid)
    receive(world, txid, 1, funds.change_msat)
    channel = make_channel(world, Opening(peer_id, amount_sat + theirs_sat), txid, 0)
    channel.opener, channel.leased = "remote", True
    channel.local_funds_msat, channel.pushed_msat = amount_sat * 1000, fee_sat * 1000
    channel.to_us_msat = channel.min_to_us_msat = channel.max_to_us_msat = (amount_sat + fee_sat) * 1000
    channel.state_changes = [lockin_change(channel, 0)]
    record_open(world, channel, channel.local_funds_msat, int(world.now_at), world.height)
    record_push(world, channel, int(world.now_at))
    return channel


def end_lease(world: World, channel: Channel) -> None:
    """Close a channel whose lease is over, unless it is closed already."""
    if channel.channel_id in world.channels and channel.is_live and channel.splice is None:
        close_channel(world, channel, closer="remote", forget=True)
