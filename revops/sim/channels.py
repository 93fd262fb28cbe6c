"""One channel of ours: balances, HTLCs in flight, both sides' policies, and what may be spent.

The arithmetic follows lightningd/peer_control.c (channel_amount_spendable) and lightningd/channel.c
(htlc_max_possible_send); it reproduces the recorded node's figures to the millisatoshi.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from revops.sim.state import Output

# BOLT 3: weight of an anchors commitment transaction, and of each untrimmed HTLC output.
COMMIT_WEIGHT = 1124
HTLC_WEIGHT = 172
ANCHORS_SAT = 660
DUST_LIMIT_MSAT = 546_000
MAX_U64 = 2**64 - 1
LIVE_STATES = frozenset({"CHANNELD_NORMAL", "CHANNELD_AWAITING_SPLICE"})


@dataclass(frozen=True, slots=True)
class Policy:
    """One direction's channel_update (BOLT 7)."""

    fee_base_msat: int
    fee_ppm: int
    htlc_minimum_msat: int
    htlc_maximum_msat: int
    cltv_delta_blocks: int

    def fee_msat(self, amount_msat: int) -> int:
        """Return the fee for forwarding `amount_msat` (BOLT 7: base + amount × ppm / 10⁶, rounded down)."""
        return self.fee_base_msat + amount_msat * self.fee_ppm // 1_000_000


@dataclass(frozen=True, slots=True)
class Htlc:
    """A payment in flight on a channel; `direction` is lightningd's "in" or "out"."""

    direction: str
    htlc_id: int
    amount_msat: int
    expiry_height: int
    payment_hash: str


@dataclass(slots=True)
class Splice:
    """A splice that is signed but not yet locked in.

    `delta_sat` changes our balance (`splice_amount` of listpeerchannels: of a splice out that we begin, the fee
    included), `capacity_delta_sat` the channel. `inputs` are the wallet's; `returned` goes to it: change, or what was
    taken out. A block has the splice long before it locks in.
    """

    funding_txid: str
    funding_outnum: int
    delta_sat: int
    capacity_delta_sat: int
    scid: str
    begun_height: int
    feerate_perkw: int
    inputs: tuple[Output, ...] = ()
    returned: Output | None = None
    confirmed: bool = False


@dataclass(slots=True)
class Tally:
    """Lifetime counters of one direction, as in listpeerchannels (`in_…` and `out_…`), own payments included."""

    offered_count: int = 0
    offered_msat: int = 0
    fulfilled_count: int = 0
    fulfilled_msat: int = 0


