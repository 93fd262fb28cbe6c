"""`revops rebalance run`: settle what earlier runs left under way, then execute what is planned.

A plan is stored and good for a while; `run` looks at the node again and executes only what still holds. Settling comes
first and needs no budget, no reserve and no mode: it is a cure, not a risk.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from revops.actuate.pricing import LAYER, Prepared, final_cltv_blocks, prepare
from revops.actuate.settle import JobOutcome
from revops.actuate.sling import NAME as SLING
from revops.actuate.sling_order import ordered
from revops.cycle.clboss import keep_clboss_out
from revops.cycle.executors import NATIVE, executors, starter
from revops.cycle.export import export_node
from revops.cycle.ingest import Synced
from revops.cycle.rebalance_queue import Queue
from revops.cycle.refill_scene import read_scene
from revops.cycle.refilled import compare_with_moves
from revops.cycle.session import Clock, Session, open_session
from revops.cycle.strays import look_for_strays
from revops.decide.rebalance.judge import judge
from revops.decide.rebalance.moves import Move
from revops.decide.rebalance.obstacles import mode_reasons
from revops.domain.budget import Category
from revops.domain.options import CommonOptions
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.record import JobRecord
from revops.domain.snapshot import NodeView
from revops.domain.summary import RebalanceSummary
from revops.domain.units import MSAT_PER_SAT
from revops.errors import ConfigError, RevopsError
from revops.store import fees, jobs, ledger, plans, spending

COMMAND = "rebalance run"
_log = logging.getLogger(__name__)


def run(options: CommonOptions, clock: Clock = time.time) -> RebalanceSummary:
    """Given the flags, settle what is in flight and execute what is planned; return what became of each job.

    A dry run prices the routes of the planned jobs and sends nothing.
    """
    with open_session(options, COMMAND, "rebalance", clock, writes=True) as session:
        synced = session.sync()
        if session.run_key is None:
            return _dry_run(session, synced)
        with session.database.transaction(session.node_key) as tx:
            ledger.take_fence(tx, session.run_key)
        with session.database.read(session.node_key) as tx:
            left_open = jobs.open_jobs(tx)
        native, all_executors = executors(session)
        queue = Queue(session, synced, settler=native, executors=all_executors, starter=NATIVE)
        queue.settle_left(left_open)
        suspended = (*mode_reasons(session.config.rebalance), *session.suspensions(synced, spending=True))
        if not suspended and queue.fault is None:
            try:
                suspended = look_for_strays(session)
            except RevopsError as fault:
                queue.fault = fault
        if not suspended and queue.fault is None:
            # Two that fill the same channels pay twice: where CLBOSS should leave them and doesn't, none is filled.
            queue.fault = keep_clboss_out(session, "balance", synced.view.channels, synced.view.taken_at)
        if not suspended and queue.fault is None:
            suspended = _work(session, queue)
        outcomes = tuple(queue.outcomes.values())
        for outcome in outcomes:
            if outcome.reason.code is ReasonCode.PAYMENT_UNCLEAR:
                _log.warning("rebalance job %d: %s", outcome.job.job_key, outcome.reason.sentence)
        if any(outcome.status == "settled" for outcome in outcomes) or left_open:
            compare_with_moves(session)
        session.count(outcome.status for outcome in outcomes)
        export_node(session.config, session.database, session.node_key, session.clock(), suspended)
        if queue.fault is not None:
            raise queue.fault
        session.insist_on_chain(suspended)
        return _summary(session, synced.view, outcomes, suspended)


def _work(session: Session, queue: Queue) -> tuple[Reason, ...]:
    """Execute what is planned. Where nobody can, that is the run's fault, after what was left open is settled."""
    with session.database.read(session.node_key) as tx:
        if not jobs.planned_jobs(tx):
            return ()
    try:
        queue.starter = starter(session.config.rebalance.executor, session.reader)
    except ConfigError as error:
        queue.fault = error
        return ()
    return queue.work()


