"""Does a long history make `revops rebalance plan` slower? `python -m tests.bench.bench_lots`

Two databases of one node with 500 channels, each refilled five times in 27 days; one holds ten times as many forwards
as the other. What a plan an hour after the last one asks of them: how much of each refill was sold. In turn, in one
run; the seconds of each, with what the first plan of a database takes, and the ratio of the minima. Nothing is
asserted.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

from revops.store import channels, refills
from revops.store.engine import Database
from tests.builders import DAY, HOUR, NOW, OWN_ID, make_channel

DAYS = 27
HORIZON_DAYS = 14
REFILLS = 5
FORWARD = (
    "node_key", "created_index", "updated_index", "in_channel_key", "out_channel_key", "in_msat",
    "out_msat", "fee_msat", "status", "received_at", "counted_at",
)  # fmt: skip
JOB = (
    "node_key", "job_key", "plan_key", "source_channel_key", "target_channel_key", "amount_msat", "max_fee_msat",
    "expected_gain_msat", "status", "created_at", "expires_at", "fee_msat", "finished_at", "local_before_msat",
)  # fmt: skip


def forwards(count: int, channel_count: int, rng: Random) -> Iterator[tuple[object, ...]]:
    """Settled forwards, spread evenly."""
    for index in range(1, count + 1):
        at = NOW - DAYS * DAY + DAYS * DAY * index / count
        source, target = rng.randrange(channel_count) + 1, rng.randrange(channel_count) + 1
        out_msat = int(rng.lognormvariate(18, 1.4))
        yield (1, index, index, source, target, out_msat + 100, out_msat, 100, 1, at - 2, at)


def jobs(channel_count: int, rng: Random) -> Iterator[tuple[object, ...]]:
    """Settled refills of each channel."""
    for number in range(channel_count * REFILLS):
        at = NOW - rng.random() * DAYS * DAY
        target = number % channel_count + 1
        yield (1, number + 1, 1, target % channel_count + 1, target, 2 * 10**9, 10**6, 1, "settled", at, at, 10**5, at,
               10**9)  # fmt: skip


def fill(path: Path, count: int, channel_count: int) -> None:
    """Write what is there, past the store."""
    rng = Random(7)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO rebalance_plan VALUES (1, 1, 1, 0, 0)")
        for table, names, rows in (
            ("forward", FORWARD, forwards(count, channel_count, rng)),
            ("rebalance_job", JOB, jobs(channel_count, rng)),
        ):
            marks = ", ".join("?" * len(names))
            connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)


def plan(database: Database, now: float) -> float:
    """As a plan asks; return its seconds."""
    started = time.perf_counter()
    with database.transaction(1) as tx:
        refills.mark_lots(tx, now, HORIZON_DAYS)
    with database.read(1) as tx:
        refills.lots(tx, now, HORIZON_DAYS)
    return time.perf_counter() - started


def main() -> None:
    """Make both databases, plan once, then again every hour, in turn."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--channels", type=int, default=500)
    parser.add_argument("--forwards", type=int, default=600_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="revops-bench-") as name:
        taken: dict[int, list[float]] = {}
        opened: dict[int, Database] = {}
        for count in (arguments.forwards // 10, arguments.forwards):
            path = Path(name) / f"{count}.sqlite3"
            database = opened[count] = Database.open(f"sqlite:///{path}", create=True)
            node_key = database.node_key(OWN_ID, "ours", "bitcoin")
            with database.transaction(node_key) as tx:
                listed = [make_channel(number) for number in range(arguments.channels)]
                channels.record_channels(tx, listed, NOW)
            fill(path, count, arguments.channels)
            taken[count] = [plan(database, NOW - arguments.runs * HOUR)]
        for run in range(arguments.runs - 1, -1, -1):
            for count, database in opened.items():
                taken[count].append(plan(database, NOW - run * HOUR))
        for database in opened.values():
            database.close()
    print(f"{arguments.channels} channels, {arguments.channels * REFILLS} refills, {arguments.runs} plans, in turn")
    for count, seconds in taken.items():
        print(f"{count:>9,} forwards in {DAYS} days: first {seconds[0]:.3f} s  then min {min(seconds[1:]):.3f} s")
    few, many = (min(seconds[1:]) for seconds in taken.values())
    print(f"ratio of the minima {many / few:.2f}")


if __name__ == "__main__":
    main()
