"""RPCs about our channels: listpeerchannels, listclosedchannels."""

from __future__ import annotations

from typing import Any

from revops.sim.channels import COMMIT_WEIGHT, MAX_U64, Channel, Htlc, Policy, Tally
from revops.sim.errors import INVALID_PARAMS, SimRpcError
from revops.sim.ids import ADDRESS_PREFIX, bech32_text, digest
from revops.sim.state import World
from revops.sim.version import shows_max_total_htlc

Args = dict[str, Any]
HTLC_STATES = {"out": "SENT_ADD_ACK_REVOCATION", "in": "RCVD_ADD_ACK_REVOCATION"}
CHANNEL_TYPE = {"bits": [12, 22], "names": ["static_remotekey/even", "anchors/even"]}


def listpeerchannels(world: World, args: Args) -> dict[str, Any]:
    """Answer listpeerchannels; a scid may be an alias or one from before a splice (v25.09)."""
    if len(args) > 1:
        message = "Must not specify more than one of short_channel_id, channel_id or id"
        raise SimRpcError(INVALID_PARAMS, message)
    if "id" in args:
        peer = world.peers.get(args["id"])
        chosen = list(peer.channels) if peer else []
    elif "short_channel_id" in args:
        found = world.by_scid.get(args["short_channel_id"])
        chosen = [found] if found else []
    elif "channel_id" in args:
        found = world.channels.get(args["channel_id"])
        chosen = [found] if found else []
    else:
        chosen = [channel for peer in world.peers.values() for channel in peer.channels]
    return {"channels": [channel_json(world, channel) for channel in chosen]}


def channel_json(world: World, channel: Channel) -> dict[str, Any]:
    """Return a channel in the key order of lightningd/peer_control.c."""
    peer = world.peer_of(channel)
    row: dict[str, Any] = {"peer_id": channel.peer_id, "peer_connected": peer.connected}
    if peer.connected:
        row["reestablished"] = True
    row["channel_type"] = CHANNEL_TYPE
    row["ignore_fee_limits"] = False
    row["updates"] = {"local": policy_json(channel.local), "remote": policy_json(channel.remote)}
    if channel.last_stable_at is not None:
        row["last_stable_connection"] = channel.last_stable_at
    row["state"] = channel.state
    row |= identity_json(world, channel)
    if channel.splice is not None:
        row |= splice_json(channel)
    row |= balance_json(channel)
    if shows_max_total_htlc(world.config.version):
        row["max_total_htlc_in_msat"] = MAX_U64
    row |= limits_json(channel)
    row["state_changes"] = list(channel.state_changes)
    row["status"] = [f"{channel.state}:{'Channel ready for use.' if channel.is_live else 'Closing.'}"]
    row |= tally_json("in", channel.tally_in) | tally_json("out", channel.tally_out)
    row["htlcs"] = [htlc_json(htlc) for htlc in (*channel.htlcs_in.values(), *channel.htlcs_out.values())]
    return row


def policy_json(policy: Policy) -> dict[str, int]:
    """Return a policy as `updates` shows it."""
    return {
        "htlc_minimum_msat": policy.htlc_minimum_msat,
        "htlc_maximum_msat": policy.htlc_maximum_msat,
        "cltv_expiry_delta": policy.cltv_delta_blocks,
        "fee_base_msat": policy.fee_base_msat,
        "fee_proportional_millionths": policy.fee_ppm,
    }


