"""What a rebalance is made of: the sources that may pay for it, what the plan weighed, and how attempts ended."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class FailureKind(StrEnum):
    """Why an attempt failed. The values are stored: never change them, only add."""

    #: The node knows no route at all.
    NO_ROUTE = "no_route"
    #: There is a route, and the limit is below what it asks.
    FEE_TOO_LOW = "fee_too_low"
    #: A channel on the way, or one of our own, had too little to send on.
    LIQUIDITY = "liquidity"
    #: It hung, and came back after a long time.
    TIME_OUT = "time_out"
    #: A node on the way, or our peer, was gone or refused.
    UNREACHABLE = "unreachable"
    #: It settled, over another channel than it was to: paid for, and not where it is wanted.
    MISDELIVERED = "misdelivered"
    #: Ours, or not known: says nothing of the way.
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class SourceOffer:
    """A channel that may pay for a job: the most that the whole route may cost from there, and what the node last
    quoted for it (None: it wasn't asked).
    """

    channel_id: str
    name: str
    max_fee_msat: int
    quoted_fee_msat: int | None = None


@dataclass(frozen=True, slots=True)
class RebalanceTerms:
    """What a plan weighed for a job, each in ppm of the amount unless its name says otherwise.

    `target_ppm` and `source_ppm` are what the amount is worth on the target and on the source, each with its chance of
    sale in it; `route_ppm` what the node quoted; `risk_ppm` what failing, hanging or arriving too late is expected to
    cost. `gain_ppm` is what is left. `income_ppm` is what a sat out of the target earned lately; `sale_ratio` is the
    chance that the amount is sold within `horizon_days`, `sale_low_ratio` its lower credible bound, from `lot_count`
    earlier lots, decayed. `odds_ratio` are the net odds, `kelly_ratio` the share of the bankroll that they are worth,
    `stake_msat` what that leaves of what the budget has left; `wanted_msat` is the amount before that cut.
    """

    target_ppm: float
    source_ppm: float
    route_ppm: float
    risk_ppm: float
    gain_ppm: float
    income_ppm: float
    sale_ratio: float
    sale_low_ratio: float
    lot_count: float
    horizon_days: float
    odds_ratio: float
    kelly_ratio: float
    stake_msat: int
    wanted_msat: int
    #: What a sat of room at the source should earn elsewhere, at most, and the lower bound of the chance that it does.
    room_ppm: float = 0.0
    room_low_ratio: float = 0.0
    #: Which part of the share was staked at most; 0 where that wasn't kept.
    kelly_fraction: float = 0.0
    #: What of `income_ppm` belongs to the room that a sale's payment takes where it enters.
    entries_ppm: float = 0.0
    #: What the budget had left for it, those before it in its plan taken off; 0 where that wasn't kept.
    left_msat: int = 0
    #: The chance that the payment succeeds, by earlier attempts; 0 where that wasn't kept.
    success_ratio: float = 0.0
    #: What kept the amount from being larger; "" where that wasn't kept, or isn't known.
    limited_by: str = ""


def bet_chance_ratio(odds_ratio: float, kelly_ratio: float) -> float:
    """Given the net odds b of a bet and Kelly's share f = p - (1 - p) / b, return the chance p by which it was staked.

    Where nothing can be lost, b is infinite and f is p.
    """
    if math.isinf(odds_ratio):
        return kelly_ratio
    return (kelly_ratio * odds_ratio + 1.0) / (odds_ratio + 1.0) if odds_ratio > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended: `failure` None means that it settled."""

    source_channel_id: str
    target_channel_id: str
    ended_at: float
    failure: FailureKind | None


@dataclass(frozen=True, slots=True)
class JobStep:
    """One state that a job went through. `note` is for people; `run_key` is the run that took it there."""

    status: str
    stepped_at: float
    note: str | None = None
    run_key: int | None = None


@dataclass(frozen=True, slots=True)
class Lot:
    """Liquidity that was bought for a channel: how much arrived, at what cost, how long ago, and how much of it was
    sold since, within the horizon: what the channel would have lacked without it.
    """

    amount_msat: int
    fee_msat: int
    age_days: float
    sold_msat: int


def sold_of(amount_msat: int, local_before_msat: int, low_msat: int) -> int:
    """Given a lot, the balance before it, and the lowest that forwards have changed the balance by since (0: it never
    fell), return what of it was sold: what the channel would have lacked without it.
    """
    lowest_msat = local_before_msat + amount_msat + low_msat
    return min(max(amount_msat - max(lowest_msat, 0), 0), amount_msat)


@dataclass(frozen=True, slots=True)
class Quote:
    """What the node answered when it was asked for a route: the cost of all of it, or why there is none."""

    amount_msat: int
    fee_msat: int | None
    failure: FailureKind | None = None
    message: str = ""
