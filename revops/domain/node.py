"""What the node says of itself, its wallet and its feerates."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """The node at one moment (`getinfo`)."""

    node_id: str
    alias: str
    version: str
    network: str
    blockheight: int
    fees_collected_msat: int
    sync_warning: str | None = None


@dataclass(frozen=True, slots=True)
class WalletOutput:
    """One output of the on-chain wallet (`listfunds`)."""

    outpoint: str
    amount_msat: int
    status: str
    reserved: bool

    @property
    def spendable(self) -> bool:
        """Whether it counts towards the reserve: confirmed and not promised to another transaction."""
        return self.status == "confirmed" and not self.reserved


@dataclass(frozen=True, slots=True)
class Wallet:
    """The on-chain wallet."""

    outputs: tuple[WalletOutput, ...]

    @property
    def spendable_msat(self) -> int:
        """Confirmed, unreserved funds."""
        return sum(output.amount_msat for output in self.outputs if output.spendable)

    @property
    def confirmed_msat(self) -> int:
        """Confirmed funds, promised to another transaction or not."""
        return sum(output.amount_msat for output in self.outputs if output.status == "confirmed")


@dataclass(frozen=True, slots=True)
class Feerates:
    """On-chain feerates in sat per 1000 weight units; any of them may be unknown to the node."""

    sampled_at: float
    floor_perkw: int | None
    opening_perkw: int | None
    mutual_close_perkw: int | None
    unilateral_close_perkw: int | None
    penalty_perkw: int | None
    blocks_2_perkw: int | None
    blocks_12_perkw: int | None


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """One row of `listnetworkevents`: connect, disconnect, connect_fail or ping of a peer."""

    created_index: int
    peer_id: str
    kind: str
    happened_at: int
    duration_seconds: float | None
