"""An order to sling, cut until no more must be reserved for it than is staked on its job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from revops.decide.sling_pieces import MOST_SOURCES, Drawn, Wanted, cut, fill, terms
from revops.domain.channel import Channel
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.units import MSAT_PER_SAT, sat_floor

#: Pieces are as small as the last of these at least: below that base fees are most of a price.
PIECES_SAT: Final = (20_000, 10_000, 5_000)


@dataclass(frozen=True, slots=True)
class Fit:
    """The sources that may pay, what is wanted of them, and what is staked on it."""

    sources: Sequence[Channel]
    wanted: Wanted
    stake_msat: int

    def drawn(self, amount_sat: int, max_ppm: int, way: tuple[int, int]) -> Drawn | None:
        """Given an amount, a price, and in how many sources and how large pieces it is cut, return the terms; None
        where the sources can't give it.
        """
        most_sources, piece_sat = way
        piece = cut(self.wanted, amount_sat * MSAT_PER_SAT, piece_sat)
        given = {} if piece is None else fill(self.sources, *piece, max_ppm, most_sources)
        if piece is None or sum(given.values()) < piece[1]:
            return None
        return terms(self.sources, given, max_ppm, piece[0], self.wanted.max_htlc_count)

    def fits(self, amount_sat: int, max_ppm: int, way: tuple[int, int]) -> bool:
        """Given the same, return whether that is staked."""
        found = self.drawn(amount_sat, max_ppm, way)
        return found is not None and found.worst_msat <= self.stake_msat

    def most(self, max_ppm: int, lowest_ppm: int, way: tuple[int, int]) -> tuple[int, int] | None:
        """Given the highest and the lowest price and a way to cut, return the largest amount in sat that fits at the
        lowest one, and the highest price at which it still does; None where none fits.
        """
        least_sat, most_sat = max(sat_floor(self.wanted.least_msat), 1), sat_floor(self.wanted.amount_msat)
        if least_sat > most_sat or not self.fits(least_sat, lowest_ppm, way):
            return None
        amount_sat = _highest(least_sat, most_sat, lambda sat: self.fits(sat, lowest_ppm, way))
        return amount_sat, _highest(lowest_ppm, max_ppm, lambda ppm: self.fits(amount_sat, ppm, way))


def fitted(fit: Fit, max_ppm: int, lowest_ppm: int) -> Drawn | Reason:
    """Given what has to fit, the highest price and the lowest at which routes are known, return the terms that move the
    most, at the highest price that fits then; or why not even the least amount at the lowest price does.
    """
    best: tuple[tuple[int, int], Drawn] | None = None
    for way in product(range(1, MOST_SOURCES + 1), PIECES_SAT):
        most = fit.most(max_ppm, lowest_ppm, way)
        found = None if most is None else fit.drawn(*most, way)
        if most is not None and found is not None and (best is None or most > best[0]):
            best = (most, found)
    return _refused(fit, lowest_ppm) if best is None else best[1]


def _refused(fit: Fit, lowest_ppm: int) -> Reason:
    least_sat = max(sat_floor(fit.wanted.least_msat), 1)
    ways = (fit.drawn(least_sat, lowest_ppm, way) for way in product(range(1, MOST_SOURCES + 1), PIECES_SAT))
    worst_msat = min((one.worst_msat for one in ways if one is not None), default=None)
    if worst_msat is None:
        have_sat = sat_floor(max(source.spendable_msat for source in fit.sources))
        return why(ReasonCode.LIQUIDITY_CHANGED, side="the source", have_sat=have_sat, wanted_sat=least_sat)
    return why(
        ReasonCode.SLING_ABOVE_STAKE,
        worst_msat=worst_msat,
        stake_msat=fit.stake_msat,
        min_sat=least_sat,
        max_ppm=lowest_ppm,
    )


def _highest(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """A number at which a condition holds that holds at `low`: the highest, where it fails for good once it fails."""
    if holds(high):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
