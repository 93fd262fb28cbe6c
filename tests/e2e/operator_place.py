"""An operator's machine: a simulated node on its socket, a configuration, a database, and commands run on them.

A command is a process of its own (`command`, `start`), or runs inside the test (`here`) where thousands are needed.
The whole can be put back to how it was (`save`, `restore`): the same node, row by row, and the same database.
"""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import revops
from revops.cycle import db, fees, rebalance, rebalance_plan, rollup, sync
from revops.domain.options import CommonOptions
from revops.sim.faults import FaultPlan
from revops.sim.server import SimServer
from revops.sim.world import CallLog, SimConfig, SimulatedNode

ROOT: Final = Path(revops.__file__).parents[1]
HELPERS: Final = Path(__file__).parent
COMMAND_SECONDS: Final = 120.0
NAME: Final = "sim"
#: Databases are synced to disk at each commit, and thousands of commits on a slow disk take longer than all else.
MEMORY: Final = "/dev/shm"

#: Jobs that `stocked` plants are worth nothing to the planner and allowed to everything else.
SETTINGS: Final[Mapping[str, Mapping[str, str | int | float]]] = {
    "fees": {"mode": '"act"', "min_ppm": 150},
    "rebalance": {
        "mode": '"act"',
        "max_in_flight": 5,
        "max_attempts": 2,
        "wait_seconds": 15,
        "plan_lifetime_seconds": 86_400,
    },
    "budget": {"daily_sat": 1_000_000, "weekly_sat": 1_000_000, "revenue_share_ratio": 10.0},
    "reserve": {"onchain_sat": 0},
}


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Saved:
    """A machine as it was."""

    world: bytes
    database: bytes


Commands = dict[str, Callable[[CommonOptions, Callable[[], float]], object]]
HERE: Final[Commands] = {
    "sync": lambda options, clock: sync.run(options, clock=clock),
    "fees adjust": lambda options, clock: fees.run(options, clock=clock),
    "rebalance plan": lambda options, clock: rebalance_plan.run(options, clock=clock),
    "rebalance run": lambda options, clock: rebalance.run(options, clock=clock),
    "rollup": lambda options, clock: rollup.run(options, clock=clock),
}


@dataclass
class Machine:
    """`node` and `server` live in the test's process; everything else is in `folder`, whose path is short."""

    folder: Path
    node: SimulatedNode
    server: SimServer
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def rpc(self) -> Path:
        """The socket."""
        return self.folder / "rpc"

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.folder / "config.toml"

    @property
    def state(self) -> Path:
        """The directory of the database and the locks."""
        return self.folder / "state"

    @property
    def database(self) -> Path:
        """The records."""
        return self.state / "revops.sqlite3"

    @property
    def metrics(self) -> Path:
        """What node_exporter would read."""
        return self.folder / "metrics"

    @property
    def options(self) -> CommonOptions:
        """The flags of a command that runs here."""
        return CommonOptions(config_path=self.config, lock_wait_seconds=0.0)

    def write_config(self, **changes: Mapping[str, str | int | float]) -> None:
        """Write the configuration, with sections changed."""
        sections: dict[str, Mapping[str, str | int | float]] = {
            "node": {"rpc_path": f'"{self.rpc}"', "name": f'"{NAME}"', "rpc_timeout_seconds": 30},
            "database": {"url": f'"sqlite:///{self.database}"'},
            "metrics": {"textfile_dir": f'"{self.metrics}"'},
        }
        for name, values in (*SETTINGS.items(), *changes.items()):
            sections[name] = {**sections.get(name, {}), **values}
        lines = [
            line
            for name, values in sections.items()
            for line in (f"[{name}]", *(f"{key} = {value}" for key, value in values.items()))
        ]
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.config.chmod(0o600)

    def make_database(self) -> None:
        """What `revops db upgrade` does."""
        db.upgrade(self.options)

    def here(self, command: str, now: float | None = None) -> Any:
        """Run a command inside the test, at the node's time, or with a clock that stands at `now`."""
        clock = (lambda: self.node.now_at) if now is None else (lambda: now)
        return HERE[command](self.options, clock)

    def save(self) -> Saved:
        """Return how everything is. No command may run."""
        with self.node.lock:
            return Saved(pickle.dumps(self.node.world, pickle.HIGHEST_PROTOCOL), self.database.read_bytes())

    def restore(self, saved: Saved) -> None:
        """Put everything back; locks and metrics go. No command may run."""
        with self.node.lock:
            self.node.world = pickle.loads(saved.world)
            self.node.call_log = CallLog()
        self.server.faults = FaultPlan()
        for folder in (self.state, self.metrics):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
        self.database.write_bytes(saved.database)
        self.database.chmod(0o600)

    def command_environment(self, **extra: str) -> dict[str, str]:
        """What a command finds: as little as cron gives, and the node's time."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            # Where files may not grow, Python would leave half a module in its cache (CPython 3.11, _write_atomic).
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join((str(HELPERS / "clock"), str(ROOT))),
            "PYTHONWARNINGS": "error",
            "REVOPS_CONFIG": str(self.config),
            "E2E_NOW_AT": repr(self.node.now_at),
            **self.environment,
            **extra,
        }

    def command(self, *arguments: str, program: Sequence[str] = ("-m", "revops"), **extra: str) -> Ran:
        """Run a command to its end as a process of its own. `extra` are variables of its environment."""
        return self.run([sys.executable, *program, *arguments], **extra)

    def confined(self, limits: Sequence[str], *arguments: str, **extra: str) -> Ran:
        """Run a command under the limits of tests/e2e/confined.py."""
        prefix = [sys.executable, "-I", "-S", str(HELPERS / "confined.py"), *limits, "--"]
        return self.run([*prefix, sys.executable, "-m", "revops", *arguments], **extra)

    def run(self, line: Sequence[str], **extra: str) -> Ran:
        """Run any program in the command's environment."""
        with self.start(line, extra=extra) as process:
            out, err = process.communicate(timeout=COMMAND_SECONDS)
        return Ran(process.returncode, out, err)

    @contextmanager
    def start(
        self, line: Sequence[str], *, pass_fds: Sequence[int] = (), extra: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[str]]:
        """Start any program in the command's environment; it is ended with the body at the latest."""
        process = subprocess.Popen(
            line, cwd=self.folder, env=self.command_environment(**extra), text=True, pass_fds=pass_fds,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        with process:
            try:
                yield process
            finally:
                process.kill()


@contextmanager
def machine(config: SimConfig, *, paused: bool = True) -> Iterator[Machine]:
    """A node that has lived for a while, an empty database, and a configuration that acts."""
    folder = Path(tempfile.mkdtemp(prefix="e2e", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    try:
        node = SimulatedNode(config)
        node.pause_market(paused)
        with SimServer(node, folder / "rpc") as server:
            place = Machine(folder, node, server)
            place.state.mkdir(mode=0o700)
            place.metrics.mkdir()
            place.write_config()
            place.make_database()
            yield place
    finally:
        shutil.rmtree(folder)
