"""RPCs about the network: listnodes, listchannels, getroutes and the askrene layers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from revops.sim.channels import Channel, Policy
from revops.sim.errors import (
    INVALID_PARAMS,
    LIGHTNINGD,
    PAY_ROUTE_NOT_FOUND,
    PAY_ROUTE_TOO_EXPENSIVE,
    PAY_USER_ERROR,
    SimRpcError,
    bad_param,
)
from revops.sim.graph import Edge, GraphNode
from revops.sim.hops import edge_of_home
from revops.sim.routes import Path, Step, find_routes
from revops.sim.state import Layer, World
from revops.sim.version import names_both_ends

Args = dict[str, Any]
AUTO_LAYERS = ("auto.localchans", "auto.sourcefree", "auto.include_fees", "auto.no_mpp_support")
MAX_DELAY_BLOCKS = 2016
FREE = Policy(0, 0, 0, 2**64 - 1, 0)


def listnodes(world: World, args: Args) -> dict[str, Any]:
    """Answer listnodes."""
    wanted = args.get("id")
    nodes = [node for node in world.graph.nodes.values() if wanted in (None, node.node_id)]
    return {"nodes": [node_json(announced(world, node)) for node in nodes]}


def announced(world: World, node: GraphNode) -> GraphNode:
    """Return a node as gossip has it: ours with the rates that we lend at."""
    rates = world.funder.rates
    if node.node_id != world.node_id or rates is None or rates.empty:
        return node
    return replace(node, will_fund=rates)


def node_json(node: GraphNode) -> dict[str, Any]:
    """Return a node announcement."""
    row: dict[str, Any] = {
        "nodeid": node.node_id,
        "alias": node.alias,
        "color": node.node_id[:6],
        "last_timestamp": node.announced_at,
        "features": "808898880a8a59a1",
        "addresses": [{"type": "ipv4", "address": node.address, "port": node.port}],
    }
    return row if node.will_fund is None else row | {"option_will_fund": node.will_fund.as_json()}


def listchannels(world: World, args: Args) -> dict[str, Any]:
    """Answer listchannels: gossip, without our private channels."""
    if len(args) > 1:
        message = "Can only specify one of `short_channel_id`, `source` or `destination`"
        raise SimRpcError(INVALID_PARAMS, message)
    scid, source, destination = (args.get(name) for name in ("short_channel_id", "source", "destination"))
    return {
        "channels": [
            edge_json(edge)
            for edge in public_edges(world)
            if scid in (None, edge.scid) and source in (None, edge.source) and destination in (None, edge.destination)
        ]
    }


def public_edges(world: World) -> list[Edge]:
    """Return gossip's view: others' channels and both directions of our public ones."""
    edges = world.graph.edges()
    for channel in world.channels.values():
        if channel.scid is not None and not channel.private and channel.is_live:
            edges += [own_edge(world, channel), edge_of_home(world, channel)]
    return edges


def own_edge(world: World, channel: Channel) -> Edge:
    """Return our direction of a channel of ours."""
    changed_at = int(channel.local_changed_at) or channel.opened_at
    enabled = channel.is_live and world.peer_of(channel).connected
    return Edge(
        channel.key_scid, world.node_id, channel.peer_id, channel.capacity_msat, channel.local, enabled, changed_at
    )


def edge_json(edge: Edge) -> dict[str, Any]:
    """Return one direction of a channel as plugins/topology.c writes it."""
    return {
        "source": edge.source,
        "destination": edge.destination,
        "short_channel_id": edge.scid,
        "direction": edge.direction,
        "public": True,
        "amount_msat": edge.capacity_msat,
        "message_flags": 1,
        "channel_flags": edge.direction + (0 if edge.enabled else 2),
        "active": edge.enabled,
        "last_update": edge.updated_at,
        "base_fee_millisatoshi": edge.policy.fee_base_msat,
        "fee_per_millionth": edge.policy.fee_ppm,
        "delay": edge.policy.cltv_delta_blocks,
        "htlc_minimum_msat": edge.policy.htlc_minimum_msat,
        "htlc_maximum_msat": edge.policy.htlc_maximum_msat,
        "features": "",
    }


def getroutes(world: World, args: Args) -> dict[str, Any]:
    """Answer getroutes (plugins/askrene): never a circle, layers honoured, names of the release imitated."""
    layers = layers_named(world, args["layers"])
    source, destination, amount_msat = args["source"], args["destination"], args["amount_msat"]
    max_delay, parts = args.get("maxdelay", MAX_DELAY_BLOCKS), args.get("maxparts", 100)
    refuse_nonsense(amount_msat, parts, max_delay)
    if source == destination:
        raise SimRpcError(LIGHTNINGD, "child died with signal 6")
    for name, node in (("source", source), ("destination", destination)):
        if node not in world.graph.nodes:
            raise SimRpcError(PAY_ROUTE_NOT_FOUND, f"Unknown {name} node {node}")
    if "auto.no_mpp_support" in args["layers"]:
        parts = 1
    edges = usable_edges(world, args, layers)
    paths = find_routes(edges, source, destination, amount_msat, args["final_cltv"], parts)
    if not paths:
        raise SimRpcError(PAY_ROUTE_NOT_FOUND, "We could not find a usable set of paths.")
    if sum(path.fee_msat for path in paths) > args["maxfee_msat"]:
        raise SimRpcError(PAY_ROUTE_TOO_EXPENSIVE, "Could not find route without excessive cost")
    if max(path.steps[0].cltv_in for path in paths) > max_delay:
        raise SimRpcError(PAY_ROUTE_TOO_EXPENSIVE, "Could not find route without excessive delays")
    modern = names_both_ends(world.config.version)
    return {
        "probability_ppm": max(1, round(math.prod(path.probability_ppm / 1e6 for path in paths) * 1e6)),
        "routes": [route_json(path, args["final_cltv"], modern) for path in paths],
    }


def refuse_nonsense(amount_msat: int, parts: int, max_delay: int) -> None:
    """Raise as askrene does for values that no route can have."""
    if amount_msat == 0:
        raise SimRpcError(INVALID_PARAMS, "amount must be non-zero")
    if parts == 0:
        raise SimRpcError(INVALID_PARAMS, "maxparts must be non-zero")
    if max_delay > MAX_DELAY_BLOCKS:
        raise SimRpcError(PAY_USER_ERROR, f"maximum delay allowed is {MAX_DELAY_BLOCKS}")


def layers_named(world: World, names: list[Any]) -> list[Layer]:
    """Return the named layers but the automatic ones. Raise if one is unknown."""
    for name in names:
        if not isinstance(name, str):
            raise bad_param("layers", "should be a string")
        if name not in AUTO_LAYERS and name not in world.layers:
            raise bad_param("layers", "unknown layer")
    return [world.layers[name] for name in names if name in world.layers]


def usable_edges(world: World, args: Args, layers: list[Layer]) -> list[Edge]:
    """Return the edges that a search may use, with what the layers say of them."""
    edges = public_edges(world)
    if "auto.localchans" in args["layers"]:
        edges = [edge for edge in edges if edge.source != world.node_id]
        for channel in world.channels.values():
            edges.append(replace(own_edge(world, channel), limit_msat=channel.spendable_msat()))
    disabled = {node for layer in layers for node in layer.disabled_nodes}
    most = {
        row["short_channel_id_dir"]: row["maximum_msat"]
        for layer in layers
        for row in layer.constraints
        if "maximum_msat" in row
    }
    usable: list[Edge] = []
    for edge in edges:
        if edge.source in disabled or edge.destination in disabled:
            continue
        known = most.get(f"{edge.scid}/{edge.direction}")
        if known is not None:
            edge = replace(edge, capacity_msat=min(edge.capacity_msat, known))
        if "auto.sourcefree" in args["layers"] and edge.source == args["source"]:
            edge = replace(edge, policy=FREE)
        usable.append(edge)
    return usable


def route_json(path: Path, final_cltv: int, modern: bool) -> dict[str, Any]:
    """Return one route."""
    return {
        "probability_ppm": path.probability_ppm,
        "amount_msat": path.steps[-1].amount_out_msat,
        "final_cltv": final_cltv,
        "path": [step_json(step, modern) for step in path.steps],
    }


def step_json(step: Step, modern: bool) -> dict[str, Any]:
    """Return one hop. The old `amount_msat` and `delay` are those *entering* the hop (deprecated in v26.06)."""
    edge = step.edge
    row: dict[str, Any] = {"short_channel_id_dir": f"{edge.scid}/{edge.direction}"}
    if modern:
        row |= {
            "node_id_in": edge.source,
            "node_id_out": edge.destination,
            "amount_in_msat": step.amount_in_msat,
            "amount_out_msat": step.amount_out_msat,
            "cltv_in": step.cltv_in,
            "cltv_out": step.cltv_out,
        }
    return row | {
        "next_node_id": edge.destination,
        "amount_msat": step.amount_in_msat,
        "delay": step.cltv_in,
    }
