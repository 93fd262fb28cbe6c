"""Blocks and feerates.

The feerate is a mean-reverting walk of its logarithm with rare spikes; in calm times it falls below 1 sat/vB. Blocks
come as a Poisson process of one in ten minutes.
"""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

from revops.sim.moves import record_deposit

if TYPE_CHECKING:
    from revops.sim.state import World

BLOCK_SECONDS = 600.0
SPIKE_RATIO = 0.002


def start_chain(world: World) -> None:
    """Draw the first feerate and schedule the first block."""
    rng = world.rng("chain")
    world.feerate_perkw = round(math.exp(rng.normalvariate(math.log(world.config.calm_perkw), 0.4)))
    world.schedule(world.now_at + rng.expovariate(1 / BLOCK_SECONDS), mine_block, rng)


def mine_block(world: World, rng: Random) -> None:
    """Add a block: the feerate moves, waiting outputs confirm, splices lock in."""
    world.height += 1
    step = 0.02 * (math.log(world.config.calm_perkw) - math.log(world.feerate_perkw)) + rng.normalvariate(0.0, 0.08)
    spike, spike_size = rng.random(), rng.uniform(1.0, 3.0)
    if spike < SPIKE_RATIO:
        step += spike_size
    world.feerate_perkw = min(50_000, max(25, round(world.feerate_perkw * math.exp(step))))
    gap, lucky = rng.expovariate(1 / BLOCK_SECONDS), rng.random()
    for output in world.outputs:
        if output.height is None and not output.own and world.now_at >= world.config.start_at and lucky < 0.1:
            output.height = world.height
            record_deposit(world, output, int(world.now_at))
    for listener in world.on_block:
        listener(world)
    world.schedule(world.now_at + gap, mine_block, rng)
