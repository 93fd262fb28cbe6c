"""For how long a channel could have forwarded, from the records of past days.

Open hours are those in which the peer is known to have been connected, and in which a typical payment could have left.
What isn't known isn't counted: silence of a channel that was away, or that had nothing to send, says nothing of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from revops.decide.openness import TYPICAL_SHARE
from revops.domain.forward import TYPICAL_PAYMENT_MSAT
from revops.domain.period import DAY_SECONDS
from revops.domain.profit_class import OpenChannel
from revops.domain.stability import Presence, Stretch


@dataclass(frozen=True, slots=True)
class Times:
    """When a peer was there (or away). `before_seconds` is for how long it had been by the start of each stretch."""

    stretches: tuple[Stretch, ...]
    starts: tuple[float, ...]
    before_seconds: tuple[float, ...]

    def between(self, since_at: float, until_at: float) -> float:
        """Given two instants, return for how many seconds between them it was; 0 where they are crossed."""
        return max(self._until(until_at) - self._until(since_at), 0.0)

    def _until(self, at: float) -> float:
        place = bisect_right(self.starts, at) - 1
        if place < 0:
            return 0.0
        one = self.stretches[place]
        return self.before_seconds[place] + min(at, one.until_at) - one.from_at


def times(stretches: Iterable[Stretch], presence: Presence) -> Times:
    """Given a peer's stretches in order, return when its presence was this one."""
    chosen = tuple(one for one in stretches if one.presence is presence and one.seconds > 0)
    before = tuple(accumulate((one.seconds for one in chosen), initial=0.0))[:-1]
    return Times(chosen, tuple(one.from_at for one in chosen), before)


def shut_days(channel: OpenChannel, first_day: int, end_day: int) -> tuple[int, ...]:
    """Given a channel and UTC days (from the first to before the last), return those on which no typical payment could
    have left it.

    A day without a balance on record has that of the day before; those before the first have the first one's: the
    balance of a channel through which nothing goes stays as it is.
    """
    needed_msat = min(TYPICAL_PAYMENT_MSAT, channel.capacity_msat // TYPICAL_SHARE) + channel.reserve_msat
    return tuple(
        day
        for day, balance_msat in _carried(channel.balances_msat, channel.local_msat, first_day, end_day)
        if balance_msat < needed_msat
    )


def _carried(balances: Mapping[int, int], now_msat: int, first_day: int, end_day: int) -> Sequence[tuple[int, int]]:
    known = sorted(balances)
    place = max(bisect_right(known, first_day) - 1, 0)
    balance_msat = balances[known[place]] if known else now_msat
    found = []
    for day in range(first_day, end_day):
        balance_msat = balances.get(day, balance_msat)
        found.append((day, balance_msat))
    return found


def open_seconds(up: Times, shut: Iterable[int], since_at: float, until_at: float) -> float:
    """Given when the peer was connected, the days on which nothing could leave, and two instants, return for how long
    the channel was open between them.
    """
    away = sum(up.between(max(since_at, day * DAY_SECONDS), min(until_at, (day + 1) * DAY_SECONDS)) for day in shut)
    return max(up.between(since_at, until_at) - away, 0.0)
