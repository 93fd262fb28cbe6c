"""How payments are spread over the day, the week and in bursts, from hourly counts.

Swings are amplitudes of the first harmonic. Each is estimated from products of different days' counts only, so that
the noise within a day, whatever its kind, adds nothing on average. Bursts show in pairs of payments within one hour,
beyond what the day's own number of them explains. Channels may each have a rhythm of their own: their counts are never
mixed.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from revops.domain.node_traffic import ChannelPast
from revops.sim.arena.demand import BURST_GAP_SECONDS, BURST_SECONDS

HOUR_SECONDS: Final = 3_600.0
HOURS: Final = 24
#: A rate that would fall below nothing is no rate.
MOST_SWING: Final = 0.95
MOST_BURST_FACTOR: Final = 20.0
#: Shorter than this, a peer's absence doesn't show in an hour's count.
SHORT_ABSENCE_SECONDS: Final = 900.0
DAYS_PER_WEEK: Final = 7
LEAST_WEEKS: Final = 2

#: Counts of the 24 hours of a day.
Day = Sequence[int]


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Amplitudes of day and week as shares of the mean, and by how much a burst multiplies; None where it isn't
    known.
    """

    daily_swing: float | None
    weekly_swing: float | None
    burst_factor: float | None


def find_rhythm(channels: Sequence[ChannelPast], now: float) -> Rhythm:
    """Given channels and the time up to which they were watched, return the rhythm that they have in common."""
    known = [_whole_days(channel, now) for channel in channels]
    daily_swing = _daily(known)
    steady = [
        [day for number, day in days.items() if number not in away]
        for days, away in zip(known, (_days_away(channel) for channel in channels), strict=True)
    ]
    return Rhythm(daily_swing, _weekly(known), None if daily_swing is None else _bursts(steady, daily_swing))


def _whole_days(channel: ChannelPast, now: float) -> Mapping[int, Day]:
    """The days that lie wholly in what was watched, with their counts, also those without any."""
    first = math.ceil(channel.since_at / HOUR_SECONDS / HOURS)
    end = int(now / HOUR_SECONDS // HOURS)
    days = {number: [0] * HOURS for number in range(first, end)}
    for hour in channel.hours:
        number, place = divmod(hour.hour, HOURS)
        if number in days:
            days[number][place] += hour.attempt_count
    return days


def _days_away(channel: ChannelPast) -> set[int]:
    away: set[int] = set()
    for from_at, until_at in channel.absences:
        if until_at - from_at >= SHORT_ABSENCE_SECONDS:
            first, last = (int(at / HOUR_SECONDS // HOURS) for at in (from_at, until_at))
            away.update(range(first, last + 1))
    return away


def _daily(channels: Iterable[Mapping[int, Day]]) -> float | None:
    """|Σz|² less Σ|z|² leaves the products of different days; their mean is (A/2)² of those of the counts."""
    turn = [cmath.exp(2j * math.pi * place / HOURS) for place in range(HOURS)]
    power = pairs = 0.0
    for days in channels:
        waves = [sum(count * one for count, one in zip(day, turn, strict=True)) for day in days.values()]
        power += _products(waves)
        pairs += _products([complex(sum(day)) for day in days.values()])
    return _amplitude(power / pairs) if pairs > 0 else None


def _weekly(channels: Iterable[Mapping[int, Day]]) -> float | None:
    """The same with one count a day. Over whole weeks a constant rate leaves -1/(days - 1), which is put right."""
    power = pairs = 0.0
    for days in channels:
        kept = sorted(days)[len(days) % DAYS_PER_WEEK :]
        if len(kept) < LEAST_WEEKS * DAYS_PER_WEEK:
            continue
        counts = [complex(sum(days[number])) for number in kept]
        turned = [count * cmath.exp(2j * math.pi * place / DAYS_PER_WEEK) for place, count in enumerate(counts)]
        between = _products(counts)
        power += _products(turned) + between / (len(kept) - 1)
        pairs += between
    return _amplitude(power / pairs) if pairs > 0 else None


def _products(values: Sequence[complex]) -> float:
    """The sum of the products of different values, each with the other's conjugate."""
    return abs(sum(values)) ** 2 - sum(abs(one) ** 2 for one in values)


def _amplitude(quarter_of_square: float) -> float:
    return min(2.0 * math.sqrt(max(quarter_of_square, 0.0)), MOST_SWING)


def _bursts(channels: Iterable[Iterable[Day]], daily_swing: float) -> float | None:
    """For a steady rate, 24 times the pairs within an hour are as many as those within the day. What is more comes from
    the day's swing and from bursts; a burst of the market lasts so long and comes so often as it does in `demand.py`.
    """
    within_hours = within_days = 0
    for days in channels:
        for day in days:
            within_hours += sum(count * (count - 1) for count in day)
            within_days += sum(day) * (sum(day) - 1)
    if within_days == 0:
        return None
    more = HOURS * within_hours / within_days / (1.0 + daily_swing**2 / 2) - 1.0
    lasting = _kept(HOUR_SECONDS) - _kept(HOURS * HOUR_SECONDS)
    share = BURST_SECONDS / (BURST_GAP_SECONDS + BURST_SECONDS)
    spread = math.sqrt(max(more, 0.0) / lasting / (share * (1.0 - share)))
    room = 1.0 - share * spread
    return min(1.0 + spread / room, MOST_BURST_FACTOR) if room > 0 else MOST_BURST_FACTOR


def _kept(span_seconds: float) -> float:
    """What averaging over a span leaves of the variance of a rate that jumps between two levels at random."""
    turns = span_seconds * (1.0 / BURST_SECONDS + 1.0 / BURST_GAP_SECONDS)
    return 2.0 * (turns - 1.0 + math.exp(-turns)) / turns**2
