"""`revops budget check`: what is spent, reserved and left. Reads the records only."""

from __future__ import annotations

import time

from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.cycle.verdict import read_verdict
from revops.domain.decision import BudgetVerdict
from revops.domain.options import CommonOptions
from revops.errors import NothingLeft

COMMAND = "budget check"


def run(options: CommonOptions, clock: Clock = time.time) -> BudgetVerdict:
    """Given the flags, return the verdict; the caller turns "nothing left" into exit code 1."""
    with open_records(options, COMMAND, clock) as records:
        now = clock()
        with records.database.read(records.node_key) as tx:
            verdict = read_verdict(tx, records.config.budget, now, records.suspensions(tx, now))
        records.exit_code = 0 if verdict.left_msat > 0 else NothingLeft.exit_code
        return verdict
