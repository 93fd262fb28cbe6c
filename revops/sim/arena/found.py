"""The parameters that a calibration has found, as rows for a person: each with what it rests on."""

from __future__ import annotations

from random import Random
from typing import Final

from revops.domain.likeness import ChannelDemand, Parameter
from revops.domain.text import counted
from revops.sim.arena.alike import draw_demand
from revops.sim.arena.calibrate import Calibration, ChannelFit
from revops.sim.arena.side_by_side import HIGH_SHARE, LOW_SHARE, between

#: What is believed is shown by so many draws from it, as markets are drawn.
DRAW_COUNT: Final = 400
MIDDLE: Final = 0.5


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
    rng = Random(one.past.channel_id)
    drawn = [draw_demand(one, fit, rng) for _draw in range(DRAW_COUNT)]
    volumes = sorted(demand.per_day for demand in drawn)
    scales = sorted(demand.scale_ppm for demand in drawn)
    tried = one.tried_ppm if one.past.priced else ()
    return ChannelDemand(
        name=one.past.name,
        alias=one.past.alias,
        attempt_count=one.past.attempt_count,
        open_days=one.open_hours / 24,
        least_tried_ppm=tried[0] if tried else None,
        most_tried_ppm=tried[-1] if tried else None,
        customers_per_day=between(volumes, MIDDLE),
        customers_low=between(volumes, LOW_SHARE),
        customers_high=between(volumes, HIGH_SHARE),
        half_ppm=between(scales, MIDDLE),
        half_low_ppm=between(scales, LOW_SHARE),
        half_high_ppm=between(scales, HIGH_SHARE),
        entry_ratio=one.entry_weight / entering,
    )
