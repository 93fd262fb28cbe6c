"""Decides on one target after the other, each as the jobs before it leave the scene."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from revops.decide.rebalance import wording
from revops.decide.rebalance.decided import Stakes, job, put_off, skip, terms_of
from revops.decide.rebalance.moves import Move
from revops.decide.rebalance.priced import Priced, Question, Quotes, cost_msat, estimate_msat, price, priced_offers
from revops.decide.rebalance.scene import Scene
from revops.decide.rebalance.survey import Candidate
from revops.domain.channel import Channel
from revops.domain.decision import Outcome, RebalanceDecision
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.rebalance import SourceOffer
from revops.domain.units import MSAT_PER_SAT, PPM, sat_floor

#: A draft cuts a job to so much of its stake: what is estimated may be a little dearer.
DRAFT_RATIO: Final = 0.99


class Writer:
    """Decides on one target after the other; `scene` is what the jobs so far leave. A draft rests on estimates."""

    def __init__(self, scene: Scene, quotes: Quotes, suspended: tuple[Reason, ...], *, draft: bool = False) -> None:
        self.scene, self.quotes, self.suspended, self.draft = scene, quotes, suspended, draft
        self.left_msat = max(scene.snapshot.budget_left_msat, 0)
        self.targets: set[str] = set()
        self.sources: set[str] = set()
        #: The channels that the last decision made part of a job.
        self.moved: frozenset[str] = frozenset()
        self.job_count = 0
        self.firsts: list[Question] = []
        self.stand_ins: list[Question] = []

    def decide_all(self, candidates: Sequence[Candidate]) -> tuple[RebalanceDecision, ...]:
        """Decide on all targets, the one that gains the most first, as the jobs before it leave it."""
        waiting, rest = {}, []
        for one in sorted(candidates, key=lambda one: one.target.channel_id):
            priced = self._priced(one)
            if priced:
                waiting[one.target.channel_id] = (one, priced)
            else:
                rest.append(one)
        decided: list[RebalanceDecision] = []
        while waiting:
            name = min(waiting, key=lambda name: _rank(*waiting[name]))
            decided.append(self._decide(*waiting.pop(name), had_offers=True))
            waiting |= {
                other: (one, self._priced(one)) for other, (one, priced) in waiting.items() if self._moved(one, priced)
            }
            self.moved = frozenset()
        return (*decided, *(self._decide(one, (), had_offers=False) for one in rest))

    def _moved(self, candidate: Candidate, priced: Sequence[Priced]) -> bool:
        """Whether the last decision has changed what a target is offered."""
        names = {candidate.target.channel_id, *(one.offer.source.channel_id for one in priced)}
        return not self.moved.isdisjoint(names)

    def _priced(self, candidate: Candidate) -> list[Priced]:
        if candidate.obstacle is not None or candidate.target.channel_id in self.sources:
            return []
        found = priced_offers(self.scene, candidate, self.quotes, draft=self.draft)
        return [one for one in found if one.offer.source.channel_id not in self.targets]

    def _decide(self, candidate: Candidate, priced: Sequence[Priced], *, had_offers: bool) -> RebalanceDecision:
        """Decide on one target; what its job takes is gone for those after it."""
        target, policy = candidate.target, self.scene.policy
        if candidate.obstacle is not None:
            return skip(target, candidate.obstacle)
        if target.channel_id in self.sources:
            return skip(target, why(ReasonCode.TAKEN))
        if not priced:
            return skip(target, why(ReasonCode.SOURCES_TAKEN)) if had_offers else self._unpriced(candidate)
        best = priced[0]
        refused = self._refused(best)
        if refused is not None:
            return skip(target, refused)
        if self.job_count >= policy.max_jobs_per_plan:
            return put_off(target, best, 0, why(ReasonCode.PLAN_FULL, job_count=self.job_count))
        return self._job(target, best, priced[1:])

    def _refused(self, one: Priced) -> Reason | None:
        """Why an offer isn't worth its price; None where it is."""
        if one.bet.kelly_ratio <= 0:
            return wording.no_stake(one)
        if one.quote_msat > one.limit_msat:
            return wording.above_worth(one.offer, math.ceil(one.route_ppm), self.scene.policy)
        least_sat = self.scene.policy.min_gain_sat
        if one.gain_msat < least_sat * MSAT_PER_SAT:
            return why(ReasonCode.GAIN_TOO_SMALL, gain_msat=max(one.gain_msat, 0), min_gain_sat=least_sat)
        return None

    def _job(self, target: Channel, best: Priced, others: Sequence[Priced]) -> RebalanceDecision:
        """The job, at what its stake buys; put off where that isn't the least amount."""
        scene = self.scene
        kelly_msat, earned_msat = self._stakes(target, best)
        chosen = self._within_stake(target, best, others)
        if chosen is None:
            stake_msat = min(kelly_msat, earned_msat)
            return put_off(target, best, stake_msat, self._too_small(target, best, kelly_msat, earned_msat))
        stake_msat = min(self._stakes(target, chosen))
        if self.suspended:
            return put_off(target, chosen, stake_msat, *self.suspended)
        offers = [self._source(target, chosen)]
        for one in self._stand_ins(target, chosen, others):
            offer = self._source(target, one)
            if 0 < offer.max_fee_msat >= (offer.quoted_fee_msat or 0) and len(offers) < scene.policy.max_sources:
                offers.append(offer)
                self.stand_ins.append(Question(one.offer.source, target, one.amount_msat, one.limit_msat))
        most_msat = max(one.max_fee_msat for one in offers)
        terms = terms_of(target, chosen, best.amount_msat, Stakes(stake_msat, self.left_msat), scene)
        decision = job(target, chosen, terms, most_msat, tuple(offers))
        self.firsts.append(Question(chosen.offer.source, target, chosen.amount_msat, chosen.limit_msat))
        self.job_count += 1
        self.left_msat -= most_msat
        self.targets.add(target.channel_id)
        self.sources |= {one.channel_id for one in offers}
        self.moved = frozenset({target.channel_id, *(one.channel_id for one in offers)})
        self.scene = scene.after(Move(offers[0].channel_id, target.channel_id, chosen.amount_msat, most_msat))
        return decision

    def _within_stake(self, target: Channel, best: Priced, others: Sequence[Priced]) -> Priced | None:
        """The best offer whose price is staked on it; in a draft the best one, cut to its stake. None where none is."""
        for one in (best, *others):
            stake_msat = min(self._stakes(target, one))
            # Nothing is staked also where the route would be free: what it costs in the end isn't known yet.
            if stake_msat <= 0 or self._refused(one) is not None:
                continue
            if one.quote_msat <= stake_msat:
                return one
            if self.draft:
                return self._cut(target, one, stake_msat)
        return None

    def _cut(self, target: Channel, one: Priced, stake_msat: int) -> Priced | None:
        """An offer at no more than its stake should buy; None where that is less than the least amount."""
        answers = self.quotes[one.offer.source.channel_id, target.channel_id]
        least_msat, low_msat, high_msat = self.scene.least_msat(target), 0, one.amount_msat
        while high_msat - low_msat > MSAT_PER_SAT:
            middle_msat = (low_msat + high_msat) // 2
            cost = estimate_msat(answers, middle_msat)
            fits = cost is not None and cost <= DRAFT_RATIO * stake_msat
            low_msat, high_msat = (middle_msat, high_msat) if fits else (low_msat, middle_msat)
        amount_msat = low_msat // MSAT_PER_SAT * MSAT_PER_SAT
        cost = estimate_msat(answers, amount_msat)
        if amount_msat < least_msat or cost is None:
            return None
        return price(self.scene, one.offer.source, target, amount_msat, cost / amount_msat * PPM)

    def _stand_ins(self, target: Channel, chosen: Priced, others: Sequence[Priced]) -> list[Priced]:
        """The other sources that could give the amount at a price that it is worth, best first."""
        names = {one.offer.source.channel_id: one.offer.source for one in others}
        names.pop(chosen.offer.source.channel_id, None)
        found: list[Priced] = []
        for name, source in names.items():
            answers = self.quotes[name, target.channel_id]
            cost = (estimate_msat if self.draft else cost_msat)(answers, chosen.amount_msat)
            if cost is None or self.scene.spare_msat(source) < chosen.amount_msat:
                continue
            one = price(self.scene, source, target, chosen.amount_msat, cost / chosen.amount_msat * PPM)
            if self._refused(one) is None:
                found.append(one)
        return sorted(found, key=lambda one: (-one.gain_msat, one.offer.source.channel_id))

    def _stakes(self, target: Channel, one: Priced) -> tuple[int, int]:
        """What Kelly stakes on an offer of what the budget has left, and what its own two ends have earned for it: who
        stands in for another source has not earned what that one's room has.
        """
        kelly_msat = one.bet.amount_msat(self.scene.policy.kelly_fraction, self.left_msat)
        return kelly_msat, earned_msat(self.scene, target, one)

    def _source(self, target: Channel, one: Priced) -> SourceOffer:
        """The most that a route may cost is what the liquidity is worth, and no more than is staked at that price."""
        source = one.offer.source
        earned = earned_msat(self.scene, target, one)
        most_msat = one.most_msat(self.scene.policy.kelly_fraction, self.left_msat, earned)
        return SourceOffer(source.channel_id, source.name, most_msat, one.quote_msat)

    def _too_small(self, target: Channel, best: Priced, kelly_msat: int, earned_msat: int) -> Reason:
        scene, policy = self.scene, self.scene.policy
        if earned_msat < kelly_msat:
            lots = scene.snapshot.lots.get(target.channel_id, ())
            return why(
                ReasonCode.EARNED_AT_STAKE,
                earned_sat=sat_floor(scene.flow(target).earned_msat),
                horizon_days=policy.horizon_days,
                unsold_sat=sat_floor(sum(max(lot.amount_msat - lot.sold_msat, 0) for lot in lots)),
                left_sat=sat_floor(earned_msat),
                min_sat=sat_floor(scene.least_msat(target)),
                route_ppm=round(best.route_ppm),
            )
        return why(
            ReasonCode.STAKE_TOO_SMALL,
            stake_sat=sat_floor(kelly_msat),
            left_sat=sat_floor(self.left_msat),
            min_sat=sat_floor(scene.least_msat(target)),
            route_ppm=round(best.route_ppm),
            kelly_percent=round(100 * best.bet.kelly_ratio),
        )

    def _unpriced(self, candidate: Candidate) -> RebalanceDecision:
        """No route is worth it: the one that came nearest, or that none was asked for."""
        target = candidate.target
        asked = [
            (one, quote)
            for one in candidate.offers
            for quote in self.quotes.get((one.source.channel_id, target.channel_id), ())
        ]
        if not asked:
            best = candidate.offers[0]
            return replace(skip(target, wording.not_quoted(best)), outcome=Outcome.DEFER)
        return skip(target, wording.too_dear(asked, self.scene.policy))


def earned_msat(scene: Scene, target: Channel, one: Priced) -> int:
    """Given a target and an offer for it, return what both ends have earned that isn't at stake yet: of the source's
    room no more than that is worth, or others' payments would pay for what is bought for this one.
    """
    if one.room is None:
        return scene.unstaked_msat(target)
    worth_msat = int(max(-one.offer.source_ppm, 0.0) * one.amount_msat / PPM)
    return scene.unstaked_msat(target) + min(one.room.left_msat, worth_msat)


def _rank(candidate: Candidate, priced: Sequence[Priced]) -> tuple[int, str]:
    return -priced[0].gain_msat if priced else 1, candidate.target.channel_id
