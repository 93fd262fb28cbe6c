"""What a node's own records say of its traffic in the last weeks, added up: what a market like it is drawn from.

It holds what reached the node. Payments that never came leave no trace here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from revops.domain.decision import PriceWindow

_HOUR_SECONDS: Final = 3_600


class TrafficHour(NamedTuple):
    """One hour of one exit: payments of 1,000 sat and more that wanted to leave by it, and what became of them.

    `hour` is counted from 1970-01-01. Interest is in typical payments, as far as each was believed (`Lesson`);
    `sent_msat` is what left.
    """

    hour: int
    settled_count: int
    failed_count: int
    refused_count: int
    settled_interest: float
    failed_interest: float
    sent_msat: int = 0

    def joined(self, other: TrafficHour) -> TrafficHour:
        """Given the same hour of another exit, return both as one."""
        return TrafficHour(
            self.hour,
            self.settled_count + other.settled_count,
            self.failed_count + other.failed_count,
            self.refused_count + other.refused_count,
            self.settled_interest + other.settled_interest,
            self.failed_interest + other.failed_interest,
            self.sent_msat + other.sent_msat,
        )

    @property
    def attempt_count(self) -> int:
        """All that wanted to leave."""
        return self.settled_count + self.failed_count + self.refused_count


class EntryHour(NamedTuple):
    """One hour of one way in: payments of 1,000 sat and more that entered by it, settled or not, and what came:
    `received_msat` by forwards, `moved_msat` otherwise (rebalances, payments of our own; less than 0: it left).
    """

    hour: int
    settled_count: int
    unsettled_count: int
    received_msat: int = 0
    moved_msat: int = 0

    def joined(self, other: EntryHour) -> EntryHour:
        """Given the same hour of another way in, return both as one."""
        return EntryHour(
            self.hour,
            self.settled_count + other.settled_count,
            self.unsettled_count + other.unsettled_count,
            self.received_msat + other.received_msat,
            self.moved_msat + other.moved_msat,
        )


class AmountBin(NamedTuple):
    """How many payments carried `low_msat` or more, and less than `high_msat`."""

    low_msat: int
    high_msat: int
    payment_count: int


class Absence(NamedTuple):
    """A stretch in which a peer was away."""

    from_at: float
    until_at: float


@dataclass(frozen=True, slots=True)
class ChannelPast:
    """One channel, or all channels of one peer, which are priced together: what it is now, and what the records say of
    it since `since_at`. Of several channels the oldest names them.

    `windows` are the prices that were tried, the oldest first, as fee setting remembers them; `prices` are the moments
    from which each fee was in force, with the one before `since_at`. `peer_known` is whether the comings and goings of
    its peer are on record. `alias` was chosen by a stranger.
    """

    channel_id: str
    name: str
    alias: str | None
    capacity_msat: int
    local_msat: int
    fee_ppm: int
    fee_base_msat: int
    since_at: float
    hours: tuple[TrafficHour, ...]
    entries: tuple[EntryHour, ...] = ()
    windows: tuple[PriceWindow, ...] = ()
    prices: tuple[tuple[float, int], ...] = ()
    anchor_ppm: int | None = None
    absences: tuple[Absence, ...] = ()
    peer_known: bool = True
    channel_count: int = 1

    @property
    def attempt_count(self) -> int:
        """All that wanted to leave by it."""
        return sum(hour.attempt_count for hour in self.hours)

    @property
    def priced(self) -> bool:
        """Whether any of its prices is on record: they are from the first run of `fees adjust` on."""
        return bool(self.prices or self.windows)

    @property
    def unpriced_count(self) -> int:
        """What wanted to leave before the first price on record: what it was asked isn't known."""
        return self.attempt_count - sum(hour.attempt_count for hour in self.priced_hours)

    @property
    def priced_hours(self) -> tuple[TrafficHour, ...]:
        """The hours from the first price on record on; none where there is none."""
        if not self.prices:
            return self.hours if self.windows else ()
        return tuple(hour for hour in self.hours if (hour.hour + 0.5) * _HOUR_SECONDS >= self.prices[0][0])


@dataclass(frozen=True, slots=True)
class NodeTraffic:
    """The node: its channels, the busiest first, and the payments of all of them by size.

    `earned_msat` is what they earned, `left_out_count` how many peers' channels are not among them, `tiny_count` how
    many payments were smaller than 1,000 sat and count nowhere. `opening_perkw` is the median feerate; None where none
    is on record.
    """

    taken_at: float
    since_at: float
    channels: tuple[ChannelPast, ...]
    amounts: tuple[AmountBin, ...]
    tiny_count: int
    earned_msat: int = 0
    left_out_count: int = 0
    opening_perkw: int | None = None

    @property
    def attempt_count(self) -> int:
        """All payments that wanted to leave."""
        return sum(channel.attempt_count for channel in self.channels)

    @property
    def earned_msat_per_month(self) -> int:
        """What was earned in 30 days at the pace of these."""
        return round(self.earned_msat * 30 / self.days) if self.days > 0 else 0

    @property
    def days(self) -> float:
        """How long the records were looked at."""
        return (self.taken_at - self.since_at) / 86_400
