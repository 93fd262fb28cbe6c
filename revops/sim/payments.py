"""Payments of ours: sendpay along a given route, judged hop by hop as the nodes on it would judge it.

A payment is added to the first channel at once; its route is walked a moment later (virtual time), and it settles or
fails after each hop has had its say. Failure codes and blame (`erring_index` and so on) follow lightningd/pay.c
(remote_routing_failure): a failing forwarder blames the *next* channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from random import Random

from revops.sim.channels import Channel
from revops.sim.graph import Edge, PublicChannel, edge_of
from revops.sim.hops import edge_of_home, home_channel, refusal_code, with_room
from revops.sim.ids import direction_of
from revops.sim.payrows import Flight, Hop, Invoice, Payment
from revops.sim.rows import FAIL_CODES, ChannelMove
from revops.sim.state import World

HOP_SECONDS = 0.4
CLTV_FINAL_BLOCKS = 18
UNKNOWN_DETAILS = 16399
PERMANENT_CHANNEL_FAILURE = 16392
#: One that hangs on its way does so for hours, but not until its HTLC's end.
STUCK_LEAST_SECONDS, STUCK_MEAN_SECONDS, STUCK_MOST_SECONDS = 600.0, 3 * 3_600.0, 12 * 3_600.0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a payment failed: the position of the node that says so (0 is us) and its code."""

    position: int
    code: int


def launch(world: World, payment: Payment, route: list[Hop], first: Channel, secret: str | None) -> None:
    """Add the payment's row and its HTLC; a first channel without room fails it as channeld would."""
    world.payments.add(payment)
    sent_msat = route[0].amount_msat
    if not first.can_send(sent_msat):
        detail = "WIRE_TEMPORARY_CHANNEL_FAILURE: Capacity exceeded - HTLC fee: 0sat"
        fail(world, payment, route, Failure(0, 4103), detail)
        return
    htlc = first.offer_out(sent_msat, world.height + route[0].delay_blocks + 1, payment.payment_hash)
    flight = Flight(payment, route, first, htlc, secret)
    world.flights.append(flight)
    world.schedule(world.now_at + HOP_SECONDS * len(route) + stuck_seconds(world), walk, flight)


def stuck_seconds(world: World) -> float:
    """Return how long the payment that is launched now hangs on its way, mostly not at all. The seed and its number
    say so, whatever it pays and by which route.
    """
    world.launched_count += 1
    return stuck_for(world.rng("stuck", world.launched_count), world.config.own_stuck_ratio)


def stuck_for(rng: Random, stuck_ratio: float) -> float:
    """Given the share of payments that hang, draw for how many seconds one does, mostly for none."""
    if rng.random() >= stuck_ratio:
        return 0.0
    return min(STUCK_LEAST_SECONDS + rng.expovariate(1.0 / STUCK_MEAN_SECONDS), STUCK_MOST_SECONDS)


def walk(world: World, flight: Flight) -> None:
    """Let each node on the route judge the payment, then the destination."""
    if flight.payment.status != "pending":
        return
    if world.knobs.fail_payments:
        if world.knobs.failures_left is not None:
            world.knobs.failures_left -= 1
            world.knobs.fail_payments = world.knobs.failures_left > 0
        end_failed(world, flight, Failure(1, 4103))
        return
    failure = None if world.peer_of(flight.first).connected else Failure(1, 8194)
    moves: list[tuple[PublicChannel, int, int]] = []
    for position in range(1, len(flight.route)):
        if failure is None:
            failure = judge_hop(world, flight, position, moves)
    if failure is None and flight.last is None:
        # The destination is someone else, and no one else has given us an invoice.
        failure = Failure(len(flight.route), UNKNOWN_DETAILS)
    if failure is not None:
        world.schedule(world.now_at + HOP_SECONDS * failure.position, end_failed, flight, failure)
        return
    for channel, direction, amount_msat in moves:
        channel.move(direction, amount_msat)
    arrive_home(world, flight)


def judge_hop(
    world: World, flight: Flight, position: int, moves: list[tuple[PublicChannel, int, int]]
) -> Failure | None:
    """Let the node before hop `position` decide whether it forwards (BOLT 4 failure messages)."""
    before, hop = flight.route[position - 1], flight.route[position]
    home = home_channel(world, before.node_id, hop) if hop.node_id == world.node_id else None
    public = world.graph.channels.get(hop.scid)
    if home is not None:
        edge: Edge | None = edge_of_home(world, home)
    elif public is not None and public.nodes in ((before.node_id, hop.node_id), (hop.node_id, before.node_id)):
        edge = edge_of(public, direction_of(before.node_id, hop.node_id))
    else:
        edge = None
    code = refusal_code(edge, before, hop)
    if code is None and home is not None:
        home = with_room(world, home, hop.amount_msat)
        code = None if home is not None else 4103
        flight.last = home
    elif code is None and public is not None:
        direction = direction_of(before.node_id, hop.node_id)
        hard_luck = world.rng("route", flight.payment.payment_hash, position).random()
        if hard_luck < world.config.route_failure_ratio:
            code = 8194
        elif public.available_msat(direction) < hop.amount_msat:
            code = 4103
        else:
            moves.append((public, direction, hop.amount_msat))
    return Failure(position, code) if code is not None else None


