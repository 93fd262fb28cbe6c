"""Blocks, feerates and the on-chain wallet.

The feerate is a mean-reverting walk of its logarithm with rare spikes; in calm times it falls below 1 sat/vB. Blocks
come as a Poisson process of one in ten minutes.
"""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

from revops.sim.ids import ADDRESS_PREFIX, bech32_text, digest
from revops.sim.rows import ChainMove, ChannelMove
from revops.sim.state import Output

if TYPE_CHECKING:
    from revops.sim.channels import Channel
    from revops.sim.state import World

BLOCK_SECONDS = 600.0
# ln(perkw) that the walk returns to: 250 perkw is 1 sat/vB.
CALM_LOG_PERKW = math.log(500.0)
SPIKE_RATIO = 0.002


def open_wallet(world: World) -> None:
    """Give the wallet four outputs: two free ones, one reserved, one not yet confirmed."""
    for number, sat in enumerate((5_000_000, 1_250_000, 700_000)):
        output = add_output(world, f"wallet:{number}", sat * 1000, world.height - 2_000 + number)
        record_deposit(world, output, int(world.now_at) - 1_200_000 + number)
    world.outputs[2].reserved_to_height = world.height + 50_000
    add_output(world, "wallet:incoming", 300_000_000, None)


def add_output(world: World, label: str, amount_msat: int, height: int | None) -> Output:
    """Add a wallet output (not a ledger row: see `record_deposit`)."""
    prefix = ADDRESS_PREFIX[world.config.network]
    key = digest(world.config.seed, "output", label)
    output = Output(
        digest(world.config.seed, "outtx", label),
        0,
        amount_msat,
        height,
        bech32_text(prefix, key, length=59),
        "5120" + key,
    )
    world.outputs.append(output)
    return output


def record_deposit(world: World, output: Output, at: int) -> None:
    """Write the ledger row of a confirmed deposit into the wallet."""
    world.chainmoves.add(
        ChainMove(
            "wallet",
            output.amount_msat,
            0,
            at,
            "deposit",
            f"{output.txid}:{output.outnum}",
            output.amount_msat,
            output.height or 0,
        )
    )


def record_opening(world: World, channel: Channel) -> None:
    """Write the ledger rows of a channel's funding: our input's life, the opening, and what was pushed to us."""
    at, height = channel.opened_at, channel.opened_height
    if channel.local_funds_msat:
        fee_msat = 400_000
        spent = Output(digest(channel.channel_id, "input"), 0, channel.local_funds_msat + fee_msat, height - 10, "", "")
        record_deposit(world, spent, at - 6_000)
        record_withdrawal(world, spent, channel.funding_txid, at, height)
    world.chainmoves.add(
        ChainMove(
            channel.channel_id,
            channel.local_funds_msat,
            0,
            at,
            "channel_open",
            f"{channel.funding_txid}:{channel.funding_outnum}",
            channel.capacity_msat,
            height,
            ("opener",) if channel.opener == "local" else (),
            {"peer_id": channel.peer_id},
        )
    )
    if channel.pushed_msat:
        world.channelmoves.add(ChannelMove(channel.channel_id, channel.pushed_msat, 0, at, "pushed", 0))


def record_withdrawal(world: World, output: Output, spending_txid: str, at: int, height: int) -> None:
    """Write the ledger row of a wallet output's spending."""
    world.chainmoves.add(
        ChainMove(
            "wallet",
            0,
            output.amount_msat,
            at,
            "withdrawal",
            f"{output.txid}:{output.outnum}",
            output.amount_msat,
            height,
            (),
            {"spending_txid": spending_txid},
        )
    )


def start_chain(world: World) -> None:
    """Draw the first feerate and schedule the first block."""
    rng = world.rng("chain")
    world.feerate_perkw = round(math.exp(rng.normalvariate(CALM_LOG_PERKW, 0.4)))
    world.schedule(world.now_at + rng.expovariate(1 / BLOCK_SECONDS), mine_block, rng)


def mine_block(world: World, rng: Random) -> None:
    """Add a block: the feerate moves, waiting outputs confirm, splices lock in."""
    world.height += 1
    step = 0.02 * (CALM_LOG_PERKW - math.log(world.feerate_perkw)) + rng.normalvariate(0.0, 0.08)
    spike, spike_size = rng.random(), rng.uniform(1.0, 3.0)
    if spike < SPIKE_RATIO:
        step += spike_size
    world.feerate_perkw = min(50_000, max(25, round(world.feerate_perkw * math.exp(step))))
    gap, lucky = rng.expovariate(1 / BLOCK_SECONDS), rng.random()
    for output in world.outputs:
        if output.height is None and world.now_at >= world.config.start_at and lucky < 0.1:
            output.height = world.height
            record_deposit(world, output, int(world.now_at))
    for listener in world.on_block:
        listener(world)
    world.schedule(world.now_at + gap, mine_block, rng)