def identity_json(world: World, channel: Channel) -> dict[str, Any]:
    """Return ids, funding and origin."""
    fee_sat = -(-COMMIT_WEIGHT * channel.commit_feerate_perkw // 1000)
    script = digest(channel.channel_id, "close-to")
    row: dict[str, Any] = {
        "scratch_txid": digest(channel.channel_id, channel.to_us_msat),
        "last_tx_fee_msat": fee_sat * 1000,
        "lost_state": False,
        "feerate": {"perkw": channel.commit_feerate_perkw, "perkb": channel.commit_feerate_perkw * 4},
    }
    if world.peer_of(channel).connected:
        row["owner"] = "channeld" if channel.is_live else "onchaind"
    if channel.scid is not None:
        row["short_channel_id"] = channel.scid
    row["direction"] = channel.direction
    row["channel_id"] = channel.channel_id
    row["funding_txid"] = channel.funding_txid
    row["funding_outnum"] = channel.funding_outnum
    row["close_to_addr"] = bech32_text(ADDRESS_PREFIX[world.config.network], script, length=59)
    row["close_to"] = "5120" + script
    row["private"] = channel.private
    row["opener"] = channel.opener
    if channel.closer is not None:
        row["closer"] = channel.closer
    row["alias"] = {"local": channel.alias_local, "remote": channel.alias_remote}
    row["features"] = ["option_static_remotekey", "option_anchors"]
    row["funding"] = funding_json(channel)
    return row


def funding_json(channel: Channel) -> dict[str, Any]:
    """Return who funded the channel."""
    remote_msat = channel.capacity_msat - channel.local_funds_msat
    return {
        "local_funds_msat": channel.local_funds_msat,
        "remote_funds_msat": max(0, remote_msat),
        "fee_rcvd_msat" if channel.leased else "pushed_msat": channel.pushed_msat,
        "withheld": False,
    }


def splice_json(channel: Channel) -> dict[str, Any]:
    """Return the pending splice. `splice_amount` alone is in sat."""
    splice = channel.splice
    if splice is None:
        return {}
    return {
        "initial_feerate": f"{splice.feerate_perkw}perkw",
        "last_feerate": f"{splice.feerate_perkw}perkw",
        "next_feerate": f"{splice.feerate_perkw * 25 // 24}perkw",
        "inflight": [
            {
                "funding_txid": splice.funding_txid,
                "funding_outnum": splice.funding_outnum,
                "feerate": f"{splice.feerate_perkw}perkw",
                "total_funding_msat": channel.capacity_msat + splice.capacity_delta_sat * 1000,
                "our_funding_msat": channel.to_us_msat // 1000 * 1000,
                "splice_amount": splice.delta_sat,
                "scratch_txid": digest(splice.funding_txid, "scratch"),
            }
        ],
    }


def balance_json(channel: Channel) -> dict[str, Any]:
    """Return balances, our fee and the value limits."""
    return {
        "to_us_msat": channel.to_us_msat,
        "min_to_us_msat": channel.min_to_us_msat,
        "max_to_us_msat": channel.max_to_us_msat,
        "total_msat": channel.capacity_msat,
        "fee_base_msat": channel.local.fee_base_msat,
        "fee_proportional_millionths": channel.local.fee_ppm,
        "dust_limit_msat": 546_000,
        "their_max_htlc_value_in_flight_msat": channel.their_max_in_flight_msat,
        "our_max_htlc_value_in_flight_msat": MAX_U64,
    }


def limits_json(channel: Channel) -> dict[str, Any]:
    """Return reserves, what is spendable, and HTLC limits."""
    return {
        "their_reserve_msat": channel.their_reserve_msat,
        "our_reserve_msat": channel.our_reserve_msat,
        "spendable_msat": channel.spendable_msat(),
        "receivable_msat": channel.receivable_msat(),
        "minimum_htlc_in_msat": 0,
        "minimum_htlc_out_msat": channel.local.htlc_minimum_msat,
        "maximum_htlc_out_msat": channel.local.htlc_maximum_msat,
        "their_to_self_delay": 144,
        "our_to_self_delay": 144,
        "max_accepted_htlcs": channel.max_accepted_htlcs,
    }


def tally_json(prefix: str, tally: Tally) -> dict[str, int]:
    """Return the lifetime counters of one direction."""
    return {
        f"{prefix}_payments_offered": tally.offered_count,
        f"{prefix}_offered_msat": tally.offered_msat,
        f"{prefix}_payments_fulfilled": tally.fulfilled_count,
        f"{prefix}_fulfilled_msat": tally.fulfilled_msat,
    }


def htlc_json(htlc: Htlc) -> dict[str, Any]:
    """Return a payment in flight."""
    return {
        "direction": htlc.direction,
        "id": htlc.htlc_id,
        "amount_msat": htlc.amount_msat,
        "expiry": htlc.expiry_height,
        "payment_hash": htlc.payment_hash,
        "state": HTLC_STATES[htlc.direction],
    }


def listclosedchannels(world: World, args: Args) -> dict[str, Any]:
    """Answer listclosedchannels."""
    wanted = args.get("id")
    return {"closedchannels": [closed_json(c) for c in world.closed if wanted in (None, c.peer_id)]}


def closed_json(channel: Channel) -> dict[str, Any]:
    """Return a closed channel."""
    row: dict[str, Any] = {"peer_id": channel.peer_id, "channel_id": channel.channel_id}
    if channel.scid is not None:
        row["short_channel_id"] = channel.scid
    row["alias"] = {"local": channel.alias_local, "remote": channel.alias_remote}
    row["opener"] = channel.opener
    if channel.closer is not None:
        row["closer"] = channel.closer
    row |= {
        "private": channel.private,
        "channel_type": CHANNEL_TYPE,
        "total_local_commitments": 2 * channel.next_out_id + 1,
        "total_remote_commitments": 2 * channel.next_in_id + 1,
        "total_htlcs_sent": channel.next_out_id,
        "funding_txid": channel.funding_txid,
        "funding_outnum": channel.funding_outnum,
        "funding_withheld": False,
        "leased": channel.leased,
        **({"funding_fee_rcvd_msat": channel.pushed_msat} if channel.leased else {}),
        "total_msat": channel.capacity_msat,
        "final_to_us_msat": channel.to_us_msat,
        "min_to_us_msat": channel.min_to_us_msat,
        "max_to_us_msat": channel.max_to_us_msat,
        "last_commitment_txid": digest(channel.channel_id, channel.to_us_msat),
        "last_commitment_fee_msat": 1_411_000,
        "close_cause": "user" if channel.closer == "local" else "remote",
    }
    if channel.last_stable_at is not None:
        row["last_stable_connection"] = channel.last_stable_at
    return row
