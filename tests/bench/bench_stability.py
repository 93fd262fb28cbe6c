"""Does a long record of comings and goings make a plan slower? `python -m tests.bench.bench_stability`

Two databases of one node with 500 peers and the same events in the last week; one of them holds those of 90 days. What
each plan, run and export asks: how steadily every peer is connected. In turn, in one run; the processor's seconds of
each, and the ratio of the minima. Nothing is asserted.
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

from revops.cycle.stability import peer_stability
from revops.domain.snapshot import NodeView
from revops.store import channels
from revops.store.cursors import EVENTS_FROM, EVENTS_SINCE
from revops.store.engine import Database
from tests.builders import DAY, NOW, OWN_ID, make_channel, make_view

RECORD_DAYS = 90
WEEK_DAYS = 7


def rows(count: int, peer_count: int) -> Iterator[tuple[object, ...]]:
    """Peers come and go, spread evenly over the record."""
    rng, there = Random(7), set[int]()
    for index in range(1, count + 1):
        at = int(NOW - RECORD_DAYS * DAY + RECORD_DAYS * DAY * index / count)
        peer = rng.randrange(peer_count) + 1
        kind, duration = ("disconnect", 1_800.0) if peer in there else ("connect", None)
        there ^= {peer}
        yield (1, index, peer, kind, at, duration)


def make(path: Path, view: NodeView, count: int, days: int) -> Database:
    """A database with the events of so many days."""
    since_at = NOW - days * DAY
    database = Database.open(f"sqlite:///{path}", create=True)
    with database.transaction(database.node_key(OWN_ID, "ours", "bitcoin")) as tx:
        channels.record_channels(tx, view.channels, NOW)
    kept = [row for row in rows(count, len(view.channels)) if float(str(row[4])) >= since_at]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO peer_event VALUES (?, ?, ?, ?, ?, ?)", kept)
        noted = [(1, EVENTS_SINCE, int(since_at)), (1, EVENTS_FROM, kept[0][1])]
        connection.executemany("INSERT INTO cursor VALUES (?, ?, ?)", noted)
    return database


def ask(database: Database, view: NodeView) -> float:
    """As a plan asks; return the processor's seconds."""
    started = time.process_time()
    with database.read(1) as tx:
        peer_stability(tx, view)
    return time.process_time() - started


def main() -> None:
    """Make both databases and ask them in turn."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--peers", type=int, default=500)
    parser.add_argument("--events", type=int, default=300_000)
    arguments = parser.parse_args()
    listed = [make_channel(number, opened_at=int(NOW - 300 * DAY)) for number in range(arguments.peers)]
    view = make_view(*listed)
    with tempfile.TemporaryDirectory(prefix="revops-bench-") as name:
        opened = {
            days: make(Path(name) / f"{days}.sqlite3", view, arguments.events, days)
            for days in (WEEK_DAYS, RECORD_DAYS)
        }
        taken: dict[int, list[float]] = {days: [] for days in opened}
        for _ in range(arguments.runs):
            for days, database in opened.items():
                taken[days].append(ask(database, view))
        for database in opened.values():
            database.close()
    print(f"{arguments.peers} peers, {arguments.events:,} events in {RECORD_DAYS} days, {arguments.runs} runs, in turn")
    for days, seconds in taken.items():
        print(f"{days:>3} days of them on record: min {min(seconds):.3f} s")
    few, many = (min(seconds) for seconds in taken.values())
    print(f"ratio of the minima {many / few:.2f}")


if __name__ == "__main__":
    main()
