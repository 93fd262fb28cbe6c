"""The queue of rebalance jobs at work: several at once, each started when there is room and looked at in turns.

A decision is a row in the database by now. Each is judged once more when its turn comes: by then those before it have
moved liquidity and spent of the budget, and the node may have changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from revops.actuate.executor import Executor
from revops.actuate.settle import JobOutcome, Settler
from revops.cycle.ingest import Synced
from revops.cycle.refill_scene import read_scene
from revops.cycle.session import Session
from revops.decide.attempts import counted_in_flight, sources_left
from revops.decide.rebalance.judge import judge
from revops.domain.reason import Reason
from revops.domain.record import JobRecord
from revops.domain.snapshot import NodeView
from revops.errors import DataError, RevopsError
from revops.node.errors import NodeError
from revops.store import jobs, ledger, plans
from revops.store.engine import Tx

#: The node is asked how a payment stands in slices: well inside the deadline of a call, and shorter where several are
#: under way, so that the end of one isn't missed for long while another hangs.
SLICE_SECONDS: Final = 10


@dataclass
class Queue:
    """One run's work. `executors` are all that may have begun a job, by name; `starter` names the one that begins new
    ones. `outcomes` is what became of each job in this run, the last word of each. `fault` is the first thing that the
    node said that can't be true: nothing new is started then, and what is under way is still brought to its end.
    """

    session: Session
    synced: Synced
    settler: Settler
    executors: Mapping[str, Executor]
    starter: str
    outcomes: dict[int, JobOutcome] = field(default_factory=dict)
    fault: RevopsError | None = None
    _under_way: deque[JobRecord] = field(default_factory=deque)
    _left_keys: frozenset[int] = frozenset()
    _view: NodeView | None = None

    def settle_left(self, left: Sequence[JobRecord]) -> None:
        """Given the jobs that earlier runs left open, settle each that is final. One of which the node says what can't
        be true must not keep the others open. Raise NodeError where the node doesn't answer.
        """
        self._view = self.synced.view
        self._left_keys = frozenset(job.job_key for job in left)
        for job in left:
            outcome = self._guarded(job, 0)
            if outcome is not None:
                self._note(outcome)

    def work(self) -> tuple[Reason, ...]:
        """Start what is planned as long as there is room, and wait for what is under way, until all is done or the
        policy's patience, counted from the last start, is over. Return what suspended the rest.
        """
        suspended: tuple[Reason, ...] = ()
        patience_seconds = self.session.config.rebalance.wait_seconds
        left_seconds = patience_seconds
        while True:
            job = None if suspended or self.fault is not None else self._next()
            if job is not None:
                suspended = self._start(job)
                left_seconds = patience_seconds
            elif self._under_way and left_seconds > 0:
                slice_seconds = max(1, min(left_seconds, SLICE_SECONDS) // len(self._under_way))
                left_seconds -= slice_seconds
                self._poll(slice_seconds)
            else:
                return suspended

    def _next(self) -> JobRecord | None:
        """The next job that may be started now, with the sources that are free; None where there is none, or no room.

        No channel is part of two jobs at once: a job whose target, or whose every source, is taken waits. Payments
        that hang leave room for others, up to a limit.
        """
        session = self.session
        with session.database.transaction(session.node_key) as tx:
            run_key = session.recorded_run_key()
            ledger.take_fence(tx, run_key)
            plans.expire_jobs(tx, session.clock(), run_key)
            if self._in_flight_count(tx) >= session.config.rebalance.max_in_flight:
                return None
            planned, busy = jobs.planned_jobs(tx), plans.in_flight_channels(tx)
        for job in planned:
            free = tuple(offer for offer in job.sources if offer.channel_id not in busy)
            if free and job.target_channel_id not in busy:
                return replace(job, sources=free)
        return None

    def _in_flight_count(self, tx: Tx) -> int:
        since_at = jobs.under_way_since(tx)
        under_way = [(job.executor, since_at.get(job.job_key)) for job in jobs.open_jobs(tx)]
        return counted_in_flight(under_way, self.session.clock(), self.session.config.rebalance.max_hung)

    def _start(self, job: JobRecord) -> tuple[Reason, ...]:
        """Look at the node anew, since minutes may have passed, judge the job once more as if it were planned now, and
        start it. Return what suspends it.
        """
        view = self._view = look_again(self.session)
        suspended = self.session.suspensions(replace(self.synced, view=view), spending=True)
        if suspended:
            return suspended
        judged = judge(read_scene(self.session, view), job)
        try:
            if isinstance(judged, Reason):
                outcome = self.settler.give_up(job, judged, failure=None)
            else:
                outcome = self.executors[self.starter].start(judged, view)
        except (DataError, NodeError) as error:
            self._keep(error)
        else:
            self._note(outcome)
        return ()

    def _poll(self, slice_seconds: int) -> None:
        outcome = self._guarded(self._under_way.popleft(), slice_seconds)
        if outcome is not None:
            self._note(outcome)

    def _guarded(self, job: JobRecord, wait_seconds: int) -> JobOutcome | None:
        """Settle a job that may be final; None where what the node says of it can't be true: then it stays open."""
        try:
            return self.executors[job.executor].settle(job, wait_seconds)
        except (DataError, NodeError) as error:
            self._keep(error)
            return None

    def _keep(self, error: RevopsError) -> None:
        if error.exit_code != DataError.exit_code:
            raise error
        self.fault = self.fault or error

    def _note(self, outcome: JobOutcome) -> None:
        """Remember what became of a job: one that this run has sent is looked at again, one that failed on the way is
        planned once more.
        """
        self.outcomes[outcome.job.job_key] = outcome
        if outcome.status in jobs.OPEN and outcome.job.job_key not in self._left_keys:
            self._under_way.append(outcome.job)
        elif outcome.status == "failed":
            self._retry(outcome)

    def _retry(self, outcome: JobOutcome) -> None:
        job, session = outcome.job, self.session
        over = job.attempt >= session.config.rebalance.max_attempts or job.expires_at <= session.clock()
        if over or outcome.failure is None:
            return
        channels = {channel.channel_id: channel for channel in self._view.channels} if self._view else {}
        left = sources_left(
            job.sources,
            channels.get(job.source_channel_id),
            channels.get(job.target_channel_id),
            outcome.failure,
            outcome.erring_scidd,
        )
        if left:
            with session.database.transaction(session.node_key) as tx:
                ledger.take_fence(tx, session.recorded_run_key())
                # With all its sources: some may have been busy. What holds of it is judged when it starts.
                planned = jobs.job(tx, job.job_key)
                names = {offer.channel_id for offer in left}
                sources = tuple(offer for offer in planned.sources if offer.channel_id in names)
                plans.add_retry(tx, session.recorded_run_key(), planned, sources, session.clock())


def look_again(session: Session) -> NodeView:
    """Return the node as it is now."""
    reader = session.reader
    return NodeView(session.clock(), session.node_info(), reader.wallet(), reader.channels())
