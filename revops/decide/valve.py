"""The htlc_max valve: the largest payment that we forward over a channel follows our balance, in four steps.

A channel that can't carry what it advertises fails payments, and whoever sent them remembers (Pickhardt, "htlc_maximum_
msat as a valve for flow control", 2022). But each change is gossip and tells the balance: so there are four steps, with
slack between them, and a step is always at least our balance's share of what the channel could carry. An earlier tool's
low fixed caps were a mistake: pathfinders take a low htlc_max for weak capacity. So a channel that is at least three
quarters ours advertises all that the node allows, and none less than `LEAST_HTLC_MAX_MSAT`.

The step in force is read from the channel itself: nothing is remembered. What is within a twentieth of a step's figure
counts as it, so that a node which sets a little less than it was asked for isn't asked for ever.

With a splice in flight the balance, and what the channel could carry, are those before or after it, whichever are less:
no payment passes that doesn't fit both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from revops.domain.channel import Channel
from revops.domain.units import MSAT_PER_SAT

LEVEL_COUNT: Final = 4
#: A share of the capacity by which the balance leaves its step before the step is changed.
SLACK_RATIO: Final = 0.05
TOLERANCE_SHARE: Final = 20
LEAST_HTLC_MAX_MSAT: Final = 10_000 * MSAT_PER_SAT


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the valve: which, counted from 1, and the largest payment that it lets through."""

    level: int
    htlc_max_msat: int


def ceiling_msat(channel: Channel) -> int:
    """Given a channel, return the most that its node lets us advertise (lightningd/channel.c,
    htlc_max_possible_send): what is above our reserve, and what the peer lets be in flight.
    """
    most_msat = max(channel.least_capacity_msat - channel.our_reserve_msat, 0)
    limit_msat = channel.max_in_flight_out_msat
    return most_msat if limit_msat is None else min(most_msat, limit_msat)


def wanted_step(channel: Channel) -> Step | None:
    """Given a channel, return the step that its valve should be on; None where it is on it, or near enough, or where
    the channel is too small for any.
    """
    most_msat, least_msat = ceiling_msat(channel), _least_msat(channel)
    in_force_msat = channel.local_terms.htlc_max_msat
    if most_msat < least_msat or channel.least_capacity_msat <= 0:
        return None
    tolerance_msat = most_msat // TOLERANCE_SHARE
    for level in range(1, LEVEL_COUNT + 1):
        on_it = abs(_figure_msat(level, least_msat, most_msat) - in_force_msat) <= tolerance_msat
        if on_it and in_force_msat <= most_msat and _within_slack(level, channel.local_ratio):
            return None
    level = min(-(-local_msat * LEVEL_COUNT // size_msat) for local_msat, size_msat in channel.balances_msat)
    level = min(max(level, 1), LEVEL_COUNT)
    return Step(level, _figure_msat(level, least_msat, most_msat))


def _least_msat(channel: Channel) -> int:
    """Below neither side's least payment a largest one makes any sense."""
    remote_min_msat = channel.remote_terms.htlc_min_msat if channel.remote_terms is not None else 0
    return max(LEAST_HTLC_MAX_MSAT, channel.local_terms.htlc_min_msat, remote_min_msat)


def _figure_msat(level: int, least_msat: int, most_msat: int) -> int:
    """A step's figure, in whole sat but for the bounds."""
    if level == LEVEL_COUNT:
        return most_msat
    return max(most_msat * level // LEVEL_COUNT // MSAT_PER_SAT * MSAT_PER_SAT, least_msat)


def _within_slack(level: int, local_ratio: float) -> bool:
    low, high = (level - 1) / LEVEL_COUNT, level / LEVEL_COUNT
    return low - SLACK_RATIO <= local_ratio <= high + SLACK_RATIO
