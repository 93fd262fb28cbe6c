"""Which way a channel leans, by what its forwards moved: what payments come in by, and what they leave by.

Only settled forwards count, and only amounts: a channel by which a hundred small payments leave and one large one
enters fills up all the same.
"""

from __future__ import annotations

from typing import Final

from revops.domain.forward import Flow
from revops.domain.policy import FlowKind

#: Forwards of so many days say what kind of channel it is: one week can be a quiet one, and a month remembers a demand
#: that has gone.
FLOW_DAYS: Final = 14
#: Less than this share of the capacity in both directions together, in `FLOW_DAYS`, is idle: one or two typical
#: payments say nothing of a direction.
IDLE_SHARE: Final = 0.02
#: A channel leans one way when so much more of what passes goes that way: three of four parts. Below that, what enters
#: refills most of what leaves.
LEANING_SHARE: Final = 0.5


def flow_kind(flow: Flow, capacity_msat: int) -> FlowKind:
    """Given the forwards of `FLOW_DAYS` and the capacity, return which way a channel leans."""
    total_msat = flow.in_msat + flow.out_msat
    if total_msat < IDLE_SHARE * capacity_msat or total_msat == 0:
        return "idle"
    lean = (flow.in_msat - flow.out_msat) / total_msat
    if abs(lean) < LEANING_SHARE:
        return "balanced"
    return "source" if lean > 0 else "sink"
