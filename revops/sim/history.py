"""What the ledger tells of the time before the world's beginning: how the channels were paid for and opened."""

from __future__ import annotations

from revops.sim.channels import Channel
from revops.sim.ids import digest
from revops.sim.moves import record_deposit, record_open, record_push, record_withdrawal
from revops.sim.state import Output, World

FEE_MSAT = 400_000
INPUT_SECONDS, INPUT_BLOCKS = 6_000, 10


def record_history(world: World) -> None:
    """Write the openings of all channels, and order the chain's rows by time, as a node that was there has them."""
    for channel in sorted(world.channels.values(), key=lambda channel: channel.opened_at):
        record_opening(world, channel)
    world.chainmoves.renumber(lambda row: row.timestamp_at)


def record_opening(world: World, channel: Channel) -> None:
    """Write the ledger rows of a channel's funding: our input's life, the opening, and what was pushed."""
    at, height = channel.opened_at, channel.opened_height
    if channel.local_funds_msat:
        # An output is of whole sat; what is over is fee.
        paid_msat = -(-channel.local_funds_msat // 1000) * 1000 + FEE_MSAT
        spent = Output(digest(channel.channel_id, "input"), 0, paid_msat, height - INPUT_BLOCKS, "", "")
        record_deposit(world, spent, at - INPUT_SECONDS)
        record_withdrawal(world, spent, channel.funding_txid, at, height)
    record_open(world, channel, channel.local_funds_msat, at, height)
    record_push(world, channel, at)
