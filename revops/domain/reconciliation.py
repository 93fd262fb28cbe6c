"""The books held against the node: what was compared, what differs, and why, as far as that is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Figure(StrEnum):
    """What was compared."""

    FEES = "fees_collected"
    IN = "forwarded_in"
    OUT = "forwarded_out"
    EARNED = "earned"
    SOURCED = "sourced"
    BALANCE = "balance"
    WALLET = "wallet"
    FINAL_BALANCE = "final_balance"
    REBALANCES = "rebalance_cost"
    LEDGER = "spend_ledger"


@unique
class Cause(StrEnum):
    """Why a figure of the node's and ours differ, as far as the records tell."""

    #: The node's ledger of moves begins later than its forwards.
    BEFORE_LEDGER = "before_ledger"
    #: A peer has not let go yet of an HTLC whose forward is settled: the ledger has it when he has.
    UNDER_WAY = "under_way"
    #: A side of the forward was settled by a transaction: that is in the ledger of the chain.
    ON_CHAIN = "on_chain"
    #: A forward was deleted on the node before it was copied, not by its age.
    DELETED = "deleted"
    #: An scid of which nobody knows any more which channel it was.
    UNKNOWN_SCID = "unknown_scid"
    #: More was booked for a job than the node's ledger has moved: the dearer counts.
    BOOKED_DEARER = "booked_dearer"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that differs: by the node, and by us, in msat. `subject` is a channel_id, a job or None for the node."""

    figure: Figure
    subject: str | None
    node_msat: int
    ours_msat: int
    cause: Cause

    @property
    def difference_msat(self) -> int:
        """Node's figure less ours."""
        return self.node_msat - self.ours_msat

    @property
    def unexplained(self) -> bool:
        """Whether nothing tells why."""
        return self.cause is Cause.UNKNOWN


@dataclass(frozen=True, slots=True)
class Sides:
    """What went through a channel by one record: in and out, and the fees at either side; msat."""

    in_msat: int = 0
    out_msat: int = 0
    sourced_msat: int = 0
    earned_msat: int = 0

    def __sub__(self, other: Sides) -> Sides:
        """Subtract, side by side."""
        return Sides(
            self.in_msat - other.in_msat,
            self.out_msat - other.out_msat,
            self.sourced_msat - other.sourced_msat,
            self.earned_msat - other.earned_msat,
        )

    def __add__(self, other: Sides) -> Sides:
        """Add, side by side."""
        return Sides(
            self.in_msat + other.in_msat,
            self.out_msat + other.out_msat,
            self.sourced_msat + other.sourced_msat,
            self.earned_msat + other.earned_msat,
        )


NOTHING = Sides()


@dataclass(frozen=True, slots=True)
class ChannelBooks:
    """A channel by the forwards that we hold and by the node's ledger.

    `before_ledger` is what of the forwards is older than the ledger; `fulfilled_in_msat` and `fulfilled_out_msat` are
    HTLCs of forwards that were claimed by transactions, `fulfilled_count` of them. `under_way` are forwards that may be
    settled and not yet in the ledger, one by one. `ledger_msat` is the balance by all
    moves; `balance_msat` is what the node says, 0 where the funds are on the chain, and None while they are on the way.
    `final_msat` is what was ours at last by listclosedchannels, `closed_msat` what the ledger took out of the channel
    then; `opening_known` says whether the ledger has the channel's opening. `forward_count` says how many times one of
    the forwards entered or left, `before_count` how many of these are older than the ledger, and `move_count` of how
    many the ledger tells.
    """

    channel_id: str
    name: str
    known: bool
    forwards: Sides
    before_ledger: Sides
    moves: Sides
    fulfilled_in_msat: int
    fulfilled_out_msat: int
    fulfilled_count: int
    ledger_msat: int
    balance_msat: int | None
    final_msat: int | None = None
    closed_msat: int | None = None
    opening_known: bool = True
    under_way: tuple[Sides, ...] = ()
    forward_count: int = 0
    before_count: int = 0
    move_count: int = 0


@dataclass(frozen=True, slots=True)
class NodeBooks:
    """All that is compared. `opening_msat` is what the node earned before it kept rows. `job_costs` are (job_key, by
    the node's moves, as booked) of settled jobs whose moves are there.
    """

    fees_collected_msat: int
    opening_msat: int
    recorded_fees_msat: int
    wallet_node_msat: int
    wallet_ledger_msat: int
    channels: tuple[ChannelBooks, ...]
    job_costs: tuple[tuple[int, int, int], ...] = ()
    booked_by_jobs_msat: int = 0
    booked_in_ledger_msat: int = 0


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """All that `revops reconcile` shows. `still` is False where the node went on while it was looked at: then figures
    of different moments were compared. `to_sweep` names closes whose outputs are still on the chain.
    """

    taken_at: float
    books: NodeBooks
    differences: tuple[Difference, ...]
    still: bool
    compared_count: int
    to_sweep: tuple[str, ...] = ()
    #: Sums and costs that aren't what their own rows come to, for a person: nothing but damage explains that.
    damaged: tuple[str, ...] = ()

    @property
    def unexplained_msat(self) -> int:
        """What nothing explains, whatever its sign."""
        return unexplained_msat(self.differences)

    @property
    def agrees(self) -> bool:
        """Whether all that differs is explained, and the records agree with themselves."""
        return not self.damaged and not any(one.unexplained for one in self.differences)


def unexplained_msat(differences: Iterable[Difference]) -> int:
    """Given differences, return the sum of those that nothing explains, whatever their sign."""
    return sum(abs(one.difference_msat) for one in differences if one.unexplained)
