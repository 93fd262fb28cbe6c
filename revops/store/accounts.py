"""The accounts of the node's own ledger: its channels, by their keys, and two that are none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from revops.domain.chain_cost import OUTSIDE, WALLET
from revops.domain.forward import ChainMove
from revops.domain.listed import ChannelMove
from revops.store.engine import Tx
from revops.store.keys import channel_keys, ensure_channels

WALLET_KEY: Final = 0
OUTSIDE_KEY: Final = -1
OTHER_ACCOUNTS: Final = {WALLET: WALLET_KEY, OUTSIDE: OUTSIDE_KEY}


def account_keys(tx: Tx, rows: Iterable[ChannelMove | ChainMove]) -> dict[str, int]:
    """Given moves, return the key of each account. A channel that is no longer listed anywhere gets a bare row."""
    seen: dict[str, float] = {}
    for row in rows:
        seen[row.account] = row.moved_at
    channels = [account for account in seen if account not in OTHER_ACCOUNTS]
    if not channels:
        return dict(OTHER_ACCOUNTS)
    return ensure_channels(tx, channels, max(seen.values())) | OTHER_ACCOUNTS


def account_names(tx: Tx) -> dict[int, str]:
    """Return the name of each account by its key."""
    channels = {key: channel_id for channel_id, key in channel_keys(tx).items()}
    return channels | {key: name for name, key in OTHER_ACCOUNTS.items()}
