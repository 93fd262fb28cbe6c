"""Offers at the price that the node quotes: what to ask it for, and what a pair comes to at its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from revops.decide.rebalance.kelly import Stake, stake
from revops.decide.rebalance.offers import Offer, fitting_msat, offer, room_low_ppm
from revops.decide.rebalance.sale_chance import SaleChance
from revops.decide.rebalance.scene import Room, Scene
from revops.decide.rebalance.survey import Candidate
from revops.domain.channel import Channel
from revops.domain.rebalance import Quote
from revops.domain.units import PPM, share_msat

#: Of one target, routes from so many sources are asked for.
SOURCES_ASKED: Final = 3
#: Of the routes that a plan asks for, one in so many goes to targets that are not among the most hopeful.
TURN_SHARE: Final = 4

#: channel_ids of source and target.
Pair = tuple[str, str]


class Question(NamedTuple):
    """A route to be asked for: from one channel to another, the amount that arrives, the most that it may cost."""

    source: Channel
    target: Channel
    amount_msat: int
    max_fee_msat: int


@dataclass(frozen=True, slots=True)
class Priced:
    """An offer at its price: the amount up to which each sat gains, its chance of sale, and the bet on it."""

    offer: Offer
    amount_msat: int
    route_ppm: float
    income_ppm: float
    chance: SaleChance
    bet: Stake
    #: None where the source gains no room that is wanted.
    room: Room | None
    #: What a sat earns at least, by a sale and by room.
    low_ppm: float

    @property
    def gain_ppm(self) -> float:
        """What a sat gains, on average."""
        one = self.offer
        return one.target_ppm - one.source_ppm - one.risk_ppm - self.route_ppm

    @property
    def gain_msat(self) -> int:
        """What is expected of it all, with the chance that the attempt fails."""
        return int(self.offer.success_ratio * self.gain_ppm * self.amount_msat / PPM)

    @property
    def quote_msat(self) -> int:
        """What the route should cost."""
        return round(self.route_ppm * self.amount_msat / PPM)

    @property
    def limit_msat(self) -> int:
        """What the liquidity is worth: the most that the route may cost."""
        return share_msat(self.amount_msat, self.offer.limit_ppm)


def questions(candidates: Sequence[Candidate], scene: Scene) -> tuple[Question, ...]:
    """Given candidates, the most hopeful first, return what to ask the node, at most `max_quotes` routes.

    Some of them go to the others in turn: a target to which no route leads would else keep them from being asked about.
    Whose turn it is goes by the hour, so that a plan depends on nothing but its arguments.
    """
    most = scene.policy.max_quotes
    open_ones = [one for one in candidates if one.offers]
    first_count = max((most - most // TURN_SHARE) // SOURCES_ASKED, 1)
    rest = open_ones[first_count:]
    turn = int(scene.now // 3_600) % len(rest) if rest else 0
    asked = [
        Question(one.source, candidate.target, one.wanted_msat, share_msat(one.wanted_msat, one.limit_ppm))
        for candidate in [*open_ones[:first_count], *rest[turn:], *rest[:turn]]
        for one in candidate.offers[:SOURCES_ASKED]
    ]
    return tuple(asked[:most])


def priced_offers(scene: Scene, candidate: Candidate, quotes: Mapping[Pair, Quote]) -> list[Priced]:
    """Given a candidate and what the node quoted, return the offers that gain at their price, best first."""
    found: list[Priced] = []
    target = candidate.target
    for hopeful in candidate.offers:
        quote = quotes.get((hopeful.source.channel_id, target.channel_id))
        if quote is None or quote.fee_msat is None or quote.amount_msat <= 0:
            continue
        route_ppm = quote.fee_msat / quote.amount_msat * PPM
        fits_msat = fitting_msat(scene, hopeful.source, target, quote.amount_msat, route_ppm + hopeful.risk_ppm)
        if fits_msat >= scene.least_msat(target):
            one = price(scene, hopeful.source, target, fits_msat, route_ppm)
            if one is not None:
                found.append(one)
    return sorted(found, key=lambda one: (-one.gain_msat, one.offer.source.channel_id))


def price(scene: Scene, source: Channel, target: Channel, amount_msat: int, route_ppm: float) -> Priced | None:
    """Given a pair, an amount and what a route costs, return what it comes to; None where nothing gains."""
    chance = scene.chance(target, amount_msat)
    found = offer(scene, source, target, amount_msat, chance)
    if found is None:
        return None
    income_ppm = scene.income_ppm(target)
    # Two things may be earned: by a sale here, and by the room that the source gains. Together they are one bet.
    low_ppm = chance.low_ratio * income_ppm + room_low_ppm(scene, source, found.source_ppm)
    room = scene.room(source) if found.source_ppm < 0 else None
    most_ppm = income_ppm + (room.income_ppm if room is not None else 0.0)
    bet = stake(low_ppm / most_ppm if most_ppm > 0 else 0.0, most_ppm, route_ppm + max(found.source_ppm, 0.0))
    return Priced(found, amount_msat, route_ppm, income_ppm, chance, bet, room, low_ppm)
