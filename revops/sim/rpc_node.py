"""RPCs about the node itself: getinfo, wait, feerates, listfunds, listconfigs."""

from __future__ import annotations

from typing import Any

from revops.sim.channels import Channel
from revops.sim.configs import configs_of
from revops.sim.errors import WAIT_TIMEOUT, SimRpcError, bad_param
from revops.sim.state import Output, World
from revops.sim.version import takes_channel_id

Args = dict[str, Any]
# Weights behind onchain_fee_estimates (lightningd/chaintopology.c): name, weight, whether at the anchor-close feerate.
CHAIN_ESTIMATES = (
    ("opening_channel_satoshis", 702, False),
    ("mutual_close_satoshis", 673, False),
    ("unilateral_close_satoshis", 1112, True),
    ("unilateral_close_nonanchor_satoshis", 598, False),
    ("htlc_timeout_satoshis", 663, False),
    ("htlc_success_satoshis", 703, False),
)
# Share of the current feerate at which each target is estimated.
TARGETS = ((2, 1.6), (6, 1.25), (12, 1.0), (100, 0.6))
ANCHOR_CLOSE_LEAST_PERKW = 1_250


def getinfo(world: World, _: Args) -> dict[str, Any]:
    """Answer getinfo."""
    live = [channel for channel in world.channels.values() if channel.is_live]
    address = [{"type": "ipv4", "address": "192.0.2.1", "port": 9735}]
    info: dict[str, Any] = {
        "id": world.node_id,
        "alias": world.config.alias,
        "color": world.node_id[:6],
        "num_peers": sum(1 for peer in world.peers.values() if peer.channels or peer.connected),
        "num_pending_channels": 0,
        "num_active_channels": len(live),
        "num_inactive_channels": len(world.channels) - len(live),
        "address": address,
        "binding": [{"type": "ipv4", "address": "0.0.0.0", "port": 9735}],  # noqa: S104
        "version": world.config.version,
        "blockheight": world.height,
        "network": world.config.network,
        "fees_collected_msat": world.ledger.fees_collected_msat,
        "lightning-dir": f"/home/sim/.lightning/{world.config.network}",
        "our_features": {
            "init": "800898882a8a59a1",
            "node": "808898882a8a59a1",
            "channel": "",
            "invoice": "02000002024100",
        },
    }
    if world.knobs.syncing:
        info["warning_bitcoind_sync"] = "Bitcoind is not up-to-date with network."
        info["warning_lightningd_sync"] = "Still loading latest blocks from bitcoind."
    return info


def wait(world: World, args: Args) -> dict[str, Any]:
    """Answer wait. An index that isn't reached yet is a timeout (2000) at once: a real node would block for ever."""
    subsystem, index, next_value = args["subsystem"], args["indexname"], args["nextvalue"]
    tables = {
        "forwards": world.forwards,
        "sendpays": world.payments,
        "invoices": world.invoices,
        "chainmoves": world.chainmoves,
        "channelmoves": world.channelmoves,
        "networkevents": world.networkevents,
    }
    if subsystem == "htlcs":
        totals = [channel.next_in_id + channel.next_out_id for channel in (*world.channels.values(), *world.closed)]
        value = sum(totals) if index == "created" else 0
    else:
        value = getattr(tables[subsystem], index)
    if value < next_value:
        raise SimRpcError(WAIT_TIMEOUT, "Timed out: the simulated node doesn't wait for what has not happened")
    return {"subsystem": subsystem, index: value}


def feerates(world: World, args: Args) -> dict[str, Any]:
    """Answer feerates."""
    style = args["style"]
    if world.knobs.feerates_missing:
        lowest = scaled(style, 253)
        bare = {"min_acceptable": lowest, "max_acceptable": 4_294_967_295, "floor": lowest, "estimates": []}
        return {style: bare, "warning_missing_feerates": "Some fee estimates unavailable: bitcoind startup?"}
    return feerates_of(style, world.feerate_perkw, world.config.version)


def feerates_of(style: str, perkw: int, version: str) -> dict[str, Any]:
    """Given a style, the current feerate and the release, return what feerates answers where all is known."""
    estimates = {blocks: max(25, round(perkw * share)) for blocks, share in TARGETS}
    anchor_close = max(ANCHOR_CLOSE_LEAST_PERKW, estimates[6])
    rates = {
        "opening": estimates[12],
        "mutual_close": estimates[100],
        "unilateral_close": estimates[6],
        "unilateral_anchor_close": anchor_close,
        "penalty": estimates[12],
        "splice": estimates[12] + 5,
        "min_acceptable": max(25, estimates[100] // 2),
        "max_acceptable": estimates[2] * 10,
        "floor": 25,
    }
    if not takes_channel_id(version):
        del rates["splice"]
    body: dict[str, Any] = {name: scaled(style, rate) for name, rate in rates.items()}
    body["estimates"] = [
        {"blockcount": blocks, "feerate": scaled(style, rate), "smoothed_feerate": scaled(style, rate)}
        for blocks, rate in estimates.items()
    ]
    chain = {
        name: weight * (anchor_close if anchored else estimates[12]) // 1000
        for name, weight, anchored in CHAIN_ESTIMATES
    }
    return {style: body, "onchain_fee_estimates": chain}


def scaled(style: str, perkw: int) -> int:
    """Return a feerate in the style asked for: a vbyte weighs four."""
    return perkw if style == "perkw" else perkw * 4


def listfunds(world: World, _: Args) -> dict[str, Any]:
    """Answer listfunds."""
    return {
        "outputs": [output_json(world, output) for output in world.outputs],
        "channels": [funds_json(world, channel) for channel in world.channels.values()],
    }


def output_json(world: World, output: Output) -> dict[str, Any]:
    """Return one wallet output."""
    reserved = output.reserved_to_height is not None and output.reserved_to_height > world.height
    row: dict[str, Any] = {
        "txid": output.txid,
        "output": output.outnum,
        "amount_msat": output.amount_msat,
        "scriptpubkey": output.scriptpubkey,
        "address": output.address,
        "status": "unconfirmed" if output.height is None else "confirmed",
    }
    if output.height is not None:
        row["blockheight"] = output.height
    row["reserved"] = reserved
    if reserved:
        row["reserved_to_block"] = output.reserved_to_height
    return row


def funds_json(world: World, channel: Channel) -> dict[str, Any]:
    """Return one channel as listfunds shows it."""
    row: dict[str, Any] = {
        "peer_id": channel.peer_id,
        "connected": world.peer_of(channel).connected,
        "state": channel.state,
        "channel_id": channel.channel_id,
    }
    if channel.scid is not None:
        row["short_channel_id"] = channel.scid
    row |= {
        "our_amount_msat": channel.to_us_msat,
        "amount_msat": channel.capacity_msat,
        "funding_txid": channel.funding_txid,
        "funding_output": channel.funding_outnum,
    }
    return row


def listconfigs(world: World, args: Args) -> dict[str, Any]:
    """Answer listconfigs."""
    configs = configs_of(world.config)
    wanted = args.get("config")
    if wanted is None:
        return {"configs": configs}
    if wanted not in configs:
        raise bad_param("config", "Unknown config option")
    return {"configs": {wanted: configs[wanted]}}
