"""The world's state and its clock: everything that the other modules read and change.

One heap of events orders the world. Ties are broken by the order in which events were scheduled, and nothing iterates
over sets, so a seed gives one history. Each process (market of a peer, peers' outages, chain, routes) draws from its
own generator: an RPC call never shifts what the market does.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any

from revops.sim.channels import Channel
from revops.sim.config import SimConfig
from revops.sim.demand import Demand
from revops.sim.graph import Graph, LeaseRates
from revops.sim.payrows import Flight, Invoice, Payment
from revops.sim.rows import ChainMove, ChannelMove, ForwardRow, NetworkEvent
from revops.sim.slingjobs import Sling
from revops.sim.table import IndexedTable


@dataclass(slots=True, eq=False)
class Peer:
    """A peer of ours: identity, connection and demand."""

    node_id: str
    alias: str
    address: str
    port: int
    demand: Demand
    connected: bool = True
    connected_at: float = 0.0
    held_down: bool = False
    #: Whether it signals splicing.
    splices: bool = True
    bursting: bool = False
    channels: list[Channel] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Output:
    """A wallet output. `height` None: unconfirmed; `own`: of a transaction of ours, which the next block has."""

    txid: str
    outnum: int
    amount_msat: int
    height: int | None
    address: str
    scriptpubkey: str
    reserved_to_height: int | None = None
    own: bool = False


@dataclass(frozen=True, slots=True)
class Sweep:
    """Our output of a commitment transaction of ours, that may be spent from a height on. No amount: there is none."""

    channel: Channel
    txid: str
    outnum: int
    amount_msat: int
    height: int
    due_height: int


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A channel of ours in use that no block has yet: what of the wallet pays for it, and what comes back."""

    channel: Channel
    inputs: tuple[Output, ...]
    change_msat: int


@dataclass(slots=True, eq=False)
class Layer:
    """An askrene layer: disabled nodes and what was learnt of channels."""

    name: str
    persistent: bool
    disabled_nodes: list[str] = field(default_factory=list)
    constraints: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class ChannelTally:
    """Running sums behind `ChannelBooks`."""

    earned_msat: int = 0
    forwarded_out_msat: int = 0
    forwarded_out_count: int = 0
    forwarded_in_msat: int = 0
    forwarded_in_count: int = 0
    rebalanced_in_msat: int = 0
    rebalanced_out_msat: int = 0


@dataclass(slots=True)
class Ledger:
    """Running sums behind `SimBooks`, and the fees of rows that autoclean deleted (getinfo keeps counting them)."""

    fees_earned_msat: int = 0
    settled_count: int = 0
    failed_count: int = 0
    local_failed_count: int = 0
    rebalance_fees_msat: int = 0
    rebalance_count: int = 0
    rebalance_amount_msat: int = 0
    fees_collected_msat: int = 0
    channels: dict[str, ChannelTally] = field(default_factory=dict)

    def channel(self, channel_id: str) -> ChannelTally:
        """Return the sums of a channel, begun at zero."""
        return self.channels.setdefault(channel_id, ChannelTally())


@dataclass(frozen=True, slots=True)
class Funder:
    """What the plugin funder does when somebody opens a channel to us; lightningd's defaults."""

    policy: str = "fixed"
    policy_mod: int = 0
    leases_only: bool = False
    min_their_funding_sat: int = 10_000
    max_their_funding_sat: int = 4_294_967_295
    per_channel_min_sat: int = 10_000
    per_channel_max_sat: int = 4_294_967_295
    reserve_tank_sat: int = 0
    fuzz_percent: int = 0
    fund_probability: int = 100
    rates: LeaseRates | None = None


class SpliceTrouble(StrEnum):
    """What a peer does in the middle of a splice."""

    VANISHES = "vanishes"
    """It disconnects, for five minutes: the call fails with 351, nothing is signed, and no coin stays reserved."""
    HANGS = "hangs"
    """It says nothing more: the call is never answered, and the splice that is begun bars others until `disconnect`."""


