"""Splices: capacity that is moved into channels that earn by it, out of the wallet or of channels that do nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from revops.domain.ads import LeaseFunding
from revops.domain.capital import CapitalRow
from revops.domain.channel import Channel
from revops.domain.dead_capital import ChainRates, Standing
from revops.domain.decision import Outcome
from revops.domain.node import Wallet
from revops.domain.reason import Reason

#: Begun, and not known to have ended.
UNDER_WAY: Final = ("reserved", "sending", "in_flight")


class SpliceDirection(StrEnum):
    """Whether a channel gets funds out of the wallet, or gives them to it. The values are stored: never change them."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class SpliceSite:
    """A live channel as a splice plan sees it: as the node lists it, and what the records say of the capital in it.

    `splices` is whether its peer and we signal splicing; None where the peer's features aren't known, since it isn't
    connected. Of the `connected_days` of the window on which the peer was known to be there, nothing of a usual size
    could leave on `exhausted_days`. `refused_*` is what we turned away there, as far as it was for want of liquidity,
    slots, or the peer itself; `demand_msat_per_day` is what wanted to leave, as far as it is believed.
    """

    channel: Channel
    row: CapitalRow
    standing: Standing
    splices: bool | None
    silent_days: float
    connected_days: float
    exhausted_days: float
    refused_count: int
    refused_msat: int
    demand_msat_per_day: float


@dataclass(frozen=True, slots=True)
class SpliceScene:
    """All that a splice plan decides on. `reserve_msat` must stay in the wallet; `channels_free_msat` is what the
    usable channels can send above their reserve (below 0: they lack it); `rated_days` is how long the span is that sums
    are of; `rates` are None where the node had no estimate lately; `now_perkw` is what it estimates at this moment for
    an opening, None: nothing; `begun_ids` are the channels on which a splice of ours was begun of which the end isn't
    known, whether the node lists it or not. `lease` is what the capital of one dead channel could be lent for, where
    others ask for as much as that costs; `leased_ids` are channels in which we lend.
    """

    taken_at: float
    sites: tuple[SpliceSite, ...]
    wallet: Wallet
    reserve_msat: int
    channels_free_msat: int
    rates: ChainRates | None
    rated_days: float
    begun_ids: frozenset[str] = frozenset()
    now_perkw: int | None = None
    lease: LeaseFunding | None = None
    leased_ids: frozenset[str] = frozenset()

    def under_way(self, channel: Channel) -> bool:
        """Whether a splice is under way on a channel, or may be."""
        return channel.splicing or channel.channel_id in self.begun_ids


@dataclass(frozen=True, slots=True)
class SpliceTerms:
    """What a splice is expected to bring within `horizon_days`, before it is paid for, with its bounds; what it costs
    on the chain at today's feerate (`cost_msat`); and what it may cost at most: `max_feerate_perkw` (sat per 1000
    weight) for `weight`, which is `max_cost_msat`. `payback_days` is when the expected gain has paid today's cost.
    """

    gain_low_msat: int
    gain_msat: int
    gain_high_msat: int
    horizon_days: int
    weight: int
    cost_msat: int
    max_feerate_perkw: int
    max_cost_msat: int
    payback_days: float


@dataclass(frozen=True, slots=True)
class SpliceDecision:
    """One splice that is worth it (CHANGE), or that would be and waits (DEFER), or why a channel gets or gives nothing
    (SKIP: `direction` and `terms` are None, and the amount is 0). `expected_gain_msat` is net of today's cost.
    """

    channel_id: str
    name: str
    outcome: Outcome
    direction: SpliceDirection | None
    amount_sat: int
    expected_gain_msat: int
    terms: SpliceTerms | None
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class SplicePlan:
    """All splice decisions of one cycle; `reasons` say what concerns all of them."""

    created_at: float
    expires_at: float
    decisions: tuple[SpliceDecision, ...]
    reasons: tuple[Reason, ...] = ()

    @property
    def jobs(self) -> tuple[SpliceDecision, ...]:
        """Those that may be executed."""
        return tuple(one for one in self.decisions if one.outcome is Outcome.CHANGE)


@dataclass(frozen=True, slots=True)
class SpliceStart:
    """What was asked of the node, when, and how the channel was then: by this our splice is told from another one.
    `worst_msat` is what it may cost at most: `weight`, more than which it can't have, at `perkw`, and change that is
    too small to be paid out. What the node's events up to `event_index` tell happened before it was asked, whatever
    the clock said.
    """

    asked_at: float
    funding_txid: str
    capacity_msat: int
    amount_sat: int
    perkw: int
    weight: int
    worst_msat: int
    event_index: int = 0


@dataclass(frozen=True, slots=True)
class SpliceJob:
    """A splice as it was planned and stored, with all that carrying it out takes. `status`: planned, reserved, sending,
    in_flight, settled, failed, released or expired. From `reserved` on it has a `start` and a reservation, from
    `in_flight` on a `txid`; `cost_msat` is what a settled one has cost.
    """

    splice_key: int
    plan_key: int
    channel_id: str
    direction: SpliceDirection
    amount_sat: int
    max_feerate_perkw: int
    max_cost_msat: int
    expected_gain_msat: int
    terms: SpliceTerms
    status: str
    created_at: float
    expires_at: float
    finished_at: float | None = None
    reason: Reason | None = None
    reserve_key: int | None = None
    txid: str | None = None
    start: SpliceStart | None = None
    cost_msat: int | None = None


@dataclass(frozen=True, slots=True)
class SpliceSummary:
    """What `splice run` did: each splice that it followed, began or left alone, as it stands now, with the reason.

    `names` gives the name of each channel_id in `jobs`; `reasons` say why the run as a whole began nothing.
    `waiting_count` is how many planned splices it left for a later run without having looked at them.
    """

    taken_at: float
    jobs: tuple[SpliceJob, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    waiting_count: int = 0


@dataclass(frozen=True, slots=True)
class SpliceRow:
    """A splice that was begun, as a row of a page. `reserved_msat` is what it may still cost, None once it has ended;
    `expected_gain_msat` what the plan expected of it, net of its cost.
    """

    channel: str
    channel_id: str
    direction: SpliceDirection
    amount_sat: int
    status: str
    begun_at: float
    finished_at: float | None
    reserved_msat: int | None
    cost_msat: int | None
    expected_gain_msat: int
    txid: str | None
    why: str | None


@dataclass(frozen=True, slots=True)
class SpliceRows:
    """All that `revops splice list` shows, the latest first. `more` says that there are older ones."""

    taken_at: float
    splices: tuple[SpliceRow, ...]
    more: bool
