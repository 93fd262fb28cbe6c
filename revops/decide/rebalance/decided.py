"""Jobs and skips as the plan holds them: a priced offer with its terms and reasons."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from revops.decide.in_flight import notes
from revops.decide.rebalance import wording
from revops.decide.rebalance.offers import fitting_msat
from revops.decide.rebalance.priced import Priced
from revops.decide.rebalance.scene import Scene
from revops.domain.channel import Channel
from revops.domain.decision import Outcome, RebalanceDecision
from revops.domain.reason import Reason
from revops.domain.rebalance import RebalanceTerms, SourceOffer
from revops.domain.units import MSAT_PER_SAT, PPM


class Stakes(NamedTuple):
    """What is staked on a job at most, and what the budget had left for it."""

    stake_msat: int
    left_msat: int


def put_off(target: Channel, best: Priced, stake_msat: int, *reasons: Reason) -> RebalanceDecision:
    """Given a target, its best offer, what is staked on it (0: that isn't known) and why it waits, return that."""
    decision = job(target, best, None, min(best.limit_msat, stake_msat) if stake_msat else best.limit_msat, ())
    return replace(decision, outcome=Outcome.DEFER, reasons=(*decision.reasons, *reasons))


def job(
    target: Channel, best: Priced, terms: RebalanceTerms | None, most_msat: int, offers: tuple[SourceOffer, ...]
) -> RebalanceDecision:
    """Given a target, the offer that is taken, its terms, the most that it may cost and who may pay, return the job."""
    wanted_msat = best.amount_msat if terms is None else terms.wanted_msat
    return RebalanceDecision(
        target_channel_id=target.channel_id,
        target_name=target.name,
        source_channel_id=best.offer.source.channel_id,
        source_name=best.offer.source.name,
        outcome=Outcome.CHANGE,
        amount_msat=best.amount_msat,
        max_fee_msat=most_msat,
        expected_gain_msat=best.gain_msat,
        reasons=(*wording.weighed(best, wanted_msat, terms), *notes(target)),
        sources=offers,
        terms=terms,
    )


def terms_of(target: Channel, best: Priced, wanted_msat: int, stakes: Stakes, scene: Scene) -> RebalanceTerms:
    """Given a target, the offer that is taken, the amount before it was cut, what is staked on it and the scene before
    it, return what the plan weighed.
    """
    one = best.offer
    return RebalanceTerms(
        target_ppm=round(one.target_ppm, 1),
        source_ppm=round(one.source_ppm, 1),
        route_ppm=round(best.route_ppm, 1),
        risk_ppm=round(one.risk_ppm, 1),
        gain_ppm=round(best.gain_ppm, 1),
        income_ppm=round(best.income_ppm, 1),
        sale_ratio=round(best.chance.mean_ratio, 3),
        sale_low_ratio=round(best.chance.low_ratio, 3),
        lot_count=round(best.chance.lot_count, 1),
        horizon_days=scene.policy.horizon_days,
        odds_ratio=round(min(best.bet.odds_ratio, PPM), 3),
        kelly_ratio=round(best.bet.kelly_ratio, 3),
        stake_msat=stakes.stake_msat,
        wanted_msat=wanted_msat,
        room_ppm=0.0 if best.room is None else round(best.room.income_ppm, 1),
        room_low_ratio=0.0 if best.room is None else round(best.room.low_ratio, 3),
        kelly_fraction=scene.policy.kelly_fraction,
        entries_ppm=round(best.entries_ppm, 1),
        left_msat=stakes.left_msat,
        success_ratio=round(one.success_ratio, 3),
        limited_by=_amount_bound(scene, target, best, wanted_msat),
    )


def _amount_bound(scene: Scene, target: Channel, taken: Priced, wanted_msat: int) -> str:
    """Given the scene before a job, its target, the offer that is taken, and the amount before it was cut to its stake,
    return what sets the amount; "" where none of the bounds does by now: a quote was asked for before they moved.
    """
    if taken.amount_msat < wanted_msat:
        return "what the stake buys"
    source = taken.offer.source
    bounds_msat = scene.room_bounds_msat(target) | {
        f"what {source.name} has to spare (low_ratio)": scene.spare_msat(source)
    }
    name, least_msat = min(bounds_msat.items(), key=lambda item: item[1])
    if taken.amount_msat + MSAT_PER_SAT > least_msat:
        return name
    fits_msat = fitting_msat(scene, source, target, least_msat, taken.route_ppm + taken.offer.risk_ppm)
    return "that a further sat gains too little" if taken.amount_msat >= fits_msat else ""


def skip(target: Channel, reason: Reason) -> RebalanceDecision:
    """Given a target and why it isn't filled, return that."""
    reasons = (reason, *notes(target))
    return RebalanceDecision(target.channel_id, target.name, None, None, Outcome.SKIP, 0, 0, 0, reasons)
