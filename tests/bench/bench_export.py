"""How long does an export of the node's metrics take? `python -m tests.bench.bench_export`

One database of a node with 500 channels, with fee states and 2,000,000 forwards; `--keep FOLDER` makes it once for
several runs, also of different versions. The processor's seconds and the wall's of `export_node`, of its parts, and of
what a full count of forwards would take. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path

from revops import config as configuration
from revops.cycle.export import export_node
from revops.domain.options import CommonOptions
from revops.sim.config import SimConfig
from revops.sim.server import SimServer
from revops.sim.world import SimulatedNode
from revops.store.engine import Database
from tests.bench.bench_fees_scale import fill


def make(folder: Path, channels: int, forwards: int) -> None:
    """Sync a simulated node, put a history behind it, and let fees be decided once."""
    rpc, database = folder / "rpc", folder / "revops.sqlite3"
    (folder / "config.toml").write_text(
        f'[node]\nrpc_path = "{rpc}"\nname = "bench"\n[database]\nurl = "sqlite:///{database}"\n'
        f'[metrics]\ntextfile_dir = "{folder}/metrics"\n[fees]\nmode = "observe"\n'
    )
    (folder / "config.toml").chmod(0o600)
    (folder / "metrics").mkdir()
    now = time.time()
    environment = {**os.environ, "REVOPS_CONFIG": str(folder / "config.toml")}

    def run(*command: str) -> None:
        subprocess.run([sys.executable, "-m", "revops", *command], env=environment, check=True)

    with SimServer(SimulatedNode(SimConfig(channel_count=channels, start_at=int(now), history_days=0.1)), rpc):
        run("db", "upgrade", "-q")
        run("sync")
        fill(database, forwards, now, channels)
        run("fees", "adjust")
        run("fees", "adjust")


def timed(label: str, work: Callable[[], object], runs: int) -> None:
    """Say what a piece of work takes: the least, and the median."""
    wall, processor = [], []
    for _ in range(runs):
        started, busy = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - started)
        processor.append(time.process_time() - busy)
    print(
        f"{label:42} min {min(wall) * 1000:7.1f} ms  median {statistics.median(wall) * 1000:7.1f} ms  "
        f"processor {min(processor) * 1000:7.1f} ms"
    )


def main() -> None:
    """Make the database unless it is there, then export."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--channels", type=int, default=500)
    parser.add_argument("--forwards", type=int, default=2_000_000)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    place = tempfile.TemporaryDirectory(prefix="revops-bench-") if arguments.keep is None else nullcontext(None)
    with place as name:
        folder = Path(name) if name is not None else arguments.keep
        folder.mkdir(exist_ok=True)
        if not (folder / "config.toml").exists():
            make(folder, arguments.channels, arguments.forwards)
        config = configuration.load(CommonOptions(config_path=folder / "config.toml"))
        url = configuration.database_url(config)
        with closing(Database.open(url)) as database:
            (node,) = database.known_nodes()
            timed("export_node", lambda: export_node(config, database, node.node_key, time.time()), arguments.runs)
        with closing(sqlite3.connect(folder / "revops.sqlite3")) as connection:
            for statement in ("SELECT count(*) FROM forward", "SELECT count(*) FROM forward WHERE node_key = 1"):
                timed(statement, lambda statement=statement: connection.execute(statement).fetchone(), 3)  # type: ignore[misc]  # a default binds it
            for name_ in ("page_count", "freelist_count"):
                timed(f"PRAGMA {name_}", lambda name=name_: connection.execute(f"PRAGMA {name}").fetchone(), 3)  # type: ignore[misc]
        (file,) = (folder / "metrics").glob("*bench.prom")
        text = file.read_text(encoding="utf-8")
        series = sum(not line.startswith("#") for line in text.splitlines())
        print(f"{file.name}: {len(text):,} bytes, {series:,} series")


if __name__ == "__main__":
    main()
