"""The cost of capital: what `revops report capital` shows, and what offers of liquidity are priced by.

Ratios are shares of the capital a year of 365 days: 0.02 is 2 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from revops.domain.period import Span


class CapitalStanding(StrEnum):
    """Whether a channel counts in the node's figure, and if not, why: it is YOUNG; nobody has judged what its next sat
    is worth (UNVALUED), or not lately (STALE); balances are on record for too few days (UNRATED); or it held nothing
    (BARE).
    """

    COUNTED = "counted"
    YOUNG = "young"
    UNVALUED = "unvalued"
    STALE = "stale"
    UNRATED = "unrated"
    BARE = "bare"


class CapitalSource(StrEnum):
    """What the cost of capital rests on: the value of liquidity, or, where no channel has one, realised income."""

    VALUE = "value"
    INCOME = "income"


class IdleKind(StrEnum):
    """Where idle sats lie."""

    WALLET = "wallet"
    DEAD = "dead"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class RatioRange:
    """A ratio with a bound below and one above; a year's where nothing else is said."""

    low_ratio: float
    middle_ratio: float
    high_ratio: float


@dataclass(frozen=True, slots=True)
class SatWorth:
    """What a channel's marginal sat is known to be worth (ppm of it), and what a year can make of that.

    `value_ppm` is what its one sale is expected to bring, with the chance of it, within `window_days` on average;
    `value_low_ppm` and `value_high_ppm` bound it. `sale_ppm` is what a sale brings at most. `returns_ratio` is how many
    times a year it is expected to come back, since payments fill the channel or refills buy it, and
    `most_returns_ratio` how many times it can at most; `restoring_ppm` is what refills cost each time, on average.
    """

    value_ppm: float
    value_low_ppm: float
    value_high_ppm: float
    window_days: float
    sale_ppm: float
    returns_ratio: float
    most_returns_ratio: float
    restoring_ppm: float


@dataclass(frozen=True, slots=True)
class CapitalRow:
    """A channel: `capital_msat` is our balance in it, averaged over the report's rated span, which is what the sums are
    of. `worth` and `marginal` (what one more sat would earn a year) are None where it
    doesn't count. `realised_ratio` is what its exits earned less refills and leases, a year; None where that isn't
    known.
    """

    channel_id: str
    name: str
    peer_id: str | None
    alias: str | None
    standing: CapitalStanding
    capital_msat: int
    capacity_msat: int
    local_msat: int
    fee_ppm: int | None
    value_ppm: float | None
    value_at: float | None
    earned_msat: int
    out_msat: int
    in_msat: int
    rebalanced_msat: int
    rebalance_msat: int
    worth: SatWorth | None = None
    marginal: RatioRange | None = None
    realised_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class CapitalQuantile:
    """A channel such that `percent` of the capital that counts lies in channels whose marginal sat earns no more."""

    percent: int
    name: str
    channel_id: str
    marginal: RatioRange


@dataclass(frozen=True, slots=True)
class RealisedReturn:
    """What all channels earned and cost over the rated span, and as shares of the capital a year. `income` has bounds
    from how much days differ, which are None of too few whole days.
    """

    capital_msat: int
    income_msat: int
    rebalance_msat: int
    lease_paid_msat: int
    chain_msat: int
    day_count: int
    income_ratio: float | None = None
    income: RatioRange | None = None
    running_ratio: float | None = None
    chain_ratio: float | None = None
    net_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class IdleCapital:
    """Sats that earn nothing, and what they would earn a year where capital counts: at the node's cost of capital.
    `move_msat` is what moving them there costs on the chain. `payback_days` is when that is earned back; None: not
    known, or never.
    """

    kind: IdleKind
    channel_count: int
    capital_msat: int | None
    yearly_low_msat: int | None = None
    yearly_msat: int | None = None
    yearly_high_msat: int | None = None
    move_msat: int | None = None
    payback_days: float | None = None


@dataclass(frozen=True, slots=True)
class CapitalReport:
    """All that `revops report capital` shows. `cost` is the node's cost of capital for a year, None where nothing tells
    it; `source` is what it rests on. Of the channels' capital `counted_msat` has a marginal return, `uncounted_msat`
    has none.
    """

    taken_at: float
    synced_at: float | None
    rated: Span | None
    capital_days: int
    min_age_days: int
    min_open_days: int
    source: CapitalSource | None
    cost: RatioRange | None
    marginal: RatioRange | None
    quantiles: tuple[CapitalQuantile, ...]
    realised: RealisedReturn
    idle: tuple[IdleCapital, ...]
    channels: tuple[CapitalRow, ...]
    counted_msat: int = 0
    uncounted_msat: int = 0
