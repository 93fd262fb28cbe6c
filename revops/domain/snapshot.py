"""All that a decision sees: the node at one moment, and what the records add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from revops.domain.ads import LeasePromise
from revops.domain.channel import Channel
from revops.domain.decision import FeeState
from revops.domain.demand import DemandFigures
from revops.domain.experiment import Turn
from revops.domain.forward import Flow
from revops.domain.node import Feerates, NodeInfo, Wallet
from revops.domain.reason import Reason
from revops.domain.rebalance import Attempt, Lot
from revops.domain.signals import UNKNOWN, Signals

if TYPE_CHECKING:  # it needs msgspec, which `revops --help` doesn't load
    from revops.domain.policy import FeesConfig


@dataclass(frozen=True, slots=True)
class NodeView:
    """The node, its wallet and its committed channels, read within one run."""

    taken_at: float
    node: NodeInfo
    wallet: Wallet
    channels: tuple[Channel, ...]

    @property
    def spendable_msat(self) -> int:
        """What the usable channels could send, together."""
        return sum(channel.spendable_msat for channel in self.channels if channel.usable)


@dataclass(frozen=True, slots=True)
class FeePin:
    """A fee that the operator set by hand; `until_at` None: until it is released. `forced` passes the soft gates, until
    the fee has come into force once.
    """

    ppm: int
    set_at: float
    until_at: float | None
    forced: bool


@dataclass(frozen=True, slots=True)
class FeeInput:
    """One channel as a fee decision sees it. `earned_*` are settled forwards out of it since its state's window
    started.

    `score_msat` is what a strategy learns from: the same forwards, weighted by their senders' reputation and net of the
    liquidity that they used up (`score_error_msat`: its standard error). It is never booked. None: as earned.
    `interest_count` counts payments that wanted to leave at this price and found liquidity (settled, or failed later),
    each as far as it is believed, and one smaller than a typical payment by its part of it; None: `earned_count`.
    `settled_interest_count` is what of it settled, None: all. Interest alone earns nothing.
    `policy` is what the rules make of `[fees]` for this channel; None: `[fees]` itself. `last_changed_at` is of any
    change of the fee or announcement of ours, `last_own_changed_at` of the last announcement of ours;
    `external_since_at` is set where the fee in force is somebody else's. `rules` names those that made its policy.
    `sold_msat` is what left by it in the last 30 days. `turn` is set where an experiment has chosen its strategy,
    `away_since_at` where one runs that the operator keeps the channel out of.
    `market_ratio` is what the node's channels have come to ask, as a multiple of what others charge into their peers;
    `reachable` is whether a payment could enter by another peer's channel now. `promise` is what we promised to the
    lessee of the channel, None where it isn't leased from us.
    """

    channel: Channel
    state: FeeState | None
    earned_msat: int
    earned_count: int
    last_earned_at: float | None
    last_changed_at: float | None
    score_msat: float | None = None
    score_error_msat: float | None = None
    interest_count: float | None = None
    settled_interest_count: float | None = None
    policy: FeesConfig | None = None
    signals: Signals = UNKNOWN
    pin: FeePin | None = None
    last_own_changed_at: float | None = None
    external_since_at: float | None = None
    rules: tuple[str, ...] = ()
    sold_msat: int = 0
    own_updates_last_day_count: int = 0
    turn: Turn | None = None
    away_since_at: float | None = None
    market_ratio: float = 1.0
    reachable: bool = True
    promise: LeasePromise | None = None


@dataclass(frozen=True, slots=True)
class FeeSnapshot:
    """What `fees adjust` decides on. `updates_last_day_count` counts all channels' updates in the last 24 hours;
    `feerates` are the samples of the last days, None where they were not looked for.
    """

    view: NodeView
    inputs: tuple[FeeInput, ...]
    updates_last_day_count: int
    feerates: tuple[Feerates, ...] | None = None


@dataclass(frozen=True, slots=True)
class RebalanceSnapshot:
    """What `rebalance plan` decides on. Keys are channel_ids.

    `flows` are those of the horizon, `attempts` how earlier ones ended, oldest first, `lots` what was bought in the
    last two horizons, `spent_msat` what refills out of a channel cost in the horizon. `permissions` is what the rules
    let each take part in as: "both" where none says otherwise.
    `unstable` says why a channel's peer can't be relied on now. `figures` is what `demand` judged last.
    `congested_since` is when the channels that were congested at the last look became so. `ceilings_ppm` is what
    `[fees]` and its rules let each ask for at most.
    """

    view: NodeView
    flows: Mapping[str, Flow]
    in_flight: frozenset[str]
    budget_left_msat: int
    signals: Mapping[str, Signals] = field(default_factory=dict)
    figures: Mapping[str, DemandFigures] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()
    lots: Mapping[str, tuple[Lot, ...]] = field(default_factory=dict)
    spent_msat: Mapping[str, int] = field(default_factory=dict)
    permissions: Mapping[str, str] = field(default_factory=dict)
    unstable: Mapping[str, Reason] = field(default_factory=dict)
    congested_since: Mapping[str, float] = field(default_factory=dict)
    ceilings_ppm: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClockMark:
    """A moment at which clock and block height were read together."""

    marked_at: float
    blockheight: int
