"""How full a channel is of payments in flight: the slots that they take, and the value that they hold.

A channel carries a limited number of HTLCs each way, and a limited sum of them. Both shares are kept apart: a flood of
dust fills the slots with nothing, a single large payment fills the value with one slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from revops.domain.channel import Channel

Direction = Literal["out", "in"]
DIRECTIONS: Final[tuple[Direction, ...]] = ("out", "in")
#: A payment whose next hop is its payee starts there with 18 blocks or more (BOLT 11, min_final_cltv_expiry_delta): one
#: with fewer than this left has been held for an hour, and at its end the channel is closed by force.
NEAR_EXPIRY_BLOCKS: Final = 12


@dataclass(frozen=True, slots=True)
class Occupancy:
    """The HTLCs that one side of a channel offers, against what it may offer."""

    htlc_count: int
    slot_count: int
    in_flight_msat: int
    limit_msat: int

    @property
    def slot_ratio(self) -> float | None:
        """The share of the slots that is taken, 0 to 1; None where there are none."""
        return _share(self.htlc_count, self.slot_count)

    @property
    def value_ratio(self) -> float | None:
        """The share of the value that may be in flight which is, 0 to 1; None where none may."""
        return _share(self.in_flight_msat, self.limit_msat)


def occupancy(channel: Channel, direction: Direction) -> Occupancy:
    """Given a channel, return how full it is of what we offer ("out") or its peer does ("in").

    `max_accepted_htlcs` is our limit on what the peer offers. lightningd holds what it offers itself to the smaller of
    both sides' limits (channeld/full_channel.c, add_htlc), and no RPC shows the peer's: ours is the upper bound. The
    value has the limit that its receiver states, and is never more than its sender has above the reserve of a channel
    that is all its own.
    """
    htlcs = [htlc for htlc in channel.htlcs if htlc.direction == direction]
    outward = direction == "out"
    reserve_msat = channel.our_reserve_msat if outward else channel.their_reserve_msat
    stated_msat = channel.max_in_flight_out_msat if outward else channel.max_in_flight_in_msat
    most_msat = max(channel.least_capacity_msat - reserve_msat, 0)
    return Occupancy(
        htlc_count=len(htlcs),
        slot_count=channel.max_accepted_htlcs,
        in_flight_msat=sum(htlc.amount_msat for htlc in htlcs),
        limit_msat=most_msat if stated_msat is None else min(stated_msat, most_msat),
    )


def nearest_expiry(channel: Channel) -> int | None:
    """Given a channel, return the block height at which the first of its HTLCs expires; None without HTLCs, and where
    it is being closed already.
    """
    if not channel.live:
        return None
    return min((htlc.expiry_blockheight for htlc in channel.htlcs), default=None)


def _share(part: int, whole: int) -> float | None:
    return min(part / whole, 1.0) if whole > 0 else None
