"""What happens to channels outside the market: closes and splices, with their traces on the chain."""

from __future__ import annotations

from revops.sim.chain import add_output, record_deposit, record_withdrawal
from revops.sim.channels import Channel, Splice
from revops.sim.ids import digest, iso_time
from revops.sim.market import finish
from revops.sim.payments import abandon
from revops.sim.rows import ChainMove
from revops.sim.state import World

SPLICE_DEPTH_BLOCKS = 6
CLOSE_FEE_MSAT = 600_000


def change_state(world: World, channel: Channel, state: str, cause: str, message: str) -> None:
    """Move a channel to another state and remember it."""
    channel.state_changes.append(
        {
            "timestamp": iso_time(world.now_at),
            "old_state": channel.state,
            "new_state": state,
            "cause": cause,
            "message": message,
        }
    )
    channel.state = state


def close_channel(world: World, channel: Channel, *, closer: str, forget: bool) -> None:
    """Close a channel: HTLCs fail back, our balance returns to the wallet; `forget` moves it to listclosedchannels."""
    fail_forwards(world, channel)
    abandon(world, channel)
    at, height = int(world.now_at), world.height
    channel.closer, channel.closed_at = closer, at
    change_state(world, channel, "ONCHAIN", "user" if closer == "local" else "remote", "Closed")
    utxo = f"{channel.funding_txid}:{channel.funding_outnum}"
    fee_msat = CLOSE_FEE_MSAT if channel.opener == "local" else 0
    returned_msat = max(0, channel.to_us_msat - fee_msat) // 1000 * 1000
    output = add_output(world, f"close:{channel.channel_id}", returned_msat, height) if returned_msat else None
    spending = output.txid if output else digest(channel.channel_id, "close")
    world.chainmoves.add(
        ChainMove(
            channel.channel_id,
            0,
            channel.to_us_msat,
            at,
            "channel_close",
            utxo,
            channel.capacity_msat,
            height,
            (),
            {"spending_txid": spending},
            2,
        )
    )
    if output is not None:
        record_deposit(world, output, at)
    if forget:
        forget_channel(world, channel)


def forget_channel(world: World, channel: Channel) -> None:
    """Take a closed channel out of listpeerchannels into listclosedchannels."""
    del world.channels[channel.channel_id]
    world.peer_of(channel).channels.remove(channel)
    world.by_scid = {scid: other for scid, other in world.by_scid.items() if other is not channel}
    world.closed.append(channel)


def fail_forwards(world: World, channel: Channel) -> None:
    """Fail each forward that is in flight on the channel."""
    hashes = {htlc.payment_hash for htlc in (*channel.htlcs_in.values(), *channel.htlcs_out.values())}
    for row in [row for row in world.forwards if row.status == "offered"]:
        inward, outward = world.by_scid.get(row.in_channel), world.by_scid.get(row.out_channel or "")
        if inward is None or outward is None or row.out_htlc_id is None or channel not in (inward, outward):
            continue
        in_htlc, out_htlc = inward.htlcs_in.get(row.in_htlc_id), outward.htlcs_out.get(row.out_htlc_id)
        if in_htlc is not None and out_htlc is not None and in_htlc.payment_hash in hashes:
            finish(world, row, inward, in_htlc, outward, out_htlc, settled=False, ended_at=world.now_at)


def begin_splice(world: World, channel: Channel, delta_sat: int) -> None:
    """Sign a splice of `delta_sat` (negative: out). It locks in after six blocks, or by `lock_in`."""
    txid = digest(channel.channel_id, "splice", world.next_serial())
    scid = f"{world.height + 1}x{int(txid[:3], 16) + 1}x0"
    channel.splice = Splice(txid, delta_sat, scid, world.height + SPLICE_DEPTH_BLOCKS)
    change_state(world, channel, "CHANNELD_AWAITING_SPLICE", "user", "Splice signatures sent")


def lock_in(world: World, channel: Channel) -> None:
    """Lock a splice in: new capacity, balance and scid; the old scid keeps resolving. Raise ValueError without one."""
    splice = channel.splice
    if splice is None:
        raise ValueError(f"channel {channel.channel_id} has no splice under way")
    at, height = int(world.now_at), world.height
    delta_msat = splice.delta_sat * 1000
    old_utxo, old_capacity = f"{channel.funding_txid}:{channel.funding_outnum}", channel.capacity_msat
    if delta_msat > 0:
        spent = add_output(world, f"splice:{splice.funding_txid}", delta_msat, height - 10)
        world.outputs.remove(spent)
        record_deposit(world, spent, at - 6_000)
        record_withdrawal(world, spent, splice.funding_txid, at, height)
    record_splice_close(world, channel, splice, old_utxo, old_capacity)
    if channel.scid is not None:
        channel.previous_scids.append(channel.scid)
    channel.scid, channel.funding_txid, channel.funding_outnum = splice.scid, splice.funding_txid, 0
    channel.capacity_msat += delta_msat
    channel.to_us_msat += delta_msat
    channel.min_to_us_msat = min(channel.min_to_us_msat, channel.to_us_msat)
    channel.max_to_us_msat = max(channel.max_to_us_msat, channel.to_us_msat)
    channel.our_reserve_msat = channel.their_reserve_msat = channel.capacity_msat // 100_000 * 1000
    channel.splice = None
    world.chainmoves.add(
        ChainMove(
            channel.channel_id,
            channel.to_us_msat,
            0,
            at,
            "channel_open",
            f"{channel.funding_txid}:0",
            channel.capacity_msat,
            height,
            ("opener",) if channel.opener == "local" else (),
            {"peer_id": channel.peer_id},
        )
    )
    if delta_msat < 0:
        record_deposit(world, add_output(world, f"spliceout:{splice.funding_txid}", -delta_msat, height), at)
    change_state(world, channel, "CHANNELD_NORMAL", "user", "Lockin complete")
    world.index_scids(channel)


def record_splice_close(world: World, channel: Channel, splice: Splice, utxo: str, capacity_msat: int) -> None:
    """Write the ledger row with which a splice ends the old funding output."""
    world.chainmoves.add(
        ChainMove(
            channel.channel_id,
            0,
            channel.to_us_msat,
            int(world.now_at),
            "channel_close",
            utxo,
            capacity_msat,
            world.height,
            ("splice",),
            {"spending_txid": splice.funding_txid},
            2,
        )
    )


def lock_in_due(world: World) -> None:
    """At each block: lock in the splices that are deep enough."""
    for channel in list(world.channels.values()):
        if channel.splice is not None and world.height >= channel.splice.locks_in_height:
            lock_in(world, channel)
