"""A run's own bookkeeping: its row in the database and its figures in the metrics, however it ends."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from revops import __version__
from revops.cycle.export import ended_run, export_command
from revops.decide.cadence import RUNS, expected_seconds
from revops.domain.options import CommonOptions
from revops.domain.policy import Config
from revops.domain.schedule import EVERY_SECONDS
from revops.errors import INTERRUPTED_EXIT_CODE, READER_GONE_EXIT_CODE, BugError, RevopsError, Terminated
from revops.node.errors import one_line
from revops.store import runs
from revops.store.engine import Database

if TYPE_CHECKING:
    from revops.cycle.session import Clock, Session

_log = logging.getLogger(__name__)


@dataclass
class OwnRun:
    """The run's own bookkeeping, which must also work when everything else has failed."""

    options: CommonOptions
    config: Config
    command: str
    started_at: float
    clock: Clock
    database: Database | None = None
    session: Session | None = None
    recorded: bool = False
    last_success_at: float | None = None
    interval_seconds: float | None = None

    def begin(self, session: Session) -> None:
        """Write down that the run has begun; a dry run leaves no trace."""
        self.session = session
        if not self.options.dry_run:
            with session.database.transaction(session.node_key) as tx:
                session.run_key = runs.begin_run(tx, self.command, self.started_at, __version__)

    def end(self, session: Session) -> None:
        """Record in the database how it ended (a comparison may differ), then show it in the metrics."""
        if self.options.dry_run:
            return
        finished_at = self.clock()
        self._record(finished_at, session.exit_code, None)
        self.recorded = True
        self._export(finished_at, session.exit_code, None)

    def fail(self, error: BaseException) -> None:
        """Record how the run failed, and show it in the metrics, each as far as it can be done.

        The first error is the one to report: whatever goes wrong here, often for the same cause, is told with -v only.
        """
        if self.options.dry_run:
            return
        exit_code, finished_at = exit_code_of(error), self.clock()
        try:
            self._record(finished_at, exit_code, one_line(str(error)) or type(error).__name__)
        except RevopsError as second:
            _log.info("the failed run left no record: %s", second)
        if self.recorded:  # what failed was the export itself
            return
        try:
            self._export(finished_at, exit_code, error)
        except RevopsError as second:
            _log.info("the failed run left no metrics: %s", second)

    def _export(self, finished_at: float, exit_code: int, error: BaseException | None) -> None:
        run = ended_run(
            self.command, self.started_at, finished_at, exit_code, opened=self.database is not None, error=error
        )
        run = replace(run, last_success_at=self.last_success_at, interval_seconds=self.interval_seconds)
        if self.session is not None:
            run = replace(run, decision_counts=self.session.decision_counts, figures=self.session.figures)
        export_command(self.config, run)

    def _record(self, finished_at: float, exit_code: int, message: str | None) -> None:
        """Close the run's row; make one for a run that failed before it had one. Remember what the records say of the
        command's other runs.
        """
        if self.database is None:
            return
        if self.session is not None:
            node_key, run_key = self.session.node_key, self.session.run_key
        else:
            known = self.database.known_nodes()
            if len(known) != 1:
                return
            node_key, run_key = known[0][0], None
        with self.database.transaction(node_key) as tx:
            if run_key is None:
                run_key = runs.begin_run(tx, self.command, self.started_at, __version__)
            runs.end_run(tx, run_key, finished_at, exit_code, message)
            self.last_success_at = runs.last_success(tx, self.command, finished_at)
            starts = runs.latest_starts(tx, self.command, RUNS)
        self.interval_seconds = expected_seconds(EVERY_SECONDS.get(self.command), starts)


def exit_code_of(error: BaseException) -> int:
    """Given what ended a run, return the exit code that the process will have."""
    if isinstance(error, RevopsError | Terminated):
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        return READER_GONE_EXIT_CODE
    return INTERRUPTED_EXIT_CODE if isinstance(error, KeyboardInterrupt) else BugError.exit_code
