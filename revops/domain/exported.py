"""Rows of exports: forwards, circular payments and costs, as they add up to profit and loss. Amounts in msat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class ChannelName:
    """Who a channel is: its short channel id (or our alias of it) and its peer, as far as they are known."""

    channel_id: str
    scid: str | None = None
    peer_id: str | None = None
    alias: str | None = None


class ForwardEntry(NamedTuple):
    """A settled forward, or (`created_index` None) what was settled on a day between two channels, of which the rows
    were summarised; then `counted_at` is when the day began.
    """

    counted_at: float
    created_index: int | None
    forward_count: int
    into: ChannelName
    out: ChannelName
    in_msat: int
    out_msat: int
    fee_msat: int


class CircularEntry(NamedTuple):
    """A circular payment, or (`payment_hash` None) what was booked for a job beyond the node's ledger of moves:
    `payment_count` is 0 where that has the payment, so that fees alone are added. `job_key` None: no job of ours.
    """

    booked_at: float
    payment_hash: str | None
    job_key: int | None
    source: ChannelName
    target: ChannelName
    amount_msat: int
    fee_msat: int
    payment_count: int


class CostEntry(NamedTuple):
    """What a transaction cost, by account, or a day's lease fees. `kind` is a CostKind's value, "lease_paid" or
    "lease_earned"; of the latter, `cost_msat` is negative. What left the wallet without a word how much of it was a fee
    is `untold_msat`, and no cost. `channel` None: the wallet.
    """

    booked_at: float
    kind: str
    cost_msat: int
    untold_msat: int
    channel: ChannelName | None
    txid: str | None = None
    blockheight: int | None = None
    share_count: int | None = None
