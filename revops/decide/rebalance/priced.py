"""Offers at the price that the node quotes: what to ask it for, and what a pair comes to at its answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

from revops.decide.rebalance.kelly import Stake, stake
from revops.decide.rebalance.kelly import most_msat as kelly_most_msat
from revops.decide.rebalance.offers import Offer, fitting_msat, offer_of, risk_ppm, room_low_ppm, sale_low_ppm
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
#: One in so many is kept for amounts that are cut: base fees make a smaller one dearer by the sat.
CUT_SHARE: Final = 4
#: Sources that promise at least so much of what the best does are alike: those that others were asked about come last.
ALIKE_RATIO: Final = 0.9

#: channel_ids of source and target.
Pair = tuple[str, str]
#: What the node answered, a pair's answers in the order of the questions.
Quotes = Mapping[Pair, Sequence[Quote]]


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
    #: What a sold sat earns, and what of that the room takes by which its payment enters.
    income_ppm: float
    entries_ppm: float
    chance: SaleChance
    bet: Stake
    #: None where the source gains no room that is wanted.
    room: Room | None
    #: What a sat earns at least, and at most, by a sale and by room.
    low_ppm: float
    most_ppm: float

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

    @property
    def kept_ppm(self) -> float:
        """What a sat is worth where it comes from, if anything: it is given up, so it is part of the price."""
        return max(self.offer.source_ppm, 0.0)

    def most_msat(self, fraction_ratio: float, left_msat: int, earned_msat: int) -> int:
        """Given which part of the Kelly criterion's share to take, what the budget has left and what the two ends have
        earned for it, return the most that the route may cost.
        """
        most_msat = min(self.limit_msat, earned_msat)
        bankroll_msat = fraction_ratio * max(left_msat, 0)
        return kelly_most_msat(self.low_ppm, self.most_ppm, self.kept_ppm, self.amount_msat, bankroll_msat, most_msat)


def questions(candidates: Sequence[Candidate], scene: Scene) -> tuple[Question, ...]:
    """Given candidates, the most hopeful first, return what to ask the node, at most `max_quotes` routes less what is
    kept for amounts that are cut.

    Some of them go to the others in turn: a target to which no route leads would else keep them from being asked about.
    Whose turn it is goes by the hour, so that a plan depends on nothing but its arguments, and by a hash of the day, so
    that no rhythm in which plans are made passes over anybody for good.
    """
    most = scene.policy.max_quotes - scene.policy.max_quotes // CUT_SHARE
    open_ones = [one for one in candidates if one.offers]
    first_count = max((most - most // TURN_SHARE) // SOURCES_ASKED, 1)
    rest = open_ones[first_count:]
    hour = int(scene.now // 3_600)
    turn = (int(sha256(b"%d" % (hour // 24)).hexdigest(), 16) + hour) % max(len(rest), 1)
    asked_counts: Counter[str] = Counter()
    asked: list[Question] = []
    for candidate in [*open_ones[:first_count], *rest[turn:], *rest[:turn]]:
        chosen = _asked_of(candidate.offers, asked_counts)[: max(most - len(asked), 0)]
        asked_counts.update(one.source.channel_id for one in chosen)
        asked += [
            Question(one.source, candidate.target, one.wanted_msat, share_msat(one.wanted_msat, one.limit_ppm))
            for one in chosen
        ]
    return tuple(asked)


def _asked_of(offers: Sequence[Offer], asked_counts: Mapping[str, int]) -> list[Offer]:
    """Whom to ask for: of sources that promise alike, those that other targets were asked about the least."""
    least_msat = ALIKE_RATIO * offers[0].hopeful_gain_msat
    alike = [one for one in offers if one.hopeful_gain_msat >= least_msat]
    alike.sort(key=lambda one: asked_counts.get(one.source.channel_id, 0))
    others = [one for one in offers if one.hopeful_gain_msat < least_msat]
    return [*alike, *others][:SOURCES_ASKED]


def cost_msat(quotes: Sequence[Quote], amount_msat: int) -> int | None:
    """Given what was quoted for a pair and an amount, return what a route costs at most: the same one takes a smaller
    amount for no more than the larger one. None where nothing as large was quoted.
    """
    found = [one.fee_msat for one in quotes if one.fee_msat is not None and one.amount_msat >= amount_msat > 0]
    return min(found, default=None)


def estimate_msat(quotes: Sequence[Quote], amount_msat: int) -> float | None:
    """Given what was quoted for a pair and an amount, return what a route should cost, by the amounts that were quoted
    next to it: on the line through two larger ones, in proportion to a single one. It is no price, only what to ask
    the node for.
    """
    larger = sorted(
        ((one.amount_msat, one.fee_msat) for one in quotes if one.fee_msat is not None and one.amount_msat > 0),
    )
    larger = [one for one in larger if one[0] >= amount_msat]
    if not larger:
        return None
    (amount, fee), *rest = larger
    slope = fee / amount
    if rest and rest[0][0] > amount:
        slope = min(max((rest[0][1] - fee) / (rest[0][0] - amount), 0.0), slope)
    return fee - slope * (amount - amount_msat)


def priced_offers(scene: Scene, candidate: Candidate, quotes: Quotes, *, draft: bool = False) -> list[Priced]:
    """Given a candidate and what the node quoted, return the offers that gain at their price, best first: each quoted
    amount, or as much of it as still gains and as the scene leaves room for.

    A price is what the node quoted for the amount, or for a larger one; in a draft, what it should be.
    """
    found: list[Priced] = []
    target = scene.channel(candidate.target.channel_id)
    if target is None:
        return []
    least_msat, room_msat = scene.least_msat(target), scene.room_msat(target)
    for hopeful in candidate.offers:
        source = scene.channel(hopeful.source.channel_id)
        answers = quotes.get((hopeful.source.channel_id, target.channel_id), ())
        if source is None or not answers:
            continue
        most_msat = min(room_msat, scene.spare_msat(source))
        for quote in answers:
            if quote.fee_msat is None or quote.amount_msat <= 0:
                continue
            asked_ppm = quote.fee_msat / quote.amount_msat * PPM + risk_ppm(scene, source, target)
            fits_msat = fitting_msat(scene, source, target, min(quote.amount_msat, most_msat), asked_ppm)
            cost = (estimate_msat if draft else cost_msat)(answers, fits_msat)
            if fits_msat >= least_msat and cost is not None:
                found.append(price(scene, source, target, fits_msat, cost / fits_msat * PPM))
    gaining = [one for one in found if one.gain_ppm > 0]
    return sorted(gaining, key=lambda one: (-one.gain_msat, one.offer.source.channel_id, one.amount_msat))


def price(scene: Scene, source: Channel, target: Channel, amount_msat: int, route_ppm: float) -> Priced:
    """Given a pair, an amount and what a route costs, return what it comes to, good or bad."""
    chance = scene.chance(target, amount_msat)
    found = offer_of(scene, source, target, amount_msat, chance)
    income_ppm, sale_ppm = scene.income_ppm(target), scene.sale_ppm(target)
    # Two things may be earned: by a sale here, and by the room that the source gains. Together they are one bet.
    low_ppm = sale_low_ppm(chance, sale_ppm) + room_low_ppm(scene, source, found.source_ppm)
    room = scene.room(source) if found.source_ppm < 0 else None
    most_ppm = max(sale_ppm, 0.0) + (room.income_ppm if room is not None else 0.0)
    bet = stake(low_ppm / most_ppm if most_ppm > 0 else 0.0, most_ppm, route_ppm + max(found.source_ppm, 0.0))
    entries_ppm = income_ppm - sale_ppm
    return Priced(found, amount_msat, route_ppm, income_ppm, entries_ppm, chance, bet, room, low_ppm, most_ppm)