@dataclass(slots=True)
class Knobs:
    """What a test turns: payments that hang or fail, feerates that the node doesn't know."""

    hold_payments: bool = False
    fail_payments: bool = False
    #: How many payments fail until they succeed again; None: all.
    failures_left: int | None = None
    feerates_missing: bool = False
    syncing: bool = False
    market_paused: bool = False
    clboss: bool = False
    waiting_takes_time: bool = True
    splice_trouble: SpliceTrouble | None = None


Event = Callable[..., None]


class World:
    """All state. `now_at` is virtual time, UTC epoch seconds; only `run_until` moves it."""

    def __init__(self, config: SimConfig, node_id: str) -> None:
        self.config = config
        self.node_id = node_id
        self.now_at = float(config.start_at) - config.history_days * 86_400.0
        self.height = config.start_blockheight - round(config.history_days * 144)
        self.feerate_perkw = 0
        self.peers: dict[str, Peer] = {}
        self.channels: dict[str, Channel] = {}
        self.by_scid: dict[str, Channel] = {}
        self.closed: list[Channel] = []
        self.graph = Graph()
        self.outputs: list[Output] = []
        self.sweeps: list[Sweep] = []
        self.unconfirmed: list[Unconfirmed] = []
        self.funder = Funder()
        self.clboss_tags: dict[str, set[str]] = {}
        self.layers: dict[str, Layer] = {"xpay": Layer("xpay", True)}
        self.forwards: IndexedTable[ForwardRow] = IndexedTable()
        self.channelmoves: IndexedTable[ChannelMove] = IndexedTable()
        self.chainmoves: IndexedTable[ChainMove] = IndexedTable()
        self.networkevents: IndexedTable[NetworkEvent] = IndexedTable()
        self.payments: IndexedTable[Payment] = IndexedTable()
        self.invoices: IndexedTable[Invoice] = IndexedTable()
        self.invoice_by_hash: dict[str, Invoice] = {}
        self.flights: list[Flight] = []
        self.held: list[Event] = []
        self.pay_count = 0
        self.serial = 0
        self.launched_count = 0
        self.ledger = Ledger()
        self.knobs = Knobs()
        self.sling = Sling(config.sling_version) if config.sling_version else None
        self.on_block: list[Event] = []
        self._heap: list[tuple[float, int, Event, tuple[Any, ...]]] = []
        self._sequence = 0

    def rng(self, *labels: object) -> Random:
        """Return a generator that depends on the seed and the labels only."""
        return Random(":".join(map(str, (self.config.seed, *labels))))

    def next_serial(self) -> int:
        """Return a fresh number, for ids that must never repeat."""
        self.serial += 1
        return self.serial

    def schedule(self, at: float, event: Event, *arguments: Any) -> None:
        """Run `event(world, *arguments)` at `at`; a time in the past means now."""
        self._sequence += 1
        heapq.heappush(self._heap, (max(at, self.now_at), self._sequence, event, arguments))

    def run_until(self, at: float, stop: Callable[[], bool] | None = None) -> None:
        """Process every event up to and including `at`, then stand at `at`. `stop` ends it early, after an event."""
        heap = self._heap
        while heap and heap[0][0] <= at:
            self.now_at, _, event, arguments = heapq.heappop(heap)
            event(self, *arguments)
            if stop is not None and stop():
                return
        self.now_at = max(self.now_at, at)

    def index_scids(self, channel: Channel) -> None:
        """Make a channel findable by its scid, earlier scids and local alias."""
        for scid in (channel.scid, channel.alias_local, *channel.previous_scids):
            if scid is not None:
                self.by_scid[scid] = channel

    def peer_of(self, channel: Channel) -> Peer:
        """Return the channel's peer."""
        return self.peers[channel.peer_id]
