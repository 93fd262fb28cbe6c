"""Several nodes in one database, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from revops.domain.period import Span
from revops.domain.profit import ProfitLine, total_of
from revops.domain.reason import Reason
from revops.domain.units import yearly_ratio


@dataclass(frozen=True, slots=True)
class FleetNode:
    """A node as its last sync saw it, None or 0 where there was none yet, with what it earned and cost in the window
    and ever (as far as there are records). `wallet_msat` is what is confirmed and unreserved on the chain.

    `suspended` says why nothing is spent, as far as records tell; `reserve_since` since when which place ("onchain",
    "offchain") is below the reserve, as the node's own runs found by its own configuration. `rated` is the part of the
    window over which the return is reckoned, `rated_line` what was earned and cost in it.
    """

    node_id: str
    alias: str
    network: str
    version: str | None
    synced_at: float | None
    open_count: int
    capacity_msat: int
    local_msat: int
    wallet_msat: int | None
    window: ProfitLine
    ever: ProfitLine
    yearly_return_ratio: float | None
    rated: Span | None
    rated_line: ProfitLine
    suspended: tuple[Reason, ...] = ()
    reserve_since: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FleetTotal:
    """All nodes on one network: an amount of a test network is worth nothing, and never added to another's."""

    network: str
    node_count: int
    open_count: int
    capacity_msat: int
    local_msat: int
    wallet_msat: int
    window: ProfitLine
    ever: ProfitLine
    yearly_return_ratio: float | None


@dataclass(frozen=True, slots=True)
class FleetReport:
    """All that `revops report --fleet` shows; the window is of UTC days, from `since_at` to before `until_at`."""

    taken_at: float
    window_days: int
    since_at: float
    until_at: float
    nodes: tuple[FleetNode, ...]
    totals: tuple[FleetTotal, ...]


def totals_of(nodes: Iterable[FleetNode]) -> tuple[FleetTotal, ...]:
    """Given nodes, return the total of each network: bitcoin's first."""
    networks: dict[str, list[FleetNode]] = {}
    for node in nodes:
        networks.setdefault(node.network, []).append(node)
    return tuple(_total(network, networks[network]) for network in sorted(networks, key=network_order))


def network_order(network: str) -> tuple[bool, str]:
    """Given a network, return what puts bitcoin first, then the others by name."""
    return network != "bitcoin", network


def _yearly_return_ratio(nodes: list[FleetNode]) -> float | None:
    """Of all together, each over its own span: capital counts for as long as it is on record."""
    rated = [
        (node.rated_line, node.rated.seconds) for node in nodes if node.yearly_return_ratio is not None and node.rated
    ]
    longest_seconds = max((seconds for _, seconds in rated), default=0.0)
    if longest_seconds <= 0:
        return None
    held = sum(line.capital_msat * seconds for line, seconds in rated)
    return yearly_ratio(sum(line.net_msat for line, _ in rated), held / longest_seconds, longest_seconds)


def _total(network: str, nodes: list[FleetNode]) -> FleetTotal:
    return FleetTotal(
        network=network,
        node_count=len(nodes),
        open_count=sum(node.open_count for node in nodes),
        capacity_msat=sum(node.capacity_msat for node in nodes),
        local_msat=sum(node.local_msat for node in nodes),
        wallet_msat=sum(node.wallet_msat or 0 for node in nodes),
        window=total_of(node.window for node in nodes),
        ever=total_of(node.ever for node in nodes),
        yearly_return_ratio=_yearly_return_ratio(nodes),
    )
