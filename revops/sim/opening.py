"""How channels are opened in the world's present: several at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from revops.sim.build import OUR_CLTV_DELTA_BLOCKS, remote_policy
from revops.sim.channels import MAX_U64, Channel, Policy
from revops.sim.ids import alias_scid, digest, direction_of
from revops.sim.moves import record_open, record_push
from revops.sim.state import World
from revops.sim.state_changes import lockin_change
from revops.sim.wallet import choose_funds, receive, spend

# lightningd's defaults for a new channel: fee-base, fee-per-satoshi.
DEFAULT_BASE_MSAT, DEFAULT_PPM = 1_000, 10
#: BOLT 2: what a peer may ask us to keep, and never less than dust.
RESERVE_RATIO, LEAST_RESERVE_SAT = 100, 546


@dataclass(frozen=True, slots=True)
class Opening:
    """One channel of a batch: whom with, how large, and what of it is given to the peer."""

    peer_id: str
    capacity_sat: int
    pushed_msat: int = 0


def open_batch(world: World, openings: Sequence[Opening]) -> list[Channel]:
    """Open channels by one transaction (multifundchannel), locked in at once: outputs 0, 1, 2… are the channels, the
    one after them is change. Return the channels. Raise ValueError if the wallet can't pay, a peer is unknown or more
    is pushed than a channel holds.
    """
    for opening in openings:
        if opening.peer_id not in world.peers or not 0 <= opening.pushed_msat <= opening.capacity_sat * 1000:
            raise ValueError(f"no such channel can be opened: {opening}")
    total_msat = sum(opening.capacity_sat for opening in openings) * 1000
    funds = choose_funds(world, total_msat, world.feerate_perkw, outputs=len(openings))
    txid = digest(world.config.seed, "batch", world.next_serial())
    spend(world, funds.inputs, txid)
    receive(world, txid, len(openings), funds.change_msat)
    channels = [make_channel(world, opening, txid, outnum) for outnum, opening in enumerate(openings)]
    at = int(world.now_at)
    for channel in channels:
        record_open(world, channel, channel.local_funds_msat, at, world.height)
    for channel in channels:
        record_push(world, channel, at)
    return channels


def make_channel(world: World, opening: Opening, txid: str, outnum: int, *, confirmed: bool = True) -> Channel:
    """Add a channel that we have funded with output `outnum` of a transaction; it has an scid once a block has that."""
    peer = world.peers[opening.peer_id]
    channel_id = channel_id_of(txid, outnum)
    capacity_msat = opening.capacity_sat * 1000
    reserve_msat = max(opening.capacity_sat // RESERVE_RATIO, LEAST_RESERVE_SAT) * 1000
    htlc_max_msat = capacity_msat - reserve_msat
    channel = Channel(
        channel_id=channel_id,
        peer_id=peer.node_id,
        direction=direction_of(world.node_id, peer.node_id),
        scid=f"{world.height}x{int(txid[:3], 16) + 1}x{outnum}" if confirmed else None,
        alias_local=alias_scid(channel_id, "alias-local"),
        alias_remote=alias_scid(channel_id, "alias-remote"),
        funding_txid=txid,
        funding_outnum=outnum,
        capacity_msat=capacity_msat,
        to_us_msat=capacity_msat - opening.pushed_msat,
        local_funds_msat=capacity_msat,
        pushed_msat=opening.pushed_msat,
        opener="local",
        private=False,
        opened_at=int(world.now_at),
        opened_height=world.height,
        local=Policy(DEFAULT_BASE_MSAT, DEFAULT_PPM, 0, htlc_max_msat, OUR_CLTV_DELTA_BLOCKS),
        remote=remote_policy(htlc_max_msat, world.rng("open", channel_id)),
        our_reserve_msat=reserve_msat,
        their_reserve_msat=reserve_msat,
        max_accepted_htlcs=483,
        peer_max_accepted_htlcs=483,
        their_max_in_flight_msat=MAX_U64,
        commit_feerate_perkw=1_255,
        last_stable_at=int(world.now_at),
    )
    channel.state_changes.append(lockin_change(channel, 0))
    world.channels[channel_id] = channel
    peer.channels.append(channel)
    world.index_scids(channel)
    return channel


def channel_id_of(txid: str, outnum: int) -> str:
    """Return the channel_id of a funding outpoint (BOLT 2): the txid's bytes with the output's number XORed in."""
    key = bytes.fromhex(txid)[::-1]
    return (key[:-2] + (int.from_bytes(key[-2:]) ^ outnum).to_bytes(2)).hex()
