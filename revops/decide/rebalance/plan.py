"""With routes quoted by the node: which jobs are worth their price, how much, and at what price at most.

A job's amount is the least of: what gains at the quoted price, what the Kelly criterion stakes on its sale, and what
the budget still holds. Each of them is in its reasons, and what was refused says how much was missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from revops.decide.rebalance import wording
from revops.decide.rebalance.priced import Pair, Priced, price, priced_offers
from revops.decide.rebalance.scene import Scene
from revops.decide.rebalance.survey import Candidate
from revops.decide.rebalance.worthless import explained
from revops.domain.channel import Channel
from revops.domain.decision import Outcome, RebalanceDecision, RebalancePlan
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.rebalance import Quote, RebalanceTerms, SourceOffer
from revops.domain.units import MSAT_PER_SAT, PPM, sat_floor


def make_plan(
    candidates: Sequence[Candidate],
    scene: Scene,
    quotes: Mapping[Pair, Quote],
    suspended: tuple[Reason, ...] = (),
) -> RebalancePlan:
    """Given the candidates, what the node quoted for (source, target), and what suspends spending, return the plan.

    The job that gains the most comes first; each channel is a target or a source of one job at most, and all jobs
    together may cost no more than the budget that is left.
    """
    priced = [(one, priced_offers(scene, one, quotes)) for one in candidates]
    priced.sort(key=lambda pair: (-pair[1][0].gain_msat if pair[1] else 1, pair[0].target.channel_id))
    writer = _Writer(scene, quotes, suspended)
    decided = tuple(explained(scene, writer.decide(one, found)) for one, found in priced)
    return RebalancePlan(scene.now, scene.now + scene.policy.plan_lifetime_seconds, decided)


class _Writer:
    """Decides on one target after the other, and keeps in mind what is taken."""

    def __init__(self, scene: Scene, quotes: Mapping[Pair, Quote], suspended: tuple[Reason, ...]) -> None:
        self.scene, self.quotes, self.suspended = scene, quotes, suspended
        self.left_msat = max(scene.snapshot.budget_left_msat, 0)
        self.taken: set[str] = set()
        self.job_count = 0

    def decide(self, candidate: Candidate, priced: Sequence[Priced]) -> RebalanceDecision:
        """Decide on one target; what its job takes is gone for those after it."""
        target, policy = candidate.target, self.scene.policy
        if candidate.obstacle is not None:
            return _skip(target, candidate.obstacle)
        if not priced:
            return self._unpriced(candidate)
        free = [one for one in priced if one.offer.source.channel_id not in self.taken]
        if not free or target.channel_id in self.taken:
            return _skip(target, why(ReasonCode.TAKEN))
        best = free[0]
        if best.bet.kelly_ratio <= 0:
            return _skip(target, wording.no_stake(best))
        if best.quote_msat > best.limit_msat:
            return _skip(target, wording.above_worth(best.offer, math.ceil(best.route_ppm), policy))
        if best.gain_msat < policy.min_gain_sat * MSAT_PER_SAT:
            gain_msat = max(best.gain_msat, 0)
            return _skip(target, why(ReasonCode.GAIN_TOO_SMALL, gain_msat=gain_msat, min_gain_sat=policy.min_gain_sat))
        if self.job_count >= policy.max_jobs_per_plan:
            return _put_off(target, best, 0, why(ReasonCode.PLAN_FULL, job_count=self.job_count))
        return self._job(target, best, free[1:])

    def _job(self, target: Channel, best: Priced, others: Sequence[Priced]) -> RebalanceDecision:
        """The job, cut to its stake; put off where that doesn't buy the least amount."""
        scene, policy = self.scene, self.scene.policy
        kelly_msat, earned_msat = self._stakes(target, best)
        stake_msat = min(kelly_msat, earned_msat)
        cut = self._cut(target, best, stake_msat)
        if cut is None and earned_msat < kelly_msat:
            lots = scene.snapshot.lots.get(target.channel_id, ())
            reason = why(
                ReasonCode.EARNED_AT_STAKE,
                earned_sat=sat_floor(scene.flow(target).earned_msat),
                horizon_days=policy.horizon_days,
                unsold_sat=sat_floor(sum(max(lot.amount_msat - lot.sold_msat, 0) for lot in lots)),
                left_sat=sat_floor(earned_msat),
                min_sat=sat_floor(scene.least_msat(target)),
                route_ppm=round(best.route_ppm),
            )
            return _put_off(target, best, stake_msat, reason)
        if cut is None:
            reason = why(
                ReasonCode.STAKE_TOO_SMALL,
                stake_sat=sat_floor(stake_msat),
                left_sat=sat_floor(self.left_msat),
                min_sat=sat_floor(scene.least_msat(target)),
                route_ppm=round(best.route_ppm),
                kelly_percent=round(100 * best.bet.kelly_ratio),
            )
            return _put_off(target, best, stake_msat, reason)
        if self.suspended:
            return _put_off(target, cut, stake_msat, *self.suspended)
        able = [replace(one, amount_msat=cut.amount_msat) for one in others if one.amount_msat >= cut.amount_msat]
        stand_ins = [_source(one, min(*self._stakes(target, one), stake_msat)) for one in able]
        affordable = [one for one in stand_ins if 0 < one.max_fee_msat >= (one.quoted_fee_msat or 0)]
        offers = (_source(cut, stake_msat), *affordable[: policy.max_sources - 1])
        most_msat = max(one.max_fee_msat for one in offers)
        self.job_count += 1
        self.left_msat -= most_msat
        self.taken |= {target.channel_id, *(one.channel_id for one in offers)}
        return _decision(target, cut, _terms(cut, best.amount_msat, stake_msat, scene), most_msat, offers)

    def _stakes(self, target: Channel, one: Priced) -> tuple[int, int]:
        """What Kelly stakes on an offer of what the budget has left, and what its own two ends have earned for it: who
        stands in for another source has not earned what that one's room has.
        """
        room_msat = one.room.left_msat if one.room is not None else 0
        kelly_msat = one.bet.amount_msat(self.scene.policy.kelly_fraction, self.left_msat)
        return kelly_msat, self.scene.unstaked_msat(target) + room_msat

    def _cut(self, target: Channel, best: Priced, stake_msat: int) -> Priced | None:
        """The job at no more than its stake buys; None where that is less than the least amount."""
        if stake_msat <= 0:  # also where the route would be free: what it costs in the end isn't known yet
            return None
        if best.quote_msat <= stake_msat:
            return best
        amount_msat = int(stake_msat * PPM / best.route_ppm) // MSAT_PER_SAT * MSAT_PER_SAT
        if amount_msat < self.scene.least_msat(target):
            return None
        return price(self.scene, best.offer.source, target, amount_msat, best.route_ppm)

    def _unpriced(self, candidate: Candidate) -> RebalanceDecision:
        """No route is worth it: the one that came nearest, or that none was asked for."""
        target = candidate.target
        asked = [
            (one, quote)
            for one in candidate.offers
            if (quote := self.quotes.get((one.source.channel_id, target.channel_id))) is not None
        ]
        if not asked:
            best = candidate.offers[0]
            reason = why(ReasonCode.NOT_QUOTED, source=best.source.name, limit_ppm=best.limit_ppm)
            return replace(_skip(target, reason), outcome=Outcome.DEFER)
        return _skip(target, wording.too_dear(asked, self.scene.policy))


