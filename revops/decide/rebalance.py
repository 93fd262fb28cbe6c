"""`rebalance plan`, decided: which channel is worth refilling, out of which, how much, and at what price at most.

A refill is worth it only against income that was realised. Per sat that moves from a source to a target:

    gain_ppm = income_ppm(target) - opportunity_ppm(source) - route price

`income_ppm` is what forwards out of a channel earned per sat in the horizon, and the amount is at most what they
moved in it: liquidity that nobody has bought is not bought for them. `opportunity_ppm` is the source's own income,
weighted by the share of its liquidity that the horizon used. Posted fees don't enter: an earlier tool priced refills
by them and lost. The price of the route is found and checked again at execution; here it gets its ceiling. One part of
it is known beforehand, what the target's peer asks for the last hop: where that alone passes the ceiling, nothing is
tried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from revops.decide.occupancy import left_alone
from revops.domain.channel import Channel
from revops.domain.decision import Outcome, RebalanceDecision, RebalancePlan
from revops.domain.forward import Flow
from revops.domain.policy import RebalanceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import PairHistory, RebalanceSnapshot
from revops.domain.units import (
    MSAT_PER_SAT,
    PPM,
    forward_fee_msat,
    ppm_of,
    ppm_of_ceil,
    sat_ceil,
    sat_floor,
    share_msat,
)

#: Left on a channel for the commitment fee and for other payments while ours is under way.
MARGIN_SHARE: Final = 50
#: The wait after a failure doubles this many times at most.
MOST_DOUBLINGS: Final = 6
_IDLE: Final = Flow()


@dataclass(frozen=True, slots=True)
class _Pair:
    """A target with one possible source, and what that promises."""

    source: Channel
    amount_msat: int
    max_fee_ppm: int
    gain_msat: int
    last_hop_msat: int

    @property
    def max_fee_msat(self) -> int:
        return share_msat(self.amount_msat, self.max_fee_ppm)

    @property
    def too_dear(self) -> bool:
        """Whether the target's peer alone asks more than the refill may cost."""
        return self.last_hop_msat > self.max_fee_msat


def plan_rebalances(
    snapshot: RebalanceSnapshot, policy: RebalanceConfig, suspended: tuple[Reason, ...] = ()
) -> RebalancePlan:
    """Given a snapshot, the policy and what suspends spending, return the jobs that are worth their price.

    The most profitable targets choose first; each channel takes part in one job at most, and all jobs together cost
    no more than the budget that is left. The plan depends on nothing but the arguments.
    """
    now = snapshot.view.taken_at
    chosen: list[RebalanceDecision] = []
    busy = _occupied(snapshot)
    left_msat = snapshot.budget_left_msat
    channels_of_peer = Counter(channel.peer_id for channel in snapshot.view.channels if channel.live)
    for target in _by_income(snapshot):
        decision = _decide_target(target, snapshot, policy, busy, left_msat, channels_of_peer)
        if decision.outcome is Outcome.CHANGE:
            job_count = sum(1 for earlier in chosen if earlier.outcome is Outcome.CHANGE)
            if job_count >= policy.max_jobs_per_plan:
                decision = _with(decision, Outcome.DEFER, why(ReasonCode.PLAN_FULL, job_count=job_count))
            elif suspended:
                decision = _with(decision, Outcome.DEFER, *suspended)
            else:
                left_msat -= decision.max_fee_msat
            for channel_id in (decision.target_channel_id, decision.source_channel_id or ""):
                busy[channel_id] = why(ReasonCode.TAKEN)
        chosen.append(decision)
    return RebalancePlan(now, now + policy.plan_lifetime_seconds, tuple(chosen))


def _occupied(snapshot: RebalanceSnapshot) -> dict[str, Reason]:
    """The channels that take part in no job, and why: congested, or a payment of ours is under way on it."""
    occupied: dict[str, Reason] = {}
    for channel in snapshot.view.channels:
        since_at = snapshot.congested_since.get(channel.channel_id)
        congested = left_alone(channel, since_at, snapshot.view.taken_at)
        if congested is not None:
            occupied[channel.channel_id] = congested
    return occupied | dict.fromkeys(snapshot.in_flight, why(ReasonCode.IN_FLIGHT))


