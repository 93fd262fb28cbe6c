"""`revops sync`: copy what is new on the node into the database, and show its state in the metrics."""

from __future__ import annotations

import time

from revops.cycle.expiry import warn_of_expiry
from revops.cycle.session import Clock, open_session
from revops.domain.options import CommonOptions
from revops.domain.summary import SyncSummary

COMMAND = "sync"


def run(options: CommonOptions, clock: Clock = time.time) -> SyncSummary:
    """Given the flags, sync; return what was copied. A dry run syncs too, but leaves no run and no metrics."""
    with open_session(options, COMMAND, None, clock) as session:
        synced = session.sync()
        warn_of_expiry(synced.view)
        session.show_node(synced)
        return synced.summary
