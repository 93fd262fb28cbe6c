"""RPCs about payments of ours: sendpay and waitsendpay (lightningd/pay.c)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from revops.sim import params
from revops.sim.channels import Channel
from revops.sim.errors import (
    INVALID_PARAMS,
    PAY_IN_PROGRESS,
    PAY_NO_SUCH_PAYMENT,
    PAY_RHASH_ALREADY_USED,
    PAY_TRY_OTHER_ROUTE,
    SimRpcError,
    bad_param,
)
from revops.sim.ids import direction_of
from revops.sim.payments import complete, launch, mark_paid
from revops.sim.payrows import Hop, Payment
from revops.sim.state import World
from revops.sim.version import names_both_ends

Args = dict[str, Any]
PENDING_MESSAGE = "Monitor status with listpays or waitsendpay"
# A wait without a timeout ends when the payment does; one that never does is given up after this much virtual time.
ENDLESS_SECONDS = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a sendpay asks for, as far as earlier payments of the same hash matter."""

    payment_hash: str
    groupid: int
    partid: int
    destination: str
    amount_msat: int
    total_msat: int


def sendpay(world: World, args: Args) -> dict[str, Any]:
    """Answer sendpay. A circular route is allowed; an empty one pays an own invoice without any HTLC."""
    route = [parse_hop(world, hop) for hop in args["route"]]
    payment_hash, partid, msat = args["payment_hash"], args.get("partid", 0), args.get("amount_msat")
    if partid and msat is None:
        raise SimRpcError(INVALID_PARAMS, "Must specify msatoshi with partid")
    earlier = [one for one in world.payments if one.payment_hash == payment_hash]
    group = args.get("groupid", max((one.groupid for one in earlier), default=0) + 1)
    if not route:
        return pay_self(world, args, group)
    final_msat = route[-1].amount_msat
    if msat is not None and not partid and msat != final_msat:
        raise SimRpcError(
            INVALID_PARAMS,
            f"Do not specify msatoshi ({msat}msat) without partid: if you do, it must be exactly"
            f" the final amount ({final_msat}msat)",
        )
    if partid and msat is not None and final_msat > msat:
        raise SimRpcError(INVALID_PARAMS, f"Final amount {final_msat}msat is greater than {msat}msat, despite MPP")
    if partid and "payment_secret" not in args:
        raise SimRpcError(INVALID_PARAMS, "partid requires payment_secret")
    total_msat = msat if msat is not None else final_msat
    attempt = Attempt(payment_hash, group, partid, route[-1].node_id, final_msat, total_msat)
    known = check_progress(earlier, attempt)
    if known is not None:
        return reply(known)
    first = first_channel(world, route[0])
    payment = new_payment(world, args, attempt, route[0].amount_msat)
    launch(world, payment, route, first, args.get("payment_secret"))
    if payment.status == "failed":
        # channeld refuses after sendpay has answered: the answer is still "pending".
        return {"message": PENDING_MESSAGE} | pending_view(payment)
    return reply(payment)


def parse_hop(world: World, hop: Any) -> Hop:
    """Return one route hop; v26.06 prefers the names of getroutes (`either` in lightningd/pay.c)."""
    if not isinstance(hop, dict):
        raise bad_param("route", "should be an array of hops")
    modern = names_both_ends(world.config.version)
    node = hop.get("node_id_out", hop.get("id")) if modern else hop.get("id")
    scid = hop["short_channel_id_dir"].rpartition("/")[0] if modern and "short_channel_id_dir" in hop else None
    scid = scid or hop.get("channel")
    amount = hop.get("amount_out_msat", hop.get("amount_msat")) if modern else hop.get("amount_msat")
    delay = hop.get("cltv_out", hop.get("delay")) if modern else hop.get("delay")
    if node is None or scid is None:
        raise SimRpcError(INVALID_PARAMS, "Either 'id' or 'channel' is required for a route_hop")
    if amount is None:
        raise SimRpcError(INVALID_PARAMS, "'amount_msat' is required")
    if delay is None:
        raise SimRpcError(INVALID_PARAMS, "'delay' is required")
    return Hop(
        params.node_id("route", node),
        params.scid("route", scid),
        params.msat("route", amount),
        params.U32("route", delay),
    )


