"""What tests do with a simulated node: rebalance natively as a tool would, and look at its books from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from revops.sim.errors import SimRpcError
from revops.sim.world import SimConfig, SimulatedNode


def quiet_node(**fields: Any) -> SimulatedNode:
    """Return a node whose market is paused and whose peers stay: only what the test does happens."""
    settings: dict[str, Any] = {"history_days": 1.0, "outages_per_day": 0.0, "route_failure_ratio": 0.0}
    node = SimulatedNode(SimConfig(**(settings | fields)))
    node.pause_market()
    node.advance_by(6 * 3600.0)
    return node


def channels(node: SimulatedNode) -> list[dict[str, Any]]:
    """Return listpeerchannels."""
    rows: list[dict[str, Any]] = node.handle("listpeerchannels")["channels"]
    return rows


@dataclass(frozen=True, slots=True)
class Prepared:
    """A circular payment ready for sendpay."""

    route: list[dict[str, Any]]
    payment_hash: str
    payment_secret: str
    label: str
    source: str
    target: str

    def params(self, **more: Any) -> dict[str, Any]:
        """Return sendpay's parameters."""
        return {"route": self.route, "payment_hash": self.payment_hash, "payment_secret": self.payment_secret, **more}


def prepare(node: SimulatedNode, amount_msat: int = 50_000_000, label: str = "rebalance") -> Prepared:
    """Return a circular payment between two channels that a sender believes in."""
    rows = [row for row in channels(node) if "short_channel_id" in row and row["peer_connected"]]
    sources = sorted(rows, key=lambda row: -int(row["spendable_msat"]))
    targets = sorted(rows, key=lambda row: -int(row["receivable_msat"]))
    if node.node_id not in (disabled := {n for layer in layers(node) for n in layer["disabled_nodes"]}):
        assert not disabled
        node.handle("askrene-create-layer", {"layer": "revops"})
        node.handle("askrene-disable-node", {"layer": "revops", "node": node.node_id})
    for source in sources:
        for target in targets:
            route = circle(node, source, target, amount_msat)
            if route is not None:
                created = node.handle("invoice", {"amount_msat": amount_msat, "label": label, "description": "circle"})
                return Prepared(
                    route,
                    created["payment_hash"],
                    created["payment_secret"],
                    label,
                    source["channel_id"],
                    target["channel_id"],
                )
    raise AssertionError("no route between any two channels")


def layers(node: SimulatedNode) -> list[dict[str, Any]]:
    """Return the askrene layers."""
    rows: list[dict[str, Any]] = node.handle("askrene-listlayers")["layers"]
    return rows


def circle(
    node: SimulatedNode, source: dict[str, Any], target: dict[str, Any], amount_msat: int
) -> list[dict[str, Any]] | None:
    """Return a route out by `source` and back by `target` whose hidden balances suffice, or None."""
    if source["peer_id"] == target["peer_id"]:
        return None
    remote = target["updates"]["remote"]
    last_fee = remote["fee_base_msat"] + amount_msat * remote["fee_proportional_millionths"] // 1_000_000
    asked = {
        "source": source["peer_id"],
        "destination": target["peer_id"],
        "amount_msat": amount_msat + last_fee,
        "layers": ["revops"],
        "maxfee_msat": 10**9,
        "final_cltv": 18 + remote["cltv_expiry_delta"],
        "maxparts": 1,
    }
    try:
        path = node.handle("getroutes", asked)["routes"][0]["path"]
    except SimRpcError:
        return None
    if not all(carries(node, hop) for hop in path):
        return None
    sent_msat, delay = path[0]["amount_msat"], path[0]["delay"]
    hops = [as_hop(source["peer_id"], source["short_channel_id"], sent_msat, delay)]
    arriving = [(step["amount_msat"], step["delay"]) for step in path[1:]] + [
        (asked["amount_msat"], asked["final_cltv"])
    ]
    for step, (arrives_msat, delay) in zip(path, arriving, strict=True):
        scid = step["short_channel_id_dir"].rpartition("/")[0]
        hops.append(as_hop(step["next_node_id"], scid, arrives_msat, delay))
    hops.append(as_hop(node.node_id, target["short_channel_id"], amount_msat, 18))
    return hops if sent_msat <= source["spendable_msat"] and amount_msat <= target["receivable_msat"] else None


def carries(node: SimulatedNode, hop: dict[str, Any]) -> bool:
    """Whether the hidden balance of a hop suffices."""
    scid, _, direction = hop["short_channel_id_dir"].rpartition("/")
    return node.world.graph.channels[scid].available_msat(int(direction)) >= int(hop["amount_msat"])


def as_hop(node_id: str, scid: str, amount_msat: int, delay: int) -> dict[str, Any]:
    """Return a hop in the names that every release takes."""
    return {"id": node_id, "channel": scid, "amount_msat": amount_msat, "delay": delay, "style": "tlv"}


def rebalance(node: SimulatedNode, amount_msat: int = 50_000_000, label: str = "rebalance") -> Prepared:
    """Make a circular payment and wait for its success."""
    prepared = prepare(node, amount_msat, label)
    node.handle("sendpay", prepared.params())
    done = node.handle("waitsendpay", {"payment_hash": prepared.payment_hash, "timeout": 60})
    assert done["status"] == "complete"
    return prepared


def refused(node: SimulatedNode, method: str, params: Any = None) -> SimRpcError:
    """Return the error with which a call is refused; fail if it isn't."""
    try:
        result = node.handle(method, params)
    except SimRpcError as error:
        return error
    raise AssertionError(f"{method} answered {result}")
