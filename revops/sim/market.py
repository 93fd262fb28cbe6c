"""Forwards: would-be payments arrive, choose their way, and meet the node's checks in lightningd's order.

The order and the failure codes are those of lightningd/peer_htlcs.c (forward_htlc): fee (with the grace period of an
older, lower fee), htlc range, then what channeld refuses (balance, slots, value in flight).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from itertools import accumulate
from random import Random

from revops.sim.channels import Channel, Htlc, Policy
from revops.sim.demand import Candidate, draw_candidate, draw_gap_seconds
from revops.sim.ids import digest
from revops.sim.rows import ChannelMove, ForwardRow
from revops.sim.state import Peer, World

FEE_INSUFFICIENT = 4108
TEMPORARY_CHANNEL_FAILURE = 4103
# While a peer's connection is down its HTLCs can't be resolved; look again after this long.
RETRY_SECONDS = 20.0
BURST_GAP_SECONDS = 2.5 * 86_400.0
BURST_SECONDS = 5_400.0
# Of payments whose sender sees the channel disabled, the share that tries all the same.
STUBBORN_RATIO = 0.05
# Senders remember a channel that had no room for this long, but for the share that never heard of it.
MEMORY_SECONDS = 1_200.0
FORGETFUL_RATIO = 0.5


def start_market(world: World) -> None:
    """Schedule each peer's first candidate, and its bursts."""
    peers = list(world.peers.values())
    entries = list(accumulate(peer.demand.entry_weight for peer in peers))
    for number, peer in enumerate(peers):
        rng = world.rng("demand", number)
        world.schedule(world.now_at + draw_gap_seconds(peer.demand, rng), arrive, peer, rng, entries)
        if peer.demand.burst_factor > 1.0:
            bursts = world.rng("burst", number)
            world.schedule(world.now_at + bursts.expovariate(1 / BURST_GAP_SECONDS), toggle_burst, peer, bursts)


def toggle_burst(world: World, peer: Peer, rng: Random) -> None:
    """Begin or end a burst."""
    peer.bursting = not peer.bursting
    mean_seconds = BURST_SECONDS if peer.bursting else BURST_GAP_SECONDS
    world.schedule(world.now_at + rng.expovariate(1 / mean_seconds), toggle_burst, peer, rng)


def arrive(world: World, peer: Peer, rng: Random, entries: list[float]) -> None:
    """One candidate payment out by `peer`; schedules the next."""
    world.schedule(world.now_at + draw_gap_seconds(peer.demand, rng), arrive, peer, rng, entries)
    thinning = rng.random()
    config = world.config
    candidate = draw_candidate(peer.demand, rng, config.median_payment_sat * 1000, config.stuck_ratio)
    if thinning < peer.demand.activity(world.now_at, peer.bursting) and not world.knobs.market_paused:
        attempt(world, peer, candidate, entries)


def attempt(world: World, peer: Peer, candidate: Candidate, entries: list[float]) -> None:
    """Let a candidate see our prices, decide, enter, and be forwarded or refused."""
    amount_msat = candidate.amount_msat
    offer = cheapest_offer(world, peer, candidate)
    if offer is None:
        return
    out_channel, seen = offer
    fee_msat = seen.fee_msat(amount_msat)
    if fee_msat * 1_000_000 > candidate.willingness_ppm * amount_msat:
        return
    in_msat = amount_msat + fee_msat
    in_channel = choose_entry(world, peer, candidate, entries, in_msat)
    if in_channel is None:
        return
    payment_hash = digest(world.config.seed, "forward", world.next_serial())
    expiry = world.height + 40 + int(candidate.fate_draw * 100)
    in_htlc = in_channel.offer_in(in_msat, expiry + out_channel.local.cltv_delta_blocks, payment_hash)
    failcode, out_channel = refusal(world, peer, out_channel, amount_msat, fee_msat)
    row = ForwardRow(in_channel.key_scid, in_htlc.htlc_id, in_msat, "offered", world.now_at, out_channel.key_scid)
    if failcode is not None:
        in_channel.remove(in_htlc, fulfilled=False)
        row.status, row.failcode = "local_failed", failcode
        if failcode == TEMPORARY_CHANNEL_FAILURE:
            out_channel.refused_at, out_channel.refused_msat = world.now_at, amount_msat
        world.forwards.add(row)
        world.ledger.local_failed_count += 1
        if failcode == FEE_INSUFFICIENT and candidate.gossip_lag_seconds > 0:
            # The error carries our newest channel_update: the sender knows it now, and tries again if it can pay.
            attempt(world, peer, replace(candidate, gossip_lag_seconds=0.0), entries)
        return
    out_htlc = out_channel.offer_out(amount_msat, expiry, payment_hash)
    row.out_htlc_id, row.out_msat, row.fee_msat = out_htlc.htlc_id, amount_msat, fee_msat
    world.forwards.add(row)
    # Larger payments fail more often downstream.
    fails = candidate.fate_draw < peer.demand.failure_ratio * (1.0 + min(2.0, amount_msat / 500_000_000))
    world.schedule(
        world.now_at + candidate.hold_seconds, resolve, row, in_channel, in_htlc, out_channel, out_htlc, not fails
    )