def _dry_run(session: Session, synced: Synced) -> RebalanceSummary:
    """Say what a run would do: the route and price of each planned job, by reading alone, each as those before it would
    leave the node.
    """
    with session.database.read(session.node_key) as tx:
        planned = jobs.planned_jobs(tx)
    suspended = (*mode_reasons(session.config.rebalance), *session.suspensions(synced, spending=True))
    if not planned:
        return _summary(session, synced.view, [], suspended)
    scene = read_scene(session, synced.view)
    sling = starter(session.config.rebalance.executor, session.reader) == SLING
    would = _would_order if sling else _pricer(session, synced.view)
    outcomes = []
    for job in planned:
        judged = judge(scene, job)
        if isinstance(judged, Reason):
            outcomes.append(JobOutcome(job, job.status, 0, judged))
            continue
        outcome = would(session, scene.snapshot.view, judged)
        outcomes.append(outcome)
        if outcome.reason.code in {ReasonCode.SLING_ORDER, ReasonCode.ROUTE_FOUND}:
            done = outcome.job
            move = Move(done.source_channel_id, done.target_channel_id, done.amount_msat, outcome.fee_msat)
            scene = scene.after(move)
    return _summary(session, synced.view, outcomes, suspended)


def _would_order(session: Session, view: NodeView, job: JobRecord) -> JobOutcome:
    """What a run would ask of sling for one job."""
    order = ordered(
        job,
        view,
        session.reader,
        session.database,
        session.node_key,
        session.config.rebalance.max_fee_ppm,
        least_msat=session.config.rebalance.min_amount_sat * MSAT_PER_SAT,
        others=(),
        name=f"{session.node_key}-{job.job_key}-0",
    )
    if isinstance(order, Reason):
        return JobOutcome(job, job.status, 0, order)
    reason = why(
        ReasonCode.SLING_ORDER,
        payment_count=order.order.payment_count,
        chunk_sat=order.order.chunk_sat,
        max_ppm=order.order.max_ppm,
        worst_msat=order.worst_msat,
    )
    return JobOutcome(replace(job, source_channel_id=order.first_source_id), job.status, order.worst_msat, reason)


def _pricer(session: Session, view: NodeView) -> Callable[[Session, NodeView, JobRecord], JobOutcome]:
    """What a run would do with one job natively, with what is asked of the node once."""
    with session.database.read(session.node_key) as tx:
        busy = plans.in_flight_channels(tx)
        congested_since = fees.congested_since(tx)
    disabled = session.reader.layer_disabled_nodes(LAYER)
    layered = disabled is not None and view.node.node_id in disabled
    cltv_blocks = final_cltv_blocks(session.reader)

    def priced(session: Session, view: NodeView, job: JobRecord) -> JobOutcome:
        prepared = prepare(
            job,
            view,
            busy,
            session.reader,
            cltv_blocks,
            session.config.rebalance.max_fee_ppm,
            congested_since=congested_since,
            layered=layered,
        )
        if not isinstance(prepared, Prepared):
            return JobOutcome(job, job.status, 0, prepared.reason)
        reason = why(ReasonCode.ROUTE_FOUND, fee_msat=prepared.fee_msat, hop_count=len(prepared.route))
        done = replace(job, source_channel_id=prepared.source.channel_id)
        return JobOutcome(done, job.status, prepared.fee_msat, reason)

    return priced


def _summary(
    session: Session, view: NodeView, outcomes: Iterable[JobOutcome], suspended: tuple[Reason, ...]
) -> RebalanceSummary:
    with session.database.read(session.node_key) as tx:
        under_way = spending.open_reservations(tx, Category.REBALANCE)
        planned = jobs.planned_jobs(tx)

    def after(outcome: JobOutcome) -> JobRecord:
        return replace(
            outcome.job,
            status=outcome.status,
            fee_msat=None if outcome.status in jobs.OPEN else outcome.fee_msat,
            reason=outcome.reason,
            failure=outcome.failure,
            erring_scidd=outcome.erring_scidd,
        )

    now = session.clock()
    told = tuple(after(outcome) for outcome in outcomes)
    named = {name for job in told for name in (job.source_channel_id, job.target_channel_id)}
    named |= {offer.channel_id for job in told for offer in job.sources}
    told_keys = {job.job_key for job in told}
    return RebalanceSummary(
        taken_at=now,
        jobs=told,
        names={channel.channel_id: channel.name for channel in view.channels if channel.channel_id in named},
        reasons=suspended,
        under_way=under_way,
        waiting_count=sum(job.expires_at > now and job.job_key not in told_keys for job in planned),
    )
