"""A stored job, judged once more by the scene of now as if it were planned now: a plan is a wish of a moment that has
passed. It may only be tightened: nothing that has become better since moves more, or makes a route dearer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from revops.decide.in_flight import short, supplied
from revops.decide.rebalance.obstacles import kept_out, permission_reason
from revops.decide.rebalance.offers import fitting_msat, last_hop_ppm, risk_ppm
from revops.decide.rebalance.priced import Priced, price
from revops.decide.rebalance.scene import Scene
from revops.decide.rebalance.survey import target_obstacle
from revops.decide.rebalance.writer import earned_msat
from revops.domain.channel import Channel
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.rebalance import RebalanceTerms, SourceOffer
from revops.domain.record import JobRecord
from revops.domain.units import MSAT_PER_SAT, PPM, ppm_of, sat_floor

#: What is no news of a target that gets liquidity by a splice.
_SUPPLIED: Final = frozenset({ReasonCode.FULL_ENOUGH, ReasonCode.WORTH_GONE, ReasonCode.GAIN_TOO_SMALL})


@dataclass(frozen=True, slots=True)
class _Judged:
    """A source's offer of now, with what it was planned at."""

    planned: SourceOffer
    now: Priced


def judge(scene: Scene, job: JobRecord) -> JobRecord | Reason:
    """Given the scene of now and a job as it is stored, return it with the amount, sources and limits that still hold,
    none above the stored ones; or why it gains nothing any more, with the figures: where a splice has been begun that
    brings to the target what it needs, that.

    The waits after failures don't count: another attempt by another way is part of the job. Of one that was stored
    without its terms there is nothing to judge but who may take part.
    """
    target = scene.channel(job.target_channel_id)
    if job.terms is None:
        return _permitted(scene, job)
    if target is None:
        return why(ReasonCode.NOT_USABLE, state="the target is gone")
    found = _judged(scene, job, job.terms, target)
    if isinstance(found, Reason) and found.code in _SUPPLIED and target.coming_msat > 0:
        return supplied(target, scene.worth(target).at_ppm(target.spendable_after_msat))
    return found


def _judged(scene: Scene, job: JobRecord, terms: RebalanceTerms, target: Channel) -> JobRecord | Reason:
    obstacle = target_obstacle(scene, target)
    if obstacle is not None:
        return obstacle
    found = [_at_source(scene, job, planned, target) for planned in job.sources]
    judged = [one for one in found if isinstance(one, _Judged)]
    if not judged:
        return next((one for one in found if isinstance(one, Reason)), why(ReasonCode.NO_SOURCE))
    best = max(judged, key=lambda one: one.now.gain_msat)
    return _tightened(scene, job, terms, target, best.now.amount_msat, judged)


def _permitted(scene: Scene, job: JobRecord) -> JobRecord | Reason:
    def out(channel_id: str, side: str) -> Reason | None:
        permission = scene.snapshot.permissions.get(channel_id, "both")
        return permission_reason(permission, side) or scene.snapshot.unstable.get(channel_id)

    forbidden = out(job.target_channel_id, "target")
    if forbidden is not None:
        return forbidden
    reasons = [out(one.channel_id, "source") for one in job.sources]
    left = tuple(one for one, reason in zip(job.sources, reasons, strict=True) if reason is None)
    refused = next((reason for reason in reasons if reason is not None), why(ReasonCode.NO_SOURCE))
    return replace(job, sources=left) if left else refused


