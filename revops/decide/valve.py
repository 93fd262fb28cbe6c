"""The htlc_max valve: the largest payment that we forward over a channel follows our balance, in four steps.

A channel that can't carry what it advertises fails payments, and whoever sent them remembers (Pickhardt, "htlc_maximum_
msat as a valve for flow control", 2022). But each change is gossip and tells the balance: so there are four steps, with
slack between them, and a step is always at least our balance's share of what the channel could carry. An earlier tool's
low fixed caps were a mistake: pathfinders take a low htlc_max for weak capacity. So a channel that is at least three
quarters ours advertises all that the node allows, and none less than `LEAST_HTLC_MAX_MSAT`.

The step in force is read from the channel itself: nothing is remembered. What is within a twentieth of a step's figure
counts as it, so that a node which sets a little less than it was asked for isn't asked for ever.

With a splice in flight the balance, and what the channel could carry, are those before or after it, whichever are less.
lightningd goes by those before: it forwards what it lists as spendable, its peer refuses what doesn't fit after the
splice, and disconnects (measured on v26.06.6; a peer may as well close the channel, BOLT 2, "Adding an HTLC"). So a
largest payment that doesn't fit both is cut at once, with a quarter to spare, since each forward makes it less; until
the splice is locked in nothing else moves the valve then.

Nor does lightningd lower it when the channel has become smaller: it goes on to advertise more than the channel holds,
which others drop (BOLT 7, "The `channel_update` Message"). That is put right whether the valve is in use or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from revops.domain.channel import Channel
from revops.domain.units import MSAT_PER_SAT

LEVEL_COUNT: Final = 4
#: A share of the capacity by which the balance leaves its step before the step is changed.
SLACK_RATIO: Final = 0.05
TOLERANCE_SHARE: Final = 20
LEAST_HTLC_MAX_MSAT: Final = 10_000 * MSAT_PER_SAT
#: What a cut leaves of what fits.
CUT_RATIO: Final = Fraction(3, 4)


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


def oversized_msat(channel: Channel) -> int | None:
    """Given a channel, return the most that it may advertise where it advertises more than it holds, or will hold after
    a splice in flight; None where it doesn't, or is too small for any.
    """
    most_msat = ceiling_msat(channel)
    if channel.local_terms.htlc_max_msat <= channel.least_capacity_msat or most_msat < _least_msat(channel):
        return None
    return most_msat


def unfit_msat(channel: Channel) -> int | None:
    """Given a channel, return what the largest payment is to be cut to, since that of now doesn't fit before and after
    a splice in flight; None where it does, or where none takes anything.
    """
    fits_msat, least_msat = channel.spendable_msat, _least_msat(channel)
    if channel.unsendable_msat <= 0 or channel.local_terms.htlc_max_msat <= max(fits_msat, least_msat):
        return None
    most_msat = ceiling_msat(channel)
    cut_msat = int(fits_msat * CUT_RATIO) // MSAT_PER_SAT * MSAT_PER_SAT
    return None if most_msat < least_msat else min(max(cut_msat, least_msat), most_msat)


def wanted_step(channel: Channel) -> Step | None:
    """Given a channel, return the step that its valve should be on; None where it is on it, or near enough, where the
    channel is too small for any, and while a splice in flight takes something of what can be sent.
    """
    most_msat, least_msat = ceiling_msat(channel), _least_msat(channel)
    in_force_msat = channel.local_terms.htlc_max_msat
    if most_msat < least_msat or channel.least_capacity_msat <= 0 or channel.unsendable_msat > 0:
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
