"""`revops budget check` and `budget history`: what is spent, reserved and left, and what was spent when.

Both read the records only.
"""

from __future__ import annotations

import time

from revops.cycle.records import open_records
from revops.cycle.reserves import read_reserve
from revops.cycle.session import Clock
from revops.cycle.verdict import gaps, read_categories
from revops.decide import budget as decide
from revops.domain.budget import BudgetCheck, BudgetHistory
from revops.domain.options import CommonOptions
from revops.errors import NothingLeft
from revops.store import nodes, spending

COMMAND = "budget check"
HISTORY_COMMAND = "budget history"
DAY_SECONDS = 86_400


def run(options: CommonOptions, clock: Clock = time.time) -> BudgetCheck:
    """Given the flags, return the budget; the caller turns "nothing left" into exit code 1."""
    with open_records(options, COMMAND, clock) as records:
        now = clock()
        with records.database.read(records.node_key) as tx:
            check = BudgetCheck(
                taken_at=now,
                synced_at=nodes.node_row(tx).synced_at,
                suspended=(*records.suspensions(tx, now), *gaps(tx)),
                categories=read_categories(tx, records.config, now),
                reserves=read_reserve(tx, records.config.reserve),
            )
        records.exit_code = 0 if check.left_msat > 0 else NothingLeft.exit_code
        return check


def history(options: CommonOptions, day_count: int = 30, clock: Clock = time.time) -> BudgetHistory:
    """Given the flags and how many days (UTC, today is one), return what each category did on each of them."""
    with open_records(options, HISTORY_COMMAND, clock) as records:
        now = clock()
        since_at = (now // DAY_SECONDS - (day_count - 1)) * DAY_SECONDS
        with records.database.read(records.node_key) as tx:
            entries, refused_at = spending.entries_since(tx, since_at), spending.refused_at(tx, since_at)
        return BudgetHistory(now, since_at, decide.history(entries, refused_at))
