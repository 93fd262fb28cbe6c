"""By which channels payments would enter, from those that did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from revops.decide.belief import UNSETTLED_PER_SETTLED
from revops.domain.node_traffic import ChannelPast
from revops.sim.arena.rhythm import HOUR_SECONDS

#: A channel that had room for less than this is judged as if it had had so much.
LEAST_ROOM_HOURS: Final = 24.0


@dataclass(frozen=True, slots=True)
class Entry:
    """How many payments an hour entered by a channel while it had room, and the share of hours in which it had."""

    per_hour: float
    open_ratio: float


def entry_of(past: ChannelPast, large_msat: int, now: float) -> Entry:
    """Given a channel, what a large payment is, and the time, return how payments entered by it.

    A full channel lets nothing in, so that shares of what entered say little of who would: what counts is the hours
    with room for a large payment. Balances are followed back from the present one.
    """
    change_msat: dict[int, int] = {}
    for one in past.entries:
        change_msat[one.hour] = one.received_msat + one.moved_msat
    for leaving in past.hours:
        change_msat[leaving.hour] = change_msat.get(leaving.hour, 0) - leaving.sent_msat
    first, last = (int(at / HOUR_SECONDS) for at in (past.since_at, now))
    local_msat, open_count = past.local_msat, 0
    for hour in range(last, first - 1, -1):
        # Before each hour, and within the channel: what isn't on record must not add up.
        local_msat = min(max(local_msat - change_msat.get(hour, 0), 0), past.capacity_msat)
        open_count += past.capacity_msat - local_msat - past.capacity_msat // 100 >= large_msat
    hour_count = last - first + 1
    away_hours = sum(until_at - from_at for from_at, until_at in past.absences) / HOUR_SECONDS
    open_hours = max(open_count * (1.0 - away_hours / hour_count), LEAST_ROOM_HOURS)
    settled = sum(one.settled_count for one in past.entries)
    unsettled = sum(one.unsettled_count for one in past.entries)
    return Entry((settled + min(unsettled, UNSETTLED_PER_SETTLED * settled)) / open_hours, open_count / hour_count)
