"""What ends a channel outside the market: mutual and forced closes, with their traces on the chain."""

from __future__ import annotations

from revops.sim.channels import COMMIT_WEIGHT, Channel
from revops.sim.ids import digest
from revops.sim.market import finish
from revops.sim.moves import outpoint, record_close, record_external, record_sweep
from revops.sim.payments import abandon
from revops.sim.splices import settle_splice
from revops.sim.state import Sweep, World
from revops.sim.state_changes import change_state
from revops.sim.wallet import receive, tx_fee_msat

#: `our_to_self_delay` of listpeerchannels.
OUR_DELAY_BLOCKS = 144
#: A to_local output (BOLT 3) into one of the wallet's.
SWEEP_WEIGHT = 532


def close_channel(world: World, channel: Channel, *, closer: str, forget: bool) -> None:
    """Close a channel together with its peer: HTLCs fail back, our balance returns to the wallet, less the fee if we
    opened it. `forget` moves it to listclosedchannels.
    """
    end_channel(world, channel, closer)
    fee_msat = tx_fee_msat(world.feerate_perkw, funding_inputs=1, outputs=2)
    txid = digest(channel.channel_id, "close")
    ours_msat, theirs_msat = shares_msat(channel, fee_msat)
    # A mutual close orders its outputs by amount (BIP 69).
    place = int(ours_msat > theirs_msat > 0)
    receive(world, txid, place, ours_msat)
    record_ending(world, channel, txid, 1 - place, ours_msat, theirs_msat)
    if forget:
        forget_channel(world, channel)


def force_close(world: World, channel: Channel, *, closer: str = "local") -> None:
    """Let one side publish its commitment transaction, here without anchors; the opener has paid for it.

    The peer's pays us at once. Of ours we wait for our delay, until `sweep_due` or `sweep` fetches it; until then the
    channel stays in listpeerchannels with state ONCHAIN, and the ledger doesn't tell of the output.
    """
    end_channel(world, channel, closer)
    fee_msat = -(-COMMIT_WEIGHT * channel.commit_feerate_perkw // 1000) * 1000
    txid = digest(channel.channel_id, "commitment")
    ours_msat, theirs_msat = shares_msat(channel, fee_msat)
    place = int(ours_msat > theirs_msat > 0)
    record_ending(world, channel, txid, 1 - place, ours_msat, theirs_msat)
    if closer == "remote":
        receive(world, txid, place, ours_msat, origin=channel.channel_id)
        ours_msat = 0
    due_height = world.height + OUR_DELAY_BLOCKS
    world.sweeps.append(Sweep(channel, txid, place, ours_msat, world.height, due_height))


def sweep(world: World, waiting: Sweep) -> None:
    """Fetch our output of a commitment transaction into the wallet, and forget the channel."""
    world.sweeps.remove(waiting)
    if waiting.amount_msat:
        fee_msat = min(world.feerate_perkw * SWEEP_WEIGHT // 1000 * 1000, waiting.amount_msat)
        txid = digest(waiting.txid, "sweep")
        receive(world, txid, 0, waiting.amount_msat - fee_msat)
        utxo = outpoint(waiting.txid, waiting.outnum)
        record_sweep(world, waiting.channel, utxo, waiting.amount_msat, waiting.height, txid)
    forget_channel(world, waiting.channel)


def sweep_due(world: World) -> None:
    """At each block: fetch the outputs whose delay is over."""
    for waiting in list(world.sweeps):
        if world.height >= waiting.due_height:
            sweep(world, waiting)


def end_channel(world: World, channel: Channel, closer: str) -> None:
    """Fail what is in flight on a channel and let it stand as closed. A splice that no block has comes to nothing.

    Raise ValueError if it is closed already, or no block has it yet.
    """
    if channel.closed_at is not None:
        raise ValueError(f"channel {channel.channel_id} is closed already")
    if any(waiting.channel is channel for waiting in world.unconfirmed):
        raise ValueError(f"channel {channel.channel_id} isn't in a block yet")
    fail_forwards(world, channel)
    abandon(world, channel)
    settle_splice(world, channel)
    channel.closer, channel.closed_at = closer, int(world.now_at)
    change_state(world, channel, "ONCHAIN", "user" if closer == "local" else "remote", "Closed")


def shares_msat(channel: Channel, fee_msat: int) -> tuple[int, int]:
    """Given what the closing transaction costs its opener, return the outputs (ours, the peer's), of whole sat."""
    ours_msat, theirs_msat = channel.to_us_msat, channel.capacity_msat - channel.to_us_msat
    if channel.opener == "local":
        ours_msat = max(0, ours_msat - fee_msat)
    else:
        theirs_msat = max(0, theirs_msat - fee_msat)
    return ours_msat // 1000 * 1000, theirs_msat // 1000 * 1000


def record_ending(
    world: World, channel: Channel, txid: str, their_place: int, ours_msat: int, theirs_msat: int
) -> None:
    """Write the ledger rows of a funding output's end, and of what the peer got."""
    record_close(world, channel, txid, (ours_msat > 0) + (theirs_msat > 0))
    if theirs_msat:
        utxo = outpoint(txid, their_place if ours_msat else 0)
        record_external(world, "to_them", utxo, theirs_msat, channel.channel_id, world.height)


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
