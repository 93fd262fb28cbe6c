"""lightningd's feeadjuster plugin: what others charge, times 50 to the power of how far our balance is from the middle.

Source: lightningd/plugins c0b768f3 (2026-08-06), `feeadjuster/feeadjuster.py`, with `feeadjuster-feestrategy=median`
and else its defaults: a channel is looked at again when a payment has moved it (in the arena: in the cycle after), and
its fee set anew when the balance has moved by 5 % of the channel or 0.001 BTC, both fuzzed by 1.5 %. A peer into which
others charge nothing, 5,000 ppm or more, or nothing known, gets the node's `fee-per-satoshi`: in the arena the fee that
the channel had at first sight. No bounds but 0 (35,000 ppm: 7 x 5,000).
"""

from __future__ import annotations

from random import Random
from typing import Final

from revops.sim.arena.baselines.view import MarketView, seeded

STEEPNESS: Final = 50.0
THRESHOLD_RATIO: Final = 0.05
THRESHOLD_MSAT: Final = 100_000_000
FUZZ: Final = 0.015
EXTREME_PPM: Final = 5_000


def balance_factor(local_ratio: float) -> float:
    """Given our share of a channel, return by how much its fee is raised: from 7 (empty) to 1/7 (full)."""
    return float(STEEPNESS ** (0.5 - local_ratio))


def has_moved(set_at_msat: int, local_msat: int, capacity_msat: int, rng: Random) -> bool:
    """Given our balance when the fee was last set, and now, tell whether that is enough to set it anew."""
    moved_msat = abs(set_at_msat - local_msat)
    threshold_ratio = THRESHOLD_RATIO + rng.uniform(-FUZZ, FUZZ)
    threshold_msat = THRESHOLD_MSAT * (1.0 + rng.uniform(-FUZZ, FUZZ))
    return moved_msat / capacity_msat > threshold_ratio or moved_msat > threshold_msat


class FeeAdjuster:
    """All channels, each time that they have moved."""

    def __init__(self) -> None:
        self._rng: Random | None = None
        self._node_ppm: list[int] = []
        self._seen_msat: list[int | None] = []
        self._set_at_msat: list[int | None] = []

    def __call__(self, market: MarketView, _records: object, now: float) -> None:
        """Look at the channels that payments have moved since the last cycle; the first time, at all of them."""
        if self._rng is None:
            self._rng = seeded("feeadjuster", market)
            self._node_ppm = list(market.fee_ppm)
            self._seen_msat = [None] * len(self._node_ppm)
            self._set_at_msat = [None] * len(self._node_ppm)
        for number, local_msat in enumerate(market.local_msat):
            if local_msat != self._seen_msat[number]:
                self._seen_msat[number] = local_msat
                self._look_at(number, market, self._rng, now)

    def _look_at(self, number: int, market: MarketView, rng: Random, now: float) -> None:
        local_msat, capacity_msat = market.local_msat[number], market.capacity_msat[number]
        set_at_msat = self._set_at_msat[number]
        if set_at_msat is not None and not has_moved(set_at_msat, local_msat, capacity_msat, rng):
            return
        others_ppm = market.others_ppm[number]
        known = others_ppm is not None and 0 < others_ppm < EXTREME_PPM
        middle_ppm = others_ppm if others_ppm is not None and known else self._node_ppm[number]
        ppm = int(middle_ppm * balance_factor(local_msat / capacity_msat))
        # A fee that happens to be the same isn't set, and the balance not remembered.
        if ppm != market.fee_ppm[number]:
            market.set_fee(number, ppm, now)
            self._set_at_msat[number] = local_msat
