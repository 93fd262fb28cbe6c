"""Doing nothing, and one fee for all: the same thing on a node whose channels start with that fee."""

from __future__ import annotations

from typing import Final

from revops.sim.arena.baselines.view import MarketView

#: Common practice where fees are set once and left alone (plebnet, c-otto.de: about 200 ppm).
CONSTANT_PPM: Final = 200


def nothing(_market: MarketView, _records: object, _now: float) -> None:
    """Leave the fees as they are when the node is met."""


def constant(market: MarketView, _records: object, now: float) -> None:
    """Have every channel at 200 ppm."""
    for number, fee_ppm in enumerate(market.fee_ppm):
        if fee_ppm != CONSTANT_PPM:
            market.set_fee(number, CONSTANT_PPM, now)
