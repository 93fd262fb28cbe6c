"""What `revops simulate --like-my-node` finds: the market's parameters, what can't be known, and how strategies do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parameter:
    """One figure of the node as a whole; `value` is None where the records don't tell it."""

    name: str
    value: float | None
    unit: str
    #: What it rests on, in words.
    basis: str


@dataclass(frozen=True, slots=True)
class ChannelDemand:
    """What is believed of one channel's customers: how many come a day at price 0, and the price at which half of them
    stay away, both at the middle of the belief; 80 % of it lies between `*_low` and `*_high`. Prices tried are None
    where none is on record. `entry_ratio` is the share of all payments that would enter by it.
    """

    name: str
    alias: str | None
    attempt_count: int
    open_days: float
    least_tried_ppm: int | None
    most_tried_ppm: int | None
    customers_per_day: float
    customers_low: float
    customers_high: float
    half_ppm: float
    half_low_ppm: float
    half_high_ppm: float
    entry_ratio: float


@dataclass(frozen=True, slots=True)
class Contender:
    """How one strategy did, over all markets. Differences are to the configured strategy in the same market: the mean,
    and where the middle 80 % of the markets lie; None for the configured one itself.
    """

    strategy: str
    configured: bool
    net_msat_per_month: int
    updates_per_day: float
    difference_msat: int | None = None
    difference_low_msat: int | None = None
    difference_high_msat: int | None = None
    better_count: int | None = None


@dataclass(frozen=True, slots=True)
class Likeness:
    """All of it. Where too little is known, `too_little` says why, and no strategy was run. `warnings` are to be read
    before any ranking: what is missing for it to be the node's, and when that will be there.
    """

    taken_at: float
    days: float
    attempt_count: int
    #: What the same channels earned in a month at the pace of these days.
    earned_msat_per_month: int
    parameters: tuple[Parameter, ...]
    channels: tuple[ChannelDemand, ...]
    unknown: tuple[str, ...]
    too_little: str | None = None
    market_count: int = 0
    market_days: float = 0.0
    contenders: tuple[Contender, ...] = ()
    warnings: tuple[str, ...] = ()
