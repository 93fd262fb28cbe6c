"""What forwards have taught of peers and channels, as lazily decayed sums: they are fed once by each forward, and no
decision scans history.

A sum x that was right at `updated_at` is worth x · 0.5^(Δt / half-life) a time Δt later, whatever happened in between:
nobody has to touch it for it to fade, and one step of Δt equals two of Δt/2. The half-lives stand here, since they are
part of what a stored sum means.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from revops.domain.forward import TYPICAL_PAYMENT_MSAT, ForwardStatus

DAY_SECONDS: Final = 86_400.0
#: Long enough that a peer with one payment a day is judged by some twenty; short enough that one that has mended its
#: ways (or its software) is trusted again within a month or two.
REPUTATION_HALF_LIFE_SECONDS: Final = 14 * DAY_SECONDS
#: Payments have a weekly rhythm: with a week, each day of it counts, and a market that has moved shows within two.
TRAFFIC_HALF_LIFE_SECONDS: Final = 7 * DAY_SECONDS
#: What had become final longer ago than this when it was first seen teaches nothing: less than half a per cent of it
#: would be left. So a first sync learns from the end of a long history.
TAUGHT_SECONDS: Final = 8 * REPUTATION_HALF_LIFE_SECONDS


def remaining(elapsed_seconds: float, half_life_seconds: float) -> float:
    """Given how long ago something was counted, return what is left of it; time that goes backwards adds nothing."""
    return math.exp2(-elapsed_seconds / half_life_seconds) if elapsed_seconds > 0.0 else 1.0


def faded(elapsed_seconds: float, half_life_seconds: float) -> tuple[float, float]:
    """Given how long after a sum something happened, return what is left of the sum, and how much of that counts: all
    of it, or less where the sum is of a later time already. So the order in which things are counted doesn't matter.
    """
    if elapsed_seconds >= 0.0:
        return math.exp2(-elapsed_seconds / half_life_seconds), 1.0
    return 1.0, math.exp2(elapsed_seconds / half_life_seconds)


class Role(StrEnum):
    """What a peer is to a forward. The words are stored: never change them."""

    SENDER = "sender"
    RECEIVER = "receiver"


class FinalForward(NamedTuple):
    """A forward that can't change any more. Peers are None where nobody remembers whose channel it was.

    `amount_msat` is what was to leave us, or what entered where that isn't known. `counted_at` dates it in every sum,
    `hold_seconds` is how long it took to resolve; None where the node doesn't say.
    """

    created_index: int
    status: ForwardStatus
    in_channel_id: str
    out_channel_id: str | None
    sender_id: str | None
    receiver_id: str | None
    in_msat: int
    out_msat: int | None
    fee_msat: int | None
    amount_msat: int
    counted_at: float
    hold_seconds: float | None
    failcode: int | None


#: `interest_permille` of a payment that is believed in full and no smaller than a typical one.
FULL_INTEREST_PERMILLE: Final = 1_000


def size_permille(amount_msat: int) -> int:
    """Given a payment's amount, return its part of a typical one, rounded down: a flood of tiny ones is no interest."""
    return min(amount_msat * FULL_INTEREST_PERMILLE // TYPICAL_PAYMENT_MSAT, FULL_INTEREST_PERMILLE)


class Lesson(NamedTuple):
    """What one final forward taught for good. `score_msat` is None where it didn't settle; `interest_permille` is how
    much of a typical payment's interest it proved in the price, in thousandths.
    """

    score_msat: int | None
    interest_permille: int


class Reputation(NamedTuple):
    """What came of one peer's payments in one role. `hold_log` is the sum of ln(1 + seconds) over `hold_weight`
    payments, each as far as it was believed.

    Of a sender only: `settled_msat` is what it has paid for, `unsettled_msat` what it was believed to want beside
    that (`decide/belief.py`).
    """

    success: float = 0.0
    failure: float = 0.0
    hold_log: float = 0.0
    hold_weight: float = 0.0
    updated_at: float = 0.0
    settled_msat: float = 0.0
    unsettled_msat: float = 0.0

    def at(self, now: float) -> Reputation:
        """Given a moment, return what is left then; what was counted for a later one stays as it is."""
        success, failure, hold_log, hold_weight, updated_at, settled_msat, unsettled_msat = self
        if now <= updated_at:
            return self
        left = remaining(now - updated_at, REPUTATION_HALF_LIFE_SECONDS)
        return Reputation(
            success * left, failure * left, hold_log * left, hold_weight * left, now, settled_msat * left,
            unsettled_msat * left,
        )  # fmt: skip


class ChannelTraffic(NamedTuple):
    """What went through one channel, counted since `since_at`: decayed sums of msat, and of msat² for their noise.

    `demand` is what wanted to leave by it, `inflow` what entered by it. Of what left by it, `entry_msat` is the sum,
    and `entry_value` the same, each payment times the value (ppm) of the liquidity that it brought where it entered.
    """

    since_at: float
    updated_at: float
    demand_msat: float = 0.0
    demand_squares: float = 0.0
    inflow_msat: float = 0.0
    inflow_squares: float = 0.0
    entry_msat: float = 0.0
    entry_value: float = 0.0

    def at(self, now: float) -> ChannelTraffic:
        """Given a moment, return what is left then; what was counted for a later one stays as it is."""
        since_at, updated_at, demand, demand_squares, inflow, inflow_squares, entry, entry_value = self
        if now <= updated_at:
            return self
        left = remaining(now - updated_at, TRAFFIC_HALF_LIFE_SECONDS)
        return ChannelTraffic(
            since_at, now, demand * left, demand_squares * left, inflow * left, inflow_squares * left, entry * left,
            entry_value * left,
        )  # fmt: skip

    def joined(self, other: ChannelTraffic) -> ChannelTraffic:
        """Given the traffic of what turns out to be the same channel, return both as one."""
        one, two = self.at(other.updated_at), other.at(self.updated_at)
        sums = (mine + others for mine, others in zip(one[2:], two[2:], strict=True))
        return ChannelTraffic(min(one.since_at, two.since_at), one.updated_at, *sums)


@dataclass(frozen=True, slots=True)
class Traffic:
    """All sums of one node, by peer_id and by channel_id.

    `values_ppm` is the value of liquidity in force on each channel that has one, `open_since` when each channel was
    opened, or first seen where that isn't known.
    """

    senders: Mapping[str, Reputation]
    receivers: Mapping[str, Reputation]
    channels: Mapping[str, ChannelTraffic]
    values_ppm: Mapping[str, float]
    open_since: Mapping[str, float]
