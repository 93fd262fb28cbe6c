"""Given what a node's records say of its traffic, the parameters of a market like it, as far as they tell them.

Demand is learnt from the prices that were tried, as the strategy `demand` learns it (`decide/demand_curve.py`), and
stays a belief: markets are drawn from it (`alike.py`), not from its mean. What the records can't tell is taken from the
market that policies are tuned on, and said (`gaps.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Final

from revops.decide.belief import UNSETTLED_PER_SETTLED
from revops.decide.demand_curve import BURSTINESS, Belief, learn, rate_per_hour
from revops.domain.decision import PriceWindow
from revops.domain.node_traffic import ChannelPast, NodeTraffic
from revops.sim.arena.entries import entry_of
from revops.sim.arena.rhythm import HOUR_SECONDS, HOURS, Rhythm, find_rhythm
from revops.sim.arena.setting import TUNING, Setting
from revops.sim.arena.sizes import fit_amounts, interest_per_customer

NAME: Final = "like my node"
#: Fewer payments than this, of fewer channels, are no traffic to speak of.
LEAST_ATTEMPTS: Final = 100
LEAST_CHANNELS: Final = 2
LEAST_DAYS: Final = 2.0
#: Fewer payments than this tell nothing of days, weeks and bursts.
LEAST_RHYTHM_ATTEMPTS: Final = 300
#: A channel whose prices were open for less than this is judged by what it refused, too.
LEAST_OPEN_HOURS: Final = 24.0
#: Who never let a payment in could do so tomorrow: it counts as this share of the mean, and of one payment an hour.
LEAST_ENTRY_RATIO: Final = 0.01
#: Prices that differ by less than this don't show what another price would bring.
NARROW_RATIO: Final = 2.0
#: So many standard errors are no chance.
LIFT_ERRORS: Final = 2.0


@dataclass(frozen=True, slots=True)
class ChannelFit:
    """One channel: its past, what is believed of its demand, and the prices and open hours on which that rests.

    What fee setting remembers is best, since it knows when the channel was open. Where it remembers less than a day of
    that, `by_refusals`, the hours on record take its place, as if a payment that was refused had found the channel
    open. `lift` is by how much demand is raised for what was refused while the channel counts as open.

    `entry_weight` is how many payments an hour would enter by it if it had room, `entry_open_ratio` the share of the
    hours in which it had. `up_seconds` and `down_seconds` are how long its peer stays, and stays away, on average; None
    where it never went.
    """

    past: ChannelPast
    belief: Belief
    tried_ppm: tuple[int, ...]
    open_hours: float
    by_refusals: bool
    lift: float
    entry_weight: float
    entry_open_ratio: float
    up_seconds: float | None = None
    down_seconds: float | None = None

    @property
    def tried_apart(self) -> bool:
        """Whether prices were tried that differ enough to show what another price brings."""
        return bool(self.tried_ppm) and self.tried_ppm[-1] >= NARROW_RATIO * max(self.tried_ppm[0], 1)


@dataclass(frozen=True, slots=True)
class Calibration:
    """A market like the node. `interest_per_customer` is the interest of a payment of the average customer: small ones
    count by their part of a typical one.
    """

    traffic: NodeTraffic
    setting: Setting
    channels: tuple[ChannelFit, ...]
    rhythm: Rhythm
    interest_per_customer: float


def too_little(traffic: NodeTraffic) -> str | None:
    """Given the traffic, return why no market can be made of it; None where one can."""
    active = sum(channel.attempt_count > 0 for channel in traffic.channels)
    if traffic.attempt_count >= LEAST_ATTEMPTS and active >= LEAST_CHANNELS and traffic.days >= LEAST_DAYS:
        return None
    return (
        f"{traffic.attempt_count:,} payments of 1,000 sat and more wanted to leave, by {active} channels, in "
        f"{traffic.days:.1f} days on record; it takes {LEAST_ATTEMPTS}, {LEAST_CHANNELS} and {LEAST_DAYS:.0f} at least"
    )


def calibrate(traffic: NodeTraffic, start_ppm: int) -> Calibration:
    """Given the traffic, of which enough is known, and what a price is believed to be about where no market shows it,
    return the market's parameters.
    """
    median_msat, spread = fit_amounts(traffic.amounts)
    per_customer = interest_per_customer(median_msat, spread)
    known = traffic.attempt_count >= LEAST_RHYTHM_ATTEMPTS
    rhythm = find_rhythm(traffic.channels, traffic.taken_at) if known else Rhythm(None, None, None)
    large_msat = round(median_msat * math.exp(spread))
    entries = [entry_of(past, large_msat, traffic.taken_at) for past in traffic.channels]
    least_per_hour = max(LEAST_ENTRY_RATIO * fmean(entry.per_hour for entry in entries), LEAST_ENTRY_RATIO)
    trust = _trust(traffic)
    fits = []
    for past, entry in zip(traffic.channels, entries, strict=True):
        spells = _spells(past, per_customer, trust, traffic.taken_at)
        by_refusals = sum(window.open_hours for window in past.windows) < LEAST_OPEN_HOURS
        windows = spells if by_refusals else past.windows
        belief = learn(windows, start_ppm if past.anchor_ppm is None else past.anchor_ppm, traffic.taken_at)
        lift = lift_of(belief, spells)
        fit = ChannelFit(
            past=past,
            belief=replace(belief, levels_per_hour=tuple(lift * level for level in belief.levels_per_hour)),
            lift=lift,
            tried_ppm=tuple(sorted({window.fee_ppm for window in windows})),
            open_hours=sum(window.open_hours for window in windows),
            by_refusals=by_refusals,
            entry_weight=max(entry.per_hour, least_per_hour),
            entry_open_ratio=entry.open_ratio,
        )
        fits.append(_with_absences(fit, traffic.taken_at))
    setting = _setting(traffic, fits, rhythm, (median_msat, spread), per_customer)
    return Calibration(traffic, setting, tuple(fits), rhythm, per_customer)


def lift_of(belief: Belief, spells: Sequence[PriceWindow]) -> float:
    """Given what is believed of a channel's demand and what came to it, asked for or refused, in all the time that its
    peer was there, return how many times as many came as were believed, where that is beyond chance; else 1.

    A busy channel is empty before the next look at it: what it refuses until then is missing from its prices' windows.
    That fewer came proves nothing, since who sees an empty channel doesn't ask.
    """
    came = sum(spell.interest_count for spell in spells)
    expected = sum(spell.open_hours * rate_per_hour(belief, spell.fee_ppm) for spell in spells)
    error = math.sqrt(BURSTINESS * max(came, expected))
    return came / expected if expected > 0 and came > expected + LIFT_ERRORS * error else 1.0


def _spells(past: ChannelPast, per_customer: float, trust: float, now: float) -> tuple[PriceWindow, ...]:
    """The prices on record as windows, each from when it came into force to the next."""
    changes = past.prices or ((past.since_at, past.fee_ppm),)
    ends = [at for at, _ppm in changes[1:]] + [now]
    windows = []
    for (from_at, fee_ppm), end_at in zip(changes, ends, strict=True):
        start_at = max(from_at, past.since_at)
        away = sum(max(min(until, end_at) - max(since, start_at), 0.0) for since, until in past.absences)
        open_hours = (end_at - start_at - away) / HOUR_SECONDS
        if open_hours <= 0:
            continue
        inside = [hour for hour in past.hours if start_at <= (hour.hour + 0.5) * HOUR_SECONDS < end_at]
        paid = sum(hour.settled_interest for hour in inside)
        failed = min(sum(hour.failed_interest for hour in inside), UNSETTLED_PER_SETTLED * paid)
        refused = trust * per_customer * sum(hour.refused_count for hour in inside)
        windows.append(PriceWindow(end_at, fee_ppm, open_hours, paid + failed + refused))
    return tuple(windows)


def _trust(traffic: NodeTraffic) -> float:
    """How far payments that didn't settle are believed: all together up to `UNSETTLED_PER_SETTLED` times what did."""
    hours = [hour for channel in traffic.channels for hour in channel.hours]
    settled = sum(hour.settled_count for hour in hours)
    unsettled = sum(hour.failed_count + hour.refused_count for hour in hours)
    return min(UNSETTLED_PER_SETTLED * settled / unsettled, 1.0) if unsettled else 1.0


