"""May a planned splice be begun now? It must be what a plan of this moment would do, too: a plan is made of the node as
it was, and since then the wallet may have shrunk, the feerate risen, or the channel begun to do well.

So a new plan is made, and what both say is done: the smaller amount, the lower limit of the feerate.
"""

from __future__ import annotations

from dataclasses import dataclass

from revops.decide.splice.cost import OUT_WEIGHT, in_weight, most_inputs, worst_msat
from revops.domain.channel import Channel
from revops.domain.decision import Outcome
from revops.domain.node import Wallet, WalletOutput
from revops.domain.policy import SpliceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.splice import SpliceDirection, SpliceJob, SplicePlan, SpliceScene, SpliceTerms
from revops.domain.units import MSAT_PER_SAT, sat_ceil, sat_floor


@dataclass(frozen=True, slots=True)
class Ready:
    """A splice that may be begun: how much, at which feerate, what it may cost at most, what the wallet must keep."""

    job: SpliceJob
    amount_sat: int
    perkw: int
    weight: int
    worst_msat: int
    reserve_msat: int


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
    amount_sat = min(job.amount_sat, now.amount_sat)
    weight = OUT_WEIGHT
    if job.direction is SpliceDirection.IN:
        weight = in_weight(most_inputs(_coins(scene.wallet), amount_sat * MSAT_PER_SAT, perkw))
    cost_msat = worst_msat(job.direction, weight, perkw)
    # What was planned and recorded is a promise: a plan of now may ask for less, never for more.
    most_msat = min(job.max_cost_msat, now.terms.max_cost_msat)
    if cost_msat > most_msat:
        return why(ReasonCode.SPLICE_COST_ROSE, cost_msat=cost_msat, max_cost_msat=most_msat, weight=weight)
    found = Ready(job, amount_sat, perkw, weight, cost_msat, scene.reserve_msat)
    return unpaid(found, scene.wallet) or found


def unpaid(found: Ready, wallet: Wallet) -> Reason | None:
    """Given a splice that may be begun, and the wallet as it is just before the node is asked, return what forbids it:
    coins may have come, of which the node draws more than were reckoned with, or gone. None where nothing does.
    """
    if found.job.direction is not SpliceDirection.IN:
        return None
    coins, amount_msat = _coins(wallet), found.amount_sat * MSAT_PER_SAT
    weight = in_weight(most_inputs(coins, amount_msat, found.perkw))
    if weight > found.weight:
        cost_msat = worst_msat(SpliceDirection.IN, weight, found.perkw)
        return why(ReasonCode.SPLICE_COST_ROSE, cost_msat=cost_msat, max_cost_msat=found.worst_msat, weight=weight)
    left_msat = sum(one.amount_msat for one in coins) - amount_msat - found.worst_msat
    if left_msat >= found.reserve_msat:
        return None
    return why(
        ReasonCode.SPLICE_WALLET_SHORT,
        free_sat=max(sat_floor(left_msat - found.reserve_msat) + found.amount_sat, 0),
        reserve_sat=sat_ceil(found.reserve_msat),
        wanted_sat=found.amount_sat,
    )


def _coins(wallet: Wallet) -> tuple[WalletOutput, ...]:
    return tuple(one for one in wallet.outputs if one.spendable)


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
