"""On-chain feerates of a world, hour by hour: a mean-reverting walk of the logarithm with spikes that fade in a day."""

from __future__ import annotations

import math
from random import Random
from typing import Final

from revops.sim.arena.setting import Setting

FLOOR_PERKW: Final = 253
HOURS_PER_MONTH: Final = 720.0
SPIKE_FADE: Final = 0.93


def draw_feerates(setting: Setting, days: float, rng: Random) -> tuple[int, ...]:
    """Given a market's parameters and a length, draw the feerate of each hour, in sat per 1000 weight units."""
    level = spike = 0.0
    rates = []
    for _hour in range(math.ceil(days * 24) + 1):
        level += -0.01 * level + rng.gauss(0.0, 0.05)
        spike *= SPIKE_FADE
        if rng.random() < setting.fee_spikes_per_month / HOURS_PER_MONTH:
            spike += rng.uniform(1.0, 3.0)
        rates.append(max(round(setting.feerate_perkw * math.exp(level + spike)), FLOOR_PERKW))
    return tuple(rates)
