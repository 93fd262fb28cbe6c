"""Congestion: when a channel is too full of payments in flight to be priced, refilled or drained by its balance.

A direction is full when more than 80 % of its HTLC slots, or of the value that may be in flight, are taken, and stays
so until both are below 60 %, so that a channel at the edge doesn't flap. The two shares are judged apart and shown
apart: slots that are full of dust are an attack or a mistake, not demand. An earlier tool took its list of HTLCs, of
both directions, for one share, and a flood of dust for a reason to raise the fee.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median_low
from typing import Final

from revops.domain.channel import Channel
from revops.domain.occupancy import DIRECTIONS, NEAR_EXPIRY_BLOCKS, Direction, Occupancy, nearest_expiry, occupancy
from revops.domain.reason import Reason, ReasonCode, why

ENTER_RATIO: Final = 0.8
LEAVE_RATIO: Final = 0.6
#: Slots half of which hold less than this are full of nothing: 1,000 sat, while a typical forward is 25 times as large.
#: The median, since one large payment among the dust would hide it from the mean.
DUSTY_MSAT: Final = 1_000_000
_WORDS: Final = {"out": "outwards", "in": "inwards"}


@dataclass(frozen=True, slots=True)
class Congestion:
    """A direction that is full, and since when the channel has been congested."""

    since_at: float
    direction: Direction
    fill: Occupancy
    by_slots: bool
    by_value: bool
    dusty: bool

    @property
    def shows_demand(self) -> bool:
        """Whether payments of substance want to leave by the channel."""
        return self.direction == "out" and (self.by_value or not self.dusty)

    @property
    def cause(self) -> str:
        """Which of the two is full."""
        slots = "slots full of dust" if self.dusty else "slots"
        return " and ".join([slots] * self.by_slots + ["value in flight"] * self.by_value)


def congestion(channel: Channel, since_at: float | None, now: float) -> Congestion | None:
    """Given a channel and since when it is known to be congested (None: it wasn't), return how it is; None if it isn't.

    Where both directions are full the one outwards comes first: it is the one that our fee is asked for.
    """
    if not channel.htlcs:
        return None  # as most channels are at most times
    for direction in DIRECTIONS:
        fill = occupancy(channel, direction)
        by_slots = _full(fill.slot_ratio, since_at)
        by_value = _full(fill.value_ratio, since_at)
        if by_slots or by_value:
            dusty = by_slots and _dusty(channel, direction)
            return Congestion(now if since_at is None else since_at, direction, fill, by_slots, by_value, dusty)
    return None


def _full(ratio: float | None, since_at: float | None) -> bool:
    if ratio is None:
        return False
    return ratio > ENTER_RATIO if since_at is None else ratio >= LEAVE_RATIO


def _dusty(channel: Channel, direction: Direction) -> bool:
    return median_low(htlc.amount_msat for htlc in channel.htlcs if htlc.direction == direction) < DUSTY_MSAT


def left_alone(channel: Channel, since_at: float | None, now: float) -> Reason | None:
    """Given a channel and since when it is known to be congested, return why it isn't rebalanced; None if it may be."""
    full = congestion(channel, since_at, now)
    if full is None:
        return None
    return why(
        ReasonCode.CONGESTED,
        direction=direction_word(full),
        cause=full.cause,
        slot_percent=percent(full.fill.slot_ratio),
        value_percent=percent(full.fill.value_ratio),
    )


def direction_word(full: Congestion) -> str:
    """Given a congestion, return its direction as a person calls it."""
    return _WORDS[full.direction]


def percent(ratio: float | None) -> int | str:
    """Given a share, return it in whole percent, rounded; "?" where there is nothing to have a share of."""
    return "?" if ratio is None else round(ratio * 100)


def near_expiry(channels: Iterable[Channel], blockheight: int) -> tuple[tuple[str, int], ...]:
    """Given channels and the height of the chain, return the name and the blocks left of each that holds an HTLC whose
    end is near; the nearest first. What has expired already counts as less than 0.
    """
    found = []
    for channel in channels:
        expiry_blockheight = nearest_expiry(channel)
        if expiry_blockheight is not None and expiry_blockheight - blockheight < NEAR_EXPIRY_BLOCKS:
            found.append((channel.name, expiry_blockheight - blockheight))
    return tuple(sorted(found, key=lambda item: (item[1], item[0])))