def pair_cooldown_seconds(history: PairHistory | None, policy: RebalanceConfig) -> float:
    """Given the failures of a pair, return how long after the last one it is left alone; 0 without failures."""
    if history is None or history.failure_count <= 0:
        return 0.0
    return policy.cooldown_seconds * 2.0 ** min(history.failure_count - 1, MOST_DOUBLINGS)


def _by_income(snapshot: RebalanceSnapshot) -> list[Channel]:
    """Live channels, the best earners first."""

    def key(channel: Channel) -> tuple[int, str]:
        return -snapshot.flows.get(channel.channel_id, _IDLE).earned_msat, channel.channel_id

    return sorted((channel for channel in snapshot.view.channels if channel.live), key=key)


def _decide_target(
    target: Channel,
    snapshot: RebalanceSnapshot,
    policy: RebalanceConfig,
    busy: Mapping[str, Reason],
    left_msat: int,
    channels_of_peer: Counter[str],
) -> RebalanceDecision:
    """One target's decision, before the plan's own limits."""
    flow = snapshot.flows.get(target.channel_id, _IDLE)
    obstacle = _not_permitted(target, snapshot.permissions, "target") or _target_obstacle(
        target, flow, policy, busy, channels_of_peer
    )
    if obstacle is not None:
        return _skip(target, obstacle)
    income_ppm = ppm_of(flow.earned_msat, flow.out_msat)
    wanted_msat = _wanted_msat(target, flow, policy)
    least_msat = _least_msat(target, policy)
    if wanted_msat < least_msat:
        return _skip(target, _too_small(wanted_msat, least_msat))
    cooling: list[tuple[int, int]] = []
    pairs: list[_Pair] = []
    for source in snapshot.view.channels:
        if not _may_give(source, target, policy, busy, channels_of_peer):
            continue
        if _not_permitted(source, snapshot.permissions, "source") is not None:
            continue
        waits = _waits(snapshot, source, target, policy)
        if waits is not None:
            cooling.append(waits)
            continue
        source_flow = snapshot.flows.get(source.channel_id, _IDLE)
        pair = _pair(source, source_flow, target, income_ppm, wanted_msat, least_msat, policy)
        if pair is not None:
            pairs.append(pair)
    best = min(pairs, key=lambda pair: (pair.too_dear, -pair.gain_msat, pair.source.channel_id), default=None)
    if best is None or best.too_dear:
        return _skip(target, _no_source(cooling, best))
    return _within_budget(target, best, flow, income_ppm, least_msat, left_msat, policy)


def _waits(
    snapshot: RebalanceSnapshot, source: Channel, target: Channel, policy: RebalanceConfig
) -> tuple[int, int] | None:
    """For how many minutes a pair is still left alone, and after how many failures; None if it may be tried."""
    history = snapshot.pair_history.get((source.channel_id, target.channel_id))
    if history is None:
        return None
    until_at = history.last_failed_at + pair_cooldown_seconds(history, policy)
    now = snapshot.view.taken_at
    return (round((until_at - now) / 60), history.failure_count) if now < until_at else None


def mode_reasons(policy: RebalanceConfig) -> tuple[Reason, ...]:
    """Given the policy, return why nothing is executed at all; empty where it may be."""
    reasons: list[Reason] = []
    if policy.mode != "act":
        reasons.append(why(ReasonCode.OBSERVE_MODE))
    if policy.executor == "none":
        reasons.append(why(ReasonCode.EXECUTOR_NONE))
    return tuple(reasons)


def _not_permitted(channel: Channel, permissions: Mapping[str, str], side: str) -> Reason | None:
    return permission_reason(permissions.get(channel.channel_id, "both"), side)


