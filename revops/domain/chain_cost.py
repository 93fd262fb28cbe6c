"""What transactions on the chain cost, and for what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

#: Accounts of the node's ledger that are no channel: its own wallet, and everybody else.
WALLET: Final = "wallet"
OUTSIDE: Final = "external"
#: How lightningd tags what others got out of an old state of a channel, by whoever had published it: we lost it.
FORFEITED_TAGS: Final = frozenset({"penalty", "penalized", "stolen"})
#: What of a transaction goes to others and wasn't sent to them by us. An HTLC of theirs that timed out was theirs.
THEIR_TAGS: Final = FORFEITED_TAGS | {"to_them", "anchor", "htlc_timeout"}


@unique
class CostKind(StrEnum):
    """What a transaction did for an account. The words are stored: never change them."""

    OPEN = "open"
    SPLICE = "splice"
    CLOSE = "closing"
    #: What a close left on the chain came home to the wallet.
    SWEEP = "sweep"
    #: A close by an old state: the peer could take all of the channel.
    FORFEIT = "forfeit"
    #: The wallet's own affair: funds sent elsewhere, coins joined.
    WALLET = "wallet"
    #: Funds left the wallet, and nothing says how much of them was a fee: not counted as a cost.
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True)
class ChainCost:
    """One account's part of one transaction's fee. `account` is a channel_id, or WALLET; among `share_count` accounts
    the fee was divided. Of UNTOLD, `cost_msat` is all that left.
    """

    txid: str
    account: str
    kind: CostKind
    cost_msat: int
    booked_at: int
    blockheight: int
    share_count: int = 1
