"""What the policy rules make of a channel.

Operators know the idea from charge-lnd: rules are read from the top; each one that matches lays its settings over what
stands so far, until one that is final ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from revops.domain.experiment import Experiment
from revops.domain.snapshot import FeePin

if TYPE_CHECKING:  # it needs msgspec, which `revops --help` doesn't load
    from revops.domain.policy import FeesConfig, FlowKind, Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFacts:
    """What rules can ask of a channel. None: not known."""

    channel_id: str
    name: str
    names: frozenset[str]
    peer_id: str | None
    alias: str | None
    capacity_msat: int
    local_ratio: float
    age_days: float | None
    private: bool
    opener: str | None
    uptime_ratio: float | None
    flow: FlowKind


@dataclass(frozen=True, slots=True)
class RuleStep:
    """What became of one rule on one channel: whether it applied, and if not, which condition failed."""

    rule: str
    applied: bool
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPolicy:
    """What the rules make of a channel. `origins` names the rule of each setting that isn't `[fees]`'s own.

    `crossed` are the lower bounds that rules put above their upper ones together, which then hold for both.
    """

    facts: ChannelFacts
    fees: FeesConfig
    rebalance: Permission
    steps: tuple[RuleStep, ...]
    origins: Mapping[str, str]
    crossed: tuple[str, ...] = ()

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of the rules that applied."""
        return tuple(step.rule for step in self.steps if step.applied)


@dataclass(frozen=True, slots=True)
class PoliciesReport:
    """What the rules make of channels, as the last sync saw them, and the pins that set a fee in place of them, by
    channel_id. `experiment` is the one that runs, whose strategies take the place of that of `[fees]`.
    """

    taken_at: float
    synced_at: float | None
    policies: tuple[ChannelPolicy, ...]
    pins: Mapping[str, FeePin] = field(default_factory=dict)
    experiment: Experiment | None = None
