"""What executes rebalance jobs. The run loop knows no more of an executor than this."""

from __future__ import annotations

from typing import Protocol

from revops.actuate.settle import JobOutcome
from revops.domain.record import JobRecord
from revops.domain.snapshot import NodeView


class Executor(Protocol):
    """One way to execute a job. Each method raises NodeError where the node stops answering, DataError where it says
    what can't be true; whatever is raised leaves the job in a state from which `settle` goes on, now or in a later run.
    """

    def start(self, job: JobRecord, view: NodeView) -> JobOutcome:
        """Given a planned job and the node as it is now, price it, reserve its worst case, and set it under way.

        Don't wait for its end: return it as open, or as ended where it can't begin (nothing is reserved then).
        """

    def settle(self, job: JobRecord, wait_seconds: int = 0) -> JobOutcome:
        """Given an open job, close it if the node's own records say that it is final; else leave it as it is.

        Wait at most so long for that. The outcome of a job that failed says of which kind the failure was.
        """
