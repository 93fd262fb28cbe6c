"""The parameters that a calibration has found, as rows for a person: each with what it rests on."""

from __future__ import annotations

from typing import Final

from revops.decide.demand_curve import interval
from revops.domain.likeness import ChannelDemand, Parameter
from revops.domain.text import counted
from revops.sim.arena.alike import GRID
from revops.sim.arena.calibrate import Calibration, ChannelFit, customers_per_day, expected_per_day

#: The middle of a belief, and where 80 % of it lies (`interval`).
HALF: Final = 0.5


def parameters_found(fit: Calibration) -> tuple[Parameter, ...]:
    """Given a calibration, return the figures of the node as a whole."""
    setting, rhythm, count = fit.setting, fit.rhythm, counted(fit.traffic.attempt_count, "payment")
    settled = sum(hour.settled_count for one in fit.channels for hour in one.past.hours)
    failed = sum(hour.failed_count for one in fit.channels for hour in one.past.hours)
    refused = fit.traffic.attempt_count - settled - failed
    flapping = sum(one.up_seconds is not None for one in fit.channels)
    away = sum(until - since for one in fit.channels for since, until in one.past.absences)
    watched = sum(fit.traffic.taken_at - one.past.since_at for one in fit.channels)
    return (
        Parameter("median payment", setting.median_payment_msat / 1_000, "sat", f"{count} of 1,000 sat and more"),
        Parameter("spread of payments", setting.payment_spread, "of the logarithm", count),
        Parameter("failed later", 100 * setting.failure_ratio, "%", f"{failed:,} failed, {settled:,} settled"),
        Parameter("refused by us", 100 * refused / max(fit.traffic.attempt_count, 1), "%", f"{refused:,} of {count}"),
        Parameter("daily swing", _percent(rhythm.daily_swing), "%", "the first harmonic of the hours of the day"),
        Parameter("weekly swing", _percent(rhythm.weekly_swing), "%", "the first harmonic of the days of the week"),
        Parameter("bursts", rhythm.burst_factor, "times the rate", "pairs of payments within an hour"),
        Parameter("peers away", 100 * away / watched if watched > 0 else None, "%", f"{flapping} of them ever went"),
    )


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else 100 * ratio


def channels_found(fit: Calibration) -> tuple[ChannelDemand, ...]:
    """Given a calibration, return what is believed of each channel's customers."""
    entering = sum(one.entry_weight for one in fit.channels)
    return tuple(_channel(one, fit, entering) for one in fit.channels)


def _channel(one: ChannelFit, fit: Calibration, entering: float) -> ChannelDemand:
    volumes = customers_per_day(one.belief, fit.interest_per_customer)
    scales = [scale for scale, _steepness in GRID]
    customers_low, customers_high = interval(one.belief, volumes)
    half_low_ppm, half_high_ppm = interval(one.belief, scales)
    return ChannelDemand(
        name=one.past.name,
        alias=one.past.alias,
        attempt_count=one.past.attempt_count,
        open_days=one.open_hours / 24,
        least_tried_ppm=one.tried_ppm[0] if one.tried_ppm else None,
        most_tried_ppm=one.tried_ppm[-1] if one.tried_ppm else None,
        customers_per_day=expected_per_day(one.belief, fit.interest_per_customer),
        customers_low=customers_low,
        customers_high=customers_high,
        half_ppm=_middle(one, scales),
        half_low_ppm=half_low_ppm,
        half_high_ppm=half_high_ppm,
        entry_ratio=one.entry_weight / entering,
    )


def _middle(one: ChannelFit, values: list[float]) -> float:
    """The median of a belief: half of it lies below."""
    reached, ranked = 0.0, sorted(zip(values, one.belief.weights, strict=True))
    for value, weight in ranked:
        reached += weight
        if reached >= HALF:
            return value
    return ranked[-1][0]
