"""Channels as the node lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: States in which a channel forwards payments. A splice in flight keeps the channel usable.
SPLICING_STATE: Final = "CHANNELD_AWAITING_SPLICE"
LIVE_STATES: Final = frozenset({"CHANNELD_NORMAL", SPLICING_STATE})


@dataclass(frozen=True, slots=True)
class Terms:
    """What one side of a channel asks for (its `channel_update`)."""

    fee_base_msat: int
    fee_ppm: int
    htlc_min_msat: int
    htlc_max_msat: int
    cltv_delta_blocks: int


@dataclass(frozen=True, slots=True)
class Htlc:
    """A payment in flight on a channel. `direction` is "in" or "out" as seen from us."""

    direction: str
    amount_msat: int
    expiry_blockheight: int
    payment_hash: str
    state: str


@dataclass(frozen=True, slots=True)
class Channel:
    """A committed channel (`listpeerchannels`). Amounts are clamped to the supply of bitcoin."""

    channel_id: str
    peer_id: str
    scid: str | None
    alias_local: str | None
    alias_remote: str | None
    direction: int | None
    state: str
    opener: str
    private: bool
    connected: bool
    capacity_msat: int
    local_msat: int
    spendable_msat: int
    receivable_msat: int
    our_reserve_msat: int
    their_reserve_msat: int
    local_terms: Terms
    remote_terms: Terms | None
    max_accepted_htlcs: int
    htlcs: tuple[Htlc, ...] = ()
    opened_at: int | None = None
    last_stable_connection_at: int | None = None
    #: The most value that HTLCs of ours, and of the peer, may hold at once; None where no limit is stated.
    max_in_flight_out_msat: int | None = None
    max_in_flight_in_msat: int | None = None
    #: The transaction that funds it, and those of splices under way.
    funding_txids: frozenset[str] = frozenset()
    #: What of it we lent to the peer, for a fee, when it was opened; None: nothing.
    lent_msat: int | None = None
    #: What of it we put in when the peer opened it, for nothing; None: nothing.
    given_msat: int | None = None

    @property
    def live(self) -> bool:
        """Whether the channel could forward if its peer were connected."""
        return self.state in LIVE_STATES

    @property
    def splicing(self) -> bool:
        """Whether a splice is under way on it: it waits for one, or has more than one funding transaction."""
        return self.state == SPLICING_STATE or len(self.funding_txids) > 1

    @property
    def usable(self) -> bool:
        """Whether the channel can forward now."""
        return self.live and self.connected

    @property
    def name(self) -> str:
        """What people and most RPCs call it: the scid, else our alias for it, else its channel_id."""
        return self.scid or self.alias_local or self.channel_id

    @property
    def local_percent(self) -> int:
        """Our share of the capacity in whole per cent, rounded down: what tables show of it."""
        return 100 * self.local_msat // self.capacity_msat if self.capacity_msat else 0

    @property
    def local_ratio(self) -> float:
        """Our share of the capacity, 0 to 1."""
        return self.local_msat / self.capacity_msat if self.capacity_msat else 0.0


@dataclass(frozen=True, slots=True)
class ClosedChannel:
    """A channel that is gone (`listclosedchannels`)."""

    channel_id: str
    peer_id: str | None
    scid: str | None
    alias_local: str | None
    opener: str
    closer: str | None
    close_cause: str
    capacity_msat: int
    final_local_msat: int
    last_stable_connection_at: int | None


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """What gossip says of a peer. The alias was chosen by a stranger: escape it before it is shown."""

    node_id: str
    alias: str | None
