"""Splices: a channel's funding output is spent into another one, and its scid changes."""

from __future__ import annotations

from revops.sim.channels import Channel, Splice
from revops.sim.ids import digest
from revops.sim.lifecycle import change_state
from revops.sim.moves import record_close, record_open
from revops.sim.state import World
from revops.sim.wallet import choose_funds, receive, spend, tx_fee_msat

DEPTH_BLOCKS = 6
#: lightningd asks a little more than for an opening.
MORE_PERKW = 5
#: For how long the wallet keeps the inputs of a transaction that isn't confirmed.
RESERVED_BLOCKS = 2_016


def begin_splice(world: World, channel: Channel, delta_sat: int, *, initiator: str = "local") -> None:
    """Sign a splice of `delta_sat` (negative: out). It locks in after six blocks, or by `lock_in`.

    Whoever begins it ("local" or "remote") pays the fee: of a splice in from the wallet, of one out from the channel,
    on top of what is taken out. Raise ValueError if wallet or channel holds too little, or another splice is under way.
    """
    if channel.state != "CHANNELD_NORMAL" or any(waiting.channel is channel for waiting in world.unconfirmed):
        raise ValueError(f"channel {channel.channel_id} can't be spliced: {channel.state}")
    serial = world.next_serial()
    txid = digest(channel.channel_id, "splice", serial)
    # As splicein and spliceout order their outputs: the channel is first when change follows, else last.
    outnum = 0 if delta_sat > 0 else 1
    scid = f"{world.height + 1}x{int(txid[:3], 16) + 1}x{outnum}"
    perkw = world.feerate_perkw + MORE_PERKW
    fee_sat = tx_fee_msat(perkw, funding_inputs=1, outputs=2) // 1000
    splice = Splice(txid, outnum, 0, delta_sat, scid, world.height + DEPTH_BLOCKS)
    if delta_sat < 0:
        splice.capacity_delta_sat -= fee_sat
    if initiator == "local":
        splice.delta_sat = splice.capacity_delta_sat
        if delta_sat < 0:
            splice.wallet_msat = -delta_sat * 1000
    check_room(channel, splice)
    if initiator == "local" and delta_sat > 0:
        funds = choose_funds(world, delta_sat * 1000, perkw, outputs=1, funding_inputs=1)
        splice.inputs, splice.wallet_msat = funds.inputs, funds.change_msat
        for output in funds.inputs:
            output.reserved_to_height = world.height + RESERVED_BLOCKS
    channel.splice = splice
    cause = "user" if initiator == "local" else "remote"
    change_state(world, channel, "CHANNELD_AWAITING_SPLICE", cause, "Splice signatures sent")


def check_room(channel: Channel, splice: Splice) -> None:
    """Raise ValueError unless each side keeps, after the splice, what its HTLCs in flight need."""
    ours_msat = channel.to_us_msat + splice.delta_sat * 1000
    theirs_msat = channel.capacity_msat + splice.capacity_delta_sat * 1000 - ours_msat
    if ours_msat < channel.out_pending_msat or theirs_msat < channel.in_pending_msat:
        raise ValueError(f"channel {channel.channel_id} hasn't got {-splice.capacity_delta_sat} sat to take out")


def lock_in(world: World, channel: Channel) -> None:
    """Lock a splice in: new capacity, balance and scid; the old scid keeps resolving. Raise ValueError without one."""
    splice = channel.splice
    if splice is None:
        raise ValueError(f"channel {channel.channel_id} has no splice under way")
    spend(world, splice.inputs, splice.funding_txid)
    receive(world, splice.funding_txid, 1 - splice.funding_outnum, splice.wallet_msat)
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


def output_count(splice: Splice) -> int:
    """Return how many outputs the transaction has: the peer's change, too, is one."""
    return 1 if splice.inputs and not splice.wallet_msat else 2


def lock_in_due(world: World) -> None:
    """At each block: lock in the splices that are deep enough."""
    for channel in list(world.channels.values()):
        splice = channel.splice
        if splice is not None and channel.closed_at is None and world.height >= splice.locks_in_height:
            lock_in(world, channel)
