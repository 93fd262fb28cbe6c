"""`revops rebalance run`: settle what earlier runs left under way, then execute what is planned.

A plan is stored and good for a while; `run` looks at the node again and executes only what still holds. Settling comes
first and needs no budget, no reserve and no mode: it is a cure, not a risk.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace

from revops.actuate.pricing import LAYER, Prepared, ensure_layer, final_cltv_blocks, prepare
from revops.actuate.rebalance import Executor
from revops.actuate.settle import JobOutcome
from revops.cycle.clboss import keep_clboss_out
from revops.cycle.export import export_node
from revops.cycle.ingest import Synced
from revops.cycle.policies import permissions
from revops.cycle.session import Clock, Session, open_session
from revops.cycle.verdict import limits_in_force
from revops.decide.rebalance import mode_reasons, permission_reason
from revops.domain.options import CommonOptions
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.record import JobRecord
from revops.domain.snapshot import NodeView
from revops.domain.summary import RebalanceSummary
from revops.errors import DataError, RevopsError
from revops.node.errors import NodeError
from revops.store import fees, ledger, plans

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
        executor = _executor(session)
        with session.database.transaction(session.node_key) as tx:
            ledger.take_fence(tx, session.run_key)
        with session.database.read(session.node_key) as tx:
            left_open = plans.open_jobs(tx)
        outcomes, fault = _settle_open(executor, left_open)
        suspended = (*mode_reasons(session.config.rebalance), *session.suspensions(synced, spending=True))
        if not suspended and fault is None:
            # Two that fill the same channels pay twice: where CLBOSS should leave them and doesn't, none is filled.
            fault = keep_clboss_out(session, "balance", synced.view.channels, synced.view.taken_at)
        if not suspended and fault is None:
            suspended = _execute_planned(session, executor, synced, outcomes)
        session.count(outcome.status for outcome in outcomes)
        export_node(session.config, session.database, session.node_key, session.clock(), suspended)
        if fault is not None:
            raise fault
        session.insist_on_chain(suspended)
        return _summary(session, synced.view, outcomes, suspended)


def _executor(session: Session) -> Executor:
    budget = session.config.budget
    return Executor(
        database=session.database,
        node_key=session.node_key,
        run_key=session.recorded_run_key(),
        reader=session.reader,
        writer=session.writer,
        policy=session.config.rebalance,
        clock=session.clock,
        limits=lambda tx, at: limits_in_force(tx, budget, at),
    )


def _settle_open(executor: Executor, jobs: Sequence[JobRecord]) -> tuple[list[JobOutcome], RevopsError | None]:
    """Settle each job. One of which the node says what can't be true must not keep the others open: its error is
    returned. Raise NodeError where the node doesn't answer.
    """
    outcomes: list[JobOutcome] = []
    fault: RevopsError | None = None
    for job in jobs:
        try:
            outcome = executor.settle(job)
        except (DataError, NodeError) as error:
            if error.exit_code != DataError.exit_code:
                raise
            fault = fault or error
            continue
        outcomes.append(outcome)
        if outcome.reason.code is ReasonCode.PAYMENT_UNCLEAR:
            _log.warning("rebalance job %d: %s", job.job_key, outcome.reason.sentence)
    return outcomes, fault


def _execute_planned(
    session: Session, executor: Executor, synced: Synced, outcomes: list[JobOutcome]
) -> tuple[Reason, ...]:
    """Execute the planned jobs one by one, as long as fewer than `max_in_flight` payments are under way.

    A payment may take minutes, so before each the plan's age, the funds and the clock are looked at anew. Return what
    suspended the rest.
    """
    policy = session.config.rebalance
    cltv_blocks: int | None = None
    while True:
        with session.database.transaction(session.node_key) as tx:
            ledger.take_fence(tx, session.recorded_run_key())
            plans.expire_jobs(tx, session.clock())
            planned = plans.planned_jobs(tx)
            full = len(plans.open_jobs(tx)) >= policy.max_in_flight
            busy = plans.in_flight_channels(tx)
            congested_since = fees.congested_since(tx)
        if not planned or full:
            return ()
        view = _look_again(session)
        suspended = session.suspensions(replace(synced, view=view), spending=True)
        if suspended:
            return suspended
        if cltv_blocks is None:
            ensure_layer(session.reader, session.writer, view.node.node_id, session.clock())
            cltv_blocks = final_cltv_blocks(session.reader)
        job = planned[0]
        forbidden = _forbidden(session, job, view)
        if forbidden is not None:
            outcomes.append(executor.give_up(job, forbidden))
            continue
        prepared = prepare(
            job, view, busy, session.reader, cltv_blocks, policy.max_fee_ppm, congested_since=congested_since
        )
        if isinstance(prepared, Prepared):
            outcomes.append(executor.execute(prepared))
        else:
            outcomes.append(executor.give_up(job, prepared))


def _forbidden(session: Session, job: JobRecord, view: NodeView) -> Reason | None:
    """Why a rule of now forbids a job that was planned before; None where none does."""
    with session.database.read(session.node_key) as tx:
        allowed = permissions(tx, session.config, view)
    return permission_reason(allowed.get(job.source_channel_id, "both"), "source") or permission_reason(
        allowed.get(job.target_channel_id, "both"), "target"
    )


def _look_again(session: Session) -> NodeView:
    reader = session.reader
    return NodeView(session.clock(), reader.info(), reader.wallet(), reader.channels())


def _dry_run(session: Session, synced: Synced) -> RebalanceSummary:
    """Say what a run would do: the route and price of each planned job, by reading alone."""
    with session.database.read(session.node_key) as tx:
        planned = plans.planned_jobs(tx)
        busy = plans.in_flight_channels(tx)
        congested_since = fees.congested_since(tx)
    suspended = (*mode_reasons(session.config.rebalance), *session.suspensions(synced, spending=True))
    disabled = session.reader.layer_disabled_nodes(LAYER)
    layered = disabled is not None and synced.view.node.node_id in disabled
    cltv_blocks = final_cltv_blocks(session.reader)
    outcomes: list[JobOutcome] = []
    for job in planned:
        prepared = _forbidden(session, job, synced.view) or prepare(
            job,
            synced.view,
            busy,
            session.reader,
            cltv_blocks,
            session.config.rebalance.max_fee_ppm,
            congested_since=congested_since,
            layered=layered,
        )
        if isinstance(prepared, Prepared):
            reason = why(ReasonCode.ROUTE_FOUND, fee_msat=prepared.fee_msat, hop_count=len(prepared.route))
            outcomes.append(JobOutcome(job, job.status, prepared.fee_msat, reason))
        else:
            outcomes.append(JobOutcome(job, job.status, 0, prepared))
    return _summary(session, synced.view, outcomes, suspended)


def _summary(
    session: Session, view: NodeView, outcomes: list[JobOutcome], suspended: tuple[Reason, ...]
) -> RebalanceSummary:
    def after(outcome: JobOutcome) -> JobRecord:
        return replace(outcome.job, status=outcome.status, fee_msat=outcome.fee_msat, reason=outcome.reason)

    return RebalanceSummary(
        taken_at=session.clock(),
        jobs=tuple(after(outcome) for outcome in outcomes),
        names={channel.channel_id: channel.name for channel in view.channels},
        reasons=suspended,
    )
