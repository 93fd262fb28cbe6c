"""Who wants to pay through a peer, how much they would pay for it, and when they try.

Each peer has one stream of would-be payments, a Poisson process thinned by the hour and by bursts (Lewis & Shedler
1979). Every would-be payment draws the same number of random numbers from the peer's own generator whatever the node
does, so that two runs with different fees meet the same payers: policies are compared on equal demand.

A payer has a willingness (ppm) drawn from the family's distribution and comes when our fee is within it; the chance of
that is the family's demand curve: exponential exp(-p/s), isoelastic (1+p/s)^-k (Lomax), or a step at s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from random import Random

DAY_SECONDS = 86_400.0
DAILY_SWING = 0.35
WEEKLY_SWING = 0.15
LAGGARD_RATIO = 0.08


class Family(StrEnum):
    """Shape of a peer's demand curve."""

    EXPONENTIAL = "exponential"
    ISOELASTIC = "isoelastic"
    STEP = "step"


@dataclass(frozen=True, slots=True)
class Demand:
    """What wants to leave by one peer.

    `peak_per_day` is the rate at price 0. `entry_weight` is how often payments enter by this peer. `burst_factor` above
    1 multiplies the rate during bursts.
    """

    family: Family
    scale_ppm: float
    steepness: float
    peak_per_day: float
    entry_weight: float
    size_factor: float
    failure_ratio: float
    hold_median_seconds: float
    burst_factor: float
    phase: float

    def survival(self, price_ppm: float) -> float:
        """Return the share of would-be payers who still come at `price_ppm`."""
        ratio = max(0.0, price_ppm) / self.scale_ppm
        if self.family is Family.EXPONENTIAL:
            return math.exp(-ratio)
        if self.family is Family.ISOELASTIC:
            return float((1.0 + ratio) ** -self.steepness)
        return min(1.0, max(0.0, (1.03 - ratio) / 0.06))

    def willingness_ppm(self, uniform: float) -> float:
        """Given a uniform number in (0, 1), return this payer's highest price: the inverse of `survival`."""
        if self.family is Family.EXPONENTIAL:
            return -self.scale_ppm * math.log(uniform)
        if self.family is Family.ISOELASTIC:
            return float(self.scale_ppm * (uniform ** (-1.0 / self.steepness) - 1.0))
        return self.scale_ppm * (1.03 - 0.06 * uniform)

    def activity(self, at: float, bursting: bool) -> float:
        """Return the rate at `at` as a share of its greatest (price 0, best hour, bursting)."""
        day, week = at / DAY_SECONDS, at / DAY_SECONDS / 7.0
        wave = (1.0 + DAILY_SWING * math.sin(2 * math.pi * day + self.phase)) * (
            1.0 + WEEKLY_SWING * math.sin(2 * math.pi * week + self.phase)
        )
        highest = (1.0 + DAILY_SWING) * (1.0 + WEEKLY_SWING) * self.burst_factor
        return wave * (self.burst_factor if bursting else 1.0) / highest

    def greatest_per_second(self) -> float:
        """Return the rate of the process that thinning starts from."""
        return self.peak_per_day * (1.0 + DAILY_SWING) * (1.0 + WEEKLY_SWING) * self.burst_factor / DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Candidate:
    """A would-be payment: everything random about it, drawn before the node is looked at."""

    amount_msat: int
    willingness_ppm: float
    entry_draws: tuple[float, float, float]
    fate_draw: float
    hold_seconds: float
    gossip_lag_seconds: float
    stubborn_draw: float


def draw_gap_seconds(demand: Demand, rng: Random) -> float:
    """Return the time to the next candidate, before thinning."""
    return rng.expovariate(demand.greatest_per_second())


def draw_candidate(demand: Demand, rng: Random, median_payment_msat: int, stuck_ratio: float) -> Candidate:
    """Draw one candidate. Always the same number of draws, so that streams stay aligned whatever happens to it."""
    amount = math.exp(rng.normalvariate(math.log(median_payment_msat * demand.size_factor), 1.4))
    uniform = 1.0 - rng.random()
    entry = (rng.random(), rng.random(), rng.random())
    fate, stubborn = rng.random(), rng.random()
    # Most senders know a changed fee in minutes; some learn of it hours later, or from the error.
    laggard, lag, long_lag = rng.random(), rng.expovariate(1 / 240.0), rng.expovariate(1 / 7200.0)
    if laggard < LAGGARD_RATIO:
        lag = long_lag
    hold = 0.2 + math.exp(rng.normalvariate(math.log(demand.hold_median_seconds), 0.8))
    stuck, stuck_hold = rng.random(), rng.expovariate(1 / 5400.0)
    if stuck < stuck_ratio:
        hold += 600.0 + stuck_hold
    return Candidate(
        max(1_000, min(int(amount), 4_000_000_000)),
        demand.willingness_ppm(uniform),
        entry,
        fate,
        hold,
        lag,
        stubborn,
    )