def check_progress(earlier: list[Payment], attempt: Attempt) -> Payment | None:
    """Given earlier payments of the hash, return the one that answers for this attempt, or None (check_progress)."""
    complete_before = False
    pending_msat = 0
    for one in earlier:
        same_part = one.partid == attempt.partid
        if one.status == "complete":
            complete_before = True
            if same_part:
                return same_terms(one, attempt, "succeeded")
        elif one.status == "pending":
            refuse_mixture(one, attempt)
            if same_part:
                return same_terms(one, attempt, "pending")
            pending_msat += one.amount_msat
        if same_part and one.groupid == attempt.groupid:
            raise SimRpcError(
                PAY_RHASH_ALREADY_USED,
                f"There already is a payment with payment_hash={attempt.payment_hash}, groupid={attempt.groupid},"
                f" partid={attempt.partid}. Either change the partid, or wait for the payment to complete and start a"
                " new group.",
            )
    if complete_before:
        raise SimRpcError(PAY_RHASH_ALREADY_USED, "Already succeeded other parts")
    if pending_msat >= attempt.total_msat > 0:
        message = f"Already have {pending_msat}msat of {attempt.total_msat}msat payments in progress"
        raise SimRpcError(PAY_IN_PROGRESS, message)
    return None


def refuse_mixture(one: Payment, attempt: Attempt) -> None:
    """Raise 200 if a pending payment is of another group, or one of them has parts and the other not."""
    if one.groupid != attempt.groupid:
        message = f"Payment with groupid={one.groupid} still in progress, cannot retry before that completes."
        raise SimRpcError(PAY_IN_PROGRESS, message)
    if bool(one.partid) != bool(attempt.partid):
        kind = "parallel" if one.partid else "non-parallel"
        raise SimRpcError(PAY_IN_PROGRESS, f"Already have {kind} payment in progress")


def same_terms(one: Payment, attempt: Attempt, what: str) -> Payment:
    """Return an earlier payment of the same part if the terms are the same. Raise 201 if they changed."""
    if one.amount_msat != attempt.amount_msat:
        message = f"Already {what} with amount {one.amount_msat}msat (not {attempt.amount_msat}msat)"
        raise SimRpcError(PAY_RHASH_ALREADY_USED, message)
    if one.destination != attempt.destination:
        raise SimRpcError(PAY_RHASH_ALREADY_USED, f"Already {what} to {one.destination}")
    return one


def first_channel(world: World, hop: Hop) -> Channel:
    """Return the channel that the first hop names by scid or our alias. Raise 204 if it can't be used."""
    peer = world.peers.get(hop.node_id)
    channels = peer.channels if peer else []
    found = next((one for one in channels if hop.scid in (one.scid, one.alias_local) and one.is_live), None)
    direction = direction_of(world.node_id, hop.node_id)
    data: dict[str, Any] = {"erring_index": 0, "erring_node": world.node_id, "erring_direction": direction}
    if found is None or peer is None:
        del data["erring_direction"]
        data |= {"failcode": 16394, "failcodename": "WIRE_UNKNOWN_NEXT_PEER"}
        raise SimRpcError(PAY_TRY_OTHER_ROUTE, "No connection to first peer found", data)
    if not peer.connected:
        data |= {"failcode": 4103, "failcodename": "WIRE_TEMPORARY_CHANNEL_FAILURE", "erring_channel": found.key_scid}
        message = "failed: WIRE_TEMPORARY_CHANNEL_FAILURE (First peer not ready)"
        raise SimRpcError(PAY_TRY_OTHER_ROUTE, message, data)
    return found


