"""The rule of the nearest earlier tool, faults and all, as a baseline: written from its description, not its code.

Hourly, per channel: sats an hour = volume x fee, floored to whole sats; better: on, worse or the same: back with a
smaller step; then the result is multiplied by what the balance asks for, in every cycle anew, so that it compounds.
"""

from __future__ import annotations

from typing import Final

from revops.sim.arena.market import Market
from revops.sim.arena.names import instant
from revops.sim.arena.records import Records

LEAST_PPM, MOST_PPM = 10, 2_500
#: Below this local share the fee is multiplied by that.
MULTIPLIERS: Final = ((0.10, 3.0), (0.25, 2.0), (0.40, 1.25), (0.60, 1.0), (0.75, 0.85), (0.90, 0.7), (2.0, 0.5))
CALM_CHANGE, WAKING_CHANGE, VOLATILE_CHANGE = 0.01, 0.20, 0.50
CALM_COUNT, SLEEP_SECONDS = 3, 4 * 1_800.0


class Climb:
    """What is remembered of one channel."""

    def __init__(self) -> None:
        self.at = 0.0
        self.last_rate = 0.0
        self.direction = 1
        self.step_ppm = 50.0
        self.kept_count = 0
        self.calm_count = 0
        self.asleep_until = 0.0


class Predecessor:
    """All channels, once an hour."""

    def __init__(self) -> None:
        self._climbs: list[Climb] = []

    def __call__(self, market: Market, records: Records, now: float) -> None:
        """Adjust every channel whose hour is over."""
        if not self._climbs:
            self._climbs = [Climb() for _fee in market.fee_ppm]
        for number, climb in enumerate(self._climbs):
            known = records.channels[number]
            hours = (now - climb.at) / 3_600
            if hours < 1:
                continue
            rate = known.earned_msat // 1_000 // hours
            if self._sleeps(climb, rate, now):
                continue
            local_ratio = market.local_msat[number] / market.capacity_msat[number]
            ppm = self._step(climb, rate, market.fee_ppm[number], local_ratio)
            climb.at, climb.last_rate = now, rate
            known.open_window(instant(now))
            if abs(ppm - market.fee_ppm[number]) >= max(5, market.fee_ppm[number] * 0.03):
                market.set_fee(number, ppm, now)

    @staticmethod
    def _sleeps(climb: Climb, rate: float, now: float) -> bool:
        change = abs(rate - climb.last_rate) / max(1.0, climb.last_rate)
        if now < climb.asleep_until and change <= WAKING_CHANGE:
            return True
        climb.calm_count = climb.calm_count + 1 if change < CALM_CHANGE else 0
        if climb.calm_count < CALM_COUNT:
            return False
        climb.asleep_until, climb.calm_count = now + SLEEP_SECONDS, 0
        return True

    @staticmethod
    def _step(climb: Climb, rate: float, fee_ppm: int, local_ratio: float) -> int:
        if abs(rate - climb.last_rate) / max(1.0, climb.last_rate) > VOLATILE_CHANGE:
            climb.step_ppm, climb.calm_count = 50.0, 0
        if rate > climb.last_rate:
            climb.kept_count += 1
        else:
            climb.direction, climb.kept_count = -climb.direction, 0
            climb.step_ppm = max(10.0, 0.8 * climb.step_ppm)
        climb.step_ppm = min(200.0, max(climb.step_ppm, 10.0, 0.05 * fee_ppm))
        if climb.kept_count > 5:
            climb.step_ppm = max(10.0, climb.step_ppm / 2)
        multiplier = next(factor for below, factor in MULTIPLIERS if local_ratio < below)
        return min(max(int((fee_ppm + climb.direction * climb.step_ppm) * multiplier), LEAST_PPM), MOST_PPM)
