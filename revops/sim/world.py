"""The simulated node as tests and the demo see it: time, RPC, books, and hooks to make bad things happen.

`SimulatedNode` is the only thing of this package, besides `server`, that others import.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Self

from revops.sim import rpc_sling
from revops.sim.build import build_world
from revops.sim.build_graph import drift
from revops.sim.chain import start_chain
from revops.sim.config import DAY_SECONDS, CallLog, ChannelBooks, SimBooks, SimConfig
from revops.sim.errors import INVALID_PARAMS, METHOD_NOT_FOUND, SimRpcError
from revops.sim.hooks import ChainHooks
from revops.sim.leases import start_leases
from revops.sim.lifecycle import sweep_due
from revops.sim.market import start_market
from revops.sim.methods import methods_of
from revops.sim.outages import connect, disconnect, start_outages
from revops.sim.params import bind
from revops.sim.rows import ForwardRow
from revops.sim.splices import lock_in_due
from revops.sim.state import World
from revops.sim.zero_conf import confirm_all

__all__ = ["CallLog", "SimBooks", "SimConfig", "SimRpcError", "SimulatedNode"]


class SimulatedNode(ChainHooks):
    """A node in a market, in virtual time. Everything happens in `advance_to`, in `handle`, or in a hook."""

    def __init__(self, config: SimConfig | None = None) -> None:
        world = build_world(config or SimConfig())
        world.on_block += [confirm_all, lock_in_due, sweep_due]
        start_chain(world)
        start_market(world)
        start_outages(world)
        start_leases(world)
        drift(world, world.rng("drift"))
        world.run_until(float(world.config.start_at))
        self._take(world)

    @classmethod
    def around(cls, world: World) -> Self:
        """Return a node in a world that was made elsewhere, with its processes scheduled."""
        node = cls.__new__(cls)
        node._take(world)
        return node

    def _take(self, world: World) -> None:
        self.config = world.config
        self.world = world
        self.lock = threading.RLock()
        self.call_log = CallLog()
        self._methods = methods_of(self.config.version)
        self._false_replies: dict[str, dict[str, Any]] = {}

    @property
    def now_at(self) -> float:
        """Virtual time, UTC epoch seconds."""
        return self.world.now_at

    @property
    def node_id(self) -> str:
        """Our node's id."""
        return self.world.node_id

    def advance_to(self, at: float) -> None:
        """Process all events up to `at`. An `at` in the past does nothing: time never runs backwards."""
        with self.lock:
            if at > self.world.now_at:
                self.world.run_until(at)

    def advance_by(self, seconds: float) -> None:
        """Process the events of the next `seconds`."""
        self.advance_to(self.world.now_at + seconds)

    def handle(self, method: str, params: Any = None) -> dict[str, Any]:
        """Given an RPC, return its result, a fresh object. Raise SimRpcError as lightningd would answer."""
        with self.lock:
            given = {} if params is None else params
            self.call_log.append((method, copy.deepcopy(given)))
            return self.answer(method, given)

    def answer(self, method: str, given: Any) -> dict[str, Any]:
        """Do as `handle` does, unlogged: for a server that asks again while it waits."""
        with self.lock:
            known = self._methods.get(method)
            if method.startswith("clboss-") and not self.world.knobs.clboss:
                known = None
            if known is None and not rpc_sling.knows(self.world, method):
                raise SimRpcError(METHOD_NOT_FOUND, f"Unknown command '{method}'")
            if not isinstance(given, dict | list):
                raise SimRpcError(INVALID_PARAMS, "Expected array or object for params")
            if known is None:
                result = rpc_sling.answer(self.world, method, given)
            else:
                result = known.answer(self.world, bind(known.parameters, given))
            changes = self._false_replies.get(method)
            return falsified(result, changes) if changes else result

    def books(self) -> SimBooks:
        """Return what really happened since the beginning."""
        with self.lock:
            ledger = self.world.ledger
            return SimBooks(
                fees_earned_msat=ledger.fees_earned_msat,
                forwards_settled_count=ledger.settled_count,
                forwards_failed_count=ledger.failed_count,
                forwards_local_failed_count=ledger.local_failed_count,
                rebalance_fees_msat=ledger.rebalance_fees_msat,
                rebalance_count=ledger.rebalance_count,
                rebalance_amount_msat=ledger.rebalance_amount_msat,
                per_channel={key: ChannelBooks(key, **asdict(tally)) for key, tally in ledger.channels.items()},
            )

    # What tests turn.

    def hold_payments(self, hold: bool = True) -> None:
        """Let payments of ours arrive and hang, until this is called with False."""
        with self.lock:
            self.world.knobs.hold_payments = hold
            if not hold:
                released, self.world.held = self.world.held, []
                for finish in released:
                    finish(self.world)

    def fail_payments(self, failing: bool = True, count: int | None = None) -> None:
        """Let every payment of ours, or only the next `count`, fail at its first forwarder."""
        self.world.knobs.fail_payments = failing
        self.world.knobs.failures_left = count

    def pause_market(self, paused: bool = True) -> None:
        """Let no payment arrive; those in flight go on."""
        self.world.knobs.market_paused = paused

    def hide_feerates(self, hidden: bool = True) -> None:
        """Let `feerates` know nothing, as a node that has just started."""
        self.world.knobs.feerates_missing = hidden

    def set_syncing(self, syncing: bool = True) -> None:
        """Let `getinfo` warn that node and bitcoind are behind."""
        self.world.knobs.syncing = syncing

    def waiting_takes_time(self, takes: bool) -> None:
        """Choose whether waitsendpay moves virtual time (the default) or answers 200 at once for a pending payment."""
        self.world.knobs.waiting_takes_time = takes

    def false_reply(self, method: str, changes: Mapping[str, Any] | None) -> None:
        """Overwrite members of a method's results from now on: {"channels.0.fee_base_msat": 5}; None ends it."""
        self._false_replies[method] = dict(changes or {})

    def run_clboss(self, running: bool = True) -> None:
        """Let the plugin CLBOSS run on the node, as far as `clboss-status` and `clboss-unmanage` go, or end it."""
        self.world.knobs.clboss = running

    def disconnect_peer(self, peer_id: str) -> None:
        """Take a peer down until `connect_peer`."""
        with self.lock:
            self.world.peers[peer_id].held_down = True
            disconnect(self.world, self.world.peers[peer_id])

    def connect_peer(self, peer_id: str) -> None:
        """Let a peer reconnect."""
        with self.lock:
            self.world.peers[peer_id].held_down = False
            connect(self.world, self.world.peers[peer_id])

    def set_fee_externally(self, channel_id: str, *, ppm: int, base_msat: int | None = None) -> None:
        """Change a fee as another tool would: no call is logged."""
        with self.lock:
            channel = self.channel(channel_id)
            base = channel.local.fee_base_msat if base_msat is None else base_msat
            channel.set_local(replace(channel.local, fee_ppm=ppm, fee_base_msat=base), self.now_at, 600.0)

    def forget_sling(self, *, gone: bool = False) -> None:
        """Let the plugin sling stop without a word: its once jobs are forgotten. `gone`: it stays away."""
        with self.lock:
            rpc_sling.forget(self.world, gone=gone)

    def add_forward(self, **fields: Any) -> ForwardRow:
        """Write a forward's row as given (names of `ForwardRow`), moving no balance; a settled one is collected."""
        with self.lock:
            updated = fields.pop("updated", fields.get("status") in ("settled", "failed"))
            row = self.world.forwards.add(ForwardRow(**fields))
            if updated:
                self.world.forwards.touch(row)
            if row.status == "settled":
                self.world.ledger.fees_collected_msat += row.fee_msat or 0
            return row

    def days(self, count: float) -> None:
        """Let `count` days pass."""
        self.advance_by(count * DAY_SECONDS)


def falsified(result: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of `result` with dotted members overwritten; numbers in a path index arrays. Of a page without rows
    none is.
    """
    forged = copy.deepcopy(result)
    for path, value in changes.items():
        *way, last = path.split(".")
        place: Any = forged
        for step in way:
            if place == []:
                break
            place = place[int(step)] if isinstance(place, list) else place[step]
        else:
            place[int(last) if isinstance(place, list) else last] = value
    return forged
