"""The table of methods: parameters in lightningd's order, and what answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from revops.sim import params as p
from revops.sim import (
    rpc_channels,
    rpc_clboss,
    rpc_funder,
    rpc_graph,
    rpc_invoice,
    rpc_layers,
    rpc_lists,
    rpc_node,
    rpc_pay,
    rpc_peers,
    rpc_setchannel,
    rpc_sling,
    rpc_splice,
)
from revops.sim.params import Param
from revops.sim.state import World
from revops.sim.version import takes_channel_id

Answer = Callable[[World, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC."""

    answer: Answer
    parameters: tuple[Param, ...] = ()


def required(name: str, parse: p.Parser) -> Param:
    """Return a required parameter."""
    return Param(name, parse, required=True)


PAGE = (Param("index", p.INDEX), Param("start", p.U64), Param("limit", p.U32))
CREATED_PAGE = (Param("index", p.one_of("created")), Param("start", p.U64), Param("limit", p.U32))
STATUSES = p.one_of("offered", "settled", "local_failed", "failed")
SUBSYSTEMS = p.one_of("invoices", "forwards", "sendpays", "htlcs", "chainmoves", "channelmoves", "networkevents")
LAYER = required("layer", p.string)


def methods_of(version: str) -> dict[str, Method]:
    """Given the imitated version, return its methods."""
    channel_filters = [Param("id", p.node_id), Param("short_channel_id", p.scid)]
    if takes_channel_id(version):
        channel_filters.append(Param("channel_id", p.HASH))
    listed = READING | {"listpeerchannels": Method(rpc_channels.listpeerchannels, tuple(channel_filters))} | WRITING

    def tell(world: World, _: dict[str, Any]) -> dict[str, Any]:
        names = [name for name in (*listed, "help") if world.knobs.clboss or not name.startswith("clboss-")]
        names += [name for name in rpc_sling.METHODS if rpc_sling.knows(world, name)]
        return {"help": [{"command": name} for name in sorted(names)]}

    return listed | {"help": Method(tell, (Param("command", p.string),))}


READING: dict[str, Method] = {
    "getinfo": Method(rpc_node.getinfo),
    "wait": Method(
        rpc_node.wait,
        (
            required("subsystem", SUBSYSTEMS),
            required("indexname", p.one_of("created", "updated", "deleted")),
            required("nextvalue", p.U64),
        ),
    ),
    "feerates": Method(rpc_node.feerates, (required("style", p.one_of("perkb", "perkw")),)),
    "listfunds": Method(rpc_node.listfunds, (Param("spent", p.boolean),)),
    "listconfigs": Method(rpc_node.listconfigs, (Param("config", p.string),)),
    "listclosedchannels": Method(rpc_channels.listclosedchannels, (Param("id", p.node_id),)),
    "listpeers": Method(
        rpc_peers.listpeers,
        (Param("id", p.node_id), Param("level", p.one_of("io", "trace", "debug", "info", "unusual"))),
    ),
    "listforwards": Method(
        rpc_lists.listforwards,
        (Param("status", STATUSES), Param("in_channel", p.scid), Param("out_channel", p.scid), *PAGE),
    ),
    "listchannelmoves": Method(rpc_lists.listchannelmoves, CREATED_PAGE),
    "listchainmoves": Method(rpc_lists.listchainmoves, CREATED_PAGE),
    "listnetworkevents": Method(rpc_lists.listnetworkevents, (Param("id", p.node_id), *CREATED_PAGE)),
    "listsendpays": Method(
        rpc_lists.listsendpays,
        (
            Param("bolt11", p.string),
            Param("payment_hash", p.HASH),
            Param("status", p.one_of("pending", "complete", "failed")),
            *PAGE,
        ),
    ),
    "listinvoices": Method(
        rpc_invoice.listinvoices,
        (
            Param("label", p.label),
            Param("invstring", p.string),
            Param("payment_hash", p.HASH),
            Param("offer_id", p.HASH),
            *PAGE,
        ),
    ),
    "listnodes": Method(rpc_graph.listnodes, (Param("id", p.node_id),)),
    "listchannels": Method(
        rpc_graph.listchannels,
        (Param("short_channel_id", p.scid), Param("source", p.node_id), Param("destination", p.node_id)),
    ),
    "getroutes": Method(
        rpc_graph.getroutes,
        (
            required("source", p.node_id),
            required("destination", p.node_id),
            required("amount_msat", p.msat),
            required("layers", p.array),
            required("maxfee_msat", p.msat),
            required("final_cltv", p.U32),
            Param("maxdelay", p.U32),
            Param("maxparts", p.U32),
        ),
    ),
    "askrene-listlayers": Method(rpc_layers.list_layers, (Param("layer", p.string),)),
    "clboss-status": Method(rpc_clboss.status),
    "waitsendpay": Method(
        rpc_pay.waitsendpay,
        (
            required("payment_hash", p.HASH),
            Param("timeout", p.U32),
            Param("partid", p.U64),
            Param("groupid", p.U64),
        ),
    ),
}

