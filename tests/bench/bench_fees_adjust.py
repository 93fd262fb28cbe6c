"""How much dearer is `revops fees adjust` than what it can't do without? `python tests/bench/bench_fees_adjust.py`

Whole processes, one after the other in one run, so that the machine's mood cancels out: `fees adjust` on a warm
database of 50 channels, a script that only makes the same imports and one `listpeerchannels`, and one that leaves our
own modules out of these imports. What counts is the ratio of the minima; nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from revops.sim.config import SimConfig
from revops.sim.server import SimServer
from revops.sim.world import SimulatedNode

THIRD_PARTY = "import click, msgspec, prometheus_client, sqlalchemy, sqlalchemy.dialects.sqlite, pyln.client"
OWN = "import revops.cli.main, revops.cli.fees, revops.cycle.fees, revops.config_schema"
CALL = "import logging; pyln.client.LightningRpc({path!r}, logger=logging.getLogger('bench')).listpeerchannels()"


def seconds_of(command: list[str], environment: dict[str, str]) -> float:
    """Run a command to its end and return how long that took; fail loudly where it fails."""
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Set up the node and the database, then time the three in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--channels", type=int, default=50)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="revops-bench-") as name:
        folder = Path(name)
        path = str(folder / "rpc")
        now = int(time.time())
        config = SimConfig(channel_count=arguments.channels, start_at=now, history_days=14)
        with SimServer(SimulatedNode(config), path, follow_wall_clock=True):
            (folder / "metrics").mkdir()
            settings = folder / "config.toml"
            settings.write_text(
                f'[node]\nrpc_path = "{path}"\nname = "bench"\n'
                f'[database]\nurl = "sqlite:///{folder}/revops.sqlite3"\n'
                f'[metrics]\ntextfile_dir = "{folder}/metrics"\n[fees]\nmode = "act"\n'
            )
            settings.chmod(0o600)
            environment = {**os.environ, "REVOPS_CONFIG": str(settings)}
            revops = [sys.executable, "-m", "revops"]
            subprocess.run([*revops, "db", "upgrade"], env=environment, check=True, stdout=subprocess.DEVNULL)
            call = CALL.format(path=path)
            candidates = {
                "fees adjust": [*revops, "fees", "adjust"],
                "same imports + listpeerchannels": [sys.executable, "-c", f"{THIRD_PARTY}\n{OWN}\n{call}"],
                "third-party imports + listpeerchannels": [sys.executable, "-c", f"{THIRD_PARTY}\n{call}"],
            }
            for command in candidates.values():
                seconds_of(command, environment)  # warms the file cache and the database
            times: dict[str, list[float]] = {label: [] for label in candidates}
            for _ in range(arguments.runs):
                for label, command in candidates.items():
                    times[label].append(seconds_of(command, environment))
    fastest = min(times["fees adjust"])
    print(f"{arguments.channels} channels, {arguments.runs} runs of each, in turn")
    for label, taken in times.items():
        ratio = fastest / min(taken)
        print(
            f"{label:42} min {min(taken):.3f} s  median {statistics.median(taken):.3f} s  fees adjust is {ratio:.2f} x"
        )


if __name__ == "__main__":
    main()
