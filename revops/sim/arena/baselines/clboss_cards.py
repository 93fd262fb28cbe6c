"""CLBOSS's search for a price: five cards around the present level, each in play for two days, and the best becomes the
new middle.

Source: ksedgwic/clboss 49ffd76 (2026-08-18, v0.16.3), `Boss/Mod/FeeModderByPriceTheory.cpp`. The faults are its own:
one sample a card, no bound to the level, rebalances not subtracted, and between two cards income counts for neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

#: Steps of ten minutes in which the peer is connected: two days.
LIFETIME_TICKS: Final = 288
MOST_STEP: Final = 2


def level_factor(level: int) -> float:
    """Given the level on a card, return the fee's factor."""
    return float(1.2**level if level > 0 else 0.8**-level)


@dataclass(slots=True)
class Card:
    """A level to be tried, and what it earned."""

    level: int
    ticks_left: int = LIFETIME_TICKS
    earned_msat: int = 0


class Deck:
    """The game with one peer."""

    def __init__(self) -> None:
        self.middle = 0
        self._waiting: list[Card] = []
        self._played: list[Card] = []
        self._in_play: Card | None = None

    def level(self, rng: Random) -> int:
        """Return the level in play; if there is none, draw a card."""
        if self._in_play is None:
            if not self._waiting:
                self._begin_round(rng)
            self._in_play = self._waiting.pop()
        return self._in_play.level

    def age(self, tick_count: int) -> None:
        """Given how long the peer was connected, discard the card in play if its time is over."""
        if self._in_play is None:
            return
        self._in_play.ticks_left -= tick_count
        if self._in_play.ticks_left <= 0:
            self._played.append(self._in_play)
            self._in_play = None

    def earn(self, fee_msat: int) -> None:
        """Given what a forward earned, credit the card in play."""
        if self._in_play is not None:
            self._in_play.earned_msat += fee_msat

    def _begin_round(self, rng: Random) -> None:
        best = max(self._played, key=lambda card: card.earned_msat, default=None)
        if best is not None and best.earned_msat > 0:
            self.middle = best.level
        self._played = []
        self._waiting = [Card(self.middle + step) for step in range(-MOST_STEP, MOST_STEP + 1)]
        rng.shuffle(self._waiting)
