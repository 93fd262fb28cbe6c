"""A stored rebalance job, judged by the node as it is now: a plan is a wish of a moment that has passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from revops.decide.occupancy import left_alone
from revops.decide.rebalance.bands import LEAST_SIDE_RATIO, MOST_SHIFT_RATIO
from revops.domain.channel import Channel
from revops.domain.forward import TYPICAL_PAYMENT_MSAT
from revops.domain.policy import RebalanceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.record import JobRecord
from revops.domain.units import PPM, forward_fee_msat, sat_floor


def revalidate(
    source: Channel | None,
    target: Channel | None,
    amount_msat: int,
    in_flight: Sequence[str],
    congested_since: Mapping[str, float],
    now: float,
) -> Reason | None:
    """Given a stored job's channels as they are now, return why it can't be executed any more; None if it can.

    `congested_since` is when those that were congested at the last look became so.
    """
    for channel, have_msat, side in (
        (source, source.spendable_msat if source else 0, "the source"),
        (target, target.receivable_msat if target else 0, "the target"),
    ):
        if channel is None or not channel.usable:
            state = "gone" if channel is None else "not connected" if channel.live else channel.state
            return why(ReasonCode.NOT_USABLE, state=f"{side} is {state}")
        if channel.channel_id in in_flight:
            return why(ReasonCode.IN_FLIGHT)
        congested = left_alone(channel, congested_since.get(channel.channel_id), now)
        if congested is not None:
            return congested
        if have_msat < amount_msat:
            return why(
                ReasonCode.LIQUIDITY_CHANGED,
                side=side,
                have_sat=sat_floor(have_msat),
                wanted_sat=sat_floor(amount_msat),
            )
    return None


def at_fee_now(job: JobRecord, target: Channel | None) -> JobRecord:
    """Given a stored job and its target as it is now, return it with limits that fit what a sale is asked for now.

    They were worth it at what a sat earned when it was planned; if the fee has been lowered since, it earns less.
    """
    if job.terms is None or target is None or job.terms.income_ppm <= 0:
        return job
    terms = target.local_terms
    asked_msat = forward_fee_msat(TYPICAL_PAYMENT_MSAT, terms.fee_base_msat, terms.fee_ppm)
    share = asked_msat / TYPICAL_PAYMENT_MSAT * PPM / job.terms.income_ppm
    if share >= 1:
        return job
    offers = tuple(replace(one, max_fee_msat=int(one.max_fee_msat * share)) for one in job.sources)
    return replace(job, max_fee_msat=int(job.max_fee_msat * share), sources=offers)


def drained(source: Channel | None, job: JobRecord, policy: RebalanceConfig) -> Reason | None:
    """Given a source as it is now and the job that it would pay for, return why it has too little left to give; None
    where it has enough. Its band is that of the policy, moved as far down as a flow could move it.
    """
    if job.terms is None or source is None:
        return None
    floor_ratio = max(policy.low_ratio - MOST_SHIFT_RATIO, LEAST_SIDE_RATIO)
    have_msat = source.local_msat - int(source.capacity_msat * floor_ratio)
    if have_msat >= job.amount_msat:
        return None
    return why(
        ReasonCode.LIQUIDITY_CHANGED,
        side="the source",
        have_sat=sat_floor(max(have_msat, 0)),
        wanted_sat=sat_floor(job.amount_msat),
    )
