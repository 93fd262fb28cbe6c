"""The gossip governor: which of the wished changes are announced now.

lightningd sends every `channel_update` at once and has no limit of its own; other implementations drop what comes too
often and say nothing (cln-rpc §1.7), so that a hasty node quotes prices that nobody knows. Hence a dead band, a least
interval per channel, and a cap for the node; under the cap the changes that promise most go first, and the rest are
visibly deferred.
"""

from __future__ import annotations

import math
from typing import Final

from revops.domain.decision import FeeDecision, Outcome
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import FeeInput
from revops.domain.values import replace

#: Why a largest payment is cut at once.
_CUTS: Final = (ReasonCode.HTLC_MAX_UNFIT, ReasonCode.HTLC_MAX_OVERSIZED)
_FIRST_FEES: Final = (
    ReasonCode.FIRST_FEE_PEER,
    ReasonCode.FIRST_FEE_STRATEGY,
    ReasonCode.FIRST_FEE_ANCHOR,
    ReasonCode.FIRST_FEE_START,
)


def dead_band_ppm(current_ppm: int, policy: FeesConfig) -> int:
    """Given the fee in force, return the least change that is worth an announcement."""
    return max(policy.dead_band_ppm, math.ceil(current_ppm * policy.dead_band_ratio), 1)


def gate(
    decision: FeeDecision, fee_input: FeeInput, policy: FeesConfig, now: float, *, forced: bool = False
) -> FeeDecision:
    """Given a wished change and what is known of the channel, return it, or the skip that it becomes.

    A fee outside the bounds, or one to be put back, is corrected at once, unless we have just set it: then two tools
    are at war, or two rules by turns, and least interval and the channel's cap hold. A last change in the future (a
    clock that went back) counts as just now. A new channel's first fee doesn't wait for the interval; `forced` lets the
    fee wait for nothing. A turn of the htlc_max valve is worth an announcement by itself, and waits like one; a largest
    payment that doesn't fit the channel is cut at once, and leaves the fee as it is where that has to wait. The
    ratchet's last step down to the lower bound is as short as it is.
    """
    change_ppm = abs(decision.new_ppm - decision.old_ppm)
    if decision.same_fee and decision.new_htlc_max_msat is None:
        return _skip(decision)
    if forced and not decision.same_fee:
        return decision
    outside = decision.says(ReasonCode.OUT_OF_BOUNDS)
    band_ppm = dead_band_ppm(decision.old_ppm, policy)
    only_ppm = decision.new_base_msat == decision.old_base_msat and decision.new_htlc_max_msat is None
    if change_ppm < band_ppm and only_ppm and not outside and not _ends_ratchet(decision, policy):
        return _skip(decision, why(ReasonCode.DEAD_BAND, change_ppm=change_ppm, band_ppm=band_ppm))
    if _is_first(decision) and fee_input.last_own_changed_at is None:
        return decision
    corrected = outside or decision.says(ReasonCode.EXTERNAL_OVERWRITTEN)
    last_changed_at = fee_input.last_own_changed_at if corrected else fee_input.last_changed_at
    if last_changed_at is not None and now - last_changed_at < policy.min_interval_seconds:
        age_hours = round(max(now - last_changed_at, 0) / 3600, 1)
        interval_hours = round(policy.min_interval_seconds / 3600, 1)
        return _wait(decision, why(ReasonCode.MIN_INTERVAL, age_hours=age_hours, interval_hours=interval_hours))
    used_count = fee_input.own_updates_last_day_count
    if used_count >= policy.max_channel_updates_per_day:
        cap_count = policy.max_channel_updates_per_day
        return _wait(decision, why(ReasonCode.CHANNEL_CAP, used_count=used_count, cap_count=cap_count))
    return decision


def cap(decisions: list[FeeDecision], used_count: int, policy: FeesConfig) -> list[FeeDecision]:
    """Given gated decisions and the updates of the last 24 hours, return them with those beyond the cap deferred."""
    wanted = [decision for decision in decisions if decision.outcome is Outcome.CHANGE]
    wanted.sort(key=lambda decision: (-_urgency(decision), -decision.expected_gain_msat, decision.channel_id))
    free_count = max(policy.max_updates_per_day - used_count, 0)
    if len(wanted) <= free_count:
        return decisions
    deferred = {decision.channel_id: rank for rank, decision in enumerate(wanted, start=1) if rank > free_count}
    return [
        _defer(decision, used_count, policy.max_updates_per_day, deferred[decision.channel_id])
        if decision.channel_id in deferred
        else decision
        for decision in decisions
    ]


def _urgency(decision: FeeDecision) -> int:
    """What is out of bounds, or doesn't fit, goes first, then what has no considered fee at all."""
    return 2 if decision.says(ReasonCode.OUT_OF_BOUNDS, *_CUTS) else int(_is_first(decision))


def _ends_ratchet(decision: FeeDecision, policy: FeesConfig) -> bool:
    """Only the bound is an end: a soft floor moves a little all the time, and isn't followed within the band."""
    return decision.new_ppm == policy.min_ppm and decision.says(ReasonCode.ZERO_FLOW_DROP)


def _is_first(decision: FeeDecision) -> bool:
    return decision.says(*_FIRST_FEES)


def _wait(decision: FeeDecision, reason: Reason) -> FeeDecision:
    """The skip of a change that has to wait; of one that cuts the largest payment, that alone, if the fee in force may
    be sent.
    """
    if not decision.says(*_CUTS) or decision.says(ReasonCode.OUT_OF_BOUNDS):
        return _skip(decision, reason)
    return replace(
        decision,
        new_ppm=decision.old_ppm,
        expected_gain_msat=0,
        state_if_sent=decision.state,
        reasons=(*decision.reasons, reason),
    )


def _skip(decision: FeeDecision, *reasons: Reason) -> FeeDecision:
    if decision.outcome is Outcome.SKIP and not reasons:
        return decision
    return replace(decision, outcome=Outcome.SKIP, reasons=(*decision.reasons, *reasons))


def _defer(decision: FeeDecision, used_count: int, cap_count: int, rank: int) -> FeeDecision:
    reason = why(ReasonCode.DAILY_CAP, used_count=used_count, cap_count=cap_count, rank=rank)
    return replace(decision, outcome=Outcome.DEFER, reasons=(*decision.reasons, reason))