def permission_reason(permission: str, side: str) -> Reason | None:
    """Given what a rule lets a channel take part in as, and the side that it would be on ("source" or "target"), return
    why it may not; None if it may.
    """
    if permission in {"both", side}:
        return None
    return why(ReasonCode.NOT_PERMITTED, permission=permission, side=f"a {side}")


def _target_obstacle(
    target: Channel, flow: Flow, policy: RebalanceConfig, busy: Mapping[str, Reason], channels_of_peer: Counter[str]
) -> Reason | None:
    """Why a channel isn't refilled at all; None if it may be."""
    if not target.usable:
        return why(ReasonCode.NOT_USABLE, state=target.state if target.connected else "peer is not connected")
    if target.channel_id in busy:
        return busy[target.channel_id]
    if target.local_ratio >= policy.low_ratio:
        return why(
            ReasonCode.BALANCED,
            local_percent=round(target.local_ratio * 100),
            low_percent=round(policy.low_ratio * 100),
        )
    if channels_of_peer[target.peer_id] > 1:
        return why(ReasonCode.SEVERAL_CHANNELS, channel_count=channels_of_peer[target.peer_id])
    if flow.out_msat <= 0 or flow.earned_msat <= 0:
        return why(ReasonCode.NO_INCOME, horizon_days=policy.horizon_days)
    return None


def _wanted_msat(target: Channel, flow: Flow, policy: RebalanceConfig) -> int:
    """How much the target should get: up to the middle of the band, no more than the horizon sold, or than fits."""
    middle_ratio = (policy.low_ratio + policy.high_ratio) / 2
    missing_msat = int(target.capacity_msat * middle_ratio) - target.local_msat
    fits_msat = target.receivable_msat - target.capacity_msat // MARGIN_SHARE
    largest_msat = policy.max_amount_sat * MSAT_PER_SAT
    if target.remote_terms is not None:
        largest_msat = min(largest_msat, target.remote_terms.htlc_max_msat)
    wanted_msat = min(missing_msat, fits_msat, largest_msat, flow.out_msat)
    return max(wanted_msat, 0) // MSAT_PER_SAT * MSAT_PER_SAT


def _least_msat(target: Channel, policy: RebalanceConfig) -> int:
    """The least that is worth moving, and that the target's peer would forward; whole sat."""
    least_msat = policy.min_amount_sat * MSAT_PER_SAT
    if target.remote_terms is not None:
        least_msat = max(least_msat, sat_ceil(target.remote_terms.htlc_min_msat) * MSAT_PER_SAT)
    return least_msat


def _no_source(cooling: list[tuple[int, int]], dear: _Pair | None) -> Reason:
    """Why there is no source: of the pairs that cool down (wait in minutes, failures), the one that may try first; else
    a pair for which the last hop is too dear, if there is one.
    """
    if not cooling and dear is not None:
        return why(
            ReasonCode.LAST_HOP_TOO_DEAR,
            last_hop_ppm=ppm_of_ceil(dear.last_hop_msat, dear.amount_msat),
            max_fee_ppm=dear.max_fee_ppm,
        )
    if not cooling:
        return why(ReasonCode.NO_SOURCE)
    wait_minutes, failure_count = min(cooling)
    return why(ReasonCode.COOLING_DOWN, failure_count=failure_count, wait_minutes=wait_minutes)


def _may_give(
    source: Channel,
    target: Channel,
    policy: RebalanceConfig,
    busy: Mapping[str, Reason],
    channels_of_peer: Counter[str],
) -> bool:
    return (
        source.usable
        and source.peer_id != target.peer_id
        and source.channel_id not in busy
        and source.local_ratio > policy.high_ratio
        and channels_of_peer[source.peer_id] == 1
    )


