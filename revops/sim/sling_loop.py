"""How the plugin sling works through a job: one payment after the other, each over the cheapest route that it knows.

Waiting times are those of src/slings.rs, in virtual time, but for the second between two looks for candidates: here it
is a minute.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from revops.sim.channels import Channel
from revops.sim.hops import edge_of_home
from revops.sim.ids import digest
from revops.sim.payments import launch
from revops.sim.payrows import Hop, Payment
from revops.sim.routes import Path, find_path
from revops.sim.slingjobs import TIMEOUT_PAY_SECONDS, SlingResult, SlingTask
from revops.sim.state import World

LONG_BREAK_SECONDS, DISCONNECTED_SECONDS, NO_CANDIDATES_SECONDS, BAD_PEER_SECONDS = 600.0, 60.0, 60.0, 3_600.0
WAIT_SECONDS, PAUSE_SECONDS = 1.0, 0.02
WEAK_SECONDS = 6 * 3_600.0
CLTV_BLOCKS = 144
LEAST_LEFT_MSAT = 10_000_000


def begin(world: World, task: SlingTask) -> None:
    """Let a task begin, a moment after it was asked for."""
    world.schedule(world.now_at + PAUSE_SECONDS, step, task)


def step(world: World, task: SlingTask) -> None:
    """Do the next thing: stop, be done, wait, or pay."""
    terms, sling = task.terms, world.sling
    if sling is None or sling.gone or sling.tasks.get(terms.scid) is not task:
        return  # the process that worked on it is dead
    if task.stopping:
        task.state, task.active = "Stopped", False
        return
    if terms.once_msat is not None and task.moved_msat + terms.amount_msat > terms.once_msat:
        task.state, task.active = "Balanced", False
        return
    target = next((one for one in world.channels.values() if one.scid == terms.scid and one.is_live), None)
    if target is None:
        task.state, task.active, task.stopping = "ChanNotNormal", False, True
        return
    task.state, seconds = obstacle(world, task, target)
    if seconds is None:
        task.state, seconds = pay(world, task, target)
    if seconds is not None:
        world.schedule(world.now_at + seconds, step, task)


def obstacle(world: World, task: SlingTask, target: Channel) -> tuple[str, float | None]:
    """Return the state, and how long to wait where the channel can't take a payment now."""
    if target.receivable_msat() < task.terms.amount_msat:
        return "Balanced", LONG_BREAK_SECONDS
    if not world.peer_of(target).connected:
        return "Disconnected", DISCONNECTED_SECONDS
    return "Rebalancing", None


def candidates(world: World, task: SlingTask) -> list[Channel]:
    """Return the channels that may pay."""
    terms, found = task.terms, []
    for channel in world.channels.values():
        if channel.scid is None or channel.scid == terms.scid or not channel.is_live:
            continue
        if terms.candidates is not None and channel.scid not in terms.candidates:
            continue
        floor_msat = min(int(terms.floor_ratio * channel.capacity_msat), terms.floor_msat)
        if channel.to_us_msat <= max(terms.amount_msat + LEAST_LEFT_MSAT, floor_msat):
            continue
        if terms.out_ppm is not None and channel.local.fee_ppm > terms.out_ppm:
            continue
        if world.peer_of(channel).connected and len(channel.htlcs_out) + len(channel.htlcs_in) <= 5:
            found.append(channel)
    return found


def cheapest(world: World, task: SlingTask, target: Channel) -> tuple[Channel, Path, int] | None:
    """Return the source, the path between the two peers, and what has to leave us, of the cheapest circle."""
    weak = world.sling.weak_until if world.sling else {}
    edges = [edge for edge in world.graph.edges() if weak.get(f"{edge.scid}/{edge.direction}", 0.0) <= world.now_at]
    amount_msat = task.terms.amount_msat + target.remote.fee_msat(task.terms.amount_msat)
    cltv_blocks = CLTV_BLOCKS + target.remote.cltv_delta_blocks
    best: tuple[Channel, Path, int] | None = None
    for source in candidates(world, task):
        if source.peer_id == target.peer_id:
            continue
        path = find_path(edges, source.peer_id, target.peer_id, amount_msat, cltv_blocks)
        if path is not None and (best is None or path.steps[0].amount_in_msat < best[2]):
            best = (source, path, path.steps[0].amount_in_msat)
    return best


