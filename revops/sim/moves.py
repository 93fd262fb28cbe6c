"""How movements on the chain are written into the ledger: each row in lightningd's words (common/coin_mvt.c).

A row that lightningd writes for what is spent names the transaction in `spending_txid`; one for what comes into being
names it in `utxo`. So of each transaction what went in and what came out can be told, and the rest is its fee.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from revops.sim.rows import ChainMove, ChannelMove

if TYPE_CHECKING:
    from revops.sim.channels import Channel
    from revops.sim.state import Output, World


def outpoint(txid: str, outnum: int) -> str:
    """Return an outpoint as lightningd writes it."""
    return f"{txid}:{outnum}"


def record_deposit(world: World, output: Output, at: int, origin: str | None = None) -> None:
    """Write the row of a confirmed deposit into the wallet; `origin` is an account that onchaind saw it come from."""
    utxo, amount_msat, height = outpoint(output.txid, output.outnum), output.amount_msat, output.height or 0
    extra = {} if origin is None else {"originating_account": origin}
    world.chainmoves.add(ChainMove("wallet", amount_msat, 0, at, "deposit", utxo, amount_msat, height, (), extra))


def record_withdrawal(world: World, output: Output, spending_txid: str, at: int, height: int) -> None:
    """Write the row of a wallet output's spending."""
    utxo, amount_msat = outpoint(output.txid, output.outnum), output.amount_msat
    extra = {"spending_txid": spending_txid}
    world.chainmoves.add(ChainMove("wallet", 0, amount_msat, at, "withdrawal", utxo, amount_msat, height, (), extra))


def record_external(world: World, tag: str, utxo: str, amount_msat: int, origin: str, height: int) -> None:
    """Write the row of an output that is someone else's: a payment of the wallet's (`deposit`; lightningd knows no
    height when it writes it), or the peer's part of a closed channel (`to_them`). `origin` is the account it came from.
    """
    extra = {"originating_account": origin}
    at = int(world.now_at)
    world.chainmoves.add(ChainMove("external", amount_msat, 0, at, tag, utxo, amount_msat, height, (), extra))


def record_open(world: World, channel: Channel, credit_msat: int, at: int, height: int) -> None:
    """Write the row of a funding output's beginning, by an opening or a splice: `credit_msat` of it is ours."""
    _record_funding(world, channel, "channel_open", credit_msat, at, height)


def record_proposed(world: World, channel: Channel) -> None:
    """Write the row of a funding output that no block has yet. When one has it, `record_open` tells it once more, with
    what the channel then holds of ours and had been pushed (lightningd/channel_control.c channel_record_open).
    """
    _record_funding(world, channel, "channel_proposed", channel.local_funds_msat, int(world.now_at), 0)


def _record_funding(world: World, channel: Channel, tag: str, credit_msat: int, at: int, height: int) -> None:
    utxo = outpoint(channel.funding_txid, channel.funding_outnum)
    tags = ("opener",) if channel.opener == "local" else ("leased",) if channel.leased else ()
    extra = {"peer_id": channel.peer_id}
    account, capacity_msat = channel.channel_id, channel.capacity_msat
    world.chainmoves.add(ChainMove(account, credit_msat, 0, at, tag, utxo, capacity_msat, height, tags, extra))


def record_close(
    world: World, channel: Channel, spending_txid: str, output_count: int, tags: tuple[str, ...] = ()
) -> None:
    """Write the row of a funding output's end, by a close or (`tags`) a splice into a transaction of so many outputs:
    all that was ours leaves the account.
    """
    utxo, at = outpoint(channel.funding_txid, channel.funding_outnum), int(world.now_at)
    account, debit_msat, capacity_msat = channel.channel_id, channel.to_us_msat, channel.capacity_msat
    extra = {"spending_txid": spending_txid}
    world.chainmoves.add(
        ChainMove(
            account, 0, debit_msat, at, "channel_close", utxo, capacity_msat, world.height, tags, extra, output_count
        )
    )


def record_sweep(world: World, channel: Channel, utxo: str, amount_msat: int, height: int, sweep_txid: str) -> None:
    """Write the two rows of a delayed output of ours: lightningd tells of it, back-dated to the commitment's height,
    only when it has been spent (onchaind/onchaind.c record_coin_movements).
    """
    account, at = channel.channel_id, int(world.now_at)
    world.chainmoves.add(ChainMove(account, amount_msat, 0, at, "delayed_to_us", utxo, amount_msat, height))
    extra = {"spending_txid": sweep_txid}
    world.chainmoves.add(
        ChainMove(account, 0, amount_msat, at, "to_wallet", utxo, amount_msat, world.height, (), extra)
    )


def record_push(world: World, channel: Channel, at: int) -> None:
    """Write the row of what the opener gave away, or paid for a lease, at the opening, if anything."""
    pushed_msat = channel.pushed_msat
    if not pushed_msat:
        return
    credit_msat, debit_msat = (0, pushed_msat) if channel.opener == "local" else (pushed_msat, 0)
    tag = "lease_fee" if channel.leased else "pushed"
    world.channelmoves.add(ChannelMove(channel.channel_id, credit_msat, debit_msat, at, tag, 0))
