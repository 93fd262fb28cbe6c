"""Decisions: values with their reasons in them.

The same value is printed by a dry run, executed, recorded, exported and explained. A skip is a decision too. A reason
is a code from one enum with the numbers that led to it; its sentence is made here, so that every surface says the
same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

Number = int | float | str


class Outcome(StrEnum):
    """What follows from a decision."""

    CHANGE = "change"
    SKIP = "skip"
    DEFER = "defer"


class ReasonCode(StrEnum):
    """Why. The values are stored: never change them, only add."""

    # fees: what the strategy found
    FIRST_SEEN = "first_seen"
    EXTERNAL_CHANGE = "external_change"
    OBSERVING = "observing"
    INCONCLUSIVE = "inconclusive"
    CLIMB_KEEP = "climb_keep"
    CLIMB_REVERSE = "climb_reverse"
    CLIMB_PROBE = "climb_probe"
    STRATEGY_OFF = "strategy_off"
    # fees: what the rails did
    FLOOR = "floor"
    CEILING = "ceiling"
    ZERO_FLOW_HOLD = "zero_flow_hold"
    ZERO_FLOW_DROP = "zero_flow_drop"
    STEP_LIMIT = "step_limit"
    OUT_OF_BOUNDS = "out_of_bounds"
    BASE_FEE = "base_fee"
    # fees: what the governor did
    DEAD_BAND = "dead_band"
    MIN_INTERVAL = "min_interval"
    DAILY_CAP = "daily_cap"
    # anything that acts
    NOT_USABLE = "not_usable"
    OBSERVE_MODE = "observe_mode"
    RESERVE_LOW = "reserve_low"
    NODE_SYNCING = "node_syncing"
    CLOCK_DOUBTFUL = "clock_doubtful"
    NEVER_SYNCED = "never_synced"
    # rebalancing
    BALANCED = "balanced"
    NO_INCOME = "no_income"
    NO_SOURCE = "no_source"
    SEVERAL_CHANNELS = "several_channels"
    COOLING_DOWN = "cooling_down"
    IN_FLIGHT = "in_flight"
    TOO_SMALL = "too_small"
    BUDGET_EXHAUSTED = "budget_exhausted"
    REFILL = "refill"
    PLAN_FULL = "plan_full"
    TAKEN = "taken"
    PLAN_EXPIRED = "plan_expired"
    PLAN_REPLACED = "plan_replaced"
    EXECUTOR_NONE = "executor_none"
    LIQUIDITY_CHANGED = "liquidity_changed"
    NO_ROUTE = "no_route"
    ROUTE_TOO_DEAR = "route_too_dear"
    ROUTE_REFUSED = "route_refused"
    ROUTE_FOUND = "route_found"
    PAYMENT_FAILED = "payment_failed"
    PAYMENT_PENDING = "payment_pending"
    PAYMENT_SETTLED = "payment_settled"
    PAYMENT_ASSUMED = "payment_assumed"
    PAYMENT_UNCLEAR = "payment_unclear"


#: The sentence of each reason; a test holds that every code has one and that its numbers fit.
SENTENCES: Final[Mapping[ReasonCode, str]] = {
    ReasonCode.FIRST_SEEN: "first seen at {fee_ppm} ppm: watching before touching",
    ReasonCode.EXTERNAL_CHANGE: "fee changed outside revops, {expected_ppm} -> {fee_ppm} ppm: learning starts anew",
    ReasonCode.OBSERVING: (
        "watching {fee_ppm} ppm: {open_hours} of {needed_hours} open hours, {forward_count} forwards"
    ),
    ReasonCode.INCONCLUSIVE: (
        "{fee_ppm} ppm earned {rate_msat} msat per open hour, {last_rate_msat} before: too close to tell apart by "
        "{forward_count} forwards, watching on"
    ),
    ReasonCode.CLIMB_KEEP: (
        "{fee_ppm} ppm earned {rate_msat} msat per open hour, {last_rate_msat} before: on, {step_percent} %"
    ),
    ReasonCode.CLIMB_REVERSE: (
        "{fee_ppm} ppm earned {rate_msat} msat per open hour, {last_rate_msat} before: back, {step_percent} %"
    ),
    ReasonCode.CLIMB_PROBE: (
        "{fee_ppm} ppm earned {rate_msat} msat per open hour, nothing to compare: try {step_percent} %"
    ),
    ReasonCode.STRATEGY_OFF: "strategy is off",
    ReasonCode.FLOOR: "raised to the floor of {floor_ppm} ppm",
    ReasonCode.CEILING: "lowered to the ceiling of {ceiling_ppm} ppm",
    ReasonCode.ZERO_FLOW_HOLD: "no revenue in {idle_hours} open hours: not raised",
    ReasonCode.ZERO_FLOW_DROP: "no revenue in {idle_hours} open hours: lowered to {fee_ppm} ppm",
    ReasonCode.STEP_LIMIT: "step limited to {limit_ppm} ppm",
    ReasonCode.OUT_OF_BOUNDS: "{fee_ppm} ppm is outside {min_ppm} to {max_ppm}: back inside",
    ReasonCode.BASE_FEE: "base fee {base_msat} -> {wanted_base_msat} msat",
    ReasonCode.DEAD_BAND: "a change of {change_ppm} ppm is not worth an announcement (dead band {band_ppm})",
    ReasonCode.MIN_INTERVAL: "last changed {age_hours} h ago, least interval {interval_hours} h",
    ReasonCode.DAILY_CAP: "{used_count} of {cap_count} updates a day are used; this one ranks {rank}",
    ReasonCode.NOT_USABLE: "not usable: {state}",
    ReasonCode.OBSERVE_MODE: "observe mode: nothing is sent",
    ReasonCode.RESERVE_LOW: "{have_sat} sat in {where}, reserve is {floor_sat}: suspended",
    ReasonCode.NODE_SYNCING: "the node is syncing: {warning}",
    ReasonCode.CLOCK_DOUBTFUL: "clock moved {elapsed_hours} h, chain {block_count} blocks: spending suspended",
    ReasonCode.NEVER_SYNCED: "the node's funds are not known: run `revops sync`",
    ReasonCode.BALANCED: "{local_percent} % is ours, a refill starts below {low_percent} %",
    ReasonCode.NO_INCOME: "forwards out of it earned nothing in {horizon_days} days: not worth refilling",
    ReasonCode.NO_SOURCE: "no channel has liquidity to spare cheaply enough",
    ReasonCode.SEVERAL_CHANNELS: "its peer has {channel_count} channels with us: arrival can't be verified",
    ReasonCode.COOLING_DOWN: "{failure_count} failures in a row, next try in {wait_minutes} min",
    ReasonCode.IN_FLIGHT: "a payment is already under way on it",
    ReasonCode.TOO_SMALL: "{amount_sat} sat is less than the least amount of {min_sat}",
    ReasonCode.BUDGET_EXHAUSTED: "budget: {left_sat} sat left, {wanted_sat} wanted ({window})",
    ReasonCode.REFILL: (
        "earned {income_ppm} ppm on {out_sat} sat in {horizon_days} days; refill at up to {max_fee_ppm} ppm"
    ),
    ReasonCode.TAKEN: "takes part in a better job of this plan",
    ReasonCode.PLAN_FULL: "the plan holds {job_count} better jobs already",
    ReasonCode.PLAN_REPLACED: "a newer plan took its place after {age_minutes} min",
    ReasonCode.PLAN_EXPIRED: "the plan is {age_minutes} min old, it was good for {lifetime_minutes}",
    ReasonCode.EXECUTOR_NONE: "executor is none: plans are made, not executed",
    ReasonCode.LIQUIDITY_CHANGED: "{side} can move {have_sat} sat now, {wanted_sat} wanted",
    ReasonCode.NO_ROUTE: "no route: {message}",
    ReasonCode.ROUTE_TOO_DEAR: "route costs {fee_msat} msat, at most {max_fee_msat} allowed",
    ReasonCode.ROUTE_REFUSED: "route refused: {message}",
    ReasonCode.ROUTE_FOUND: "route of {hop_count} hops for {fee_msat} msat",
    ReasonCode.PAYMENT_FAILED: "payment failed: {message}",
    ReasonCode.PAYMENT_PENDING: "payment is still under way; its {reserved_msat} msat stay reserved",
    ReasonCode.PAYMENT_SETTLED: "settled: {amount_msat} msat moved for {fee_msat} msat",
    ReasonCode.PAYMENT_ASSUMED: "{message}: booked at the reserved {fee_msat} msat",
    ReasonCode.PAYMENT_UNCLEAR: "the node's records don't agree: {message}; its {reserved_msat} msat stay reserved",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """A code and the numbers that led to it."""

    code: ReasonCode
    numbers: Mapping[str, Number] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The reason for a person. Numbers that are missing raise KeyError: a reason without its numbers is a bug."""
        shown = {name: f"{number:,}" if isinstance(number, int) else number for name, number in self.numbers.items()}
        return SENTENCES[self.code].format_map(shown)


def why(code: ReasonCode, **numbers: Number) -> Reason:
    """Given a code and its numbers by name, return the reason."""
    return Reason(code, numbers)


@dataclass(frozen=True, slots=True)
class FeeState:
    """What `hill_climb` remembers of a channel between runs. Instants, not cycle counts; rates in msat per open hour.

    `fee_ppm` is what was broadcast, `window_start_at` since when it counts, `open_seconds` how long since then the
    channel could have forwarded, `idle_open_seconds` how long it could have without earning, `counted_at` up to when
    both were counted.
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
    """One circular rebalance that is worth it (CHANGE), or why a channel is not refilled (SKIP, DEFER)."""

    target_channel_id: str
    target_name: str
    source_channel_id: str | None
    source_name: str | None
    outcome: Outcome
    amount_msat: int
    max_fee_msat: int
    expected_gain_msat: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class RebalancePlan:
    """All rebalance decisions of one cycle."""

    created_at: float
    expires_at: float
    decisions: tuple[RebalanceDecision, ...]

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
