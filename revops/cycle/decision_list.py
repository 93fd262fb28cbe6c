"""`revops report decisions`: what was decided, and why, the latest first. Reads the records only."""

from __future__ import annotations

import time

from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.domain.decision_list import DecisionsReport
from revops.domain.options import CommonOptions
from revops.store import nodes
from revops.store.decisions import recent_decisions

COMMAND = "report decisions"


def run(options: CommonOptions, count: int, clock: Clock = time.time) -> DecisionsReport:
    """Given the flags and how many of the latest decisions are wanted, return them."""
    with open_records(options, COMMAND, clock) as records, records.database.read(records.node_key) as tx:
        found = recent_decisions(tx, count + 1)
        return DecisionsReport(clock(), nodes.node_row(tx).synced_at, found[:count], len(found) > count)
