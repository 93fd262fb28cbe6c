"""The worlds in which ads and splices are judged: nodes that differ in where capital stands, and what it could do.

Each family is a node of eight channels in the simulated node's own market (`revops/sim`), where what customers want
doesn't depend on what the node does, so that both arms meet the same ones. Seeds draw everything else: what customers
would pay, how large channels are, who drops out and when, how feerates move, who looks for a lease and for how much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from revops.sim.config import SimConfig

DAYS: Final = 90.0
#: Seeds to try things out on, and those that the quoted result is of: nothing was chosen by them.
TUNING_SEED, JUDGED_SEED = 1, 30_001


@dataclass(frozen=True, slots=True)
class Family:
    """What a family's worlds have in common, and what is in it for ads and splices."""

    about: str
    fields: Mapping[str, Any]


_TIGHT: Final = ("tight", "source", "balanced", "tight", "exchange", "tight", "source", "sink")
FAMILIES: Final[Mapping[str, Family]] = {
    "tight": Family(
        "three small channels that more wants to pass than fits, and a wallet that could make them larger",
        {"roles": _TIGHT, "coins_sat": (5_000_000, 4_000_000, 3_000_000)},
    ),
    "idle": Family(
        "such channels, two large ones that nobody uses, next to nothing in the wallet, and a chain at 0.5 sat/vB",
        {"roles": ("tight", "source", "idle", "tight", "source", "idle", "tight", "source"),
         "coins_sat": (400_000, 200_000), "calm_perkw": 125},
    ),
    "one way": Family(
        "payments leave by four channels and come in by three: what is spliced in is sold once",
        {"roles": ("sink", "source", "sink", "source", "sink", "source", "sink", "balanced")},
    ),
    "ample": Family(
        "large channels that are seldom empty: nothing to splice, a wallet that can be lent",
        {"roles": ("balanced", "source", "exchange", "balanced", "dead", "balanced", "slow", "sink"),
         "median_capacity_sat": 20_000_000, "coins_sat": (5_000_000, 4_000_000, 3_000_000)},
    ),
    "dear chain": Family(
        "as tight, at feerates around 30 sat/vB",
        {"roles": _TIGHT, "coins_sat": (5_000_000, 4_000_000, 3_000_000), "calm_perkw": 7_500},
    ),
    "cheap lessors": Family(
        "a bit of everything; others lend for a quarter of what is usual, and twice as many ask",
        {"lessor_price_ratio": 0.25, "leases_per_day": 0.6},
    ),
}  # fmt: skip


def config_of(family: str, seed: int) -> SimConfig:
    """Given a family and a seed, return the node and its market."""
    fields: dict[str, Any] = {
        "seed": seed, "channel_count": 8, "forwards_per_day": 200.0, "dual_fund": True, "lessor_count": 15,
        "leases_per_day": 0.3,
    }  # fmt: skip
    return SimConfig(**(fields | dict(FAMILIES[family].fields)))
