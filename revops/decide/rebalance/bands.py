"""How far a channel may be filled, and how far drained: the band follows the flow.

What a sat is worth decides how much is moved; the band only bounds it, so that one mistaken value empties no channel. A
channel from which more leaves than enters may be filled higher, and is drained less; one by which payments enter may be
drained further, and is filled less, since what comes in refills it for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from revops.domain.forward import Flow
from revops.domain.policy import RebalanceConfig

#: The middle of the band moves by so much of the capacity where all of the flow goes one way.
MOST_SHIFT_RATIO: Final = 0.25
#: Neither side of a channel is ever left with less than this.
LEAST_SIDE_RATIO: Final = 0.05


@dataclass(frozen=True, slots=True)
class Band:
    """Our share of the capacity: a source is drained to `low_ratio` at most, a target filled to `high_ratio`."""

    low_ratio: float
    high_ratio: float


def band(flow: Flow, policy: RebalanceConfig) -> Band:
    """Given what went through a channel in the horizon, and the policy, return its band. Without flow: the policy's."""
    moved_msat = flow.out_msat + flow.in_msat
    drift_ratio = (flow.out_msat - flow.in_msat) / moved_msat if moved_msat > 0 else 0.0
    shift = MOST_SHIFT_RATIO * drift_ratio
    return Band(_side(policy.low_ratio + shift), _side(policy.high_ratio + shift))


def _side(ratio: float) -> float:
    return min(max(ratio, LEAST_SIDE_RATIO), 1.0 - LEAST_SIDE_RATIO)
