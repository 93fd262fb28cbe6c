"""RPCs that page through tables: listforwards, the moves, network events, sendpays."""

from __future__ import annotations

from typing import Any

from revops.sim.errors import INVALID_PARAMS, SimRpcError
from revops.sim.payrows import Payment
from revops.sim.rows import ForwardRow, NetworkEvent
from revops.sim.state import World

Args = dict[str, Any]


def check_paging(args: Args, filters: tuple[str, ...] = (), wording: str = "") -> None:
    """Refuse `start` and `limit` without `index`, and `start` with a filter that can't be paged, as lightningd does."""
    if args.get("start") and "index" not in args:
        raise SimRpcError(INVALID_PARAMS, "Can only specify {start} with {index}")
    if "limit" in args and "index" not in args:
        raise SimRpcError(INVALID_PARAMS, "Can only specify {limit} with {index}")
    if args.get("start") and any(name in args for name in filters):
        raise SimRpcError(INVALID_PARAMS, f"Cannot use start with {wording}")


def listforwards(world: World, args: Args) -> dict[str, Any]:
    """Answer listforwards. With a channel filter, index and limit are silently ignored (wallet.c forwarding_first)."""
    check_paging(args, ("in_channel", "out_channel"), "in_channel or out_channel")
    status, entry, exit_ = args.get("status"), args.get("in_channel"), args.get("out_channel")

    def keep(row: ForwardRow) -> bool:
        return status in (None, row.status) and entry in (None, row.in_channel) and exit_ in (None, row.out_channel)

    if entry is not None or exit_ is not None:
        rows = world.forwards.page("created", 0, None, keep)
    else:
        index, start, limit = args.get("index", "created"), args.get("start", 0), args.get("limit")
        rows = world.forwards.page(index, start, limit, None if status is None else keep)
    return {"forwards": [row.as_json() for row in rows]}


def listchannelmoves(world: World, args: Args) -> dict[str, Any]:
    """Answer listchannelmoves."""
    check_paging(args)
    rows = world.channelmoves.page("created", args.get("start", 0), args.get("limit"))
    return {"channelmoves": [row.as_json() for row in rows]}


def listchainmoves(world: World, args: Args) -> dict[str, Any]:
    """Answer listchainmoves."""
    check_paging(args)
    rows = world.chainmoves.page("created", args.get("start", 0), args.get("limit"))
    return {"chainmoves": [row.as_json() for row in rows]}


def listnetworkevents(world: World, args: Args) -> dict[str, Any]:
    """Answer listnetworkevents."""
    check_paging(args)
    peer_id = args.get("id")

    def keep(row: NetworkEvent) -> bool:
        return peer_id in (None, row.peer_id)

    rows = world.networkevents.page("created", args.get("start", 0), args.get("limit"), keep)
    return {"networkevents": [row.as_json() for row in rows]}


def listsendpays(world: World, args: Args) -> dict[str, Any]:
    """Answer listsendpays."""
    if "bolt11" in args and "payment_hash" in args:
        raise SimRpcError(INVALID_PARAMS, "Can only specify one of {bolt11} or {payment_hash}")
    check_paging(args, ("bolt11", "payment_hash"), "bolt11 or payment_hash")
    payment_hash, status = args.get("payment_hash"), args.get("status")
    if "bolt11" in args:
        payment_hash = next((one.payment_hash for one in world.invoices if one.bolt11 == args["bolt11"]), "")

    def keep(row: Payment) -> bool:
        return payment_hash in (None, row.payment_hash) and status in (None, row.status)

    index = args.get("index", "created")
    rows = world.payments.page(index, args.get("start", 0), args.get("limit"), keep)
    return {"payments": [row.as_json() for row in rows]}
