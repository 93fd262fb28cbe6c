"""The oracle: the best constant fee of each channel in hindsight, in the same market.

Found by coordinate descent in steps of the logarithm from two starts (each channel's best fee alone; the best common
fee), so it is a local optimum, on the low side of the true one; a policy that changes fees in time can even pass it.
"""

from __future__ import annotations

from typing import Final

from revops.sim.arena.world import GRID_PPM, World, run_constant

FACTORS: Final = (2.0, 1.4, 1.15)
LEAST_PPM, MOST_PPM = 10, 2_500


def best_constant(world: World) -> tuple[int, list[int]]:
    """Given a world, return what the best constant fees found make in it, and those fees."""
    common = max(GRID_PPM[::2], key=lambda ppm: run_constant(world, [ppm] * len(world.later_ppm)))
    starts = ([common] * len(world.later_ppm), list(world.later_ppm))
    return max((_descend(world, start) for start in starts), key=lambda found: found[0])


def _descend(world: World, start: list[int]) -> tuple[int, list[int]]:
    fees, best = list(start), run_constant(world, start)
    for factor in FACTORS:
        improved = True
        while improved:
            improved = False
            for number in range(len(fees)):
                for ppm in (round(fees[number] * factor), round(fees[number] / factor)):
                    tried = [*fees]
                    tried[number] = min(max(ppm, LEAST_PPM), MOST_PPM)
                    net_msat = run_constant(world, tried)
                    if net_msat > best * 1.001:
                        best, fees, improved = net_msat, tried, True
    return best, fees
