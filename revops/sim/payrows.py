"""Payments of ours: their rows (listsendpays), the invoices that they pay (listinvoices), and those under way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from revops.sim.channels import Channel, Htlc


@dataclass(slots=True, eq=False)
class Payment:
    """One row of listsendpays, and the failure that waitsendpay reports (lightningd/pay.c)."""

    payment_hash: str
    groupid: int
    partid: int
    destination: str
    amount_msat: int
    total_msat: int
    amount_sent_msat: int
    created_at: int
    label: str | None = None
    bolt11: str | None = None
    description: str | None = None
    status: str = "pending"
    completed_at: int | None = None
    payment_preimage: str | None = None
    failure: dict[str, Any] | None = None
    failure_code: int = 0
    failure_detail: str = ""
    created_index: int = 0
    updated_index: int = 0

    def as_json(self, *, with_description: bool = True) -> dict[str, Any]:
        """Return the row in lightningd's key order (json_add_payment_fields)."""
        row: dict[str, Any] = {
            "created_index": self.created_index,
            "id": self.created_index,
            "payment_hash": self.payment_hash,
            "groupid": self.groupid,
        }
        if self.updated_index:
            row["updated_index"] = self.updated_index
        if self.partid:
            row["partid"] = self.partid
        row["destination"] = self.destination
        row["amount_msat"] = self.amount_msat
        row["amount_sent_msat"] = self.amount_sent_msat
        row["created_at"] = self.created_at
        if self.completed_at is not None:
            row["completed_at"] = self.completed_at
        row["status"] = self.status
        optional = {"payment_preimage": self.payment_preimage, "label": self.label, "bolt11": self.bolt11}
        if with_description:
            optional["description"] = self.description
        row.update({name: value for name, value in optional.items() if value is not None})
        return row


@dataclass(slots=True, eq=False)
class Invoice:
    """One row of listinvoices (lightningd/invoice.c json_add_invoice_fields)."""

    label: str
    bolt11: str
    payment_hash: str
    payment_preimage: str
    payment_secret: str
    amount_msat: int | None
    description: str | None
    expires_at: int
    cltv_blocks: int
    paid_at: int | None = None
    pay_index: int | None = None
    amount_received_msat: int | None = None
    expired: bool = False
    created_index: int = 0
    updated_index: int = 0

    def status(self) -> str:
        """Return lightningd's state name."""
        if self.paid_at is not None:
            return "paid"
        return "expired" if self.expired else "unpaid"

    def as_json(self) -> dict[str, Any]:
        """Return the row in lightningd's key order."""
        row: dict[str, Any] = {"label": self.label, "bolt11": self.bolt11, "payment_hash": self.payment_hash}
        if self.amount_msat is not None:
            row["amount_msat"] = self.amount_msat
        row["status"] = self.status()
        if self.paid_at is not None:
            row["pay_index"] = self.pay_index
            row["amount_received_msat"] = self.amount_received_msat
            row["paid_at"] = self.paid_at
            row["payment_preimage"] = self.payment_preimage
        if self.description is not None:
            row["description"] = self.description
        row["expires_at"] = self.expires_at
        row["created_index"] = self.created_index
        if self.updated_index:
            row["updated_index"] = self.updated_index
        return row


@dataclass(frozen=True, slots=True)
class Hop:
    """One hop of sendpay's route: where it leads, by which channel, what arrives there and with which delay."""

    node_id: str
    scid: str
    amount_msat: int
    delay_blocks: int


@dataclass(slots=True, eq=False)
class Flight:
    """A payment under way."""

    payment: Payment
    route: list[Hop]
    first: Channel
    htlc: Htlc
    secret: str | None
    last: Channel | None = None
    last_htlc: Htlc | None = None
