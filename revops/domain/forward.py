"""Forwards (`listforwards`), what went through channels, and the node's money movements on the chain. Single forwards
and moves are in `listed.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

#: A typical forward; measured on public nodes most are smaller.
TYPICAL_PAYMENT_MSAT: Final = 25_000_000


class ForwardStatus(IntEnum):
    """What became of a forward. The numbers are stored: never change them."""

    OFFERED = 0
    SETTLED = 1
    LOCAL_FAILED = 2
    FAILED = 3

    @property
    def final(self) -> bool:
        """Whether it can't change any more."""
        return self is not ForwardStatus.OFFERED


FORWARD_STATUS_OF: Final = {
    "offered": ForwardStatus.OFFERED,
    "settled": ForwardStatus.SETTLED,
    "local_failed": ForwardStatus.LOCAL_FAILED,
    "failed": ForwardStatus.FAILED,
}


#: How lightningd tags what comes into a channel with its funding output, what leaves it with that, and what is no end.
OPEN_TAG: Final = "channel_open"
#: A channel that was in use before a block had its funding: OPEN_TAG follows for the same output, with an amount again.
PROPOSED_TAG: Final = "channel_proposed"
CLOSE_TAG: Final = "channel_close"
SPLICE_TAG: Final = "splice"


def ends_channel(tag: str, extra_tags: Collection[str]) -> bool:
    """Given the tags of a chain move, return whether a channel ends with it: a splice is no close."""
    return tag == CLOSE_TAG and SPLICE_TAG not in extra_tags


@dataclass(frozen=True, slots=True)
class ChainMove:
    """One change on the chain (`listchainmoves`); the account is "wallet", "external" or a channel_id."""

    created_index: int
    account: str
    credit_msat: int
    debit_msat: int
    moved_at: int
    tag: str
    extra_tags: tuple[str, ...]
    outpoint: str
    spending_txid: str | None
    output_msat: int
    blockheight: int
    #: Of a channel's end: how many outputs the transaction has.
    output_count: int | None = None

    @property
    def txid(self) -> str:
        """The transaction by which it happened: the one that spends the output, else the one that made it."""
        return self.spending_txid or self.outpoint.partition(":")[0]

    @property
    def is_close(self) -> bool:
        """Whether a channel ends with it."""
        return ends_channel(self.tag, self.extra_tags)


@dataclass(frozen=True, slots=True)
class Flow:
    """What went through one channel in a window. `earned` is credited where a payment left, `sourced` where it
    entered.
    """

    in_msat: int = 0
    out_msat: int = 0
    in_count: int = 0
    out_count: int = 0
    earned_msat: int = 0
    sourced_msat: int = 0
    refused_count: int = 0
    last_settled_at: float | None = None
