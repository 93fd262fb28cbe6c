"""Channels in a list: each as it stands, what it earned day by day, and how it is judged."""

from __future__ import annotations

from dataclasses import dataclass

from revops.domain.profit_class import ProfitClass
from revops.domain.record import ChannelRecord


@dataclass(frozen=True, slots=True)
class ListedChannel:
    """A channel with its class of profitability (None before the first rollup has judged it), until when its fee is
    left alone because no other price promises more (None: it isn't), and what it earned on each UTC day of the window,
    oldest first, today last.
    """

    channel: ChannelRecord
    profit_class: ProfitClass | None
    asleep_until_at: float | None
    earned_by_day_msat: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ChannelsReport:
    """All that `revops report channels` shows."""

    taken_at: float
    synced_at: float | None
    window_days: int
    blockheight: int
    channels: tuple[ListedChannel, ...]