def _pair(
    source: Channel,
    flow: Flow,
    target: Channel,
    income_ppm: int,
    wanted_msat: int,
    least_msat: int,
    policy: RebalanceConfig,
) -> _Pair | None:
    """What a source promises to a target; None where it has too little to give or where no price would pay."""
    above_msat = source.local_msat - int(source.capacity_msat * policy.high_ratio)
    spare_msat = min(above_msat, source.spendable_msat - source.capacity_msat // MARGIN_SHARE)
    amount_msat = min(wanted_msat, max(spare_msat, 0)) // MSAT_PER_SAT * MSAT_PER_SAT
    if amount_msat < least_msat:
        return None
    used_ppm = min(PPM, ppm_of(flow.out_msat, max(source.local_msat, 1)))
    opportunity_ppm = -(-ppm_of(flow.earned_msat, flow.out_msat) * used_ppm // PPM)
    max_fee_ppm = min(policy.max_fee_ppm, int((income_ppm - opportunity_ppm) * policy.income_share_ratio))
    if max_fee_ppm <= 0:
        return None
    gain_msat = share_msat(amount_msat, income_ppm - opportunity_ppm - max_fee_ppm)
    return _Pair(source, amount_msat, max_fee_ppm, gain_msat, _last_hop_msat(target, amount_msat))


def _last_hop_msat(target: Channel, amount_msat: int) -> int:
    """What the target's peer asks for letting an amount in to us. Where it isn't known no route is built either."""
    terms = target.remote_terms
    return 0 if terms is None else forward_fee_msat(amount_msat, terms.fee_base_msat, terms.fee_ppm)


def _within_budget(
    target: Channel,
    pair: _Pair,
    flow: Flow,
    income_ppm: int,
    least_msat: int,
    left_msat: int,
    policy: RebalanceConfig,
) -> RebalanceDecision:
    """The job, cut to the budget; deferred where what is left doesn't buy the least amount."""
    refill = why(
        ReasonCode.REFILL,
        income_ppm=income_ppm,
        out_sat=sat_floor(flow.out_msat),
        horizon_days=policy.horizon_days,
        max_fee_ppm=pair.max_fee_ppm,
    )
    amount_msat = pair.amount_msat
    if pair.max_fee_msat > left_msat:
        amount_msat = max(left_msat, 0) * PPM // pair.max_fee_ppm // MSAT_PER_SAT * MSAT_PER_SAT
    # The base fee of the last hop weighs more on a smaller amount.
    last_hop_msat = _last_hop_msat(target, amount_msat)
    affordable = amount_msat >= least_msat and last_hop_msat <= share_msat(amount_msat, pair.max_fee_ppm)
    kept_msat = amount_msat if affordable else pair.amount_msat
    decision = RebalanceDecision(
        target_channel_id=target.channel_id,
        target_name=target.name,
        source_channel_id=pair.source.channel_id,
        source_name=pair.source.name,
        outcome=Outcome.CHANGE,
        amount_msat=kept_msat,
        max_fee_msat=share_msat(kept_msat, pair.max_fee_ppm),
        expected_gain_msat=pair.gain_msat * kept_msat // pair.amount_msat,
        reasons=(refill,),
    )
    if affordable:
        return decision
    exhausted = why(
        ReasonCode.BUDGET_EXHAUSTED,
        left_sat=sat_floor(max(left_msat, 0)),
        wanted_sat=sat_ceil(pair.max_fee_msat),  # as the plan shows it
        window="day and week",
    )
    return _with(decision, Outcome.DEFER, exhausted)


def _with(decision: RebalanceDecision, outcome: Outcome, *reasons: Reason) -> RebalanceDecision:
    return replace(decision, outcome=outcome, reasons=(*decision.reasons, *reasons))


def _skip(target: Channel, *reasons: Reason) -> RebalanceDecision:
    return RebalanceDecision(target.channel_id, target.name, None, None, Outcome.SKIP, 0, 0, 0, reasons)


def _too_small(wanted_msat: int, least_msat: int) -> Reason:
    return why(ReasonCode.TOO_SMALL, amount_sat=sat_floor(wanted_msat), min_sat=sat_floor(least_msat))
