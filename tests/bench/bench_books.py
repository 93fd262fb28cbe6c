"""Are the books of a large node right, and what do they cost? `python -m tests.bench.bench_books`

A made node of two years (tests/books): its first sync, then profit and loss by channel, as records have it and as plain
Python adds it up, for all of it, a month and a week; the same after half of the forwards, and then all that may go,
were pruned; the metrics' totals beside. Equality is asserted, time is not: processor seconds, to be compared within one
run.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from revops.cycle.profit import profit_report
from revops.domain.decision import BudgetVerdict, WindowBudget
from revops.domain.period import Period
from revops.domain.profit import ProfitLine
from revops.store import queries, rollup
from revops.store.engine import Database
from tests.books.lines import kept_lines, sync, wanted_lines
from tests.books.made import MadeNode
from tests.builders import DAY, NOW

TODAY = int(NOW // DAY)
PERIODS = {"ever": (None, None), "a month": (TODAY - 29, TODAY + 1), "a week": (TODAY - 6, TODAY + 1)}
Wanted = Mapping[str, Mapping[str, ProfitLine]]
_WINDOW = WindowBudget("daily", limit_msat=0, spent_msat=0, reserved_msat=0)


def main() -> None:
    """Sync, compare, prune, compare; print what each took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--channels", type=int, default=500)
    parser.add_argument("--forwards", type=int, default=2_000_000)
    arguments = parser.parse_args()
    node = MadeNode(1, arguments.channels, arguments.forwards)
    with tempfile.TemporaryDirectory(prefix="revops-bench-") as name:
        database = Database.open(f"sqlite:///{Path(name)}/revops.sqlite3", create=True)
        with closing(database):
            _go(database, node, arguments.forwards, arguments.channels)


def _go(database: Database, node: MadeNode, forward_count: int, channel_count: int) -> None:
    started = time.process_time()
    node_key = sync(database, node)
    print(f"sync of {forward_count:,} forwards, {channel_count} channels: {_since(started)}")
    wanted = {}
    for title, days in PERIODS.items():
        started = time.process_time()
        wanted[title] = wanted_lines(node, *days)
        print(f"plain sum of {title}: {_since(started)}")
    _compare(database, node_key, node, wanted, "before any rollup")
    for share in (0.5, 0.0):
        started, count = time.process_time(), 0
        before_at = (NOW - 730 * DAY * share) // DAY * DAY
        while pruned := _prune(database, node_key, before_at):
            count += pruned
        print(f"{count:,} forwards pruned: {_since(started)}")
        _compare(database, node_key, node, wanted, f"after {count:,} more were pruned")


def _compare(
    database: Database, node_key: int, node: MadeNode, wanted: Mapping[str, Mapping[str, ProfitLine]], when: str
) -> None:
    with database.read(node_key) as tx:
        for title, days in PERIODS.items():
            assert kept_lines(tx, node, *days) == wanted[title], f"{title}, {when}"
        took = {}
        for title, (first_day, end_day) in PERIODS.items():
            started = time.process_time()
            report = profit_report(tx, Period(first_day, end_day or TODAY + 1), NOW)
            took[title] = time.process_time() - started
        ever = profit_report(tx, Period(None, TODAY + 1), NOW)
        standing = queries.standing(tx, NOW, BudgetVerdict(NOW, _WINDOW, _WINDOW))
        assert standing.lifetime.net_msat == ever.total.net_msat
        assert report.total.net_msat == sum(one.line.net_msat for one in report.channels) - report.total.wallet_msat
    ratio = took["ever"] / took["a week"]
    print(f"equal to the msat {when}; report pnl: ever {took['ever']:.3f} s, {ratio:.2f} times a week's")


def _prune(database: Database, node_key: int, before_at: float) -> int:
    with database.transaction(node_key) as tx:
        return rollup.prune_forwards(tx, before_at, 20_000)


def _since(started: float) -> str:
    return f"{time.process_time() - started:.1f} s"


if __name__ == "__main__":
    main()
