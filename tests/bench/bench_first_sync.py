"""What does the first sync of a long history cost? `python -m tests.bench.bench_first_sync`

A made node (tests/books) of two years is served by a process of its own. `revops sync` on a new SQLite file, against a
bare loop: the same pages by pyln-client's own LightningRpc, and the same columns by `executemany`, by created_index and
without any other index, one commit a page. Each is a process of its own, in turn, in one run. Printed are the seconds
of the processor and of the wall with their ratios, the peak memory of each, and what a forward takes on the disk.
Nothing is asserted.
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
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

PAGE = 5_000
STATUS = {"offered": 0, "settled": 1, "local_failed": 2, "failed": 3}
COLUMNS = (
    "node_key", "created_index", "updated_index", "in_channel_key", "out_channel_key", "in_msat",
    "out_msat", "fee_msat", "status", "received_at", "resolved_at", "counted_at", "failcode", "score_msat",
    "interest_permille",
)  # fmt: skip


class Taken(NamedTuple):
    """What a process took; memory in MB."""

    cpu_seconds: float
    wall_seconds: float
    peak_mb: float


def bare(socket_path: str, database: str, *, moves: bool) -> None:
    """Page through the node's lists, and keep the forwards. Moves are read past: two rows of each forward say again
    what the forward says.
    """
    from pyln.client import LightningRpc

    rpc = LightningRpc(socket_path)
    keys: dict[str, int] = {}
    insert = f"INSERT INTO forward VALUES ({', '.join('?' * len(COLUMNS))})"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"CREATE TABLE forward ({', '.join(COLUMNS)}, PRIMARY KEY (created_index)) WITHOUT ROWID")
        for rows in pages(rpc, "listforwards", "forwards"):
            connection.executemany(insert, [stored(row, keys) for row in rows])
            connection.commit()
    if moves:
        for _ in pages(rpc, "listchannelmoves", "channelmoves"):
            pass


def pages(rpc: Any, method: str, name: str) -> Iterator[list[dict[str, Any]]]:
    """All pages of a list."""
    start = 1
    while True:
        rows = rpc.call(method, {"index": "created", "start": start, "limit": PAGE})[name]
        if rows:
            yield rows
            start = rows[-1]["created_index"] + 1
        if len(rows) < PAGE:
            return


def stored(row: dict[str, Any], keys: dict[str, int]) -> tuple[Any, ...]:
    """A row as it is kept."""
    entry, leave, resolved_at = row["in_channel"], row.get("out_channel"), row.get("resolved_time")
    return (
        1, row["created_index"], row.get("updated_index"), keys.setdefault(entry, len(keys)),
        None if leave is None else keys.setdefault(leave, len(keys)), row["in_msat"], row.get("out_msat"),
        row.get("fee_msat"), STATUS[row["status"]], row["received_time"], None,
        row["received_time"] if resolved_at is None else resolved_at, row.get("failcode"), None, None,
    )  # fmt: skip


def run(command: Sequence[str], environment: dict[str, str]) -> Taken:
    """One process, from its start to its end."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Taken(usage.ru_utime + usage.ru_stime, time.perf_counter() - started, usage.ru_maxrss / 1_024)


@contextmanager
def made_node(socket_path: Path, arguments: argparse.Namespace) -> Iterator[None]:
    """The node's process; it ends with the block."""
    command = [sys.executable, "-m", "tests.books.served", str(socket_path)]
    command += ["--channels", str(arguments.channels), "--forwards", str(arguments.forwards)]
    command += ["--days", str(arguments.days)] + ["--no-routed"] * arguments.no_moves
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise SystemExit("the node didn't start")
            yield
        finally:
            process.terminate()


def sizes(database: Path) -> None:
    """Print what a stored forward takes: of the file, and by dbstat of each table and index that counts."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (count,) = connection.execute("SELECT count(*) FROM forward").fetchone()
        print(f"on the disk: {count:,} forwards, {database.stat().st_size / count:.1f} bytes of the file for each")
        try:
            used = connection.execute(
                "SELECT name, sum(pgsize), sum(unused) FROM dbstat GROUP BY name ORDER BY 2 DESC"
            ).fetchall()
        except sqlite3.OperationalError:
            print("  (no dbstat in this SQLite)")
            return
        of_forward = [one for one in used if one[0] == "forward" or one[0].startswith("ix_forward_")]
        for name, size, unused in used:
            if size >= count:
                print(f"  {name:24} {size / count:6.1f} bytes for each, {unused / size:.0%} of that unused")
        own, rest = (sum(one[1] for one in some) for some in (of_forward, used))
        print(f"  rows and their indexes {own / count:.1f}, all else {(rest - own) / count:.1f}")


def show(label: str, taken: Sequence[Taken]) -> None:
    """Print the medians of one side."""
    cpu, wall = (statistics.median(one[place] for one in taken) for place in (0, 1))
    print(
        f"{label:12} {cpu:8.1f} s of processor time {wall:8.1f} s of the wall   "
        f"peak memory {max(one.peak_mb for one in taken):.0f} MB"
    )


def main() -> None:
    """Serve the node, then sync it both ways, in turn."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--channels", type=int, default=500)
    parser.add_argument("--forwards", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--no-moves", action="store_true", help="a ledger of moves without the forwards' rows")
    parser.add_argument("--bare", nargs=2, metavar=("SOCKET", "DATABASE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        bare(*arguments.bare, moves=not arguments.no_moves)
        return
    taken: dict[str, list[Taken]] = {"bare loop": [], "revops sync": []}
    with tempfile.TemporaryDirectory(prefix="revops-bench-") as name:
        folder, socket_path = Path(name), Path(name) / "rpc"
        with made_node(socket_path, arguments):
            for number in range(arguments.runs):
                settings, database = folder / f"{number}.toml", folder / f"{number}.sqlite3"
                settings.write_text(f'[node]\nrpc_path = "{socket_path}"\n[database]\nurl = "sqlite:///{database}"\n')
                settings.chmod(0o600)
                environment = {**os.environ, "REVOPS_CONFIG": str(settings)}
                run([sys.executable, "-m", "revops", "db", "upgrade"], environment)
                loop = [sys.executable, "-m", "tests.bench.bench_first_sync"] + ["--no-moves"] * arguments.no_moves
                taken["bare loop"].append(
                    run([*loop, "--bare", str(socket_path), str(folder / f"{number}.bare")], environment)
                )
                taken["revops sync"].append(run([sys.executable, "-m", "revops", "sync"], environment))
        print(f"{arguments.forwards:,} forwards, {arguments.channels} channels, {arguments.runs} runs of each, in turn")
        for label, ones in taken.items():
            show(label, ones)
        pairs = list(zip(taken["revops sync"], taken["bare loop"], strict=True))
        cpu, wall = (statistics.median(ours[place] / theirs[place] for ours, theirs in pairs) for place in (0, 1))
        print(f"ratio of processor time {cpu:.2f}, of the wall {wall:.2f}")
        sizes(database)


if __name__ == "__main__":
    main()
