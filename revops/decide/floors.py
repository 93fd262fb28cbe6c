"""What a fee must not fall below beside `min_ppm`, and what an experiment must not rise above.

Floors are soft: they never beat `max_ppm`, and never raise a channel without revenue (`rails.py`). The dearest counts:

- the chain's (`chain_floor.py`), with a premium in a spike, at most a share of the market's price: an idle channel
  would else price itself dead;
- what refills of the channel cost lately, and a margin: selling below would lose money with each sale;
- either, or `min_ppm`, raised for peers that hold payments for long.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from msgspec.structs import replace

from revops.decide.chain_floor import (
    CLOSES_PER_YEAR,
    OLDEST_SECONDS,
    ChainRate,
    close_cost_msat,
    exposure_ppm,
    yearly_msat,
)
from revops.decide.openness import could_sell
from revops.decide.proven import UNPROVEN_FACTOR, dearest_sale_ppm, shown_market_ppm
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import FeeInput
from revops.domain.units import MAX_U32, clamp, sat_ceil, sat_floor

#: Most payments are through or back within seconds; up to here a peer is ordinary (an earlier tool drew the line at the
#: same place, by the mean of what it saw).
ORDINARY_HOLD_SECONDS: Final = 10.0
#: A peer whose payments typically take a minute keeps our slot and liquidity many times as long: the full premium.
LONG_HOLD_SECONDS: Final = 60.0
MOST_HOLD_PREMIUM: Final = 1.5
#: The market's price is read again each day; when it couldn't be for so long, that is said.
OLD_ANCHOR_SECONDS: Final = 3 * 86_400.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Soft limits of one peer's price. `floor_reasons` and `ceiling_reason` are given where they bind, `notes` in any
    case; None: no such limit.
    """

    floor_ppm: int = 0
    floor_reasons: tuple[Reason, ...] = ()
    ceiling_ppm: int | None = None
    ceiling_reason: Reason | None = None
    notes: tuple[Reason, ...] = ()


NO_LIMITS: Final = Limits()
#: A floor, and why it is there.
Floor = tuple[int, tuple[Reason, ...]]


@dataclass(frozen=True, slots=True)
class Chain:
    """What is known of the chain: the rate that counts, and whether samples were looked for at all."""

    rate: ChainRate | None = None
    sampled: bool = False


def limits_of(
    offer: FeeInput, members: Sequence[FeeInput], chain: Chain, policy: FeesConfig, *, learns: bool
) -> Limits:
    """Given a peer as a strategy sees it, its channels and the chain, return its limits.

    `learns` says that its strategy tries prices; only such a one has a ceiling from the market.
    """
    signals = offer.signals
    floors: list[Floor] = [(policy.min_ppm, ())]
    notes: tuple[Reason, ...] = ()
    if policy.chain_floor and chain.rate is not None:
        floors.append(_chain_floor(offer, members, chain.rate, policy))
    elif policy.chain_floor and chain.sampled:
        notes = (why(ReasonCode.CHAIN_RATE_UNKNOWN, days=round(OLDEST_SECONDS / 86_400)),)
    if signals.anchor_ppm is not None and signals.anchor_age_seconds > OLD_ANCHOR_SECONDS:
        notes = (*notes, why(ReasonCode.ANCHOR_OLD, days=round(signals.anchor_age_seconds / 86_400)))
    if signals.refill_ppm is not None:
        floors.append(_refill_floor(signals.refill_ppm, policy))
    floor_ppm, reasons = max(floors, key=itemgetter(0))
    floor_ppm, reasons = _hold_premium(floor_ppm, reasons, signals.hold_seconds)
    floor_ppm = min(floor_ppm, policy.max_ppm)
    ceiling_ppm, ceiling_reason = _ceiling(offer, floor_ppm, policy) if learns else (None, None)
    return Limits(floor_ppm, reasons, ceiling_ppm, ceiling_reason, notes)


def _ceiling(offer: FeeInput, floor_ppm: int, policy: FeesConfig) -> tuple[int | None, Reason | None]:
    """How far an experiment may go: a multiple of what others charge, or a step beyond what its own customers have
    shown a market at; and while the channel can't forward no further beyond what is proven to sell than a factor of
    two. An empty channel that somebody may want would else get dearer for ever, since no price is refused there.
    """
    anchor_ppm = offer.signals.anchor_ppm
    limits: list[tuple[int, Reason]] = []
    if anchor_ppm is not None:
        limits.append(_market_ceiling(offer, anchor_ppm, floor_ppm, policy))
    if not could_sell(offer):
        most_ppm = max(dearest_sale_ppm(offer, policy), floor_ppm)
        limits.append((most_ppm, why(ReasonCode.UNPROVEN_CEILING, ceiling_ppm=most_ppm)))
    return min(limits, key=lambda limit: limit[0], default=(None, None))


