"""Splices: a channel's funding output is spent into another one, and its scid changes.

The next block has a splice that is signed; five blocks later it locks in. Until then the channel shows the balance and
the capacity that it had before.
"""

from __future__ import annotations

from revops.sim.channels import Channel, Splice
from revops.sim.ids import digest
from revops.sim.moves import outpoint, record_close, record_deposit, record_open
from revops.sim.state import World
from revops.sim.state_changes import change_state
from revops.sim.wallet import Funds, add_output, choose_funds, spend, tx_fee_msat

DEPTH_BLOCKS = 6
#: lightningd asks a little more than for an opening.
MORE_PERKW = 5
#: For how long the wallet keeps the inputs of a transaction that isn't confirmed.
RESERVED_BLOCKS = 2_016


class RoomError(ValueError):
    """The channel holds too little for what a splice takes out."""


def begin_splice(
    world: World, channel: Channel, delta_sat: int, *, initiator: str = "local", perkw: int | None = None
) -> Splice:
    """Sign a splice of `delta_sat` (negative: out), and return it. It locks in after six blocks, or by `lock_in`.

    Whoever begins it ("local" or "remote") pays the fee: of a splice in from the wallet, of one out from the channel,
    on top of what is taken out. `perkw` is the feerate, sat per 1000 weight, None for the node's own; where one is
    given, the wallet's coins are drawn by lot, as lightningd draws them. Raise ValueError if the wallet holds too
    little or another splice is under way, and RoomError if the channel does.
    """
    if channel.state != "CHANNELD_NORMAL" or any(waiting.channel is channel for waiting in world.unconfirmed):
        raise ValueError(f"channel {channel.channel_id} can't be spliced: {channel.state}")
    serial = world.next_serial()
    txid = digest(channel.channel_id, "splice", serial)
    # As splicein and spliceout order their outputs: the channel is first when change follows, else last.
    outnum = 0 if delta_sat > 0 else 1
    scid = f"{world.height + 1}x{int(txid[:3], 16) + 1}x{outnum}"
    feerate_perkw = world.feerate_perkw + MORE_PERKW if perkw is None else perkw
    fee_sat = tx_fee_msat(feerate_perkw, funding_inputs=1, outputs=2) // 1000
    splice = Splice(txid, outnum, 0, delta_sat, scid, world.height, feerate_perkw)
    returned_msat = 0
    if delta_sat < 0:
        splice.capacity_delta_sat -= fee_sat
    if initiator == "local":
        splice.delta_sat = splice.capacity_delta_sat
        if delta_sat < 0:
            returned_msat = -delta_sat * 1000
    check_room(channel, splice)
    if initiator == "local" and delta_sat > 0:
        funds = funds_of(world, delta_sat, feerate_perkw, drawn=perkw is not None)
        reserve(world, funds)
        splice.inputs, returned_msat = funds.inputs, funds.change_msat
    if returned_msat:
        place = 1 - outnum
        splice.returned = add_output(world, outpoint(txid, place), returned_msat, None, txid=txid, outnum=place)
        splice.returned.own = True
    channel.splice = splice
    cause = "user" if initiator == "local" else "remote"
    change_state(world, channel, "CHANNELD_AWAITING_SPLICE", cause, "Splice signatures sent")
    return splice


def funds_of(world: World, amount_sat: int, perkw: int, *, drawn: bool) -> Funds:
    """Return what of the wallet pays for a splice in: coins in the wallet's order, or `drawn` by lot. Raise ValueError
    if it holds too little.
    """
    rng = world.rng("coins", world.serial) if drawn else None
    return choose_funds(world, amount_sat * 1000, perkw, outputs=1, funding_inputs=1, rng=rng)


def reserve(world: World, funds: Funds) -> None:
    """Keep what pays for a transaction from others."""
    for output in funds.inputs:
        output.reserved_to_height = world.height + RESERVED_BLOCKS


def check_room(channel: Channel, splice: Splice) -> None:
    """Raise RoomError unless each side keeps, after the splice, what its HTLCs in flight need."""
    ours_msat = channel.to_us_msat + splice.delta_sat * 1000
    theirs_msat = channel.capacity_msat + splice.capacity_delta_sat * 1000 - ours_msat
    if ours_msat < channel.out_pending_msat or theirs_msat < channel.in_pending_msat:
        raise RoomError(f"channel {channel.channel_id} hasn't got {-splice.capacity_delta_sat} sat to take out")


def confirm(world: World, splice: Splice) -> None:
    """Let a block have a splice: the wallet's coins are spent, and what returns may be."""
    splice.confirmed = True
    spend(world, splice.inputs, splice.funding_txid)
    if splice.returned is not None:
        splice.returned.height, splice.returned.own = world.height, False
        record_deposit(world, splice.returned, int(world.now_at))


def lock_in(world: World, channel: Channel) -> None:
    """Lock a splice in: new capacity, balance and scid; the old scid keeps resolving. Raise ValueError without one."""
    splice = channel.splice
    if splice is None:
        raise ValueError(f"channel {channel.channel_id} has no splice under way")
    if not splice.confirmed:
        confirm(world, splice)
    record_close(world, channel, splice.funding_txid, output_count(splice), ("splice",))
    if channel.scid is not None:
        channel.previous_scids.append(channel.scid)
    channel.scid, channel.funding_txid, channel.funding_outnum = (
        splice.scid,
        splice.funding_txid,
        splice.funding_outnum,
    )
    channel.capacity_msat += splice.capacity_delta_sat * 1000
    channel.to_us_msat += splice.delta_sat * 1000
    channel.min_to_us_msat = min(channel.min_to_us_msat, channel.to_us_msat)
    channel.max_to_us_msat = max(channel.max_to_us_msat, channel.to_us_msat)
    channel.our_reserve_msat = channel.their_reserve_msat = channel.capacity_msat // 100_000 * 1000
    channel.splice = None
    record_open(world, channel, channel.to_us_msat, int(world.now_at), world.height)
    change_state(world, channel, "CHANNELD_NORMAL", "user", "Lockin complete")
    world.index_scids(channel)


def settle_splice(world: World, channel: Channel) -> None:
    """Before a channel is closed: lock in a splice that a block has; of one that none has, nothing comes."""
    splice = channel.splice
    if splice is None:
        return
    if splice.confirmed:
        lock_in(world, channel)
        return
    for output in splice.inputs:
        output.reserved_to_height = None
    if splice.returned is not None:
        world.outputs.remove(splice.returned)
    channel.splice = None


def output_count(splice: Splice) -> int:
    """Return how many outputs the transaction has: the peer's change, too, is one."""
    return 1 if splice.inputs and splice.returned is None else 2


def lock_in_due(world: World) -> None:
    """At each block: confirm the splices that it has, and lock in those that are deep enough."""
    for channel in list(world.channels.values()):
        splice = channel.splice
        if splice is None or channel.closed_at is not None or world.height <= splice.begun_height:
            continue
        if not splice.confirmed:
            confirm(world, splice)
        if world.height >= splice.begun_height + DEPTH_BLOCKS:
            lock_in(world, channel)
