"""The rails: what nothing passes. A strategy proposes, the rails dispose; the bounds come last.

Order: floor, zero-flow ratchet, ceiling, step limit, `[min_ppm, max_ppm]`. Earlier tools lost money where a special
mode went round one of these, or where a floor beat the ceiling; here each fee takes the whole path.
"""

from __future__ import annotations

import math
from typing import Final

from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.units import MAX_U32, clamp

#: What `setchannel` can express; wilder proposals are cut to it before any arithmetic.
_WILDEST_PPM: Final = MAX_U32


def within_bounds(ppm: int, policy: FeesConfig) -> int:
    """Given any fee, return it within `[min_ppm, max_ppm]`; the upper bound wins."""
    return clamp(ppm, policy.min_ppm, policy.max_ppm)


def step_limit_ppm(current_ppm: int, policy: FeesConfig) -> int:
    """Given the fee in force, return the largest change of one update: a share of it, and enough to pass the dead
    band.
    """
    return max(int(current_ppm * policy.max_step_ratio), policy.dead_band_ppm, 1)


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
    forced: bool = False,
) -> tuple[int, tuple[Reason, ...]]:
    """Given the fee in force and the one proposed, return the fee that may be sent, and what was changed on the way.

    `idle_open_seconds` is open time without revenue; `routable` whether the channel could route now, so that want of
    revenue is the price's fault. `forced`, an operator's hand, passes the ratchet and the step limit, never the bounds.
    """
    reasons: list[Reason] = []
    ppm = sane(proposed_ppm, current_ppm)
    if ppm < policy.min_ppm:
        ppm = policy.min_ppm
        reasons.append(why(ReasonCode.FLOOR, floor_ppm=ppm))
    if not forced:
        ppm = _zero_flow(current_ppm, ppm, idle_open_seconds, routable, policy, reasons)
    if ppm > policy.max_ppm:
        ppm = policy.max_ppm
        reasons.append(why(ReasonCode.CEILING, ceiling_ppm=ppm))
    if within_bounds(current_ppm, policy) == current_ppm:
        limit_ppm = step_limit_ppm(current_ppm, policy)
        limited = clamp(ppm, current_ppm - limit_ppm, current_ppm + limit_ppm)
        if limited != ppm and not forced:
            ppm = limited
            reasons.append(why(ReasonCode.STEP_LIMIT, limit_ppm=limit_ppm))
    else:
        reasons.append(
            why(ReasonCode.OUT_OF_BOUNDS, fee_ppm=current_ppm, min_ppm=policy.min_ppm, max_ppm=policy.max_ppm)
        )
    return within_bounds(ppm, policy), tuple(reasons)


def _zero_flow(
    current_ppm: int, ppm: int, idle_open_seconds: float, routable: bool, policy: FeesConfig, reasons: list[Reason]
) -> int:
    """The ratchet: without revenue a fee is never raised, then lowered. An earlier tool priced idle channels into
    death.
    """
    idle_hours = round(idle_open_seconds / 3600, 1)
    if idle_open_seconds >= policy.zero_flow_drop_seconds and routable and current_ppm > policy.min_ppm:
        dropped = max(int(current_ppm * policy.zero_flow_drop_ratio), policy.min_ppm)
        if dropped < ppm:
            reasons.append(why(ReasonCode.ZERO_FLOW_DROP, idle_hours=idle_hours, fee_ppm=dropped))
            return dropped
        return ppm
    held = max(current_ppm, policy.min_ppm)
    if idle_open_seconds >= policy.zero_flow_hold_seconds and ppm > held:
        reasons.append(why(ReasonCode.ZERO_FLOW_HOLD, idle_hours=idle_hours))
        return held
    return ppm
