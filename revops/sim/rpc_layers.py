"""The askrene layers: create, remove, list, disable a node, inform of a channel, forget with age (plugins/askrene)."""

from __future__ import annotations

from typing import Any

from revops.sim.errors import INVALID_PARAMS, SimRpcError, bad_param
from revops.sim.state import Layer, World

Args = dict[str, Any]


def layer_json(layer: Layer) -> dict[str, Any]:
    """Return a layer."""
    return {
        "layer": layer.name,
        "persistent": layer.persistent,
        "disabled_nodes": list(layer.disabled_nodes),
        "created_channels": [],
        "channel_updates": [],
        "constraints": [dict(row) for row in layer.constraints],
        "biases": [],
        "node_biases": [],
    }


def known_layer(world: World, name: str) -> Layer:
    """Return a layer. Raise as askrene does if it doesn't exist."""
    layer = world.layers.get(name)
    if layer is None:
        raise bad_param("layer", "Unknown layer")
    return layer


def create_layer(world: World, args: Args) -> dict[str, Any]:
    """Answer askrene-create-layer: an existing one is an error unless `persistent`."""
    name, persistent = args["layer"], args.get("persistent", False)
    if name.startswith("auto."):
        raise SimRpcError(INVALID_PARAMS, "Cannot create auto layer")
    if name in world.layers and not persistent:
        raise SimRpcError(INVALID_PARAMS, "Layer already exists")
    layer = world.layers.setdefault(name, Layer(name, persistent))
    return {"layers": [layer_json(layer)]}


def remove_layer(world: World, args: Args) -> dict[str, Any]:
    """Answer askrene-remove-layer."""
    del world.layers[known_layer(world, args["layer"]).name]
    return {}


def list_layers(world: World, args: Args) -> dict[str, Any]:
    """Answer askrene-listlayers."""
    if "layer" in args:
        return {"layers": [layer_json(known_layer(world, args["layer"]))]}
    return {"layers": [layer_json(layer) for layer in world.layers.values()]}


def disable_node(world: World, args: Args) -> dict[str, Any]:
    """Answer askrene-disable-node."""
    known_layer(world, args["layer"]).disabled_nodes.append(args["node"])
    return {}


def inform_channel(world: World, args: Args) -> dict[str, Any]:
    """Answer askrene-inform-channel: "constrained" means one msat less is the most, "unconstrained" it is the least."""
    layer = known_layer(world, args["layer"])
    scid, direction = args["short_channel_id_dir"]
    if args["inform"] == "succeeded":
        return {"constraints": []}
    row: dict[str, Any] = {"short_channel_id_dir": f"{scid}/{direction}", "timestamp": int(world.now_at)}
    if args["inform"] == "constrained":
        row["maximum_msat"] = max(0, args["amount_msat"] - 1)
    else:
        row["minimum_msat"] = args["amount_msat"]
    layer.constraints.append(row)
    return {"constraints": [{"layer": layer.name, **row}]}


def age(world: World, args: Args) -> dict[str, Any]:
    """Answer askrene-age: forget what was learnt before `cutoff`."""
    layer = known_layer(world, args["layer"])
    kept = [row for row in layer.constraints if row["timestamp"] >= args["cutoff"]]
    removed = len(layer.constraints) - len(kept)
    layer.constraints = kept
    return {"layer": layer.name, "num_removed": removed}
