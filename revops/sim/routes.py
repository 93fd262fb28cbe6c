"""Find paths for getroutes: cheapest way backwards from the destination, a fee plus a price for unlikeliness.

lightningd's askrene solves a min-cost flow; here a single path is tried first, then up to four equal parts over what is
left of the capacities. Probability is that of a uniform hidden balance: (c + 1 - a) / (c + 1) (Pickhardt et al. 2021).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, replace

from revops.sim.graph import Edge

# How many msat of fee one unit of -ln(probability) is worth per sat of payment, times 1000: askrene weighs likewise.
UNLIKELINESS_PPM = 120
# What one more hop is worth avoiding, ppm of the payment: each is one more thing that may fail.
HOP_PPM = 25
MAX_PARTS_TRIED = 4


@dataclass(frozen=True, slots=True)
class Step:
    """One hop of a path, amounts and delays at both ends."""

    edge: Edge
    amount_in_msat: int
    amount_out_msat: int
    cltv_in: int
    cltv_out: int


@dataclass(frozen=True, slots=True)
class Path:
    """A path with the chance that it works, ppm."""

    steps: tuple[Step, ...]
    probability_ppm: int

    @property
    def fee_msat(self) -> int:
        """Return what the path costs its sender."""
        return self.steps[0].amount_in_msat - self.steps[-1].amount_out_msat


def find_path(edges: Iterable[Edge], source: str, destination: str, amount_msat: int, final_cltv: int) -> Path | None:
    """Given usable edges, return the best path that delivers `amount_msat`, or None (Dijkstra from the destination)."""
    into: dict[str, list[Edge]] = {}
    for edge in edges:
        into.setdefault(edge.destination, []).append(edge)
    best: dict[str, float] = {destination: 0.0}
    onward: dict[str, Step] = {}
    at_node = {destination: (amount_msat, final_cltv)}
    queue: list[tuple[float, str]] = [(0.0, destination)]
    done: dict[str, None] = {}
    while queue:
        cost, node = heapq.heappop(queue)
        if node in done:
            continue
        done[node] = None
        if node == source:
            break
        amount, cltv = at_node[node]
        for edge in into.get(node, ()):
            if edge.source in done or not carries(edge, amount):
                continue
            fee_msat = edge.policy.fee_msat(amount)
            price = cost + fee_msat + (HOP_PPM + unlikeliness(edge, amount) * UNLIKELINESS_PPM) * amount / 1_000_000
            if price < best.get(edge.source, float("inf")):
                best[edge.source] = price
                delay = cltv + edge.policy.cltv_delta_blocks
                onward[edge.source] = Step(edge, amount + fee_msat, amount, delay, cltv)
                at_node[edge.source] = (amount + fee_msat, delay)
                heapq.heappush(queue, (price, edge.source))
    if source not in done:
        return None
    return collect(onward, source, destination)


def collect(onward: dict[str, Step], source: str, destination: str) -> Path:
    """Follow the steps from the source and return the path."""
    steps: list[Step] = []
    probability = 1.0
    node = source
    while node != destination:
        step = onward[node]
        steps.append(step)
        probability *= chance(step.edge, step.amount_out_msat)
        node = step.edge.destination
    return Path(tuple(steps), max(1, round(probability * 1_000_000)))


def carries(edge: Edge, amount_msat: int) -> bool:
    """Whether a sender may believe that the edge carries the amount."""
    policy = edge.policy
    limit = edge.capacity_msat if edge.limit_msat is None else edge.limit_msat
    return edge.enabled and policy.htlc_minimum_msat <= amount_msat <= min(policy.htlc_maximum_msat, limit)


def chance(edge: Edge, amount_msat: int) -> float:
    """Return the chance that the edge can carry the amount now; 1 where the spendable amount is known."""
    if edge.limit_msat is not None:
        return 1.0
    return (edge.capacity_msat + 1 - amount_msat) / (edge.capacity_msat + 1)


def unlikeliness(edge: Edge, amount_msat: int) -> float:
    """Return a cheap stand-in for -ln(chance): the share of the capacity that the amount takes."""
    return 0.0 if edge.limit_msat is not None else amount_msat / (edge.capacity_msat + 1)


def find_routes(
    edges: list[Edge], source: str, destination: str, amount_msat: int, final_cltv: int, max_parts: int
) -> list[Path]:
    """Return paths that together deliver the amount: one if possible, else up to four equal parts; empty if none do."""
    for parts in range(1, min(max_parts, MAX_PARTS_TRIED) + 1):
        left = list(edges)
        paths: list[Path] = []
        for number in range(parts):
            part_msat = amount_msat // parts + (amount_msat % parts if number == 0 else 0)
            path = find_path(left, source, destination, part_msat, final_cltv)
            if path is None:
                break
            paths.append(path)
            left = without(left, path)
        if len(paths) == parts:
            return paths
    return []


def without(edges: list[Edge], path: Path) -> list[Edge]:
    """Return the edges with what the path takes subtracted from their capacity."""
    taken = {(step.edge.scid, step.edge.source): step.amount_out_msat for step in path.steps}
    reduced: list[Edge] = []
    for edge in edges:
        used = taken.get((edge.scid, edge.source), 0)
        if used and edge.limit_msat is not None:
            edge = replace(edge, limit_msat=edge.limit_msat - used)
        elif used:
            edge = replace(edge, capacity_msat=edge.capacity_msat - used)
        reduced.append(edge)
    return reduced
