"""The reasons of jobs, and of what came near to being one, with all the numbers that led to them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from revops.decide.rebalance.bound import bound
from revops.decide.rebalance.offers import Offer
from revops.decide.rebalance.priced import Priced
from revops.domain.policy import RebalanceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.rebalance import Quote, RebalanceTerms, bet_chance_ratio
from revops.domain.units import PPM, ppm_of_ceil, sat_floor


def weighed(one: Priced, wanted_msat: int, terms: RebalanceTerms | None) -> tuple[Reason, ...]:
    """Given a priced offer, the amount before it was cut, and the terms of its job (None: it is put off), return all
    that its job rests on.
    """
    return (worth(one), purpose(one), *room(one), bet(one, wanted_msat, terms))


def worth(one: Priced) -> Reason:
    """Given a priced offer, return each term of its expected value."""
    found = one.offer
    return why(
        ReasonCode.WORTH,
        source=found.source.name,
        target_ppm=round(found.target_ppm),
        source_ppm=round(found.source_ppm),
        route_ppm=round(one.route_ppm),
        risk_ppm=round(found.risk_ppm),
        gain_ppm=round(one.gain_ppm),
        limit_ppm=found.limit_ppm,
        success_percent=round(100 * found.success_ratio),
    )


def purpose(one: Priced) -> Reason:
    """Given a priced offer, return what its refill is for: a sale here, room at its source, or both."""
    found = one.offer
    target_ppm, room_ppm = round(found.target_ppm), round(max(-found.source_ppm, 0.0))
    if target_ppm <= 0 < room_ppm:
        return why(ReasonCode.FOR_ROOM, source=found.source.name, room_ppm=room_ppm, target_ppm=target_ppm)
    room = f", and for room on {found.source.name}, worth {room_ppm:,} ppm" if room_ppm > 0 else ""
    return why(ReasonCode.FOR_SALE, target_ppm=target_ppm, room=room)


def bet(one: Priced, wanted_msat: int, terms: RebalanceTerms | None) -> Reason:
    """Given a priced offer, the amount before it was cut, and the terms of its job (None: it is put off), return the
    bet on its sale, what of it is staked, and what that did to the amount.
    """
    odds, share = one.bet.odds_ratio, one.bet.kelly_ratio
    if math.isinf(odds):
        return why(
            ReasonCode.KELLY_FREE,
            sale_percent=round(100 * one.chance.mean_ratio),
            low_percent=round(100 * one.chance.low_ratio),
            lot_count=round(one.chance.lot_count, 1),
            kelly_percent=round(100 * share),
            staked=_staked(terms),
            wanted_sat=sat_floor(wanted_msat),
            amount_sat=sat_floor(one.amount_msat),
        )
    return why(
        ReasonCode.KELLY,
        cost_ppm=round(one.route_ppm + max(one.offer.source_ppm, 0.0)),
        income_ppm=round(one.income_ppm),
        room=_beside(one),
        sale_percent=round(100 * one.chance.mean_ratio),
        low_percent=round(100 * one.chance.low_ratio),
        lot_count=round(one.chance.lot_count, 1),
        odds=round(min(odds, PPM), 2),
        p_percent=round(100 * bet_chance_ratio(odds, share)),
        kelly_percent=round(100 * share),
        staked=_staked(terms),
        wanted_sat=sat_floor(wanted_msat),
        amount_sat=sat_floor(one.amount_msat),
    )


def _beside(one: Priced) -> str:
    """What is taken off the income of a sale, and what comes to it, where either is anything."""
    parts = []
    if one.entries_ppm >= 0.5:
        parts.append(f", less {one.entries_ppm:,.0f} for the room that its payment takes")
    if one.room is not None:
        parts.append(f", plus {round(one.room.income_ppm):,} for the room at its source")
    return "".join([*parts, ","] if parts else [])


def _staked(terms: RebalanceTerms | None) -> str:
    if terms is None:
        return "of which kelly_fraction may be staked"
    fraction, stake_sat = terms.kelly_fraction, sat_floor(terms.stake_msat)
    return f"of which kelly_fraction = {fraction:g} is staked, {stake_sat:,} sat (no more than the channel has earned)"


def room(one: Priced) -> tuple[Reason, ...]:
    """Given a priced offer, return what the room that its source gains is good for, if it is wanted."""
    if one.room is None:
        return ()
    return (
        why(
            ReasonCode.ROOM,
            source=one.offer.source.name,
            room_ppm=round(one.room.income_ppm),
            low_percent=round(100 * one.room.low_ratio),
            left_sat=sat_floor(one.room.left_msat),
        ),
    )


def no_stake(one: Priced) -> Reason:
    """Given a priced offer that isn't worth a stake, return why."""
    return why(
        ReasonCode.KELLY_REFUSED,
        source=one.offer.source.name,
        income_ppm=round(one.income_ppm - one.entries_ppm),
        low_percent=round(100 * one.chance.low_ratio),
        cost_ppm=round(one.route_ppm + max(one.offer.source_ppm, 0.0)),
        dearest_ppm=int(one.low_ppm),
    )


def no_quote(one: Offer, message: str, policy: RebalanceConfig) -> Reason:
    """Given an offer, what the node said where it found no route, and the policy, return that there is none."""
    return why(
        ReasonCode.NO_QUOTE,
        source=one.source.name,
        limit_ppm=one.limit_ppm,
        target_ppm=round(one.target_ppm),
        source_ppm=round(one.source_ppm),
        bound=bound(one, policy),
        message=message,
    )


def too_dear(asked: Sequence[tuple[Offer, Quote]], policy: RebalanceConfig) -> Reason:
    """Given offers with what the node answered, of which none is worth it, and the policy, return what came nearest."""
    quoted = [(one, quote, ppm_of_ceil(quote.fee_msat, quote.amount_msat)) for one, quote in asked if quote.fee_msat]
    if not quoted:
        one, quote = asked[0]
        return no_quote(one, quote.message or "no route", policy)
    one, _quote, route_ppm = min(quoted, key=lambda found: (found[2] - found[0].limit_ppm, found[0].source.channel_id))
    return above_worth(one, route_ppm, policy)


def above_worth(one: Offer, route_ppm: int, policy: RebalanceConfig) -> Reason:
    """Given an offer, what a route costs, and the policy, return that this is more than it may."""
    return why(
        ReasonCode.ROUTE_ABOVE_WORTH,
        source=one.source.name,
        route_ppm=route_ppm,
        limit_ppm=one.limit_ppm,
        target_ppm=round(one.target_ppm),
        source_ppm=round(one.source_ppm),
        bound=bound(one, policy),
    )


def not_quoted(one: Offer, cause: str = "max_quotes routes are asked for at most, in turns") -> Reason:
    """Given an offer, and why no route was asked for, return that its price isn't known."""
    return why(ReasonCode.NOT_QUOTED, source=one.source.name, limit_ppm=one.limit_ppm, cause=cause)
