"""CLBOSS: what competitors charge x how big we are x our balance x a game of cards for the price.

Source: ksedgwic/clboss 49ffd76 (2026-08-18, v0.16.3), `Boss/Mod/ChannelFeeManager.cpp` (product, rounding, never 0),
`FeeModderBySize.cpp`, `FeeModderByBalance.cpp`, `PeerCompetitorFeeMonitor/` (weighted median; a peer without
competitors keeps its fee), `Timers.cpp` (every half to one and a half hours). The cards are in `clboss_cards.py`.
CLBOSS ranks whole nodes by their capacity; in the arena the rank is the channel's. No bounds but 1 ppm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Final

from revops.sim.arena.baselines.clboss_cards import Deck, level_factor
from revops.sim.arena.baselines.view import MarketView, News, PagedRecords, seeded

STEEPNESS: Final = 50.0
BIN_MSAT: Final = 200_000_000
LEAST_BINS, MOST_BINS = 4, 50
PAUSE_SECONDS: Final = (1_800.0, 5_400.0)
TICK_SECONDS: Final = 600.0


def size_factor(rank_ratio: float, competitor_count: int) -> float:
    """Given where we stand among a peer's competitors (0: smallest) and their number, return the fee's factor: 0.5 for
    the smallest, 1 in the middle, and for the largest up to 16, less where there are many.
    """
    if competitor_count == 0:
        return 1.0
    if rank_ratio < 0.5:
        least = math.sqrt(0.5)
        return (least + 2 * rank_ratio * (1.0 - least)) ** 2
    limit = max(16.0 - math.log(competitor_count), 2.0)
    return (1.0 + (2 * rank_ratio - 1.0) * (math.sqrt(limit) - 1.0)) ** 2


@dataclass(slots=True)
class BalanceBin:
    """In which part of a channel our balance is held to lie. Fees tell the part and no more; between two neighbours
    chance decides, so that its edges tell nothing either.
    """

    count: int
    number: int
    local_msat: int

    @classmethod
    def of(cls, local_msat: int, capacity_msat: int) -> BalanceBin:
        """Given a channel at first sight, put it where it lies."""
        count = min(max(math.floor(capacity_msat / BIN_MSAT + 0.5), LEAST_BINS), MOST_BINS)
        return cls(count, min(int(local_msat / capacity_msat * count), count - 1), local_msat)

    def move(self, local_msat: int, capacity_msat: int, rng: Random) -> None:
        """Given our balance now, go there, or stop one short of it: the likelier, the less far it is in there."""
        place = local_msat / capacity_msat * self.count
        target = math.floor(place)
        if local_msat == self.local_msat or target == self.number:
            return
        self.local_msat = local_msat
        inside = place - target
        if target < self.number:
            self.number = target if rng.random() < 1.0 - inside else target + 1
        else:
            self.number = min(target if rng.random() < inside else target - 1, self.count - 1)

    @property
    def factor(self) -> float:
        """The fee's factor in the middle of the part."""
        return float(STEEPNESS ** (0.5 - (1 + 2 * self.number) / (2 * self.count)))


class Clboss:
    """All channels, about once an hour."""

    def __init__(self) -> None:
        self._rng: Random | None = None
        self._news = News()
        self._bins: list[BalanceBin] = []
        self._decks: list[Deck] = []
        self._ticked_at = 0.0
        self._run_at = 0.0

    def __call__(self, market: MarketView, records: PagedRecords, now: float) -> None:
        """Credit the cards in play, let them age, and set the fees if it is time."""
        if self._rng is None:
            self._rng = seeded("clboss", market)
            self._bins = [BalanceBin.of(*pair) for pair in zip(market.local_msat, market.capacity_msat, strict=True)]
            self._decks = [Deck() for _bin in self._bins]
            self._ticked_at = self._run_at = now
        for payment in self._news.since_last(records):
            if payment.settled:
                self._decks[payment.out].earn(payment.fee_msat)
        tick_count = int((now - self._ticked_at) / TICK_SECONDS)
        self._ticked_at += tick_count * TICK_SECONDS
        for number, deck in enumerate(self._decks):
            if market.connected(number, now):
                deck.age(tick_count)
        if now >= self._run_at:
            self._run_at = now + self._rng.uniform(*PAUSE_SECONDS)
            for number in range(len(self._decks)):
                self._set(number, market, self._rng, now)

    def _set(self, number: int, market: MarketView, rng: Random, now: float) -> None:
        others_ppm = market.others_ppm[number]
        if others_ppm is None:
            return
        balance = self._bins[number]
        balance.move(market.local_msat[number], market.capacity_msat[number], rng)
        factor = (
            size_factor(market.size_rank_ratio[number], market.peer_channel_count[number] - 1)
            * balance.factor
            * level_factor(self._decks[number].level(rng))
        )
        ppm = max(math.floor(others_ppm * factor + 0.5), 1)
        if ppm != market.fee_ppm[number]:
            market.set_fee(number, ppm, now)
