"""What the records say, in the shape in which reports, metrics and people read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from revops.domain.channel import SPLICING_STATE
from revops.domain.decision import BudgetVerdict, FeeState
from revops.domain.demand import DemandFigures
from revops.domain.experiment import Experiment
from revops.domain.forward import Flow
from revops.domain.occupancy import NEAR_EXPIRY_BLOCKS, Occupancy
from revops.domain.payment import PaymentStatus
from revops.domain.reason import Reason
from revops.domain.rebalance import FailureKind, RebalanceTerms, SourceOffer
from revops.domain.stability import Stability


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of a command. `exit_code` and `finished_at` are None where it was killed."""

    command: str
    started_at: float
    finished_at: float | None
    exit_code: int | None
    message: str | None


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A decision as it was recorded; one that repeats extends `last_at` and counts up instead of standing again."""

    command: str
    channel_id: str | None
    name: str
    outcome: str
    old_ppm: int | None
    new_ppm: int | None
    amount_msat: int | None
    reasons: tuple[Reason, ...]
    first_at: float
    last_at: float
    repeat_count: int
    #: What it rested on: strategy, proposal, rules, bounds; empty where that wasn't kept.
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ActionRecord:
    """A call that changes the node, written down before it is made. `status`: pending, done, failed or unknown.

    `state_if_done` is what the strategy remembers if it is carried out, as long as that isn't known.
    """

    action_key: int
    method: str
    channel_id: str | None
    request: dict[str, object]
    status: str
    reply: dict[str, object] | None
    created_at: float
    settled_at: float | None
    state_if_done: FeeState | None = None


@dataclass(frozen=True, slots=True)
class FeeChange:
    """A fee that came into force on a channel; `source` is "revops", "external", "released" (given back to us) or
    "valve" (the fee stayed, our largest HTLC changed). `base_msat` is the base fee since then, None where that isn't on
    record; where the ppm stayed, the base fee is what changed.
    """

    channel_id: str
    changed_at: float
    old_ppm: int | None
    new_ppm: int
    source: str
    base_msat: int | None = None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A rebalance job. `status`: planned, reserved, sending, in_flight, settled, failed, released or expired.

    From `reserved` on, `label` names its invoice and `reserve_key` its reservation; from `sending` on there is a
    `payment_hash`, and money may be under way.
    """

    job_key: int
    plan_key: int
    source_channel_id: str
    target_channel_id: str
    amount_msat: int
    max_fee_msat: int
    expected_gain_msat: int
    status: str
    created_at: float
    expires_at: float
    label: str | None = None
    payment_hash: str | None = None
    reserve_key: int | None = None
    reserved_msat: int | None = None
    fee_msat: int | None = None
    finished_at: float | None = None
    reason: Reason | None = None
    #: Who executes it: "native" or "sling".
    executor: str = "native"
    #: The channels that may pay for it, best first.
    sources: tuple[SourceOffer, ...] = ()
    #: Which attempt for this target it is, and the job that failed before it.
    attempt: int = 1
    retry_of_key: int | None = None
    failure: FailureKind | None = None
    erring_scidd: str | None = None
    #: The target's balance when money was reserved.
    local_before_msat: int | None = None
    terms: RebalanceTerms | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a job ended, from the node's own records."""

    status: PaymentStatus
    fee_msat: int
    settled_at: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Books:
    """The reconciliation: what the node says it earned, against our rows.

    `opening_msat` is what it earned before it kept rows; None until the first complete sync.
    """

    node_fees_msat: int
    recorded_fees_msat: int
    opening_msat: int | None
    checked_at: float

    @property
    def difference_msat(self) -> int | None:
        """Node's figure less ours; 0 when the books are right, None before there is an opening row."""
        if self.opening_msat is None:
            return None
        return self.node_fees_msat - self.opening_msat - self.recorded_fees_msat


