"""setchannel: our fees and HTLC limits (lightningd/peer_control.c, json_setchannel)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from revops.sim.channels import Channel
from revops.sim.errors import LIGHTNINGD, SimRpcError, bad_param
from revops.sim.state import World

Args = dict[str, Any]


def setchannel(world: World, args: Args) -> dict[str, Any]:
    """Answer setchannel: values are clamped with a warning, `id` may be a channel, a peer (all of its), or "all"."""
    low, high = args.get("htlcmin"), args.get("htlcmax")
    channels = channels_named(world, args["id"])
    if low is not None and high is not None and high < low:
        raise SimRpcError(LIGHTNINGD, "htlcmax cannot be less than htlcmin")
    return {"channels": [set_one(world, channel, args) for channel in channels]}


def channels_named(world: World, name: str) -> list[Channel]:
    """Return the channels that setchannel's `id` means (param_channel_or_all). Raise as lightningd does if none."""
    settable = [channel for peer in world.peers.values() for channel in peer.channels if channel.is_live]
    if name == "all":
        return settable
    if name in world.peers:
        theirs = [channel for channel in settable if channel.peer_id == name]
        if not theirs:
            raise SimRpcError(LIGHTNINGD, "Could not find any active channels of peer with that id")
        return theirs
    channel = world.channels.get(name) or world.by_scid.get(name)
    if channel is None:
        raise bad_param("id", "Short channel id not found" if "x" in name else "Channel ID not found")
    if not channel.is_live:
        raise bad_param("id", f"Channel in state {channel.state}")
    return [channel]


def set_one(world: World, channel: Channel, args: Args) -> dict[str, Any]:
    """Apply setchannel to one channel and return its row of the reply (set_channel_config)."""
    warnings: dict[str, str] = {}
    policy = channel.local
    if "feebase" in args:
        policy = replace(policy, fee_base_msat=args["feebase"])
    if "feeppm" in args:
        policy = replace(policy, fee_ppm=args["feeppm"])
    if "htlcmin" in args:
        least = channel.remote.htlc_minimum_msat
        policy = replace(policy, htlc_minimum_msat=max(least, args["htlcmin"]))
        if args["htlcmin"] < least:
            warnings["warning_htlcmin_too_low"] = "Set minimum_htlc_out_msat to minimum allowed by peer"
    if "htlcmax" in args:
        most = channel.htlc_max_possible_msat()
        policy = replace(policy, htlc_maximum_msat=min(most, args["htlcmax"]))
        if args["htlcmax"] > most:
            warnings["warning_htlcmax_too_high"] = "Set maximum_htlc_out_msat to maximum possible in channel"
    channel.set_local(policy, world.now_at, args.get("enforcedelay", 600))
    row: dict[str, Any] = {"peer_id": channel.peer_id, "channel_id": channel.channel_id}
    if channel.scid is not None:
        row["short_channel_id"] = channel.scid
    row["fee_base_msat"] = policy.fee_base_msat
    row["fee_proportional_millionths"] = policy.fee_ppm
    row["minimum_htlc_out_msat"] = policy.htlc_minimum_msat
    if "warning_htlcmin_too_low" in warnings:
        row["warning_htlcmin_too_low"] = warnings["warning_htlcmin_too_low"]
    row["maximum_htlc_out_msat"] = policy.htlc_maximum_msat
    row["ignore_fee_limits"] = False
    if "warning_htlcmax_too_high" in warnings:
        row["warning_htlcmax_too_high"] = warnings["warning_htlcmax_too_high"]
    return row
