"""Markets like a node: each is drawn from what is believed of its demand, so that what isn't known differs between
them.

A channel's customers are log-logistic with a scale, a steepness and a volume from the belief. The belief says hardly
anything of prices above those that were tried: each market has an end of its own there, beyond which nobody pays,
drawn evenly in the logarithm between the highest price tried and what anybody pays anywhere.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from random import Random
from typing import Final, NamedTuple

from revops.decide.demand_curve import PRIOR_COUNT, SCALES_PPM, STEEPNESSES
from revops.sim.arena.calibrate import Calibration, ChannelFit, customers_per_day
from revops.sim.arena.demand import draw_customers
from revops.sim.arena.families import MAX_WILLINGNESS_PPM, Stream, Willingness, draw_absences
from revops.sim.arena.feerates import draw_feerates
from revops.sim.arena.world import AFTER_DAYS, World, later_fees

#: In the order of a belief's weights.
GRID: Final = tuple(product(SCALES_PPM, STEEPNESSES))
#: The records don't say how we stand among a peer's channels.
TYPICAL_RANK_RATIO: Final = 0.5
TYPICAL_PEER_CHANNELS: Final = 20


def draw_world(fit: Calibration, seed: int, days: float) -> World:
    """Given a calibration, a seed and a length, draw a market: the node's channels with their present balances and
    fees, and customers as they may be. The same arguments give the same market.
    """
    setting = fit.setting
    rng = Random(f"{setting.name} {seed}")
    streams = [_draw_stream(one, fit, days + AFTER_DAYS, rng) for one in fit.channels]
    customers = tuple(draw_customers(streams, setting, days + AFTER_DAYS, rng))
    bounds_days = (0.0, days)
    return World(
        setting=setting,
        family=setting.name,
        seed=seed,
        bounds_days=bounds_days,
        capacity_msat=tuple(one.past.capacity_msat for one in fit.channels),
        local_msat=tuple(one.past.local_msat for one in fit.channels),
        customers=customers,
        later_ppm=later_fees(customers, bounds_days, len(streams)),
        absences=tuple(stream.absences for stream in streams),
        others_ppm=tuple(stream.others_ppm for stream in streams),
        size_rank_ratio=(TYPICAL_RANK_RATIO,) * len(streams),
        peer_channel_count=(TYPICAL_PEER_CHANNELS,) * len(streams),
        feerates_perkw=draw_feerates(setting, days, rng),
        start_ppm=tuple(one.past.fee_ppm for one in fit.channels),
    )


class Demand(NamedTuple):
    """One channel's demand as it may be: a curve of `demand_curve.py`, and how many customers come a day at price 0."""

    scale_ppm: float
    steepness: float
    per_day: float


def draw_demand(one: ChannelFit, fit: Calibration, rng: Random) -> Demand:
    """Given a channel of a calibration, draw its demand from what is believed of it."""
    (place,) = rng.choices(range(len(GRID)), one.belief.weights)
    # The level at a point of the grid has a gamma distribution around its mean.
    shape = PRIOR_COUNT + one.belief.interest_count
    mean = customers_per_day(one.belief, fit.interest_per_customer)[place]
    return Demand(*GRID[place], mean * rng.gammavariate(shape, 1.0 / shape))


def _draw_stream(one: ChannelFit, fit: Calibration, days: float, rng: Random) -> Stream:
    demand = draw_demand(one, fit, rng)
    most_tried_ppm = float(max((*one.tried_ppm, one.past.fee_ppm, 1)))
    highest_ppm = max(MAX_WILLINGNESS_PPM, most_tried_ppm)
    end_ppm = most_tried_ppm * (highest_ppm / most_tried_ppm) ** rng.random()
    anchor_ppm = one.past.anchor_ppm
    return Stream(
        per_day=demand.per_day,
        entry_weight=one.entry_weight,
        willingness=log_logistic(demand.scale_ppm, demand.steepness, end_ppm),
        others_ppm=None if anchor_ppm is None else (anchor_ppm,),
        absences=_draw_absences(one, fit, days, rng),
    )


def log_logistic(scale_ppm: float, steepness: float, end_ppm: float) -> Willingness:
    """Given a curve of `demand_curve.py` and the most that anybody pays, return what draws a customer's limit."""

    def draw(_at: float, rng: Random) -> float:
        share = min(max(rng.random(), 1e-12), 1.0 - 1e-12)
        return min(scale_ppm * math.exp(math.log(1.0 / share - 1.0) / steepness), end_ppm)

    return draw


def _draw_absences(one: ChannelFit, fit: Calibration, days: float, rng: Random) -> tuple[tuple[float, float], ...]:
    if one.up_seconds is None or one.down_seconds is None:
        return ()
    own = replace(fit.setting, up_seconds=one.up_seconds, down_seconds=one.down_seconds)
    return draw_absences(own, days, rng)