@dataclass(frozen=True, slots=True)
class ReserveStanding:
    """How the funds of a place ("onchain", "offchain") stand to their reserve: writing is suspended below `floor`, and
    goes on again from `resume`. `since_at` is since when it is suspended, None while it isn't; `reason` says why.
    """

    place: str
    have_msat: int
    floor_msat: int
    resume_msat: int
    since_at: float | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a window. Net is what forwards and leases earned less what rebalances, transactions and leases cost."""

    earned_msat: int
    forwarded_msat: int
    settled_count: int
    failed_count: int
    refused_count: int
    rebalance_fees_msat: int
    rebalanced_msat: int
    rebalance_count: int
    chain_msat: int = 0
    lease_earned_msat: int = 0
    lease_paid_msat: int = 0

    @property
    def net_msat(self) -> int:
        """Earned less spent; negative where more was spent than earned."""
        spent_msat = self.rebalance_fees_msat + self.chain_msat + self.lease_paid_msat
        return self.earned_msat + self.lease_earned_msat - spent_msat


@dataclass(frozen=True, slots=True)
class ChannelRecord:
    """A channel, open or closed, as the last sync saw it, with its flows in the window and ever."""

    channel_id: str
    name: str
    peer_id: str | None
    alias: str | None
    state: str
    open: bool
    private: bool
    connected: bool
    opener: str | None
    capacity_msat: int
    local_msat: int
    spendable_msat: int
    receivable_msat: int
    fee_base_msat: int | None
    fee_ppm: int | None
    htlc_count: int
    opened_at: int | None
    window: Flow
    lifetime: Flow
    window_rebalanced_in_msat: int
    window_rebalance_fees_msat: int
    lifetime_rebalance_fees_msat: int
    #: None where the channel wasn't listed since these are recorded.
    occupancy_out: Occupancy | None = None
    occupancy_in: Occupancy | None = None
    nearest_expiry_blockheight: int | None = None
    #: What its marginal sat is worth, in ppm; None where no fee decision has looked at it yet.
    value_ppm: float | None = None
    #: What the strategy `demand` judged last; None under other strategies.
    demand: DemandFigures | None = None
    last_stable_connection_at: int | None = None
    #: What opening, splicing and closing it has cost us.
    lifetime_chain_msat: int = 0
    #: What was paid for liquidity that is leased, by the peer to us and by us.
    lifetime_lease_earned_msat: int = 0
    lifetime_lease_paid_msat: int = 0

    @property
    def splicing(self) -> bool:
        """Whether it had a splice in flight at the last sync."""
        return self.open and self.state == SPLICING_STATE

    @property
    def lifetime_net_msat(self) -> int:
        """What it has earned less what it has cost, of all kinds, as in `ProfitLine`."""
        earned_msat = self.lifetime.earned_msat + self.lifetime_lease_earned_msat
        cost_msat = self.lifetime_rebalance_fees_msat + self.lifetime_chain_msat + self.lifetime_lease_paid_msat
        return earned_msat - cost_msat

    def near_expiry_blocks(self, blockheight: int) -> int | None:
        """Given the height of the chain, return the blocks to the end of the first HTLC; None unless that is near."""
        if self.nearest_expiry_blockheight is None or blockheight <= 0:
            return None
        left = self.nearest_expiry_blockheight - blockheight
        return left if left < NEAR_EXPIRY_BLOCKS else None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a peer does in one role: the chance that its next payment succeeds, by how many there were (decayed)."""

    score_ratio: float
    payment_count: float


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """A peer, with what its channels, open and closed, moved in the window. `sourced` are fees of what it sent us."""

    peer_id: str
    alias: str | None
    channel_count: int
    connected: bool
    sender: Standing
    receiver: Standing
    hold_seconds: float | None
    in_msat: int
    out_msat: int
    earned_msat: int
    sourced_msat: int
    #: As of the last sync; None where it has no channel with us, or nothing is recorded yet.
    stability: Stability | None = None

    @property
    def moved_msat(self) -> int:
        """What went through its channels, in both directions."""
        return self.in_msat + self.out_msat


@dataclass(frozen=True, slots=True)
class PeersReport:
    """All that `revops report peers` shows."""

    taken_at: float
    synced_at: float | None
    window_days: int
    peers: tuple[PeerRecord, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All that `revops report` shows. Built from records alone; `synced_at` is the data's age.

    `decisions` are those to act or to put off, `skips` what was left alone and why, `jobs` what became of rebalances.
    `experiment` is the one that runs.
    """

    taken_at: float
    synced_at: float | None
    window_days: int
    node_id: str
    alias: str
    version: str
    network: str
    blockheight: int
    wallet_spendable_msat: int
    window: Totals
    lifetime: Totals
    books: Books | None
    budget: BudgetVerdict
    channels: tuple[ChannelRecord, ...]
    decisions: tuple[DecisionRecord, ...]
    runs: tuple[RunRecord, ...]
    skips: tuple[DecisionRecord, ...] = ()
    jobs: tuple[JobRecord, ...] = ()
    experiment: Experiment | None = None
    reserves: tuple[ReserveStanding, ...] = ()
