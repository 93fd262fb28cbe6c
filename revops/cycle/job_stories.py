"""`revops report rebalances`: what became of rebalance jobs, from the records alone."""

from __future__ import annotations

import time

from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.domain.budget import Category
from revops.domain.job_story import RebalancesReport
from revops.domain.options import CommonOptions
from revops.errors import UnknownName
from revops.store import job_stories, nodes, queries, refills, spending

COMMAND = "report rebalances"


def run(
    options: CommonOptions, job_key: int | None = None, job_count: int = 20, clock: Clock = time.time
) -> RebalancesReport:
    """Given the flags, and a job or how many of the latest, return them with their steps and payments.

    Raise UnknownName where the records know no such job.
    """
    with open_records(options, COMMAND, clock) as records:
        now = clock()
        with records.database.read(records.node_key) as tx:
            lots = refills.lots(tx, now, records.config.rebalance.horizon_days)
            if job_key is None:
                stories = job_stories.latest(tx, job_count, now, lots)
            else:
                stories = job_stories.of_job(tx, job_key, now, lots)
                if not stories:
                    raise UnknownName(f"the records know no rebalance job {job_key}")
            return RebalancesReport(
                taken_at=now,
                synced_at=nodes.node_row(tx).synced_at,
                stories=stories,
                under_way=spending.open_reservations(tx, Category.REBALANCE),
                names={channel.channel_id: channel.name for channel in queries.channel_records(tx, now)},
            )