def _failure_ratio(traffic: NodeTraffic) -> float:
    """Of what found liquidity, the share that failed later, as far as that was believed."""
    hours = [hour for channel in traffic.channels for hour in channel.hours]
    paid = sum(hour.settled_interest for hour in hours)
    failed = min(sum(hour.failed_interest for hour in hours), UNSETTLED_PER_SETTLED * paid)
    return failed / (paid + failed) if paid > 0 else TUNING.failure_ratio


def _with_absences(fit: ChannelFit, now: float) -> ChannelFit:
    absences = fit.past.absences
    if not absences:
        return fit
    down_seconds = sum(until_at - from_at for from_at, until_at in absences)
    up_seconds = max(now - fit.past.since_at - down_seconds, 0.0)
    count = len(absences)
    return replace(fit, up_seconds=max(up_seconds / count, 1.0), down_seconds=max(down_seconds / count, 1.0))


def customers_per_day(belief: Belief, per_customer: float) -> list[float]:
    """Given a belief and the interest of the average customer, return how many come a day at price 0, at each point
    of the grid.
    """
    return [level * HOURS / per_customer for level in belief.levels_per_hour]


def expected_per_day(belief: Belief, per_customer: float) -> float:
    """The mean of `customers_per_day`."""
    values = customers_per_day(belief, per_customer)
    return sum(weight * value for weight, value in zip(belief.weights, values, strict=True))


def _setting(
    traffic: NodeTraffic,
    fits: Sequence[ChannelFit],
    rhythm: Rhythm,
    amounts: tuple[int, float],
    per_customer: float,
) -> Setting:
    """What isn't found stays as it is in the market that policies are tuned on, but for rhythms: none is made up."""
    return replace(
        TUNING,
        name=NAME,
        channel_count=len(fits),
        customers_per_day=median(expected_per_day(fit.belief, per_customer) for fit in fits),
        median_payment_msat=amounts[0],
        payment_spread=amounts[1],
        capacities_sat=tuple(fit.past.capacity_msat // 1_000 for fit in fits),
        failure_ratio=_failure_ratio(traffic),
        daily_swing=rhythm.daily_swing or 0.0,
        weekly_swing=rhythm.weekly_swing or 0.0,
        burst_factor=rhythm.burst_factor or 1.0,
        feerate_perkw=traffic.opening_perkw or TUNING.feerate_perkw,
    )
