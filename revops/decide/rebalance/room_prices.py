"""What room is worth where payments enter, and what of a fee belongs to it.

A payment takes room where it enters and liquidity where it leaves, and earns one fee. Where both are scarce, that fee
pays for both, once: by the dual prices of what the node has, `room + liquidity <= fee` for each way through it, with
equality on those that are used (e.g. D. P. Palomar & M. Chiang, IEEE Journal on Selected Areas in Communications 24,
2006). So room is worth what the fee leaves after the liquidity, and a sale here leaves what the room takes elsewhere.
Who counted both in full, as an earlier version did, bought liquidity for about what it sold it for, and lost the price.

Who finds no room tries another of our channels where he can: room is scarce as far as it is elsewhere, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from revops.domain.units import PPM


class Passing(NamedTuple):
    """One channel's part in what passes through the node within the horizon: what entered by it, what that earned
    elsewhere, and the chance that no room is left for it; what left by it, what a sat of that earned, and what a local
    sat is worth for that alone.
    """

    channel_id: str
    in_msat: int
    sourced_msat: int
    blocked_ratio: float
    out_msat: int
    income_ppm: float
    sold_ppm: float


@dataclass(frozen=True, slots=True)
class RoomPrices:
    """What a sat of room is worth by channel_id where it is the one that is missing, and what the room of a payment
    costs on average, wherever it enters; ppm.
    """

    by_channel_ppm: Mapping[str, float]
    entries_ppm: float

    def of(self, channel_id: str) -> float:
        """Given a channel_id, return what room is worth there; 0 where nothing has entered."""
        return self.by_channel_ppm.get(channel_id, 0.0)


def room_prices(passing: Sequence[Passing]) -> RoomPrices:
    """Given what passes through each channel, return what room is worth."""
    earned = sum(one.out_msat * one.income_ppm for one in passing)
    used = sum(one.out_msat * min(max(one.sold_ppm, 0.0), one.income_ppm) for one in passing)
    margin_ratio = 1.0 - used / earned if earned > 0 else 0.0
    in_msat = sum(one.in_msat for one in passing)
    blocked_msat = sum(one.in_msat * one.blocked_ratio for one in passing)
    by_channel: dict[str, float] = {}
    taken_msat = 0.0
    for one in passing:
        others_msat = in_msat - one.in_msat
        scarce_ratio = (blocked_msat - one.in_msat * one.blocked_ratio) / others_msat if others_msat > 0 else 1.0
        if one.in_msat > 0:
            share = margin_ratio * min(max(scarce_ratio, 0.0), 1.0)
            by_channel[one.channel_id] = share * one.sourced_msat / one.in_msat * PPM
            taken_msat += share * one.sourced_msat * one.blocked_ratio
    return RoomPrices(by_channel, taken_msat / in_msat * PPM if in_msat > 0 else 0.0)
