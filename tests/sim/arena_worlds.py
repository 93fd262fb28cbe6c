"""Small worlds and what listens to them, for the tests of the arena."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from revops.sim.arena.demand import Customer
from revops.sim.arena.market import Market
from revops.sim.arena.setting import TUNING

#: Neither one of the seeds that strategies were tuned on nor one of those that they are judged on.
SEED: Final = 1_001
SAT: Final = 1_000
#: Four channels, of which an odd family's first and last are odd, and half the customers each.
SMALL: Final = replace(TUNING, channel_count=4, customers_per_day=50.0)
#: Gossip shows no price of anybody's, so that no rail keeps fees near others'.
BLIND: Final = replace(SMALL, unknown_ratio=1.0)


def payment(at: float, amount_sat: int = 100_000, willing_ppm: float = 500.0, **changes: float) -> Customer:
    """Out by channel 0, in by 1, else by 2."""
    lag_seconds = changes.get("lag_seconds", 0.0)
    return Customer(at, 0, 1, 2, amount_sat * SAT, willing_ppm, bool(changes.get("fails", 0)), lag_seconds)


class Fates(list[tuple[int, int]]):
    """Keeps (fee, fate) of each payment that reached the node."""

    def __call__(
        self, at: float, entry: int, out: int, amount_msat: int, fee_msat: int, fate: int, hold_seconds: float = 0.0
    ) -> None:
        self.append((fee_msat, fate))


def make_market(fee_ppm: int = 200) -> Market:
    """Three channels, each half full."""
    return Market([10**9] * 3, [5 * 10**8] * 3, [fee_ppm] * 3)
