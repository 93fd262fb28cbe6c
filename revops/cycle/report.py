"""`revops report`: what the records say. Reads them only, and prints their age."""

from __future__ import annotations

import time

from revops.cycle.records import open_records
from revops.cycle.reserves import read_reserve
from revops.cycle.session import Clock
from revops.cycle.verdict import read_verdict
from revops.domain.options import CommonOptions
from revops.domain.record import Report
from revops.domain.values import replace
from revops.store import experiments, queries

COMMAND = "report"


def run(
    options: CommonOptions, window_days: int | None = None, decision_count: int = 20, clock: Clock = time.time
) -> Report:
    """Given the flags, the window and how many decisions to show, return the report."""
    with open_records(options, COMMAND, clock) as records:
        now = clock()
        days = window_days or records.config.report.window_days
        with records.database.read(records.node_key) as tx:
            verdict = read_verdict(tx, records.config.budget, now, records.suspensions(tx, now))
            shown = queries.report(tx, now, days, verdict, decision_count)
            reserves = read_reserve(tx, records.config.reserve)
            return replace(shown, experiment=experiments.running(tx), reserves=reserves)
