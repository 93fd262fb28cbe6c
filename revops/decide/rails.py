"""The rails: what nothing passes. A strategy proposes, the rails dispose; the bounds come last.

Order: floors, zero-flow ratchet, ceilings, a lease's promise, step limit, `[min_ppm, max_ppm]`. Earlier tools lost
money where a special mode went round one of these, or where a floor beat the ceiling; here each fee takes the whole
path.
"""

from __future__ import annotations

import math
from typing import Final

from revops.decide.floors import NO_LIMITS, Limits
from revops.decide.governor import dead_band_ppm
from revops.decide.lease_promise import promised_ppm
from revops.domain.ads import LeasePromise
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.units import MAX_U32, clamp

#: What `setchannel` can express; wilder proposals are cut to it before any arithmetic.
_WILDEST_PPM: Final = MAX_U32


def within_bounds(ppm: int, policy: FeesConfig) -> int:
    """Given any fee, return it within `[min_ppm, max_ppm]`; the upper bound wins."""
    return clamp(ppm, policy.min_ppm, policy.max_ppm)


def step_limits_ppm(current_ppm: int, policy: FeesConfig) -> tuple[int, int]:
    """Given the fee in force, return the lowest and the highest that one update may go to: as many times cheaper as
    dearer, and far enough to pass the dead band.
    """
    most, band_ppm = 1.0 + policy.max_step_ratio, dead_band_ppm(current_ppm, policy)
    lowest_ppm = min(round(current_ppm / most), current_ppm - band_ppm)
    return lowest_ppm, max(round(current_ppm * most), current_ppm + band_ppm)


def sane(proposed_ppm: float, current_ppm: int) -> int:
    """Given a strategy's answer, return a whole number: the fee in force where it is no number at all."""
    if isinstance(proposed_ppm, float) and not math.isfinite(proposed_ppm):
        return current_ppm
    return clamp(int(proposed_ppm), 0, _WILDEST_PPM)


def apply_rails(
    current_ppm: int,
    proposed_ppm: float,
    idle_open_seconds: float,
    routable: bool,
    policy: FeesConfig,
    *,
    limits: Limits = NO_LIMITS,
    worth_ppm: float = 0.0,
    forced: bool = False,
    first: bool = False,
    promise: LeasePromise | None = None,
) -> tuple[int, tuple[Reason, ...]]:
    """Given the fee in force and the one proposed, return the fee that may be sent, and what was changed on the way.

    `idle_open_seconds` is open time without revenue; `routable` whether the channel could route now, so that want of
    revenue is the price's fault. `limits` are soft: the bounds beat them. `worth_ppm` is what a local sat is worth:
    want of revenue lowers no price below it, or the little that is left of a wanted channel would drag down the price
    of its next refill. `forced`, an operator's hand, passes the ratchet and the step limit, never the bounds; `first`,
    a new channel's first fee, passes the step limit. `promise` is what a lessee of the channel was promised, which
    binds whoever asks for more; the way down to it is no step.
    """
    reasons: list[Reason] = []
    ppm = sane(proposed_ppm, current_ppm)
    floor_ppm = _floor_ppm(current_ppm, idle_open_seconds, policy, limits)
    if ppm < floor_ppm:
        ppm = floor_ppm
        reasons += _floor_reasons(floor_ppm, idle_open_seconds, policy, limits)
    if not forced:
        ppm = _zero_flow(current_ppm, ppm, idle_open_seconds, routable, policy, floor_ppm, limits, worth_ppm, reasons)
    ppm = _ceiling(current_ppm, ppm, policy, limits, reasons)
    promised = promised_ppm(promise, current_ppm)
    kept_ppm = current_ppm if promised is None else min(current_ppm, promised[0])
    if promised is not None and ppm > promised[0]:
        ppm = promised[0]
        reasons.append(promised[1])
    # The way back to the nearest bound is no step; from there on steps are as long as anywhere.
    start_ppm = within_bounds(kept_ppm, policy)
    if within_bounds(current_ppm, policy) != current_ppm:
        reasons.append(
            why(ReasonCode.OUT_OF_BOUNDS, fee_ppm=current_ppm, min_ppm=policy.min_ppm, max_ppm=policy.max_ppm)
        )
    limited_ppm = clamp(ppm, *step_limits_ppm(start_ppm, policy))
    if promised is not None:
        limited_ppm = min(limited_ppm, promised[0])
    if limited_ppm != ppm and not (forced or first):
        ppm = limited_ppm
        reasons.append(why(ReasonCode.STEP_LIMIT, limit_ppm=abs(limited_ppm - start_ppm)))
    return within_bounds(ppm, policy), tuple(reasons)


