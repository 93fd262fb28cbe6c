"""The oracle: the best constant fee of each channel in hindsight, in the same market.

Found by coordinate descent in steps of the logarithm from two starts (each channel's best fee alone; the best common
fee), so it is a local optimum, on the low side of the true one; a policy that changes fees in time can even pass it.
Each span has its own, which starts from what the one before it left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from revops.sim.arena.world import GRID_PPM, SpanResult, World, run_constant

FACTORS: Final = (2.0, 1.4, 1.15)
LEAST_PPM, MOST_PPM = 10, 2_500
#: What a step must bring, as a share of all.
LEAST_GAIN_RATIO: Final = 0.001


def best_constants(world: World) -> list[tuple[SpanResult, tuple[int, ...]]]:
    """Given a world, return for each span what the best constant fees found make of it, and those fees."""
    found: list[tuple[SpanResult, tuple[int, ...]]] = []
    local_msat: Sequence[int] = world.local_msat
    for span in range(len(world.bounds_days) - 1):
        worth_msat = world.worth_msat(span, local_msat)
        fees = _best_constant(world, span, local_msat)
        result = run_constant(world, span, fees, local_msat)
        found.append((replace(result, net_msat=result.net_msat - worth_msat), fees))
        local_msat = result.local_msat
    return found


def _best_constant(world: World, span: int, local_msat: Sequence[int]) -> tuple[int, ...]:
    def net_msat(fees: Sequence[int]) -> int:
        return run_constant(world, span, fees, local_msat).net_msat

    count = len(local_msat)
    common = max(GRID_PPM[::2], key=lambda ppm: net_msat([ppm] * count))
    starts = ([common] * count, list(world.later_ppm[span]))
    return max((_descend(net_msat, start) for start in starts), key=net_msat)


def _descend(net_msat: Callable[[Sequence[int]], int], start: Sequence[int]) -> tuple[int, ...]:
    fees, best_msat = list(start), net_msat(start)
    for factor in FACTORS:
        improved = True
        while improved:
            improved = False
            for number in range(len(fees)):
                for ppm in (round(fees[number] * factor), round(fees[number] / factor)):
                    tried = [*fees]
                    tried[number] = min(max(ppm, LEAST_PPM), MOST_PPM)
                    net = net_msat(tried)
                    if net > best_msat + LEAST_GAIN_RATIO * abs(best_msat):
                        best_msat, fees, improved = net, tried, True
    return tuple(fees)
