"""The sets of worlds that policies are compared in.

Constants of the product may be chosen on `small`, `tuning` and `former`, which was judged on once: who has seen what
came of a set knows it. Only what came of `judged` may be quoted: it differs in the market's parameters, not only in its
seeds, and is frozen (`frozen.py`). `small` is what a machine with two cores is through with in less than a minute, with
two seeds, so that there are intervals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from revops.sim.arena.setting import FORMER, JUDGED, TUNING, Setting


@dataclass(frozen=True, slots=True)
class WorldSet:
    """Worlds of every family: seeds from `first_seed` on."""

    name: str
    setting: Setting
    first_seed: int
    seed_count: int
    days: float

    def seeds(self, count: int | None = None) -> tuple[int, ...]:
        """Given how many, all of the set's for None, return its seeds."""
        return tuple(range(self.first_seed, self.first_seed + (count or self.seed_count)))


SETS: Final[Mapping[str, WorldSet]] = MappingProxyType(
    {
        one.name: one
        for one in (
            WorldSet("small", TUNING, first_seed=1, seed_count=2, days=2.0),
            WorldSet("tuning", TUNING, first_seed=1, seed_count=10, days=90.0),
            WorldSet("former", FORMER, first_seed=10_001, seed_count=3, days=90.0),
            WorldSet("judged", JUDGED, first_seed=20_001, seed_count=3, days=90.0),
        )
    }
)
