"""Full cycles of the product in virtual time: on the arena's market, by way of a simulated node.

Each run takes the path that it takes from the crontab: configuration file, locks, SQLite, RPC, decisions, records,
`.prom` files. Only time is virtual, and the node is in this process (`node/local.py`). What comes out is judged as any
policy is (`world.run_policy`), and the fees must be those of records alone (`policies.Product`).
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from revops.config_template import toml_value
from revops.cycle import db, fees, rebalance, rebalance_plan, rollup, sync
from revops.domain.options import CommonOptions
from revops.domain.policy import DatabaseConfig, FeesConfig, MetricsConfig, NodeConfig, Section
from revops.node.local import served
from revops.sim.arena import names
from revops.sim.arena.bridge import Bridge
from revops.sim.arena.families import DAY_SECONDS
from revops.sim.arena.market import Market
from revops.sim.arena.node import build
from revops.sim.arena.policies import check_judged
from revops.sim.arena.rebalancing import HOUR_SECONDS, Spending
from revops.sim.arena.records import Records
from revops.sim.arena.stopwatch import Stopwatch
from revops.sim.arena.world import Result, World, run_policy
from revops.sim.server import SimServer
from revops.sim.world import SimulatedNode

#: The hour of the day at which records are rolled up.
ROLLUP_HOUR: Final = 3
#: So many more objects are made than freed before it is worth looking for garbage in circles; Python's own is 700.
GARBAGE_COUNT: Final = 70_000
#: A folder in memory, where there is one: what a simulation writes is thrown away, and needn't wait for a disk.
MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108  only as the parent of a folder of our own


@dataclass(frozen=True, slots=True)
class FullResult:
    """What came of full cycles, how many there were, how many rebalances they made, how long all took, and where the
    time went, where that was asked for.
    """

    result: Result
    cycle_count: int
    rebalance_count: int
    seconds: float
    seconds_by_part: Mapping[str, float] = field(default_factory=dict)


def run_full(
    world: World, policy: FeesConfig, spending: Spending | None = None, *, profile: bool = False
) -> FullResult:
    """Given a world, a fee policy and what may be spent (None: fees only), live through it in full cycles.

    Raise ValueError for a policy that the market can't judge, UnequalError where market and node come to differ.
    """
    check_judged(policy)
    started = time.perf_counter()
    watch = Stopwatch()
    with place() as folder, few_collections(), watch.watching() if profile else nullcontext():
        cycles = FullCycles(world, folder, policy, spending)
        result = run_policy(world, cycles, Bridge)
        rebalance_count = cycles.close()
    seconds = time.perf_counter() - started
    return FullResult(result, cycles.count, rebalance_count, seconds, watch.seconds_by_part() if profile else {})


class FullCycles:
    """The crontab, as a policy: `fees adjust` each half hour, rebalancing each hour if at all, `rollup` each day."""

    def __init__(self, world: World, folder: Path, policy: FeesConfig, spending: Spending | None) -> None:
        self.count = 0
        self._world, self._folder, self._spends = world, folder, spending is not None
        self._options = write_config(folder, _sections(policy, spending))
        self._server: SimServer | None = None

    def __call__(self, market: Market, records: Records, now: float) -> None:
        """The runs of one moment. Raise UnequalError where market and node differ before or after them."""
        if not isinstance(records, Bridge):
            raise TypeError("full cycles keep their own records: run them with a Bridge")
        server = self._server = self._server or self._start(market, records)
        server.node.advance_to(names.instant(now))
        records.take_over()
        records.check()
        self._run(server, now)
        records.take_over()
        records.check()
        self.count += 1

    def close(self) -> int:
        """Sync a last time, so that the records are whole; return how many rebalances were made."""
        if self._server is None:
            return 0
        node = self._server.node
        with self._served(self._server):
            sync.run(self._options, clock=lambda: node.now_at)
        return node.books().rebalance_count

    def _run(self, server: SimServer, now: float) -> None:
        def clock() -> float:
            return server.node.now_at

        with self._served(server):
            fees.run(self._options, clock=clock)
            if self._spends and now % HOUR_SECONDS == 0:
                rebalance_plan.run(self._options, clock=clock)
                rebalance.run(self._options, clock=clock)
            if now % DAY_SECONDS == ROLLUP_HOUR * HOUR_SECONDS:
                rollup.run(self._options, clock=clock)

    def _served(self, server: SimServer) -> AbstractContextManager[None]:
        return served(server.socket_path, server.answer)

    def _start(self, market: Market, bridge: Bridge) -> SimServer:
        """A server that no socket is opened for."""
        db.upgrade(self._options)
        world = build(self._world, market)
        bridge.connect(market, world)
        return SimServer(SimulatedNode.around(world), self._folder / "rpc")


@contextmanager
def few_collections() -> Iterator[None]:
    """Look for garbage in circles seldom, as a run from the crontab does (`__main__.py`), and not among what is there
    already.
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(GARBAGE_COUNT, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


@contextmanager
def place() -> Iterator[Path]:
    """A folder for one node's files, in memory where there is one; it is gone afterwards."""
    parent = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="revops-simulate-", dir=parent) as name:
        folder = Path(name)
        (folder / "metrics").mkdir()
        yield folder


def _sections(policy: FeesConfig, spending: Spending | None) -> dict[str, Section]:
    sections: dict[str, Section] = {"fees": msgspec.structs.replace(policy, mode="act")}
    if spending is not None:
        sections |= {"rebalance": msgspec.structs.replace(spending.rebalance, mode="act"), "budget": spending.budget}
    return sections


def write_config(folder: Path, sections: Mapping[str, Section]) -> CommonOptions:
    """Given a node's folder and what its operator has set, write the configuration; return the flags that name it. It
    names what isn't the default, as an operator's does.
    """
    whole: dict[str, Section] = {
        "node": NodeConfig(rpc_path=str(folder / "rpc"), name="arena"),
        "database": DatabaseConfig(url=f"sqlite:///{folder}/revops.sqlite3"),
        "metrics": MetricsConfig(textfile_dir=str(folder / "metrics")),
        **sections,
    }
    lines = []
    for section, values in whole.items():
        lines.append(f"[{section}]")
        for key in msgspec.structs.fields(values):
            value = getattr(values, key.name)
            if key.required or value != key.default:
                lines.append(f"{key.name} = {toml_value(value)}")
    path = folder / "config.toml"
    path.write_text("\n".join(lines))
    path.chmod(0o600)
    return CommonOptions(config_path=path, environment={})