WRITING: dict[str, Method] = {
    "setchannel": Method(
        rpc_setchannel.setchannel,
        (
            required("id", p.string),
            Param("feebase", p.msat_u32),
            Param("feeppm", p.U32),
            Param("htlcmin", p.msat),
            Param("htlcmax", p.msat),
            Param("enforcedelay", p.U32),
            Param("ignorefeelimits", p.boolean),
        ),
    ),
    "invoice": Method(
        rpc_invoice.invoice,
        (
            required("amount_msat", p.msat_or_any),
            required("label", p.label),
            required("description", p.string),
            Param("expiry", p.U64),
            Param("fallbacks", p.array),
            Param("preimage", p.hex_of(32, "should be 64 hex digits")),
            Param("exposeprivatechannels", p.anything),
            Param("cltv", p.U32),
            Param("deschashonly", p.boolean),
        ),
    ),
    "delinvoice": Method(
        rpc_invoice.delinvoice,
        (required("label", p.label), required("status", p.string), Param("desconly", p.boolean)),
    ),
    "sendpay": Method(
        rpc_pay.sendpay,
        (
            required("route", p.array),
            required("payment_hash", p.HASH),
            Param("label", p.string),
            Param("amount_msat", p.msat),
            Param("bolt11", p.string),
            Param("payment_secret", p.hex_of(32, "should be a 32 byte hex value")),
            Param("partid", p.U64),
            Param("localinvreqid", p.HASH),
            Param("groupid", p.U64),
            Param("payment_metadata", p.HEX),
            Param("description", p.string),
        ),
    ),
    "askrene-create-layer": Method(rpc_layers.create_layer, (LAYER, Param("persistent", p.boolean))),
    "askrene-remove-layer": Method(rpc_layers.remove_layer, (LAYER,)),
    "askrene-disable-node": Method(rpc_layers.disable_node, (LAYER, required("node", p.node_id))),
    "askrene-inform-channel": Method(
        rpc_layers.inform_channel,
        (
            LAYER,
            required("short_channel_id_dir", p.scid_direction),
            required("amount_msat", p.msat),
            required("inform", p.one_of("constrained", "unconstrained", "succeeded")),
        ),
    ),
    "askrene-age": Method(rpc_layers.age, (LAYER, required("cutoff", p.U64))),
    "dev-splice": Method(rpc_splice.dev_splice, rpc_splice.PARAMETERS),
    "disconnect": Method(rpc_peers.disconnect_from, (required("id", p.node_id), Param("force", p.boolean))),
    "funderupdate": Method(rpc_funder.funderupdate, rpc_funder.PARAMETERS),
    "clboss-unmanage": Method(rpc_clboss.unmanage, (required("nodeid", p.string), required("tags", p.string))),
}