def cheapest_offer(world: World, peer: Peer, candidate: Candidate) -> tuple[Channel, Policy] | None:
    """Return the peer's channel that looks cheapest to this sender, and the policy it saw; None if it sees no way."""
    best: tuple[Channel, Policy] | None = None
    if not peer.connected and candidate.stubborn_draw >= STUBBORN_RATIO:
        return None
    for channel in peer.channels:
        if not channel.is_live or shunned(world, channel, candidate):
            continue
        seen = seen_policy(world, channel, candidate.gossip_lag_seconds)
        if not seen.htlc_minimum_msat <= candidate.amount_msat <= seen.htlc_maximum_msat:
            continue
        if best is None or seen.fee_msat(candidate.amount_msat) < best[1].fee_msat(candidate.amount_msat):
            best = channel, seen
    return best


def shunned(world: World, channel: Channel, candidate: Candidate) -> bool:
    """Whether this sender has heard that the channel refused as much a moment ago; about half of them have."""
    recent = world.now_at - channel.refused_at < MEMORY_SECONDS and candidate.amount_msat >= channel.refused_msat
    return recent and candidate.stubborn_draw >= FORGETFUL_RATIO


def seen_policy(world: World, channel: Channel, lag_seconds: float) -> Policy:
    """Return our policy as gossip shows it to a sender whose view is `lag_seconds` old."""
    if channel.gossiped_before is not None and world.now_at - channel.local_changed_at < lag_seconds:
        return channel.gossiped_before
    return channel.local


def choose_entry(world: World, peer: Peer, candidate: Candidate, entries: list[float], in_msat: int) -> Channel | None:
    """Return the channel by which the payment enters: by weight, with liquidity there; None after three tries."""
    peers = list(world.peers.values())
    for draw in candidate.entry_draws:
        entry = peers[min(bisect_left(entries, draw * entries[-1]), len(peers) - 1)]
        if entry is peer or not entry.connected:
            continue
        fitting = [channel for channel in entry.channels if channel.is_live and channel.can_receive(in_msat)]
        if fitting:
            return max(fitting, key=lambda channel: channel.receivable_msat())
    return None


def refusal(world: World, peer: Peer, channel: Channel, amount_msat: int, fee_msat: int) -> tuple[int | None, Channel]:
    """Return (failure code or None, the channel used: with several of the same fee, the one with most room)."""
    # lightningd/peer_htlcs.c best_channel.
    fee = (channel.local.fee_base_msat, channel.local.fee_ppm)
    same = [
        other for other in peer.channels if (other.local.fee_base_msat, other.local.fee_ppm) == fee and other.is_live
    ]
    channel = max(same, key=Channel.spendable_msat)
    policies = [channel.local]
    if channel.grace_local is not None and world.now_at < channel.grace_until_at:
        policies.append(channel.grace_local)
    if all(fee_msat < policy.fee_msat(amount_msat) for policy in policies):
        return FEE_INSUFFICIENT, channel
    if not any(policy.htlc_minimum_msat <= amount_msat <= policy.htlc_maximum_msat for policy in policies):
        return TEMPORARY_CHANNEL_FAILURE, channel
    if not peer.connected or not channel.can_send(amount_msat):
        return TEMPORARY_CHANNEL_FAILURE, channel
    return None, channel


def resolve(
    world: World,
    row: ForwardRow,
    in_channel: Channel,
    in_htlc: Htlc,
    out_channel: Channel,
    out_htlc: Htlc,
    settled: bool,
) -> None:
    """Settle or fail a forward in flight; waits while either peer is away. A closed channel has resolved it already."""
    if row.status != "offered":
        return
    if not (world.peer_of(in_channel).connected and world.peer_of(out_channel).connected):
        world.schedule(world.now_at + RETRY_SECONDS, resolve, row, in_channel, in_htlc, out_channel, out_htlc, settled)
        return
    finish(world, row, in_channel, in_htlc, out_channel, out_htlc, settled, world.now_at)


def finish(
    world: World,
    row: ForwardRow,
    in_channel: Channel,
    in_htlc: Htlc,
    out_channel: Channel,
    out_htlc: Htlc,
    settled: bool,
    ended_at: float,
) -> None:
    """Write a forward's end: balances, row, the two ledger moves (the debit first, as lightningd does), books."""
    out_channel.remove(out_htlc, fulfilled=settled)
    in_channel.remove(in_htlc, fulfilled=settled)
    row.status = "settled" if settled else "failed"
    row.resolved_at = ended_at
    world.forwards.touch(row)
    ledger = world.ledger
    if not settled:
        ledger.failed_count += 1
        return
    fee_msat = in_htlc.amount_msat - out_htlc.amount_msat
    at = int(ended_at)
    payment_hash = out_htlc.payment_hash
    world.channelmoves.add(
        ChannelMove(out_channel.channel_id, 0, out_htlc.amount_msat, at, "routed", fee_msat, payment_hash)
    )
    world.channelmoves.add(
        ChannelMove(in_channel.channel_id, in_htlc.amount_msat, 0, at, "routed", fee_msat, payment_hash)
    )
    ledger.settled_count += 1
    ledger.fees_earned_msat += fee_msat
    ledger.fees_collected_msat += fee_msat
    outward, inward = ledger.channel(out_channel.channel_id), ledger.channel(in_channel.channel_id)
    outward.earned_msat += fee_msat
    outward.forwarded_out_msat += out_htlc.amount_msat
    outward.forwarded_out_count += 1
    inward.forwarded_in_msat += in_htlc.amount_msat
    inward.forwarded_in_count += 1
