"""RPCs about invoices: invoice, delinvoice, listinvoices (lightningd/invoice.c)."""

from __future__ import annotations

import hashlib
from typing import Any

from revops.sim.errors import (
    INVALID_PARAMS,
    INVOICE_LABEL_ALREADY_EXISTS,
    INVOICE_NO_DESCRIPTION,
    INVOICE_NOT_FOUND,
    INVOICE_PREIMAGE_ALREADY_EXISTS,
    INVOICE_STATUS_UNEXPECTED,
    SimRpcError,
)
from revops.sim.ids import BOLT11_PREFIX, bech32_text, digest
from revops.sim.payments import CLTV_FINAL_BLOCKS
from revops.sim.payrows import Invoice
from revops.sim.rpc_lists import check_paging
from revops.sim.state import World

Args = dict[str, Any]
DEFAULT_EXPIRY_SECONDS = 604_800


def invoice(world: World, args: Args) -> dict[str, Any]:
    """Answer invoice."""
    name = args["label"]
    if any(one.label == name for one in world.invoices):
        raise SimRpcError(INVOICE_LABEL_ALREADY_EXISTS, f"Duplicate label '{name}'")
    preimage = args.get("preimage") or digest(world.config.seed, "preimage", world.next_serial())
    payment_hash = hashlib.sha256(bytes.fromhex(preimage)).hexdigest()
    if payment_hash in world.invoice_by_hash:
        raise SimRpcError(INVOICE_PREIMAGE_ALREADY_EXISTS, "preimage already used")
    row = Invoice(
        label=name,
        bolt11=bech32_text(BOLT11_PREFIX[world.config.network], payment_hash, length=260),
        payment_hash=payment_hash,
        payment_preimage=preimage,
        payment_secret=digest(preimage, "secret"),
        amount_msat=args["amount_msat"],
        description=args["description"],
        expires_at=int(world.now_at) + args.get("expiry", DEFAULT_EXPIRY_SECONDS),
        cltv_blocks=args.get("cltv", CLTV_FINAL_BLOCKS),
    )
    world.invoices.add(row)
    world.invoice_by_hash[payment_hash] = row
    return {
        "payment_hash": payment_hash,
        "expires_at": row.expires_at,
        "bolt11": row.bolt11,
        "payment_secret": row.payment_secret,
        "created_index": row.created_index,
    }


def delinvoice(world: World, args: Args) -> dict[str, Any]:
    """Answer delinvoice. A payment already on its way to the invoice will find nothing and fail."""
    expire(world)
    row = next((one for one in world.invoices if one.label == args["label"]), None)
    if row is None:
        raise SimRpcError(INVOICE_NOT_FOUND, "Unknown invoice")
    if row.status() != args["status"]:
        data = {"current_status": row.status(), "expected_status": args["status"]}
        message = f"Invoice status is {row.status()} not {args['status']}"
        raise SimRpcError(INVOICE_STATUS_UNEXPECTED, message, data)
    if args.get("desconly"):
        if row.description is None:
            raise SimRpcError(INVOICE_NO_DESCRIPTION, "Invoice description already removed")
        row.description = None
        world.invoices.touch(row)
        return row.as_json()
    world.invoices.delete(lambda one: one is row)
    del world.invoice_by_hash[row.payment_hash]
    return row.as_json()


def listinvoices(world: World, args: Args) -> dict[str, Any]:
    """Answer listinvoices."""
    if sum(name in args for name in ("label", "invstring", "payment_hash", "offer_id")) > 1:
        message = "Can only specify one of {label}, {invstring}, {payment_hash} or {offer_id}"
        raise SimRpcError(INVALID_PARAMS, message)
    check_paging(args)
    expire(world)
    wanted = {"label": args.get("label"), "bolt11": args.get("invstring"), "payment_hash": args.get("payment_hash")}

    def keep(row: Invoice) -> bool:
        return "offer_id" not in args and all(value in (None, getattr(row, name)) for name, value in wanted.items())

    rows = world.invoices.page(args.get("index", "created"), args.get("start", 0), args.get("limit"), keep)
    return {"invoices": [row.as_json() for row in rows]}


def expire(world: World) -> None:
    """Mark the unpaid invoices expired whose time is over."""
    for row in world.invoices:
        if row.status() == "unpaid" and row.expires_at <= world.now_at:
            row.expired = True
            world.invoices.touch(row)
