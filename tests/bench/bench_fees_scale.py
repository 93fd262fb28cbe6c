"""Does a long history make `revops fees adjust` slower? `python tests/bench/bench_fees_scale.py`

Two databases of one node with 500 channels and the same 20,000 forwards in the last 30 days; one of them holds
1,980,000 older ones besides. Whole processes, in turn, in one run; time and peak memory of each, and the ratio of the
minima. Nothing is asserted. The rows are written behind the node's back, with indexes below its own.
"""

from __future__ import annotations

import argparse
import os
import runpy
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from revops.sim.config import SimConfig
from revops.sim.server import SimServer
from revops.sim.world import SimulatedNode
from revops.store.upgrade import migrations_directory

DAY_SECONDS = 86_400
RECENT_DAYS = 30
HISTORY_DAYS = 3 * 365
SETTLED, REFUSED, FAILED = 1, 2, 3
COLUMNS = (
    "node_key", "created_index", "updated_index", "in_channel_key", "out_channel_key", "in_msat",
    "out_msat", "fee_msat", "status", "received_at", "resolved_at", "counted_at", "failcode", "score_msat",
    "interest_permille",
)  # fmt: skip


def rows(
    count: int, first_at: float, last_at: float, channels: int, start: int, rng: Random
) -> Iterator[tuple[object, ...]]:
    """Forwards spread evenly over a span; two of three settle, and what failed beyond us is believed, too."""
    for number in range(count):
        at = first_at + (last_at - first_at) * number / count
        status = (SETTLED, SETTLED, SETTLED, SETTLED, REFUSED, FAILED)[number % 6]
        out_msat = int(rng.lognormvariate(18, 1.4))
        fee_msat = out_msat // 5_000
        index = start + number
        source, target = rng.randrange(channels) + 1, rng.randrange(channels) + 1
        resolved_at = None if status == REFUSED else at + 2.0
        failcode = 4103 if status == REFUSED else None
        score_msat = fee_msat if status == SETTLED else None
        interest_permille = min(out_msat // 25_000, 1_000)
        yield (1, index, index, source, target, out_msat + fee_msat, out_msat, fee_msat, status, at, None,
               resolved_at or at, failcode, score_msat, interest_permille)  # fmt: skip


def fill(path: Path, count: int, now: float, channels: int) -> None:
    """Write `count` forwards, 20,000 of them in the last 30 days."""
    recent = min(count, 20_000)
    rng = Random(7)
    statement = f"INSERT INTO forward ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
    since = now - RECENT_DAYS * DAY_SECONDS
    with sqlite3.connect(path) as connection:
        connection.executemany(statement, rows(recent, since, now - 3_600, channels, -recent, rng))
        older = count - recent
        connection.executemany(
            statement, rows(older, now - HISTORY_DAYS * DAY_SECONDS, since - 1, channels, -count - 1, rng)
        )
        connection.execute("DELETE FROM flow_sum")
        migration = runpy.run_path(str(migrations_directory() / "versions" / "0010_flow_sums.py"))
        for sums in migration["statements"]("sqlite"):
            connection.execute(sums)
    connection.close()


def run_once(environment: dict[str, str]) -> tuple[float, float]:
    """One cycle as a process of its own; return its wall seconds and its peak memory in MB."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "revops", "fees", "adjust"], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"fees adjust ended with {process.returncode}")
    return time.perf_counter() - started, usage.ru_maxrss / 1_024


def main() -> None:
    """Set up the node and both databases, then run cycles on them in turn."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--channels", type=int, default=500)
    parser.add_argument("--forwards", type=int, default=2_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="revops-bench-") as name:
        folder = Path(name)
        path = folder / "rpc"
        now = time.time()
        config = SimConfig(channel_count=arguments.channels, start_at=int(now), history_days=0.1)
        with SimServer(SimulatedNode(config), path):
            environments = {}
            for label, count in (("20,000 forwards", 20_000), (f"{arguments.forwards:,} forwards", arguments.forwards)):
                place = folder / str(count)
                place.mkdir()
                settings = place / "config.toml"
                database = place / "revops.sqlite3"
                settings.write_text(
                    f'[node]\nrpc_path = "{path}"\n[database]\nurl = "sqlite:///{database}"\n[fees]\nmode = "observe"\n'
                )
                settings.chmod(0o600)
                environments[label] = {**os.environ, "REVOPS_CONFIG": str(settings)}
                if len(environments) == 1:
                    for command in (["db", "upgrade"], ["sync"]):
                        subprocess.run([sys.executable, "-m", "revops", *command], env=environments[label], check=True,
                                       stdout=subprocess.DEVNULL)  # fmt: skip
                    shutil.copy(database, folder / "synced")
                else:
                    shutil.copy(folder / "synced", database)
                fill(database, count, now, arguments.channels)
                run_once(environments[label])  # warms the file cache, and the records
            measured: dict[str, list[tuple[float, float]]] = {label: [] for label in environments}
            for _ in range(arguments.runs):
                for label, environment in environments.items():
                    measured[label].append(run_once(environment))
    few, many = measured.values()
    print(f"{arguments.channels} channels, {arguments.runs} runs of each, in turn")
    for label, taken in measured.items():
        seconds = [one[0] for one in taken]
        print(
            f"{label:22} min {min(seconds):.3f} s  median {statistics.median(seconds):.3f} s  "
            f"peak memory {max(one[1] for one in taken):.0f} MB"
        )
    ratio = min(one[0] for one in many) / min(one[0] for one in few)
    print(f"ratio of the minima {ratio:.2f}, of peak memory {max(o[1] for o in many) / max(o[1] for o in few):.2f}")


if __name__ == "__main__":
    main()