def _market_ceiling(offer: FeeInput, anchor_ppm: int, floor_ppm: int, policy: FeesConfig) -> tuple[int, Reason]:
    """What others charge, and no less than `start_ppm`, since they may lie; or what this channel's own customers have
    paid, whichever leaves more to be tried.
    """
    most_ppm = max(round(max(anchor_ppm, policy.start_ppm) * policy.anchor_ceiling_ratio), floor_ppm)
    shown_ppm = shown_market_ppm(offer)
    if shown_ppm is not None and UNPROVEN_FACTOR * shown_ppm > most_ppm:
        most_ppm = UNPROVEN_FACTOR * shown_ppm
        return most_ppm, why(ReasonCode.SHOWN_CEILING, ceiling_ppm=most_ppm, shown_ppm=shown_ppm)
    return most_ppm, why(ReasonCode.ANCHOR_CEILING, ceiling_ppm=most_ppm, anchor_ppm=anchor_ppm)


def _chain_floor(offer: FeeInput, members: Sequence[FeeInput], rate: ChainRate, policy: FeesConfig) -> Floor:
    """The expected cost of force-closes, all channels of the peer together."""
    channels = [one.channel for one in members]
    cost_msat = sum(close_cost_msat(channel, rate.perkw) for channel in channels)
    volume_msat = yearly_msat(channels, offer.sold_msat)
    ppm = math.ceil(exposure_ppm(cost_msat, volume_msat) * rate.premium)
    signals, fee_ppm = offer.signals, offer.channel.local_terms.fee_ppm
    market_ppm = policy.start_ppm if signals.anchor_ppm is None else signals.anchor_ppm
    most_ppm = int(market_ppm * policy.chain_floor_share_ratio)
    unread = not signals.market_read and min(ppm, most_ppm) > fee_ppm
    if unread:  # nothing is raised because gossip couldn't be read
        most_ppm = fee_ppm
    reasons = [
        why(
            ReasonCode.CHAIN_FLOOR,
            floor_ppm=min(ppm, most_ppm),
            sat_per_vb=round(rate.perkw / 250, 2),
            cost_sat=sat_ceil(cost_msat),
            chance_percent=round(CLOSES_PER_YEAR * 100, 1),
            volume_sat=sat_floor(volume_msat),
        )
    ]
    if rate.old:
        reasons.append(why(ReasonCode.CHAIN_RATE_OLD, age_hours=round(rate.age_seconds / 3600, 1)))
    if rate.premium > 1:
        times, premium = round(rate.ratio, 1), round(rate.premium, 2)
        reasons.append(why(ReasonCode.CHAIN_SPIKE, times=times, premium=premium))
    if unread:
        reasons.append(why(ReasonCode.MARKET_UNREAD, fee_ppm=fee_ppm))
    elif ppm > most_ppm:
        share_percent = round(policy.chain_floor_share_ratio * 100)
        reasons.append(why(ReasonCode.CHAIN_CAPPED, wanted_ppm=ppm, share_percent=share_percent, market_ppm=market_ppm))
    return min(ppm, most_ppm), tuple(reasons)


def _refill_floor(refill_ppm: int, policy: FeesConfig) -> Floor:
    ppm = min(math.ceil(refill_ppm * policy.refill_floor_ratio), MAX_U32)
    reason = why(
        ReasonCode.REFILL_FLOOR,
        floor_ppm=ppm,
        refill_ppm=refill_ppm,
        refill_floor_ratio=policy.refill_floor_ratio,
    )
    return ppm, (reason,)


def hold_premium(hold_seconds: float | None) -> float:
    """Given how long a peer typically holds a payment (None: not known), return the factor on its floor."""
    if hold_seconds is None:
        return 1.0
    share = (hold_seconds - ORDINARY_HOLD_SECONDS) / (LONG_HOLD_SECONDS - ORDINARY_HOLD_SECONDS)
    return 1.0 + (MOST_HOLD_PREMIUM - 1.0) * min(max(share, 0.0), 1.0)


def _hold_premium(floor_ppm: int, reasons: tuple[Reason, ...], hold_seconds: float | None) -> Floor:
    premium = hold_premium(hold_seconds)
    if hold_seconds is None or premium == 1:
        return floor_ppm, reasons
    held_ppm = math.ceil(floor_ppm * premium)
    reason = why(
        ReasonCode.HOLD_FLOOR, floor_ppm=held_ppm, hold_seconds=round(hold_seconds, 1), premium=round(premium, 2)
    )
    return held_ppm, (*reasons, reason)


def narrowed(policy: FeesConfig, limits: Limits, current_ppm: int) -> FeesConfig:
    """Given a policy and soft limits, return it with them as bounds, for a strategy to turn round at.

    A price that rails would take back is never announced, and nothing would be learnt from it.
    """
    low_ppm = clamp(limits.floor_ppm, policy.min_ppm, policy.max_ppm)
    high_ppm = policy.max_ppm
    if limits.ceiling_ppm is not None:
        high_ppm = clamp(max(limits.ceiling_ppm, current_ppm), low_ppm, policy.max_ppm)
    if (low_ppm, high_ppm) == (policy.min_ppm, policy.max_ppm):
        return policy
    return replace(policy, min_ppm=low_ppm, max_ppm=high_ppm)
