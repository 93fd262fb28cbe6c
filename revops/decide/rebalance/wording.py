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
    less = f", less {one.entries_ppm:,.0f} for the room that its payment takes," if one.entries_ppm >= 0.5 else ""
    return less + ("" if one.room is None else f", and its room {round(one.room.income_ppm):,},")


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


def too_dear(asked: Sequence[tuple[Offer, Quote]], policy: RebalanceConfig) -> Reason:
    """Given offers with what the node answered, of which none is worth it, and the policy, return what came nearest."""
    quoted = [(one, quote, ppm_of_ceil(quote.fee_msat, quote.amount_msat)) for one, quote in asked if quote.fee_msat]
    if not quoted:
        one, quote = asked[0]
        message = quote.message or "no route"
        return why(ReasonCode.NO_QUOTE, source=one.source.name, limit_ppm=one.limit_ppm, message=message)
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
