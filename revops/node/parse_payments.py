"""Invoices and payments of our own: `invoice`, `listinvoices`, `sendpay`, `waitsendpay` and `listsendpays`.

Preimages stay where they are: nothing here reads them. A reply about another payment than the one that was asked for
is an error, never a surprise further on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from revops.domain.ids import is_scid
from revops.domain.payment import Hop, Invoice, Payment, PaymentFailure, PaymentStatus
from revops.node.errors import NodeError
from revops.node.fields import Fields

_INVOICE_STATES: Final = ("unpaid", "paid", "expired")


def new_invoice(reply: dict[str, object], label: str, amount_msat: int) -> Invoice:
    """Given the reply of `invoice` and what it was asked for, return the invoice with its secret."""
    fields = Fields("invoice", reply)
    return Invoice(
        label=label,
        payment_hash=fields.hash("payment_hash"),
        payment_secret=fields.hash("payment_secret"),
        status="unpaid",
        amount_msat=amount_msat,
        expires_at=fields.whole("expires_at"),
    )


def invoice(reply: dict[str, object], label: str) -> Invoice | None:
    """Given the reply of `listinvoices` for a label, return the invoice (without its secret), or None."""
    for row in Fields("listinvoices", reply).rows("invoices"):
        if row.text("label") != label:
            raise row.wrong("label", "is not the one that was asked for")
        return Invoice(
            label=label,
            payment_hash=row.hash("payment_hash"),
            payment_secret=None,
            status=row.one_of("status", _INVOICE_STATES),
            amount_msat=row.maybe(row.msat, "amount_msat"),
            expires_at=row.whole("expires_at"),
        )
    return None


def payments(reply: dict[str, object], payment_hash: str) -> tuple[Payment, ...]:
    """Given the reply of `listsendpays` for a hash, return its attempts, oldest first."""
    rows = sorted(Fields("listsendpays", reply).rows("payments"), key=lambda row: row.whole("created_index"))
    return tuple(_payment(row, payment_hash) for row in rows)


def payment(method: str, reply: dict[str, object], payment_hash: str) -> Payment:
    """Given the reply of `sendpay` or `waitsendpay` for a hash, return the attempt."""
    return _payment(Fields(method, reply), payment_hash)


def _payment(row: Fields, payment_hash: str) -> Payment:
    if row.hash("payment_hash") != payment_hash:
        raise row.wrong("payment_hash", "is not the one that was asked for")
    return Payment(
        payment_hash=payment_hash,
        status=PaymentStatus(row.one_of("status", tuple(PaymentStatus))),
        amount_msat=row.maybe(row.msat, "amount_msat"),
        amount_sent_msat=row.msat("amount_sent_msat"),
        destination=row.maybe(row.node_id, "destination"),
        created_at=row.whole("created_at"),
        completed_at=int(row.number("completed_at")) if "completed_at" in row else None,
    )


def failure(error: NodeError, *, at_once: bool = False, held_seconds: float | None = None) -> PaymentFailure:
    """Given the error with which `sendpay` (`at_once`) or `waitsendpay` says that a payment failed, return what it
    tells, and how long the payment had been under way.

    What comes with an error is only a hint for the next route: what isn't there, or can't be read, is None.
    """
    data = error.data if isinstance(error.data, dict) else {}
    failcode = data.get("failcode")
    return PaymentFailure(
        # `waitsendpay` begins with it; that it failed is said already by whoever shows this.
        message=f"{(error.answer or '').removeprefix('failed: ')} (code {error.code})",
        code=error.code,
        failcode=failcode if isinstance(failcode, int) and not isinstance(failcode, bool) else None,
        erring_scidd=_erring_scidd(data),
        at_once=at_once,
        held_seconds=held_seconds,
    )


def _erring_scidd(data: Mapping[str, object]) -> str | None:
    """The channel and direction that failed; None where the error names no channel, or "0x0x0" for none."""
    scid, direction = data.get("erring_channel"), data.get("erring_direction")
    if not isinstance(scid, str) or not is_scid(scid) or type(direction) is not int or direction not in (0, 1):
        return None
    return f"{scid}/{direction}"


def route_json(route: tuple[Hop, ...]) -> list[dict[str, object]]:
    """Given a route, return it as `sendpay` takes it: what arrives at each hop, and how many blocks are left there."""
    return [
        {
            "id": hop.node_id,
            "channel": hop.scid,
            "direction": hop.direction,
            "amount_msat": hop.amount_msat,
            "delay": hop.delay_blocks,
            "style": "tlv",
        }
        for hop in route
    ]
