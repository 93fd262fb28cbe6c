"""Channels as the node lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from revops.domain.values import replace

#: States in which a channel forwards payments. A splice in flight keeps the channel usable.
NORMAL_STATE: Final = "CHANNELD_NORMAL"
SPLICING_STATE: Final = "CHANNELD_AWAITING_SPLICE"
LIVE_STATES: Final = frozenset({NORMAL_STATE, SPLICING_STATE})
#: Each side keeps 1 % of the capacity after a splice as its reserve (BOLT 2, "Channel Splicing").
RESERVE_SHARE: Final = 100


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
class SpliceInFlight:
    """A splice that isn't locked in: the transaction `txid` would make the channel `capacity_msat` large, and change
    either side's balance by so much (below 0: that leaves it, with the fee that it pays).
    """

    txid: str
    local_change_msat: int
    remote_change_msat: int
    capacity_msat: int


@dataclass(frozen=True, slots=True)
class Channel:
    """A committed channel (`listpeerchannels`). Amounts are clamped to the supply of bitcoin.

    Balance and capacity are those before a splice in flight. What a payment may carry (`spendable_msat`,
    `receivable_msat`) must fit before and after it: it is the least of both (`before_and_after`).
    """

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
    #: The one of them that funds it now.
    funding_txid: str | None = None
    #: What of it we lent to the peer, for a fee, when it was opened; None: nothing.
    lent_msat: int | None = None
    #: What of it we put in when the peer opened it, for nothing; None: nothing.
    given_msat: int | None = None
    #: Splices in flight: several where one was replaced by another that pays more. One of them will be locked in.
    splices: tuple[SpliceInFlight, ...] = ()

    @property
    def live(self) -> bool:
        """Whether the channel could forward if its peer were connected."""
        return self.state in LIVE_STATES

    @property
    def splicing(self) -> bool:
        """Whether a splice is under way on it: it waits for one, or has more than one funding transaction."""
        return self.state == SPLICING_STATE or bool(self.splices) or len(self.funding_txids) > 1

    @property
    def balances_msat(self) -> tuple[tuple[int, int], ...]:
        """Our balance and the size: those of now, then those after each splice in flight."""
        after = ((max(self.local_msat + one.local_change_msat, 0), one.capacity_msat) for one in self.splices)
        return ((self.local_msat, self.capacity_msat), *after)

    @property
    def leaving_msat(self) -> int:
        """What a splice in flight takes from our side; 0 where none does."""
        return max((0, *(-one.local_change_msat for one in self.splices)))

    @property
    def unsendable_msat(self) -> int:
        """By how much less it can send than its balance of now allows, since a splice in flight takes from our side, or
        lets our reserve grow.
        """
        changes = (one.local_change_msat - reserve_growth_msat(one, self.our_reserve_msat) for one in self.splices)
        return -min((0, *changes))

    @property
    def coming_msat(self) -> int:
        """What a splice in flight brings to our side, as far as it can be spent then; 0 where none does."""
        changes = (one.local_change_msat - reserve_growth_msat(one, self.our_reserve_msat) for one in self.splices)
        return max((0, *changes))

    @property
    def spendable_after_msat(self) -> int:
        """What it can send once its splice in flight is locked in; without one, now."""
        return self.spendable_msat + self.coming_msat

    @property
    def capacity_after_msat(self) -> int:
        """Its size once its splice in flight is locked in, the last one of several; without one, now."""
        return self.splices[-1].capacity_msat if self.splices else self.capacity_msat

    @property
    def least_capacity_msat(self) -> int:
        """Its size before or after a splice in flight, whichever is less."""
        return min(capacity_msat for _, capacity_msat in self.balances_msat)

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
        """Our share of the capacity, 0 to 1; with a splice in flight that before or after it, whichever is less."""
        return min(local_msat / size_msat if size_msat > 0 else 0.0 for local_msat, size_msat in self.balances_msat)


def reserve_growth_msat(splice: SpliceInFlight, reserve_msat: int) -> int:
    """Given a splice in flight and what a side keeps as its reserve now, return by how much that grows; never below 0:
    until it is locked in, the reserve of now stands.
    """
    return max(splice.capacity_msat // RESERVE_SHARE - reserve_msat, 0)


def before_and_after(channel: Channel) -> Channel:
    """Given a channel with what its node says can be sent and received, which is before any splice in flight, return it
    with what can be before and after: channeld takes no HTLC that doesn't fit both (BOLT 2, "Channel Splicing";
    channeld/full_channel.c, get_room_above_reserve).
    """
    if not channel.splices:
        return channel
    theirs = (one.remote_change_msat - reserve_growth_msat(one, channel.their_reserve_msat) for one in channel.splices)
    return replace(
        channel,
        spendable_msat=max(channel.spendable_msat - channel.unsendable_msat, 0),
        receivable_msat=max(channel.receivable_msat + min((0, *theirs)), 0),
    )


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