def _at_source(scene: Scene, job: JobRecord, planned: SourceOffer, target: Channel) -> _Judged | Reason:
    """What a source still promises, at the price that was quoted for the plan: the node is asked again before a payment
    is sent.
    """
    source = scene.channel(planned.channel_id)
    if source is None:
        return why(ReasonCode.NOT_USABLE, state="the source is gone")
    obstacle = kept_out(source, "source", scene.snapshot)
    if obstacle is not None:
        return obstacle
    room_msat, spare_msat, least_msat = scene.room_msat(target), scene.spare_msat(source), scene.least_msat(target)
    most_msat = min(job.amount_msat, room_msat, spare_msat) // MSAT_PER_SAT * MSAT_PER_SAT
    if most_msat < least_msat:
        side = "the source" if spare_msat < room_msat else "the target"
        narrow = source if spare_msat < room_msat else target
        return short(narrow, side, min(room_msat, spare_msat), max(least_msat, job.amount_msat))
    quoted_ppm = (planned.quoted_fee_msat or 0) / max(job.amount_msat, 1) * PPM
    route_ppm = max(quoted_ppm, last_hop_ppm(target, most_msat))
    cost_ppm = route_ppm + risk_ppm(scene, source, target)
    amount_msat = fitting_msat(scene, source, target, most_msat, cost_ppm)
    one = price(scene, source, target, max(amount_msat, least_msat), route_ppm)
    if amount_msat < least_msat or one.limit_msat <= 0 or one.gain_msat <= 0:
        return _gone(job, planned, one)
    least_sat = scene.policy.min_gain_sat
    if one.gain_msat < least_sat * MSAT_PER_SAT:
        return why(ReasonCode.GAIN_TOO_SMALL, gain_msat=one.gain_msat, min_gain_sat=least_sat)
    return _Judged(planned, one)


def _tightened(
    scene: Scene, job: JobRecord, terms: RebalanceTerms, target: Channel, amount_msat: int, judged: list[_Judged]
) -> JobRecord | Reason:
    """The job at an amount, with those of its sources that can give it and what each may cost."""
    offers: list[SourceOffer] = []
    stakes_msat: list[int] = []
    refused: Reason | None = None
    fraction, left_msat = scene.policy.kelly_fraction, scene.snapshot.budget_left_msat
    for one in judged:
        source = one.now.offer.source
        if scene.spare_msat(source) < amount_msat:
            continue
        now = price(scene, source, target, amount_msat, one.now.route_ppm)
        earned = earned_msat(scene, target, now)
        # A smaller amount may cost no more by the sat than was planned.
        planned_msat = one.planned.max_fee_msat * amount_msat // max(job.amount_msat, 1)
        limit_msat = min(planned_msat, now.most_msat(fraction, left_msat, earned))
        if limit_msat <= 0 or limit_msat * PPM < now.offer.last_hop_ppm * amount_msat:
            worth_it = now.offer.limit_ppm >= max(now.offer.last_hop_ppm, 1)
            gone = _no_stake(job, one.planned, now, limit_msat, left_msat) if worth_it else _gone(job, one.planned, now)
            refused = refused or gone
            continue
        quoted = one.planned.quoted_fee_msat
        # In proportion: it tells the next judgement what a sat should cost, and the node is asked before one is sent.
        quoted_msat = None if quoted is None else -(-quoted * amount_msat // max(job.amount_msat, 1))
        offers.append(replace(one.planned, max_fee_msat=limit_msat, quoted_fee_msat=quoted_msat))
        stakes_msat.append(min(now.bet.amount_msat(fraction, left_msat), earned))
    if not offers:
        return refused or why(ReasonCode.NO_SOURCE)
    return replace(
        job,
        amount_msat=amount_msat,
        max_fee_msat=min(job.max_fee_msat, max(one.max_fee_msat for one in offers)),
        sources=tuple(offers),
        terms=replace(terms, stake_msat=min(terms.stake_msat, *stakes_msat)),
    )


def _gone(job: JobRecord, planned: SourceOffer, one: Priced) -> Reason:
    return why(
        ReasonCode.WORTH_GONE,
        source=planned.name,
        target_ppm=round(one.offer.target_ppm),
        source_ppm=round(one.offer.source_ppm),
        risk_ppm=round(one.offer.risk_ppm),
        route_ppm=round(one.route_ppm),
        limit_ppm=one.offer.limit_ppm,
        planned_ppm=ppm_of(planned.max_fee_msat, job.amount_msat),
    )


def _no_stake(job: JobRecord, planned: SourceOffer, one: Priced, limit_msat: int, left_msat: int) -> Reason:
    if left_msat <= 0:
        return why(ReasonCode.NOTHING_LEFT)
    return why(
        ReasonCode.STAKE_GONE,
        source=planned.name,
        limit_msat=limit_msat,
        left_sat=sat_floor(max(left_msat, 0)),
        kelly_percent=round(100 * one.bet.kelly_ratio),
        last_hop_ppm=round(one.offer.last_hop_ppm),
        planned_msat=planned.max_fee_msat,
    )