def pay(world: World, task: SlingTask, target: Channel) -> tuple[str, float | None]:
    """Send one payment; return the state, and how long to wait where there is none to send."""
    terms = task.terms
    if not candidates(world, task):
        return "NoCandidates", NO_CANDIDATES_SECONDS
    found = cheapest(world, task, target)
    if found is None:
        return "NoRoutes", NO_CANDIDATES_SECONDS
    source, path, sent_msat = found
    if effective_ppm(sent_msat, terms.amount_msat) > terms.max_ppm:
        return "NoCheapRoute", LONG_BREAK_SECONDS
    send(world, task, source, target, path)
    return "Rebalancing", None


def effective_ppm(sent_msat: int, amount_msat: int) -> int:
    """Return a route's price, rounded up (src/util.rs feeppm_effective_from_amts)."""
    return -(-(sent_msat - amount_msat) * 1_000_000 // amount_msat)


def send(world: World, task: SlingTask, source: Channel, target: Channel, path: Path) -> None:
    """Send one payment around the circle, and look after it."""
    assert world.sling is not None
    assert source.scid is not None
    assert target.scid is not None
    amount_msat = task.terms.amount_msat
    preimage = digest(world.config.seed, "sling", world.next_serial())
    payment_hash = hashlib.sha256(bytes.fromhex(preimage)).hexdigest()
    first = path.steps[0]
    route = [Hop(source.peer_id, source.scid, first.amount_in_msat, first.cltv_in)]
    route += [Hop(one.edge.destination, one.edge.scid, one.amount_out_msat, one.cltv_out) for one in path.steps]
    route.append(Hop(world.node_id, edge_of_home(world, target).scid, amount_msat, CLTV_BLOCKS))
    payment = Payment(
        payment_hash, 1, 0, world.node_id, amount_msat, amount_msat, first.amount_in_msat, int(world.now_at)
    )
    world.sling.preimages[payment_hash] = (preimage, target.channel_id)
    task.payment = payment
    launch(world, payment, route, source, None)
    world.schedule(world.now_at + WAIT_SECONDS, look_after, task, payment, len(route), source.scid, world.now_at)


def look_after(
    world: World, task: SlingTask, payment: Payment, hop_count: int, partner_scid: str, sent_at: float
) -> None:
    """See whether the payment is final. After `sling-timeoutpay` it isn't waited for any longer, and doesn't count."""
    sling = world.sling
    if sling is None or sling.gone or sling.tasks.get(task.terms.scid) is not task:
        return
    late = world.now_at - sent_at >= TIMEOUT_PAY_SECONDS
    if payment.status == "pending" and not late:
        world.schedule(world.now_at + WAIT_SECONDS, look_after, task, payment, hop_count, partner_scid, sent_at)
        return
    task.payment = None
    sling.preimages.pop(payment.payment_hash, None)
    done = SlingResult(
        world.now_at,
        payment.amount_msat,
        effective_ppm(payment.amount_sent_msat, payment.amount_msat),
        partner_scid,
        hop_count - 1,
    )
    if payment.status == "complete":
        task.moved_msat += payment.amount_msat
    else:
        reason = "WAITSENDPAY_TIMEOUT" if payment.failure is None else str(payment.failure["failcodename"])
        node = world.node_id if payment.failure is None else str(payment.failure["erring_node"])
        done = replace(done, failure=reason, failure_node=node)
        if payment.failure is not None:
            blamed = f"{payment.failure['erring_channel']}/{payment.failure['erring_direction']}"
            sling.weak_until[blamed] = world.now_at + WEAK_SECONDS
    sling.history.setdefault(task.terms.scid, []).append(done)
    world.schedule(world.now_at + WAIT_SECONDS, step, task)
