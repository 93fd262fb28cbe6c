"""What gossip tells of the rest of the network: public channels among our peers and a few hubs, with hidden balances.

Our own channels aren't stored here: `routes` and `rpc_graph` derive their directions from the live channels, so that a
changed fee or a splice is visible at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from revops.sim.channels import Policy
from revops.sim.ids import direction_of


@dataclass(frozen=True, slots=True)
class LeaseRates:
    """What a lessor announces (BOLT 7, `option_will_fund`)."""

    fee_base_sat: int = 2_000
    fee_basis: int = 65
    funding_weight: int = 666
    max_base_msat: int = 5_000_000
    max_thousandths: int = 100

    def as_json(self) -> dict[str, int | str]:
        """Return them as lightningd writes them (json_add_lease_rates)."""
        return {
            "lease_fee_base_msat": self.fee_base_sat * 1000,
            "lease_fee_basis": self.fee_basis,
            "funding_weight": self.funding_weight,
            "channel_fee_max_base_msat": self.max_base_msat,
            "channel_fee_max_proportional_thousandths": self.max_thousandths,
            "compact_lease": (
                f"{self.funding_weight:04x}{self.fee_basis:04x}{self.max_thousandths:04x}"
                f"{self.fee_base_sat:08x}{self.max_base_msat:08x}"
            ),
        }

    @property
    def empty(self) -> bool:
        """Whether nothing is announced (lease_rates_empty)."""
        return self == LeaseRates(0, 0, 0, 0, 0)

    def fee_sat(self, amount_sat: int, perkw: int) -> int:
        """Given what is leased and the feerate of the funding, return what it costs (lease_rates_calc_fee)."""
        return self.fee_base_sat + amount_sat * self.fee_basis // 10_000 + self.funding_weight * perkw // 1_000


@dataclass(slots=True, eq=False)
class PublicChannel:
    """A channel between two other nodes. `nodes` are sorted; index 0 is direction 0 (BOLT 7)."""

    scid: str
    nodes: tuple[str, str]
    capacity_msat: int
    policies: list[Policy]
    balance_msat: int
    updated_at: list[int]
    enabled: list[bool] = field(default_factory=lambda: [True, True])

    def available_msat(self, direction: int) -> int:
        """Return what the channel can really carry in that direction; no gossip tells it."""
        return self.balance_msat if direction == 0 else self.capacity_msat - self.balance_msat

    def move(self, direction: int, amount_msat: int) -> None:
        """Shift `amount_msat` in that direction."""
        self.balance_msat += -amount_msat if direction == 0 else amount_msat


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node as its announcement shows it."""

    node_id: str
    alias: str
    address: str
    port: int
    announced_at: int
    will_fund: LeaseRates | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """One direction of one channel, ours or another's, as a sender sees it. `limit_msat`: its known limit."""

    scid: str
    source: str
    destination: str
    capacity_msat: int
    policy: Policy
    enabled: bool
    updated_at: int
    limit_msat: int | None = None

    @property
    def direction(self) -> int:
        """Return 0 or 1 (BOLT 7)."""
        return direction_of(self.source, self.destination)


class Graph:
    """Nodes and channels of others, in insertion order."""

    def __init__(self) -> None:
        self.nodes: dict[str, GraphNode] = {}
        self.channels: dict[str, PublicChannel] = {}

    def add(self, channel: PublicChannel) -> None:
        """Add a channel."""
        self.channels[channel.scid] = channel

    def edges(self) -> list[Edge]:
        """Return both directions of each channel."""
        return [edge_of(channel, direction) for channel in self.channels.values() for direction in (0, 1)]


def edge_of(channel: PublicChannel, direction: int) -> Edge:
    """Return one direction of a channel of others."""
    return Edge(
        channel.scid,
        channel.nodes[direction],
        channel.nodes[1 - direction],
        channel.capacity_msat,
        channel.policies[direction],
        channel.enabled[direction],
        channel.updated_at[direction],
    )