@dataclass(slots=True, eq=False)
class Channel:
    """A channel of the simulated node. `local` is our policy, `remote` the peer's; amounts in msat."""

    channel_id: str
    peer_id: str
    direction: int
    scid: str | None
    alias_local: str
    alias_remote: str
    funding_txid: str
    funding_outnum: int
    capacity_msat: int
    to_us_msat: int
    local_funds_msat: int
    pushed_msat: int
    opener: str
    private: bool
    opened_at: int
    opened_height: int
    local: Policy
    remote: Policy
    our_reserve_msat: int
    their_reserve_msat: int
    max_accepted_htlcs: int
    peer_max_accepted_htlcs: int
    their_max_in_flight_msat: int
    commit_feerate_perkw: int
    state: str = "CHANNELD_NORMAL"
    #: Whether the peer has paid for what we put in; `pushed_msat` is then that fee.
    leased: bool = False
    min_to_us_msat: int = 0
    max_to_us_msat: int = 0
    previous_scids: list[str] = field(default_factory=list)
    splice: Splice | None = None
    #: A splice that hangs, with the coins it has reserved: the peer has been asked and answers nothing.
    negotiated: tuple[Output, ...] | None = None
    closer: str | None = None
    closed_at: int | None = None
    last_stable_at: int | None = None
    state_changes: list[dict[str, str]] = field(default_factory=list)
    grace_local: Policy | None = None
    grace_until_at: float = 0.0
    gossiped_before: Policy | None = None
    local_changed_at: float = 0.0
    refused_at: float = 0.0
    refused_msat: int = 0
    htlcs_out: dict[int, Htlc] = field(default_factory=dict)
    htlcs_in: dict[int, Htlc] = field(default_factory=dict)
    out_pending_msat: int = 0
    in_pending_msat: int = 0
    untrimmed_count: int = 0
    next_out_id: int = 0
    next_in_id: int = 0
    tally_in: Tally = field(default_factory=Tally)
    tally_out: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.min_to_us_msat = self.max_to_us_msat = self.to_us_msat

    @property
    def is_live(self) -> bool:
        """Whether the state allows new HTLCs (lightningd/channel_state: channel_state_can_add_htlc)."""
        return self.state in LIVE_STATES

    @property
    def key_scid(self) -> str:
        """The id that forwards carry: the real scid, else our alias (channel_scid_or_local_alias)."""
        return self.scid or self.alias_local

    def commit_fee_msat(self) -> int:
        """Return what the opener keeps for the commitment fee: a fee spike and two more HTLCs (commit_txfee)."""
        weight = COMMIT_WEIGHT + HTLC_WEIGHT * (self.untrimmed_count + 2)
        return (marginal_feerate(self.commit_feerate_perkw) * weight // 1000 + ANCHORS_SAT) * 1000

    def spendable_msat(self) -> int:
        """Return the most that one payment out of the channel can carry now; neither slots nor value limits count."""
        spendable = self.to_us_msat - self.our_reserve_msat - self.out_pending_msat
        if self.opener == "local":
            spendable -= self.commit_fee_msat()
        return spendable if spendable >= max(self.remote.htlc_minimum_msat, 1) else 0

    def receivable_msat(self) -> int:
        """Return the most that one payment into the channel can carry now."""
        receivable = self.capacity_msat - self.to_us_msat - self.their_reserve_msat - self.in_pending_msat
        if self.opener == "remote":
            receivable -= self.commit_fee_msat()
        return max(0, receivable)

    def can_send(self, amount_msat: int) -> bool:
        """Whether channeld would add an outgoing HTLC: balance, the peer's slots and its value limit."""
        return (
            amount_msat <= self.spendable_msat()
            and len(self.htlcs_out) < self.peer_max_accepted_htlcs
            and self.out_pending_msat + amount_msat <= self.their_max_in_flight_msat
        )

    def can_receive(self, amount_msat: int) -> bool:
        """Whether the peer could add an HTLC towards us: its balance and our slots."""
        return amount_msat <= self.receivable_msat() and len(self.htlcs_in) < self.max_accepted_htlcs

    def htlc_max_possible_msat(self) -> int:
        """Return the highest htlc_maximum that setchannel accepts (htlc_max_possible_send)."""
        return min(self.capacity_msat - self.our_reserve_msat, self.their_max_in_flight_msat)

    def offer_out(self, amount_msat: int, expiry_height: int, payment_hash: str) -> Htlc:
        """Add an outgoing HTLC and return it; the caller has checked `can_send`."""
        htlc = Htlc("out", self.next_out_id, amount_msat, expiry_height, payment_hash)
        self.next_out_id += 1
        self.htlcs_out[htlc.htlc_id] = htlc
        self.out_pending_msat += amount_msat
        self._count(self.tally_out, htlc, +1)
        return htlc

    def offer_in(self, amount_msat: int, expiry_height: int, payment_hash: str) -> Htlc:
        """Add an incoming HTLC and return it."""
        htlc = Htlc("in", self.next_in_id, amount_msat, expiry_height, payment_hash)
        self.next_in_id += 1
        self.htlcs_in[htlc.htlc_id] = htlc
        self.in_pending_msat += amount_msat
        self._count(self.tally_in, htlc, +1)
        return htlc

    def remove(self, htlc: Htlc, *, fulfilled: bool) -> None:
        """Remove an HTLC; a fulfilled one moves its amount."""
        outgoing = htlc.direction == "out"
        del (self.htlcs_out if outgoing else self.htlcs_in)[htlc.htlc_id]
        if outgoing:
            self.out_pending_msat -= htlc.amount_msat
        else:
            self.in_pending_msat -= htlc.amount_msat
        self.untrimmed_count -= htlc.amount_msat >= DUST_LIMIT_MSAT
        if not fulfilled:
            return
        tally = self.tally_out if outgoing else self.tally_in
        tally.fulfilled_count += 1
        tally.fulfilled_msat += htlc.amount_msat
        self.to_us_msat += -htlc.amount_msat if outgoing else htlc.amount_msat
        self.min_to_us_msat = min(self.min_to_us_msat, self.to_us_msat)
        self.max_to_us_msat = max(self.max_to_us_msat, self.to_us_msat)

    def set_local(self, policy: Policy, at: float, grace_seconds: float) -> None:
        """Change our policy. A policy that asks more leaves the old one acceptable for the grace period.

        One that asks less leaves an earlier grace as it was; one old policy is remembered (set_channel_config).
        """
        old = self.local
        if (
            policy.fee_base_msat > old.fee_base_msat
            or policy.fee_ppm > old.fee_ppm
            or policy.htlc_minimum_msat > old.htlc_minimum_msat
            or policy.htlc_maximum_msat < old.htlc_maximum_msat
        ):
            self.grace_local, self.grace_until_at = old, at + grace_seconds
        if policy != old:
            self.gossiped_before, self.local_changed_at = old, at
        self.local = policy

    def _count(self, tally: Tally, htlc: Htlc, step: int) -> None:
        tally.offered_count += step
        tally.offered_msat += htlc.amount_msat
        self.untrimmed_count += htlc.amount_msat >= DUST_LIMIT_MSAT


def marginal_feerate(current_perkw: int) -> int:
    """Given a commitment feerate, return the fee-spike one that must stay affordable (common/fee_states.c)."""
    lowest, highest = 253, 45_000
    current = max(current_perkw, lowest)
    if current > highest:
        return current * 11 // 10
    return int(current + (1.0 - (current - lowest) / (highest - lowest) * 0.9) * current)
