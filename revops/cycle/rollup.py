"""`revops rollup`: summarise forwards that are old enough, prune what the retention no longer keeps, and put each open
channel's profitability class in force.
"""

from __future__ import annotations

import time

from revops.cycle.classes import classify
from revops.cycle.session import Clock, open_session
from revops.cycle.switchback import go_on
from revops.domain.measures import CommandFigures
from revops.domain.options import CommonOptions
from revops.domain.policy import RetentionConfig
from revops.domain.summary import RollupSummary
from revops.store import rollup, space
from revops.store.engine import Database

COMMAND = "rollup"
DAY_SECONDS = 86_400
#: Rows summarised in one transaction: short enough that nobody waits for long.
ROWS_AT_ONCE = 20_000


def run(options: CommonOptions, clock: Clock = time.time) -> RollupSummary:
    """Given the flags, summarise, prune and judge channels; return how many rows of each kind went. A dry run does none
    of it.

    Raw forwards go in the transaction that has added them up, so that totals never change. Classes go by timestamps: a
    clock in doubt changes none. What an SQLite file no longer needs is given back to the disk at last, in short steps.
    """
    with open_session(options, COMMAND, None, clock) as session:
        synced = session.sync()
        now = synced.view.taken_at
        if session.run_key is None:
            return RollupSummary(taken_at=now, rolled_up_count=0)
        retention = session.config.retention
        doubtful = bool(session.clock_doubts(synced))
        if not doubtful:
            # What an experiment's blocks brought is recorded before the rows that tell it go.
            go_on(session, synced.view)
        rolled_up = prune_forwards(session.database, session.node_key, now - retention.forwards_days * DAY_SECONDS)
        pruned = prune_others(session.database, session.node_key, retention, now)
        changed = 0 if doubtful else classify(session.database, session.node_key, session.config.classes, now)
        with session.database.read(session.node_key) as tx:
            session.figures = CommandFigures(row_counts=space.row_counts(tx))
        return RollupSummary(
            taken_at=now,
            rolled_up_count=rolled_up,
            pruned_count=pruned,
            changed_class_count=changed,
            given_back_bytes=space.give_back(session.database),
        )


def prune_forwards(database: Database, node_key: int, before_at: float) -> int:
    """Given a moment, summarise and delete the final forwards before it, in chunks; return how many."""
    total = 0
    while True:
        with database.transaction(node_key) as tx:
            count = rollup.prune_forwards(tx, before_at, ROWS_AT_ONCE)
        total += count
        if count < ROWS_AT_ONCE:
            return total


def prune_others(database: Database, node_key: int, retention: RetentionConfig, now: float) -> dict[str, int]:
    """Given the retention, delete what it no longer keeps; return the counts by kind of row."""
    with database.transaction(node_key) as tx:
        return rollup.prune_other(
            tx,
            decisions_before_at=now - retention.decisions_days * DAY_SECONDS,
            runs_before_at=now - retention.runs_days * DAY_SECONDS,
            events_before_at=now - retention.events_days * DAY_SECONDS,
            samples_before_at=now - retention.samples_days * DAY_SECONDS,
            moves_before_at=now - retention.moves_days * DAY_SECONDS,
        )
