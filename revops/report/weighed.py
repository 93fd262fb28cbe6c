"""What a plan weighed for its jobs, as people read it: each figure that leads to the gain, the bet and the stake, so
that they can be worked out again with what is printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from revops.domain.rebalance import RebalanceTerms, bet_chance_ratio
from revops.domain.units import PPM, sat_floor
from revops.report.amounts import income, whole
from revops.report.blocks import Block, Legend, Line, Table

#: Terms that were kept before a figure was.
_UNKNOWN: Final = "?"
_WORTH: Final = (
    "refill", ">worth there", ">worth at source", ">route", ">risk", ">gain ppm", ">payment succeeds"
)  # fmt: skip
_BET: Final = (
    "refill", ">a sale earns", ">less room it takes", ">source's room earns", ">cost", ">chance of sale", ">p",
    ">odds b",
)  # fmt: skip
_STAKE: Final = (
    "refill", ">Kelly f", ">budget left sat", ">stake (fees) sat", ">amount wanted sat", "amount bound by"
)  # fmt: skip


def weighed(jobs: Sequence[tuple[str, RebalanceTerms]]) -> Iterator[Block]:
    """Given the names of targets with what a plan weighed for their jobs, render what a sat is worth, the bet and the
    stake.
    """
    if not jobs:
        return
    yield Table("What a refill's sat is worth, in ppm", _WORTH, tuple(_worth_row(*one) for one in jobs))
    yield Legend(
        "worth: to a refill, by the cautious figures, on average over the amount (what the reasons of fees say that a"
        " sat is worth counts for prices only); gain: worth there - worth at source - route - risk; times the chance"
        " that the payment succeeds, and the amount, that is the expected gain"
    )
    yield Line("")
    yield Table("The bet on its sale, in ppm", _BET, tuple(_bet_row(*one) for one in jobs))
    yield Legend(
        "chances stand with their lower bounds in brackets; cost: the route, and what a sat is worth at its source if"
        " that is above 0; won: a sale's income, less the room that its payment takes, plus what the source's room"
        " earns; b = (won - cost) / cost; p: what is earned at the lower bounds, that of room counted up to its worth"
        " at the source, over what is won"
    )
    yield Line("")
    yield Table("What is staked on it", _STAKE, tuple(_stake_row(*one) for one in jobs))
    fractions = {terms.kelly_fraction for _name, terms in jobs}
    fraction = "".join(f" = {value:g}" for value in fractions if value > 0)
    yield Legend(
        "f = p - (1 - p)/b is Kelly's share of what the budget has left, of which"
        f" kelly_fraction{fraction} is staked on the fees, and no more than both ends have earned for it; the amount"
        " wanted is that before it was cut to what the stake buys"
    )
    yield Line("")


def _worth_row(name: str, terms: RebalanceTerms) -> tuple[str, ...]:
    figures = (terms.target_ppm, terms.source_ppm, terms.route_ppm, terms.risk_ppm, terms.gain_ppm)
    succeeds = f"{terms.success_ratio:.0%}" if terms.success_ratio > 0 else _UNKNOWN
    return (name, *map(whole, figures), succeeds)


def _bet_row(name: str, terms: RebalanceTerms) -> tuple[str, ...]:
    free = terms.odds_ratio >= PPM
    chance_ratio = terms.kelly_ratio if free else bet_chance_ratio(terms.odds_ratio, terms.kelly_ratio)
    room = f"{whole(terms.room_ppm)} ({terms.room_low_ratio:.0%})" if terms.room_ppm > 0 else "-"
    return (
        name,
        whole(terms.income_ppm),
        whole(terms.entries_ppm),
        room,
        whole(terms.route_ppm + max(terms.source_ppm, 0.0)),
        f"{terms.sale_ratio:.0%} ({terms.sale_low_ratio:.0%})",
        f"{chance_ratio:.0%}",
        "no risk" if free else f"{terms.odds_ratio:.2f}",
    )


def _stake_row(name: str, terms: RebalanceTerms) -> tuple[str, ...]:
    return (
        name,
        f"{terms.kelly_ratio:.0%}",
        income(terms.left_msat) if terms.left_msat > 0 else _UNKNOWN,
        f"{sat_floor(terms.stake_msat):,}",
        income(terms.wanted_msat),
        terms.limited_by or _UNKNOWN,
    )
