"""The rows that the node keeps of what happens to it: forwards, moves, network events.

Plain mutable records with slots; each knows how to write itself as lightningd does, optional fields only when known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# onion error codes and names (BOLT 4): PERM 0x4000, NODE 0x2000, UPDATE 0x1000.
FAIL_CODES = {
    4103: "WIRE_TEMPORARY_CHANNEL_FAILURE",
    4107: "WIRE_AMOUNT_BELOW_MINIMUM",
    4108: "WIRE_FEE_INSUFFICIENT",
    4109: "WIRE_INCORRECT_CLTV_EXPIRY",
    4116: "WIRE_CHANNEL_DISABLED",
    8194: "WIRE_TEMPORARY_NODE_FAILURE",
    16392: "WIRE_PERMANENT_CHANNEL_FAILURE",
    16394: "WIRE_UNKNOWN_NEXT_PEER",
    16399: "WIRE_INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS",
}


@dataclass(slots=True, eq=False)
class ForwardRow:
    """One row of listforwards (lightningd/forwards.c)."""

    in_channel: str
    in_htlc_id: int
    in_msat: int
    status: str
    received_at: float
    out_channel: str | None = None
    out_htlc_id: int | None = None
    out_msat: int | None = None
    fee_msat: int | None = None
    resolved_at: float | None = None
    failcode: int | None = None
    created_index: int = 0
    updated_index: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the row in lightningd's key order."""
        row: dict[str, Any] = {"created_index": self.created_index}
        if self.updated_index:
            row["updated_index"] = self.updated_index
        row["in_channel"] = self.in_channel
        row["in_htlc_id"] = self.in_htlc_id
        if self.out_channel is not None:
            row["out_channel"] = self.out_channel
        if self.out_htlc_id is not None:
            row["out_htlc_id"] = self.out_htlc_id
        row["in_msat"] = self.in_msat
        if self.out_msat is not None:
            row["out_msat"] = self.out_msat
            row["fee_msat"] = self.fee_msat
        row["status"] = self.status
        if self.failcode is not None:
            row["failcode"] = self.failcode
            row["failreason"] = FAIL_CODES[self.failcode]
        row["style"] = "tlv"
        row["received_time"] = self.received_at
        if self.resolved_at is not None:
            row["resolved_time"] = self.resolved_at
        return row


@dataclass(slots=True, eq=False)
class ChannelMove:
    """One row of listchannelmoves (lightningd/coin_mvts.c). Only a sent payment has part and group."""

    account_id: str
    credit_msat: int
    debit_msat: int
    timestamp_at: int
    primary_tag: str
    fees_msat: int
    payment_hash: str | None = None
    part_id: int | None = None
    group_id: int | None = None
    created_index: int = 0
    updated_index: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the row in lightningd's key order."""
        row: dict[str, Any] = {
            "created_index": self.created_index,
            "account_id": self.account_id,
            "credit_msat": self.credit_msat,
            "debit_msat": self.debit_msat,
            "timestamp": self.timestamp_at,
            "primary_tag": self.primary_tag,
        }
        optional = {"payment_hash": self.payment_hash, "part_id": self.part_id, "group_id": self.group_id}
        row |= {name: value for name, value in optional.items() if value is not None}
        row["fees_msat"] = self.fees_msat
        return row


@dataclass(slots=True, eq=False)
class ChainMove:
    """One row of listchainmoves. `extra` holds the one optional field that a row of its kind has: spending_txid,
    peer_id or originating_account.
    """

    account_id: str
    credit_msat: int
    debit_msat: int
    timestamp_at: int
    primary_tag: str
    utxo: str
    output_msat: int
    blockheight: int
    extra_tags: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    output_count: int | None = None
    created_index: int = 0
    updated_index: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the row in lightningd's key order."""
        row: dict[str, Any] = {
            "created_index": self.created_index,
            "account_id": self.account_id,
            "credit_msat": self.credit_msat,
            "debit_msat": self.debit_msat,
            "timestamp": self.timestamp_at,
            "primary_tag": self.primary_tag,
            "extra_tags": list(self.extra_tags),
            "utxo": self.utxo,
            **self.extra,
            "output_msat": self.output_msat,
        }
        if self.output_count is not None:
            row["output_count"] = self.output_count
        row["blockheight"] = self.blockheight
        return row


@dataclass(slots=True, eq=False)
class NetworkEvent:
    """One row of listnetworkevents (v25.12)."""

    peer_id: str
    type: str
    timestamp_at: int
    reason: str | None = None
    duration_nsec: int | None = None
    connect_attempted: bool | None = None
    created_index: int = 0
    updated_index: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the row in lightningd's key order."""
        row: dict[str, Any] = {
            "created_index": self.created_index,
            "peer_id": self.peer_id,
            "type": self.type,
            "timestamp": self.timestamp_at,
        }
        optional = {
            "reason": self.reason,
            "duration_nsec": self.duration_nsec,
            "connect_attempted": self.connect_attempted,
        }
        row |= {name: value for name, value in optional.items() if value is not None}
        return row
