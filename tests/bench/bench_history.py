"""Does a long history make the commands of every day slower? `python -m tests.bench.bench_history`

Two databases of one node with 500 channels and the same 20,000 forwards in the last 30 days; one of them holds
1,980,000 older ones besides, over three years (`bench_fees_scale` writes them). Whole processes of a sync with nothing
new, `fees adjust` in observe mode and `rebalance plan`, in turn, in one run; what a process takes before it does
anything is measured as well, and taken off for a second ratio. Then, on the long one: `report` over two years against
one over a week, and `rollup` of a tenth of what is old against all of it, in seconds for 100,000 forwards. Nothing is
asserted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from revops.cycle.rollup import prune_forwards
from revops.sim.config import SimConfig
from revops.sim.server import SimServer
from revops.sim.world import SimulatedNode
from revops.store.engine import Database
from tests.bench.bench_fees_scale import fill

FEW: Final = 20_000
COMMANDS: Final = {
    "sync with nothing new": ("sync", "-q"),
    "fees adjust": ("fees", "adjust", "-q"),
    "rebalance plan": ("rebalance", "plan", "-q"),
}
#: It loads what a command loads, and stops.
NOTHING: Final = ("report", "--help")


class Taken(NamedTuple):
    """What one process took; memory in MB."""

    cpu_seconds: float
    wall_seconds: float
    peak_mb: float


def run(command: Sequence[str], environment: Mapping[str, str]) -> Taken:
    """One command as a process of its own."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "revops", *command], env=dict(environment), stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"revops {' '.join(command)} ended with {process.returncode}")
    return Taken(usage.ru_utime + usage.ru_stime, time.perf_counter() - started, usage.ru_maxrss / 1_024)


def median(taken: Sequence[Taken], place: int = 0) -> float:
    """The median of the processor's seconds, or of another figure."""
    return statistics.median(one[place] for one in taken)


def in_turn(sides: Mapping[str, tuple[Sequence[str], Mapping[str, str]]], runs: int) -> dict[str, list[Taken]]:
    """Run each side once, unmeasured, then so many times, in turn."""
    for command, environment in sides.values():
        run(command, environment)  # warms the file cache, and whatever the first run of a kind writes
    taken: dict[str, list[Taken]] = {label: [] for label in sides}
    for _ in range(runs):
        for label, side in sides.items():
            taken[label].append(run(*side))
    return taken


def compare(what: str, taken: Mapping[str, Sequence[Taken]], start_seconds: float) -> None:
    """Print both sides, and the median of the ratios of their runs, second to first."""
    print(what)
    for label, ones in taken.items():
        print(
            f"  {label:20} {median(ones):6.3f} s of processor time {median(ones, 1):6.3f} s of the wall   "
            f"peak memory {max(one.peak_mb for one in ones):.0f} MB"
        )
    low, high = taken.values()
    cpu, wall = (
        statistics.median(more[place] / less[place] for less, more in zip(low, high, strict=True)) for place in (0, 1)
    )
    net = (median(high) - start_seconds) / max(median(low) - start_seconds, 1e-3)
    print(f"  ratio of processor time {cpu:.2f}, of the wall {wall:.2f}, without a process's start {net:.2f}")


@contextmanager
def databases(folder: Path, channels: int, forwards: int) -> Iterator[dict[str, dict[str, str]]]:
    """The node, and for each of the two databases the environment in which commands use it."""
    now, path = time.time(), folder / "rpc"
    node = SimulatedNode(SimConfig(channel_count=channels, start_at=int(now), history_days=0.1))
    with SimServer(node, path):
        environments: dict[str, dict[str, str]] = {}
        for count in (FEW, forwards):
            settings, database = folder / f"{count}.toml", folder / f"{count}.sqlite3"
            settings.write_text(
                f'[node]\nrpc_path = "{path}"\n[database]\nurl = "sqlite:///{database}"\n[fees]\nmode = "observe"\n'
            )
            settings.chmod(0o600)
            environment = {**os.environ, "REVOPS_CONFIG": str(settings)}
            if environments:
                shutil.copy(folder / "synced", database)
            else:
                run(("db", "upgrade"), environment)
                run(("sync",), environment)
                shutil.copy(database, folder / "synced")
            fill(database, count, now, channels)
            environments[f"{count:,} forwards"] = environment
        yield environments


def rollups(database: Path, runs: int) -> None:
    """Print what a rollup takes for 100,000 forwards, of a tenth of the old ones and of all of them."""
    with closing(sqlite3.connect(database)) as connection:
        (old,) = connection.execute("SELECT count(*) FROM forward WHERE status <> 0").fetchone()
        old -= FEW
        sizes = (old // 10, old)
        moments = [
            connection.execute(
                "SELECT counted_at FROM forward WHERE status <> 0 ORDER BY counted_at LIMIT 1 OFFSET ?", (size,)
            ).fetchone()[0]
            for size in sizes
        ]
    per_lot: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(runs):
        for size, before_at in zip(sizes, moments, strict=True):
            copy = database.with_name("pruned.sqlite3")
            shutil.copy(database, copy)
            with closing(Database.open(f"sqlite:///{copy}")) as opened:
                started = time.process_time()
                count = prune_forwards(opened, 1, before_at)
                per_lot[size].append((time.process_time() - started) / count * 100_000)
            for leftover in copy.parent.glob("pruned.sqlite3*"):
                leftover.unlink()
    print("rollup, processor time for 100,000 forwards that are pruned")
    for size, seconds in per_lot.items():
        print(f"  of {size:>9,}           {statistics.median(seconds):6.2f} s")
    few, many = (statistics.median(seconds) for seconds in per_lot.values())
    print(f"  ratio {many / few:.2f}")


def main() -> None:
    """Make both databases, then compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--rollups", type=int, default=3, help="how many rollups of each size")
    parser.add_argument("--channels", type=int, default=500)
    parser.add_argument("--forwards", type=int, default=2_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="revops-bench-") as name:
        folder = Path(name)
        with databases(folder, arguments.channels, arguments.forwards) as environments:
            print(f"{arguments.channels} channels, {arguments.runs} runs of each, in turn", flush=True)
            last = list(environments.values())[-1]
            start_seconds = median([run(NOTHING, last) for _ in range(arguments.runs)])
            print(f"a process that does nothing takes {start_seconds:.3f} s")
            for what, command in COMMANDS.items():
                sides = {label: (command, environment) for label, environment in environments.items()}
                compare(what, in_turn(sides, arguments.runs), start_seconds)
            reports = {f"{days} days": (("report", "--json", "--window-days", str(days)), last) for days in (7, 730)}
            compare("report", in_turn(reports, arguments.runs), start_seconds)
        rollups(folder / f"{arguments.forwards}.sqlite3", arguments.rollups)


if __name__ == "__main__":
    main()
