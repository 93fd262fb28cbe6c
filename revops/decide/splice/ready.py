"""May a planned splice be begun now? It must be what a plan of this moment would do, too: a plan is made of the node as
it was, and since then the wallet may have shrunk, the feerate risen, or the channel begun to do well.

So a new plan is made, and what both say is done: the smaller amount, the lower limit of the feerate.
"""

from __future__ import annotations

from dataclasses import dataclass

from revops.decide.splice.cost import OUT_WEIGHT, in_weight, most_inputs, worst_msat
from revops.domain.channel import Channel
from revops.domain.decision import Outcome
from revops.domain.policy import SpliceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.splice import SpliceDirection, SpliceJob, SplicePlan, SpliceScene, SpliceTerms
from revops.domain.units import MSAT_PER_SAT, sat_ceil, sat_floor


@dataclass(frozen=True, slots=True)
class Ready:
    """A splice that may be begun: how much, at which feerate, and what it may cost at most."""

    job: SpliceJob
    amount_sat: int
    perkw: int
    weight: int
    worst_msat: int


def ready(job: SpliceJob, plan: SplicePlan, scene: SpliceScene, policy: SpliceConfig) -> Ready | Reason:
    """Given a planned splice, the plan of this moment and what it was made of, return what may be begun, or why
    nothing may.
    """
    now = _of_now(job, plan, scene)
    if isinstance(now, Reason):
        return now
    perkw = scene.now_perkw
    if not perkw:
        return why(ReasonCode.SPLICE_NO_ESTIMATE)
    limit_perkw = min(job.max_feerate_perkw, now.terms.max_feerate_perkw, policy.max_feerate_perkw)
    if perkw > limit_perkw:
        return why(ReasonCode.SPLICE_FEERATE_ROSE, perkw=perkw, max_perkw=limit_perkw)
    outputs = [one for one in scene.wallet.outputs if one.spendable]
    amount_sat = min(job.amount_sat, now.amount_sat)
    weight = OUT_WEIGHT
    if job.direction is SpliceDirection.IN:
        weight = in_weight(most_inputs(outputs, amount_sat * MSAT_PER_SAT, perkw))
    cost_msat = worst_msat(job.direction, weight, perkw)
    # What was planned and recorded is a promise: a plan of now may ask for less, never for more.
    most_msat = min(job.max_cost_msat, now.terms.max_cost_msat)
    if cost_msat > most_msat:
        return why(ReasonCode.SPLICE_COST_ROSE, cost_msat=cost_msat, max_cost_msat=most_msat, weight=weight)
    if job.direction is SpliceDirection.IN:
        left_msat = sum(one.amount_msat for one in outputs) - amount_sat * MSAT_PER_SAT - cost_msat
        if left_msat < scene.reserve_msat:
            return why(
                ReasonCode.SPLICE_WALLET_SHORT,
                free_sat=max(sat_floor(left_msat - scene.reserve_msat) + amount_sat, 0),
                reserve_sat=sat_ceil(scene.reserve_msat),
                wanted_sat=amount_sat,
            )
    return Ready(job, amount_sat, perkw, weight, cost_msat)


@dataclass(frozen=True, slots=True)
class _OfNow:
    amount_sat: int
    terms: SpliceTerms


def _of_now(job: SpliceJob, plan: SplicePlan, scene: SpliceScene) -> _OfNow | Reason:
    """What a plan of this moment would do on the same channel, or why it wouldn't."""
    if job.expires_at <= scene.taken_at:
        lifetime_minutes = round((job.expires_at - job.created_at) / 60)
        age_minutes = round((scene.taken_at - job.created_at) / 60)
        return why(ReasonCode.PLAN_EXPIRED, age_minutes=age_minutes, lifetime_minutes=lifetime_minutes)
    now = next((one for one in plan.decisions if one.channel_id == job.channel_id), None)
    if now is None:
        return why(ReasonCode.SPLICE_GONE)
    if now.outcome is not Outcome.CHANGE or now.terms is None:
        # What keeps it from that: of a channel that is skipped it stands first, of a splice that waits last.
        return now.reasons[0 if now.outcome is Outcome.SKIP else -1]
    if now.direction is not job.direction:
        return why(ReasonCode.SPLICE_NO_MORE)
    return _OfNow(now.amount_sat, now.terms)


def obstacle(channel: Channel | None) -> Reason | None:
    """Given the channel as the node has it just before it is asked, return what forbids that; None where nothing does.

    Of a splice in flight lightningd lets go, and of the connection, when it is asked for another: nothing may be asked
    of a channel that has one.
    """
    if channel is None:
        return why(ReasonCode.SPLICE_GONE)
    if channel.splicing:
        return why(ReasonCode.SPLICE_UNDER_WAY)
    if not channel.usable:
        return why(ReasonCode.NOT_USABLE, state=channel.state if channel.connected else "peer is not connected")
    return None
