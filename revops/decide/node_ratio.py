"""What the node's own experience says of what others charge: a node that is well connected, or badly, can ask more, or
less, than the others on all its channels. Where a channel has little to show for itself, its siblings speak for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from revops.domain.snapshot import FeeInput

#: So many payments of typical size at its prices, and a channel's own price is more than a guess.
LEAST_INTEREST_COUNT: Final = 30.0
#: The variance of one channel's ratio over that of a node's: how many channels it takes to believe their mean by half.
HALF_BELIEVED_COUNT: Final = 1.6
#: No mean of a few logarithms is believed beyond this.
MOST_RATIO: Final = 4.0


def node_ratio(inputs: Iterable[FeeInput]) -> float:
    """Given the channels, return what those that know their market ask, as a multiple of what others charge into their
    peers: the geometric mean, drawn towards 1 where there are few.
    """
    logs = [
        math.log(max(one.channel.local_terms.fee_ppm, 1) / max(one.signals.anchor_ppm, 1))
        for one in inputs
        if one.signals.anchor_ppm is not None and _interest_count(one) >= LEAST_INTEREST_COUNT
    ]
    log = sum(logs) / (len(logs) + HALF_BELIEVED_COUNT)
    return math.exp(min(max(log, -math.log(MOST_RATIO)), math.log(MOST_RATIO)))


def _interest_count(one: FeeInput) -> float:
    return sum(window.interest_count for window in one.state.windows) if one.state is not None else 0.0