def new_payment(world: World, args: Args, attempt: Attempt, sent_msat: int) -> Payment:
    """Return a payment's row, not yet added."""
    return Payment(
        payment_hash=attempt.payment_hash,
        groupid=attempt.groupid,
        partid=attempt.partid,
        destination=attempt.destination,
        amount_msat=attempt.amount_msat,
        total_msat=attempt.total_msat,
        amount_sent_msat=sent_msat,
        created_at=int(world.now_at),
        label=args.get("label"),
        bolt11=args.get("bolt11"),
        description=args.get("description"),
    )


def pay_self(world: World, args: Args, group: int) -> dict[str, Any]:
    """Pay an invoice of our own without an HTLC (lightningd/pay.c self_payment)."""
    msat = args.get("amount_msat")
    if msat is None:
        raise SimRpcError(INVALID_PARAMS, "Self-payment requires amount_msat")
    if args.get("partid"):
        raise SimRpcError(INVALID_PARAMS, "Self-payment does not allow (non-zero) partid")
    attempt = Attempt(args["payment_hash"], group, 0, world.node_id, msat, msat)
    known = check_progress([one for one in world.payments if one.payment_hash == attempt.payment_hash], attempt)
    if known is not None:
        return reply(known)
    row = world.invoice_by_hash.get(attempt.payment_hash)
    if row is None or row.status() != "unpaid" or args.get("payment_secret") != row.payment_secret:
        raise SimRpcError(203, "Self-payment failed: unknown or already paid invoice")
    payment = new_payment(world, args, attempt, msat)
    world.payments.add(payment)
    mark_paid(world, row, msat)
    complete(world, payment, row.payment_preimage)
    return reply(payment)


def pending_view(payment: Payment) -> dict[str, Any]:
    """Return a payment as it was before its end."""
    row = payment.as_json(with_description=False)
    for name in ("updated_index", "completed_at", "payment_preimage"):
        row.pop(name, None)
    return row | {"status": "pending"}


def reply(payment: Payment) -> dict[str, Any]:
    """Return sendpay's answer; a pending one says how to watch it."""
    row = payment.as_json(with_description=False)
    return {"message": PENDING_MESSAGE, **row} if payment.status == "pending" else row


def waitsendpay(world: World, args: Args) -> dict[str, Any]:
    """Answer waitsendpay. Waiting takes virtual time: events run until the payment ends or `timeout` is over (200)."""
    payment = find_payment(world, args)
    if payment.status == "pending" and world.knobs.waiting_takes_time:
        seconds = float(args["timeout"]) if "timeout" in args else ENDLESS_SECONDS
        hold = world.knobs.hold_payments and "timeout" not in args
        world.run_until(world.now_at + (0.0 if hold else seconds), lambda: payment.status != "pending")
    return outcome(payment)


def find_payment(world: World, args: Args) -> Payment:
    """Return the payment that waitsendpay means: the newest group unless told. Raise 208 if there is none."""
    payment_hash, partid = args["payment_hash"], args.get("partid", 0)
    rows = [one for one in world.payments if one.payment_hash == payment_hash]
    group = args.get("groupid", max((one.groupid for one in rows), default=0))
    found = next((one for one in rows if one.groupid == group and one.partid == partid), None)
    if found is None:
        raise SimRpcError(PAY_NO_SUCH_PAYMENT, f"Never attempted payment part {partid} for '{payment_hash}'")
    return found


def outcome(payment: Payment) -> dict[str, Any]:
    """Return a complete payment. Raise 200 while it is pending, 203 or 204 if it failed."""
    if payment.status == "pending":
        raise SimRpcError(PAY_IN_PROGRESS, "Timed out while waiting")
    if payment.status == "failed":
        data = pending_view(payment) | (payment.failure or {})
        raise SimRpcError(payment.failure_code, payment.failure_detail, data)
    return payment.as_json(with_description=False)
