"""dev-splice: two of the scripts that a real node knows, one that puts the wallet's coins into a channel and one that
takes a channel's out (plugins/spender/splice.c).

    wallet -> 300000 + fee@1500; 300000 -> CHANNEL_ID
    CHANNEL_ID -> 200000 + fee@1500; 100% -> wallet

`fee@` is in sat per 1000 weight. Whatever is called JSON is refused, as v26.06 does.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

from revops.sim import errors
from revops.sim import params as p
from revops.sim.channels import Channel
from revops.sim.errors import SimRpcError, UnansweredError
from revops.sim.outages import RECONNECT_SECONDS, connect, disconnect
from revops.sim.params import Param
from revops.sim.splices import RoomError, begin_splice, funds_of, reserve
from revops.sim.state import SpliceTrouble, World
from revops.sim.wallet import free_outputs, tx_fee_msat

Args = dict[str, Any]
#: `user_provided_sats` and `psbt` stand in the schema's text, and aren't taken.
PARAMETERS = (
    Param("script_or_json", p.anything, required=True),
    Param("dryrun", p.boolean),
    Param("force_feerate", p.boolean),
    Param("debug_log", p.boolean),
)
SPLICE_IN = re.compile(r"wallet *-> *(\d+) *\+ *fee@(\d+) *; *(\d+) *-> *([0-9a-f]{64})")
SPLICE_OUT = re.compile(r"([0-9a-f]{64}) *-> *(\d+) *\+ *fee@(\d+) *; *100% *-> *wallet")


@dataclass(frozen=True, slots=True)
class Order:
    """What a script asks for; the amount is negative where it is taken out."""

    channel: Channel
    amount_sat: int
    perkw: int


def dev_splice(world: World, args: Args) -> dict[str, Any]:
    """Answer dev-splice: the transcript of a dry run, or the transaction of a splice that is signed."""
    order = compiled(world, args["script_or_json"])
    if args.get("dryrun", False):
        return {"dryrun": transcript(order)}
    check_channel(world, order.channel)
    try:
        check_trouble(world, order)
        splice = begin_splice(world, order.channel, order.amount_sat, perkw=order.perkw)
    except RoomError as error:
        raise SimRpcError(errors.SPLICE_FUNDING_LOW, str(error)) from error
    except ValueError as error:
        raise cannot_afford(world, order) from error
    psbt = base64.b64encode(b"psbt\xff" + bytes.fromhex(splice.funding_txid)).decode()
    return {"psbt": psbt, "txid": splice.funding_txid}


def compiled(world: World, script: Any) -> Order:
    """Given a script, return what it asks for. Raise SimRpcError (-32602) if it isn't one of the two."""
    if not isinstance(script, str) or script.lstrip().startswith(("[", "{")):
        raise SimRpcError(errors.INVALID_PARAMS, "splice json failed validation")
    inward, outward = SPLICE_IN.fullmatch(script.strip()), SPLICE_OUT.fullmatch(script.strip())
    if inward is not None and inward[1] == inward[3]:
        channel_id, amount_sat, perkw = inward[4], int(inward[1]), int(inward[2])
    elif outward is not None:
        channel_id, amount_sat, perkw = outward[1], -int(outward[2]), int(outward[3])
    else:
        channel_id, amount_sat, perkw = "", 0, 0
    channel = world.channels.get(channel_id)
    if channel is None or amount_sat == 0:
        raise SimRpcError(errors.INVALID_PARAMS, "Splice script compile failed")
    return Order(channel, amount_sat, perkw)


def transcript(order: Order) -> list[str]:
    """Return what the script would do. The blank at the end of a line is lightningd's."""
    channel_id, amount_sat = order.channel.channel_id, abs(order.amount_sat)
    source = "wallet" if order.amount_sat > 0 else channel_id
    fee = f"fee ({order.perkw}/kw, {order.perkw * 4 / 1000:.2f} sat/vB) "
    lines = [f"{source} withdraw {amount_sat}sat plus {fee}"]
    if order.amount_sat > 0:
        lines.append(f"put {amount_sat}sat into {channel_id}")
    return [*lines, "put 100% of rest into wallet"]


def check_channel(world: World, channel: Channel) -> None:
    """Raise SimRpcError where no splice can begin (lightningd/channel_control.c, channel_for_splice)."""
    peer = world.peer_of(channel)
    if not peer.splices:
        raise SimRpcError(errors.SPLICE_NOT_SUPPORTED, "Peer does not support splicing")
    if not peer.connected:
        raise SimRpcError(errors.SPLICE_WRONG_OWNER, "Channel is disconnected")
    if channel.splice is not None or channel.negotiated is not None:
        raise SimRpcError(errors.SPLICE_BUSY_ERROR, "Currently waiting on previous splice command to finish.")
    if channel.state != "CHANNELD_NORMAL" or any(waiting.channel is channel for waiting in world.unconfirmed):
        message = "Channel needs to be in normal or awaiting splice state"
        raise SimRpcError(errors.SPLICE_INVALID_CHANNEL_STATE, message)


def check_trouble(world: World, order: Order) -> None:
    """Let the peer do what a test wants of it in the middle of a splice, once."""
    trouble, world.knobs.splice_trouble = world.knobs.splice_trouble, None
    peer = world.peer_of(order.channel)
    if trouble is SpliceTrouble.VANISHES:
        disconnect(world, peer)
        world.schedule(world.now_at + RECONNECT_SECONDS, connect, peer)
        raise SimRpcError(errors.SPLICE_WRONG_OWNER, "Channel is disconnected")
    if trouble is SpliceTrouble.HANGS:
        order.channel.negotiated = ()
        if order.amount_sat > 0:
            funds = funds_of(world, order.amount_sat, order.perkw, drawn=True)
            reserve(world, funds)
            order.channel.negotiated = funds.inputs
        raise UnansweredError("the peer says nothing more")


def cannot_afford(world: World, order: Order) -> SimRpcError:
    """Return the error where the wallet can't pay: addpsbtinput's own, wrapped up."""
    found = free_outputs(world)
    asked_sat = order.amount_sat + tx_fee_msat(order.perkw, wallet_inputs=1, funding_inputs=1, outputs=2) // 1000
    short_sat = max(1, asked_sat - sum(output.amount_msat for output in found) // 1000)
    message = f"Could not afford {asked_sat}sat using all {len(found)} available UTXOs: {short_sat}sat short"
    inner = json.dumps({"code": errors.FUND_CANNOT_AFFORD, "message": message}, separators=(",", ":"))
    return SimRpcError(errors.INVALID_PARAMS, f"addpsbtinput: {inner}")
