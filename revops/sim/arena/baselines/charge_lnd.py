"""charge-lnd's `proportional` strategy: the emptier a channel is on our side, the dearer, along a straight line.

Source: accumulator/charge-lnd 17039cd (2026-02-12), `charge_lnd/strategy.py` (formula), `charge_lnd/charge_lnd.py`
(least change), `examples/all-channels-proportional.config` (100 to 300 ppm, changes of 10 ppm or more), and
`contrib/systemd/charge-lnd.timer` (each day at four, up to an hour later). Its base fee of 1 sat is left out: the arena
has none.
"""

from __future__ import annotations

from random import Random
from typing import Final

from revops.sim.arena.baselines.view import MarketView, seeded

LEAST_PPM: Final = 100
MOST_PPM: Final = 300
LEAST_CHANGE_PPM: Final = 10
DAY_SECONDS: Final = 86_400.0
DAILY_AT_SECONDS: Final = 4 * 3_600.0
DELAY_SECONDS: Final = 3_600.0


def proportional_ppm(local_ratio: float) -> int:
    """Given our share of a channel, return its fee."""
    return max(int(LEAST_PPM + (1.0 - local_ratio) * (MOST_PPM - LEAST_PPM)), 0)


class ChargeLnd:
    """A timer of systemd that runs it once a day."""

    def __init__(self) -> None:
        self._rng: Random | None = None
        self._run_at = 0.0

    def __call__(self, market: MarketView, _records: object, now: float) -> None:
        """Run, if it is time."""
        if self._rng is None:
            self._rng = seeded("charge-lnd", market)
            self._run_at = self._time_of_day(now, self._rng)
        if now < self._run_at:
            return
        self._run_at = self._time_of_day(now + DAY_SECONDS, self._rng)
        for number, fee_ppm in enumerate(market.fee_ppm):
            new_ppm = proportional_ppm(market.local_msat[number] / market.capacity_msat[number])
            if abs(new_ppm - fee_ppm) >= LEAST_CHANGE_PPM:
                market.set_fee(number, new_ppm, now)

    @staticmethod
    def _time_of_day(at: float, rng: Random) -> float:
        """When it runs on the day of a moment."""
        return at // DAY_SECONDS * DAY_SECONDS + DAILY_AT_SECONDS + rng.uniform(0.0, DELAY_SECONDS)
