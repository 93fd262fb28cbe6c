"""Decisions: values with their reasons in them.

The same value is printed by a dry run, executed, recorded, exported and explained. A skip is a decision too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from revops.domain.demand import DemandFigures
from revops.domain.reason import Reason, ReasonCode, says
from revops.domain.rebalance import RebalanceTerms, SourceOffer
from revops.domain.units import MAX_U32


class Outcome(StrEnum):
    """What follows from a decision."""

    CHANGE = "change"
    SKIP = "skip"
    DEFER = "defer"


@dataclass(frozen=True, slots=True)
class PriceWindow:
    """A price, how long the channel could forward at it, and how many payments wanted to."""

    ended_at: float
    fee_ppm: int
    open_hours: float
    interest_count: float


@dataclass(frozen=True, slots=True)
class FeeState:
    """What strategies remember of a channel between runs. Instants, not cycle counts; rates in msat per open hour.

    `fee_ppm` is what was broadcast, `window_start_at` since when it counts, `open_seconds` how long since then the
    channel could have forwarded, `idle_open_seconds` how long it could have without earning, `counted_at` up to when
    both were counted. `windows` are the prices before this one, the oldest first. `calm_since_at` is since when no
    other price promised more, `asleep_until_at` until when none is tried, `asleep_*` what the window held when that
    began.
    """

    fee_ppm: int
    window_start_at: float
    counted_at: float
    open_seconds: float = 0.0
    idle_open_seconds: float = 0.0
    direction: int = 1
    step_ratio: float = 0.1
    last_rate_msat: float | None = None
    last_rate_error_msat: float | None = None
    #: Since when the channel's slots or value in flight are full; None while they aren't.
    congested_since_at: float | None = None
    windows: tuple[PriceWindow, ...] = ()
    calm_since_at: float | None = None
    asleep_until_at: float | None = None
    asleep_open_seconds: float = 0.0
    asleep_interest_count: float = 0.0
    #: A first fee that was set before the market's price was known: it is set once more when that comes.
    provisional: bool = False
    #: Whose search it is that direction, step, last rate and sleep belong to; "" where that wasn't kept.
    strategy: str = ""
    #: What `demand` judged last; None under other strategies. For people: no decision reads it.
    demand: DemandFigures | None = None


@dataclass(frozen=True, slots=True)
class FeeDecision:
    """What to do with one channel's fee. `proposed_ppm` is the strategy's wish, `new_ppm` what the rails left of it."""

    channel_id: str
    peer_id: str
    name: str
    strategy: str
    outcome: Outcome
    old_ppm: int
    proposed_ppm: int
    new_ppm: int
    old_base_msat: int
    new_base_msat: int
    expected_gain_msat: int
    reasons: tuple[Reason, ...]
    #: What the strategy remembers if nothing is sent, and if `new_ppm` comes into force.
    state: FeeState | None
    state_if_sent: FeeState | None
    #: What it rested on, for whoever asks later: the rules that applied, the bounds, the value of liquidity.
    rules: tuple[str, ...] = ()
    min_ppm: int = 0
    max_ppm: int = MAX_U32
    value_ppm: float = 0.0
    #: The largest HTLC that we forward over it, now and as it is wished; a wish of None leaves it.
    old_htlc_max_msat: int | None = None
    new_htlc_max_msat: int | None = None

    @property
    def same_fee(self) -> bool:
        """Whether what a forward pays stays as it is."""
        return (self.old_ppm, self.old_base_msat) == (self.new_ppm, self.new_base_msat)

    def says(self, *codes: ReasonCode) -> bool:
        """Given codes, return whether one of its reasons has one of them."""
        return says(self.reasons, *codes)


@dataclass(frozen=True, slots=True)
class FeePlan:
    """All fee decisions of one cycle, each channel once."""

    taken_at: float
    decisions: tuple[FeeDecision, ...]

    @property
    def changes(self) -> tuple[FeeDecision, ...]:
        """Those that are to be sent."""
        return tuple(d for d in self.decisions if d.outcome is Outcome.CHANGE)


@dataclass(frozen=True, slots=True)
class RebalanceDecision:
    """One circular rebalance that is worth it (CHANGE), or why a channel is not refilled (SKIP, DEFER).

    `source_*` is the best of `sources`, the channels that may pay, best first; `max_fee_msat` is the dearest of theirs.
    """

    target_channel_id: str
    target_name: str
    source_channel_id: str | None
    source_name: str | None
    outcome: Outcome
    amount_msat: int
    max_fee_msat: int
    expected_gain_msat: int
    reasons: tuple[Reason, ...]
    sources: tuple[SourceOffer, ...] = ()
    terms: RebalanceTerms | None = None


@dataclass(frozen=True, slots=True)
class RebalancePlan:
    """All rebalance decisions of one cycle; `reasons` say what concerns all of them."""

    created_at: float
    expires_at: float
    decisions: tuple[RebalanceDecision, ...]
    reasons: tuple[Reason, ...] = ()

    @property
    def jobs(self) -> tuple[RebalanceDecision, ...]:
        """Those that are to be executed."""
        return tuple(d for d in self.decisions if d.outcome is Outcome.CHANGE)


@dataclass(frozen=True, slots=True)
class WindowBudget:
    """One window of the budget: `limit` in force, `spent` settled in it, `reserved` by payments not known to be
    final.
    """

    window: str
    limit_msat: int
    spent_msat: int
    reserved_msat: int

    @property
    def left_msat(self) -> int:
        """What may still be reserved; never negative."""
        return max(0, self.limit_msat - self.spent_msat - self.reserved_msat)


@dataclass(frozen=True, slots=True)
class BudgetVerdict:
    """What is spent, reserved and left, and whether spending is suspended at all."""

    taken_at: float
    daily: WindowBudget
    weekly: WindowBudget
    suspended: tuple[Reason, ...] = ()

    @property
    def left_msat(self) -> int:
        """What the next payment may cost at most: the smaller of the windows, 0 while suspended."""
        return 0 if self.suspended else min(self.daily.left_msat, self.weekly.left_msat)
