"""`revops splice run`: follow the splices that earlier runs began, then begin one that is planned.

Following comes first and needs no mode, budget or reserve: it is a cure, not a risk. One splice is begun in a run, the
best that a plan of this moment would begin, too: the next one is judged by what the wallet holds then.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from revops.actuate.splice import SpliceOutcome, Splicer
from revops.cycle.ingest import Synced
from revops.cycle.session import Clock, Session, open_session
from revops.cycle.splice_scene import budget_reasons, mode_reasons, splice_scene
from revops.cycle.verdict import splice_limits_in_force
from revops.decide.splice.plan import make_plan
from revops.decide.splice.ready import Ready, ready
from revops.domain.budget import Category
from revops.domain.options import CommonOptions
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import NodeView
from revops.domain.splice import SpliceJob, SpliceSummary
from revops.errors import RevopsError
from revops.store import events, ledger, splices, splices_begun

COMMAND = "splice run"
#: A connection that is made so soon after a splice was begun may be older than what was asked of the node, once it had
#: said what it would do: both may take 90 seconds, and the database its time. It proves nothing.
GRACE_SECONDS = 300
_UNCLEAR = frozenset({ReasonCode.SPLICE_UNCLEAR, ReasonCode.SPLICE_DROPPED, ReasonCode.SPLICE_ASSUMED})
_log = logging.getLogger(__name__)


def run(options: CommonOptions, clock: Clock = time.time) -> SpliceSummary:
    """Given the flags, follow what is under way and begin at most one planned splice; return what became of each.

    A dry run says what it would begin, and asks nothing of the node. Raise NodeError where the outcome of what was
    asked isn't known, DataError where the node did something else.
    """
    with open_session(options, COMMAND, "capital", clock, writes=True) as session:
        synced = session.sync()
        if session.run_key is None:
            return _dry_run(session, synced)
        work = _Work(session, synced.view)
        work.follow_all()
        suspended = work.begin_one(synced)
        session.count(job.status for job in work.told())
        session.show_node(synced)
        if work.fault is not None:
            raise work.fault
        session.insist_on_chain(suspended)
        return work.summary(suspended)


@dataclass(frozen=True, slots=True)
class _Judged:
    """What of the plan may be begun now, the best first, and why the others may not."""

    ready: tuple[Ready, ...]
    refused: Mapping[int, Reason]
    reasons: tuple[Reason, ...]


def _judge(session: Session, synced: Synced, planned: Iterable[SpliceJob]) -> _Judged:
    """Make the plan of this moment, and compare."""
    stopped = session.suspensions(synced, spending=True)
    suspended = (*mode_reasons(session), *stopped)
    scene = splice_scene(session, synced.view, stopped)
    plan = make_plan(scene, session.config.splice, session.config.classes.min_open_days, suspended)
    found, refused = [], {}
    for job in planned:
        one = ready(job, plan, scene, session.config.splice)
        if isinstance(one, Ready):
            found.append(one)
        else:
            refused[job.splice_key] = one
    return _Judged(tuple(found), refused, (*suspended, *budget_reasons(session.config.splice)))


class _Work:
    """One run's work; `reasons` is the last word on each splice. `fault` is what the run ends with: nothing is begun
    after it.
    """

    def __init__(self, session: Session, view: NodeView) -> None:
        self.session, self.view = session, view
        self.reasons: dict[int, Reason] = {}
        self.fault: RevopsError | None = None
        self.waiting_count = 0
        limits_msat = splice_limits_in_force(session.config.splice)
        self.splicer = Splicer(
            database=session.database,
            node_key=session.node_key,
            run_key=session.recorded_run_key(),
            reader=session.reader,
            writer=session.writer,
            clock=session.clock,
            limits=limits_msat,
        )

    def follow_all(self) -> None:
        """Look at each splice that is under way. One of which the node says what can't be true must not keep the others
        from being followed.
        """
        session = self.session
        with session.database.transaction(session.node_key) as tx:
            ledger.take_fence(tx, session.recorded_run_key())
            splices.expire(tx, session.clock())
        with session.database.read(session.node_key) as tx:
            left = splices_begun.open_splices(tx)
        for job in left:
            with session.database.read(session.node_key) as tx:
                costs_msat = splices_begun.costs_msat(tx, job)
                reconnected = job.start is not None and events.connected_since(
                    tx, job.channel_id, job.start.asked_at + GRACE_SECONDS, job.start.event_index
                )
            self._guarded(partial(self.splicer.follow, job, costs_msat, reconnected=reconnected))

    def begin_one(self, synced: Synced) -> tuple[Reason, ...]:
        """Begin the first planned splice that may be begun; return what suspends splices."""
        session = self.session
        with session.database.read(session.node_key) as tx:
            planned = splices.planned(tx)
        if not planned or self.fault is not None:
            return ()
        judged = _judge(session, synced, planned)
        self.reasons |= judged.refused
        for place, one in enumerate(judged.ready):
            began = self._guarded(partial(self.splicer.begin, one))
            if began or self.fault is not None:
                self.waiting_count = len(judged.ready) - place - 1
                break
        return judged.reasons

    def _guarded(self, act: Callable[[], SpliceOutcome]) -> bool:
        """Do one thing, and note what came of it; return whether a splice was begun."""
        try:
            outcome = act()
        except RevopsError as fault:
            self.fault = self.fault or fault
            return False
        self.reasons[outcome.splice_key] = outcome.reason
        if outcome.reason.code in _UNCLEAR:
            _log.warning("splice %d: %s", outcome.splice_key, outcome.reason.sentence)
        self.fault = self.fault or outcome.fault
        return outcome.reason.code is ReasonCode.SPLICE_BEGUN

    def told(self) -> tuple[SpliceJob, ...]:
        """Each splice that this run looked at, as it stands now."""
        with self.session.database.read(self.session.node_key) as tx:
            jobs = [splices_begun.begun(tx, key) for key in self.reasons]
        return tuple(replace(job, reason=self.reasons[job.splice_key]) for job in jobs)

    def summary(self, suspended: tuple[Reason, ...]) -> SpliceSummary:
        """What this run did."""
        return _summary(self.session, self.view, self.told(), suspended, self.waiting_count)


def _dry_run(session: Session, synced: Synced) -> SpliceSummary:
    with session.database.read(session.node_key) as tx:
        left, planned = splices_begun.open_splices(tx), splices.planned(tx)
    told = list(left)
    reasons: tuple[Reason, ...] = ()
    if planned:
        judged = _judge(session, synced, planned)
        reasons = judged.reasons
        would = {one.job.splice_key: _would(session, one) for one in judged.ready[:1]}
        would |= judged.refused
        told += [replace(job, reason=would[job.splice_key]) for job in planned if job.splice_key in would]
    return _summary(session, synced.view, tuple(told), reasons, len(planned) + len(left) - len(told))


def _would(session: Session, one: Ready) -> Reason:
    """What a run would do with it: begin it, unless the ledger refuses what it may cost."""
    limits_msat = splice_limits_in_force(session.config.splice)
    with session.database.read(session.node_key) as tx:
        refusal = ledger.refusal(tx, one.worst_msat, session.clock(), limits_msat, Category.SPLICE)
    return refusal or why(
        ReasonCode.SPLICE_WOULD,
        amount_sat=one.amount_sat,
        perkw=one.perkw,
        worst_msat=one.worst_msat,
        weight=one.weight,
    )


def _summary(
    session: Session, view: NodeView, told: tuple[SpliceJob, ...], suspended: tuple[Reason, ...], waiting_count: int
) -> SpliceSummary:
    named = {job.channel_id for job in told}
    return SpliceSummary(
        taken_at=session.clock(),
        jobs=told,
        names={channel.channel_id: channel.name for channel in view.channels if channel.channel_id in named},
        reasons=suspended,
        waiting_count=waiting_count,
    )
