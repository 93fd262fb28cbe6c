"""Channels that are in use before a block has their funding (BOLT 2, option_zeroconf)."""

from __future__ import annotations

from revops.sim.channels import Channel
from revops.sim.ids import digest
from revops.sim.moves import record_open, record_proposed, record_push
from revops.sim.opening import Opening, make_channel
from revops.sim.splices import RESERVED_BLOCKS
from revops.sim.state import Unconfirmed, World
from revops.sim.wallet import choose_funds, receive, spend


def open_at_once(world: World, opening: Opening) -> Channel:
    """Open a channel that is used from now on; the next block has its funding, or `confirm`. Until then it goes by its
    aliases. Raise ValueError if the wallet can't pay, or more is pushed than the channel holds.
    """
    if not 0 <= opening.pushed_msat <= opening.capacity_sat * 1000:
        raise ValueError(f"no such channel can be opened: {opening}")
    funds = choose_funds(world, opening.capacity_sat * 1000, world.feerate_perkw, outputs=1)
    for output in funds.inputs:
        output.reserved_to_height = world.height + RESERVED_BLOCKS
    txid = digest(world.config.seed, "zero-conf", world.next_serial())
    channel = make_channel(world, opening, txid, 0, confirmed=False)
    world.unconfirmed.append(Unconfirmed(channel, funds.inputs, funds.change_msat))
    record_proposed(world, channel)
    record_push(world, channel, int(world.now_at))
    return channel


def confirm(world: World, waiting: Unconfirmed) -> None:
    """Let a block have a channel's funding: it gets its scid, and the ledger tells its opening once more."""
    world.unconfirmed.remove(waiting)
    channel = waiting.channel
    spend(world, waiting.inputs, channel.funding_txid)
    receive(world, channel.funding_txid, 1, waiting.change_msat)
    channel.scid = f"{world.height}x{int(channel.funding_txid[:3], 16) + 1}x{channel.funding_outnum}"
    world.index_scids(channel)
    record_open(world, channel, channel.to_us_msat + channel.pushed_msat, int(world.now_at), world.height)


def confirm_all(world: World) -> None:
    """At each block."""
    for waiting in list(world.unconfirmed):
        confirm(world, waiting)