def arrive_home(world: World, flight: Flight) -> None:
    """The payment reaches us: check the invoice, then hold the HTLC for a moment and settle it."""
    final = flight.route[-1]
    invoice = payable_invoice(world, flight)
    preimage = invoice.payment_preimage if invoice is not None else world.sling.claim(flight) if world.sling else None
    if preimage is None or flight.last is None:
        failure = Failure(len(flight.route), UNKNOWN_DETAILS)
        world.schedule(world.now_at + HOP_SECONDS * failure.position, end_failed, flight, failure)
        return
    flight.last_htlc = flight.last.offer_in(
        final.amount_msat, world.height + final.delay_blocks + 1, flight.payment.payment_hash
    )
    if world.knobs.hold_payments:
        world.held.append(partial(end_paid, flight=flight, preimage=preimage, invoice=invoice))
        return
    world.schedule(world.now_at + HOP_SECONDS * len(flight.route), end_paid, flight, preimage, invoice)


def payable_invoice(world: World, flight: Flight) -> Invoice | None:
    """Return the invoice that the arriving payment pays; None if lightningd would refuse (invoice_check_payment)."""
    invoice = world.invoice_by_hash.get(flight.payment.payment_hash)
    if invoice is None or invoice.status() != "unpaid" or invoice.expires_at <= world.now_at:
        return None
    if flight.secret != invoice.payment_secret or flight.route[-1].delay_blocks < invoice.cltv_blocks:
        return None
    total_msat = flight.payment.total_msat
    wanted_msat = invoice.amount_msat if invoice.amount_msat is not None else total_msat
    return invoice if wanted_msat <= total_msat <= 2 * wanted_msat else None


def end_paid(world: World, flight: Flight, preimage: str, invoice: Invoice | None) -> None:
    """Settle: both HTLCs, both ledger moves, the invoice (a plugin has none), the payment, the books."""
    if flight.payment.status != "pending" or flight.last is None or flight.last_htlc is None:
        return
    payment, at = flight.payment, int(world.now_at)
    world.flights.remove(flight)
    sent_msat, received_msat = flight.htlc.amount_msat, flight.last_htlc.amount_msat
    flight.last.remove(flight.last_htlc, fulfilled=True)
    flight.first.remove(flight.htlc, fulfilled=True)
    # lightningd/coin_mvts.c: the received half knows no fee and no part; the sent half has the fee in fees_msat.
    hash_hex = payment.payment_hash
    world.channelmoves.add(ChannelMove(flight.last.channel_id, received_msat, 0, at, "invoice", 0, hash_hex))
    world.channelmoves.add(
        ChannelMove(
            flight.first.channel_id,
            0,
            sent_msat,
            at,
            "invoice",
            sent_msat - received_msat,
            hash_hex,
            payment.partid,
            payment.groupid,
        )
    )
    if invoice is not None:
        mark_paid(world, invoice, received_msat)
    complete(world, payment, preimage)
    ledger = world.ledger
    ledger.rebalance_count += 1
    ledger.rebalance_fees_msat += sent_msat - received_msat
    ledger.rebalance_amount_msat += received_msat
    ledger.channel(flight.first.channel_id).rebalanced_out_msat += sent_msat
    ledger.channel(flight.last.channel_id).rebalanced_in_msat += received_msat


def mark_paid(world: World, invoice: Invoice, received_msat: int) -> None:
    """Mark an invoice paid."""
    world.pay_count += 1
    invoice.paid_at = int(world.now_at)
    invoice.pay_index = world.pay_count
    invoice.amount_received_msat = received_msat
    world.invoices.touch(invoice)


def complete(world: World, payment: Payment, preimage: str) -> None:
    """Mark a payment complete."""
    payment.status = "complete"
    payment.completed_at = int(world.now_at)
    payment.payment_preimage = preimage
    world.payments.touch(payment)


def end_failed(world: World, flight: Flight, failure: Failure) -> None:
    """Take a payment's HTLCs back and mark it failed."""
    if flight.payment.status != "pending":
        return
    world.flights.remove(flight)
    flight.first.remove(flight.htlc, fulfilled=False)
    if flight.last is not None and flight.last_htlc is not None:
        flight.last.remove(flight.last_htlc, fulfilled=False)
    detail = "reply from remote" if failure.position else "local failure"
    fail(world, flight.payment, flight.route, failure, detail)


def abandon(world: World, channel: Channel) -> None:
    """Fail the payments of ours that are in flight on a channel which closes."""
    for flight in list(world.flights):
        if channel in (flight.first, flight.last):
            end_failed(world, flight, Failure(0, PERMANENT_CHANNEL_FAILURE))


def fail(world: World, payment: Payment, route: list[Hop], failure: Failure, detail: str) -> None:
    """Write a failed payment's row and what waitsendpay will say of it. `failure.position` counts nodes, 0 is us."""
    payment.status = "failed"
    payment.completed_at = int(world.now_at)
    world.payments.touch(payment)
    final = failure.position == len(route)
    blamed = route[failure.position - 1 if final else failure.position]
    nodes = [world.node_id, *(hop.node_id for hop in route)]
    source = nodes[failure.position - 1 if final else failure.position]
    permanent = bool(failure.code & 0x4000)
    payment.failure_code = 203 if final and permanent else 204
    payment.failure_detail = f"failed: {FAIL_CODES[failure.code]} ({detail})"
    payment.failure = {
        "erring_index": failure.position,
        "failcode": failure.code,
        "failcodename": FAIL_CODES[failure.code],
        "erring_node": nodes[failure.position],
        "erring_channel": blamed.scid,
        "erring_direction": direction_of(source, blamed.node_id),
        "raw_message": f"{failure.code:04x}",
    }
    if failure.position == 0:
        del payment.failure["raw_message"]