def _source(one: Priced, stake_msat: int) -> SourceOffer:
    """The most that a route may cost is what the liquidity is worth, and no more than is staked."""
    source = one.offer.source
    return SourceOffer(source.channel_id, source.name, min(one.limit_msat, stake_msat), one.quote_msat)


def _put_off(target: Channel, best: Priced, stake_msat: int, *reasons: Reason) -> RebalanceDecision:
    decision = _decision(target, best, None, min(best.limit_msat, stake_msat) if stake_msat else best.limit_msat, ())
    return replace(decision, outcome=Outcome.DEFER, reasons=(*decision.reasons, *reasons))


def _decision(
    target: Channel, best: Priced, terms: RebalanceTerms | None, most_msat: int, offers: tuple[SourceOffer, ...]
) -> RebalanceDecision:
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
        reasons=(wording.worth(best), *wording.room(best), wording.bet(best, wanted_msat, terms)),
        sources=offers,
        terms=terms,
    )


def _terms(best: Priced, wanted_msat: int, stake_msat: int, scene: Scene) -> RebalanceTerms:
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
        stake_msat=stake_msat,
        wanted_msat=wanted_msat,
        room_ppm=0.0 if best.room is None else round(best.room.income_ppm, 1),
        room_low_ratio=0.0 if best.room is None else round(best.room.low_ratio, 3),
        kelly_fraction=scene.policy.kelly_fraction,
    )


def _skip(target: Channel, reason: Reason) -> RebalanceDecision:
    return RebalanceDecision(target.channel_id, target.name, None, None, Outcome.SKIP, 0, 0, 0, (reason,))