def _floor_ppm(current_ppm: int, idle_open_seconds: float, policy: FeesConfig, limits: Limits) -> int:
    """The floor that holds. A soft one doesn't raise a channel without revenue: it only stops its fall."""
    soft_ppm = limits.floor_ppm
    if idle_open_seconds >= policy.zero_flow_hold_seconds:
        soft_ppm = min(soft_ppm, current_ppm)
    return within_bounds(soft_ppm, policy)


def _floor_reasons(floor_ppm: int, idle_open_seconds: float, policy: FeesConfig, limits: Limits) -> list[Reason]:
    """Why a fee wasn't lowered further, or was raised: the numbers of the floor that binds."""
    if floor_ppm <= policy.min_ppm:
        return [why(ReasonCode.FLOOR, floor_ppm=floor_ppm)]
    held = []
    if floor_ppm < min(limits.floor_ppm, policy.max_ppm):
        held.append(why(ReasonCode.ZERO_FLOW_HOLD, idle_hours=_hours(idle_open_seconds)))
    return [*limits.floor_reasons, *held]


def _zero_flow(
    current_ppm: int,
    ppm: int,
    idle_open_seconds: float,
    routable: bool,
    policy: FeesConfig,
    floor_ppm: int,
    limits: Limits,
    worth_ppm: float,
    reasons: list[Reason],
) -> int:
    """The ratchet: without revenue a fee is never raised, then lowered, to the floor. An earlier tool priced idle
    channels into death.
    """
    if idle_open_seconds < min(policy.zero_flow_hold_seconds, policy.zero_flow_drop_seconds):
        return ppm
    idle_hours = _hours(idle_open_seconds)
    if idle_open_seconds >= policy.zero_flow_drop_seconds and routable and current_ppm > floor_ppm:
        # A drop within the dead band would never be announced, and the fee stay where it is for ever.
        wanted = min(int(current_ppm * policy.zero_flow_drop_ratio), current_ppm - dead_band_ppm(current_ppm, policy))
        kept_ppm = int(min(worth_ppm, float(current_ppm))) if worth_ppm > 0 else 0
        if kept_ppm > max(wanted, floor_ppm):
            if kept_ppm <= ppm:
                reasons.append(why(ReasonCode.ZERO_FLOW_WORTH, idle_hours=idle_hours, kept_ppm=kept_ppm))
            return min(kept_ppm, ppm)
        dropped = max(wanted, floor_ppm)
        if dropped < ppm:
            reasons.append(why(ReasonCode.ZERO_FLOW_DROP, idle_hours=idle_hours, fee_ppm=dropped))
            if wanted < floor_ppm != policy.min_ppm:
                reasons += _floor_reasons(floor_ppm, idle_open_seconds, policy, limits)
            return dropped
        return ppm
    if idle_open_seconds >= policy.zero_flow_drop_seconds and policy.min_ppm < current_ppm <= floor_ppm and not reasons:
        reasons += limits.floor_reasons  # else nothing would say why it isn't lowered
    held = max(current_ppm, policy.min_ppm)
    if idle_open_seconds >= policy.zero_flow_hold_seconds and ppm > held:
        reasons.append(why(ReasonCode.ZERO_FLOW_HOLD, idle_hours=idle_hours))
        return held
    return ppm


def _hours(seconds: float) -> float:
    return round(seconds / 3600, 1)


def _ceiling(current_ppm: int, ppm: int, policy: FeesConfig, limits: Limits, reasons: list[Reason]) -> int:
    """The ceilings. The market's cuts what is tried above it, and takes nothing away from a price that is in force."""
    if limits.ceiling_ppm is not None and limits.ceiling_reason is not None:
        soft_ppm = max(limits.ceiling_ppm, current_ppm)
        if ppm > soft_ppm:
            ppm = soft_ppm
            reasons.append(limits.ceiling_reason)
    if ppm > policy.max_ppm:
        ppm = policy.max_ppm
        reasons.append(why(ReasonCode.CEILING, ceiling_ppm=ppm))
    return ppm
