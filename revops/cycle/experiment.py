"""`revops experiment` and `revops report experiment`: two strategies by turns, and what comes of it."""

from __future__ import annotations

import random
import secrets
import time
from dataclasses import replace

from revops import __version__
from revops.actuate.fee_findings import read_records
from revops.cycle.fee_inputs import read_inputs
from revops.cycle.records import open_records
from revops.cycle.session import Clock, Session, open_session
from revops.cycle.switchback import go_on
from revops.decide.experiment import HARM_ALPHA, LEAST_INTERVALS, SEEN_RATIO, WASHOUT_RATIO, block_at, turn_of
from revops.decide.experiment_result import reported
from revops.domain.experiment import Ending, Experiment, ExperimentReport, ExperimentStatus, OtherExperiment
from revops.domain.options import CommonOptions
from revops.domain.policy import FeesConfig
from revops.domain.snapshot import NodeView
from revops.errors import ConfigError, ExperimentRuns, NoExperiment, TemporaryError
from revops.report.amounts import instant
from revops.store import experiment_blocks, experiments
from revops.store.engine import Tx

START_COMMAND = "experiment start"
STOP_COMMAND = "experiment stop"
STATUS_COMMAND = "experiment status"
REPORT_COMMAND = "report experiment"
_SEEDS = 2**31


def start(
    options: CommonOptions,
    a: str,
    b: str,
    *,
    block_seconds: int,
    block_count: int,
    seed: int | None = None,
    clock: Clock = time.time,
) -> ExperimentStatus:
    """Given two strategies and a plan, register the experiment; the next `fees adjust` carries it out.

    Raise ExperimentRuns while another one isn't over, ConfigError where fees aren't sent, blocks are too short for a
    price to show anything, or no channel would take part, TemporaryError under a clock that the chain denies.
    """
    with open_session(options, START_COMMAND, "fees", clock) as session:
        synced = session.sync()
        doubts = session.clock_doubts(synced)
        if doubts:
            raise TemporaryError(f"{doubts[0].sentence}: nothing can be registered under this clock")
        _check(session.config.fees, block_seconds)
        plan = Experiment(
            experiment_key=0,
            started_at=synced.view.taken_at,
            a=a,
            b=b,
            seed=secrets.randbelow(_SEEDS) if seed is None else seed,
            block_seconds=block_seconds,
            washout_seconds=round(block_seconds * WASHOUT_RATIO),
            block_count=block_count,
            seen_ratio=SEEN_RATIO,
            harm_alpha=HARM_ALPHA,
            version=__version__,
        )
        status = _first_look(session, synced.view, plan)
        if session.run_key is None:
            with session.database.read(session.node_key) as tx:
                _refuse_second(tx)
            return status
        go_on(session, synced.view)
        with session.database.transaction(session.node_key) as tx:
            _refuse_second(tx)
            plan = experiments.register(tx, plan)
        return _first_look(session, synced.view, plan)


def _check(fees: FeesConfig, block_seconds: int) -> None:
    if fees.mode != "act":
        raise ConfigError('fees.mode is "observe": nothing is sent, so that both strategies would bring the same')
    least_seconds = LEAST_INTERVALS * fees.min_interval_seconds
    if block_seconds < least_seconds:
        raise ConfigError(
            f"blocks of {block_seconds / 3600:g} h are too short: at fees.min_interval_seconds = "
            f"{fees.min_interval_seconds} they take {least_seconds / 3600:g} h at least"
        )


def _refuse_second(tx: Tx) -> None:
    found = experiments.running(tx)
    if found is not None:
        raise ExperimentRuns(
            f"experiment {found.experiment_key} runs until {instant(found.ends_at)}, and a while longer for its last "
            "payments to settle: `revops experiment stop` ends it"
        )


def _first_look(session: Session, view: NodeView, plan: Experiment) -> ExperimentStatus:
    """Who takes part, as the node is now."""
    with session.database.read(session.node_key) as tx:
        records = read_records(tx, view.taken_at)
    inputs = read_inputs(session, view, (), records, plan).inputs
    turns = {one.channel.channel_id: one.turn for one in inputs if one.turn is not None}
    if not turns:
        raise ConfigError("no channel would take part: each is pinned, off, or has another strategy by a rule")
    return ExperimentStatus(view.taken_at, plan, block_at(plan, view.taken_at), 0, turns)


def stop(options: CommonOptions, clock: Clock = time.time) -> ExperimentStatus:
    """End the experiment that runs: from now on the configured strategies go on. What was recorded stays.

    Raise NoExperiment where none runs.
    """
    with open_session(options, STOP_COMMAND, "fees", clock) as session:
        view = session.sync().view
        now = view.taken_at
        if session.run_key is not None:
            go_on(session, view)
        with session.database.read(session.node_key) as tx:
            found = experiments.running(tx)
        if found is None:
            raise NoExperiment("no experiment runs: there is nothing to stop")
        if session.run_key is not None:
            with session.database.transaction(session.node_key) as tx:
                experiments.end(tx, found, min(now, found.ends_at), Ending.STOPPED)
        with session.database.read(session.node_key) as tx:
            return _status(tx, now)


def status(options: CommonOptions, clock: Clock = time.time) -> ExperimentStatus:
    """Given the flags, return what runs or ran last, from the records alone, and nothing of its result."""
    with open_records(options, STATUS_COMMAND, clock) as records, records.database.read(records.node_key) as tx:
        return _status(tx, clock())


def _status(tx: Tx, now: float) -> ExperimentStatus:
    found = experiments.latest(tx)
    if found is None:
        return ExperimentStatus(now, None)
    block = block_at(found, now)
    inside = {
        channel_id for channel_id, within in experiment_blocks.block_times(tx, found.experiment_key) if within == block
    }
    members = experiment_blocks.members(tx, found)
    turns = {one.channel_id: turn_of(found, one.peer_id, now) for one in members if one.channel_id in inside}
    return ExperimentStatus(
        now,
        found,
        block,
        sum(one.recorded_count for one in members),
        {channel_id: turn for channel_id, turn in turns.items() if turn is not None},
        members,
    )


def report(options: CommonOptions, experiment_key: int | None = None, clock: Clock = time.time) -> ExperimentReport:
    """Given an experiment (None: the latest), return what it has shown so far, and all others beside it. Raise
    NoExperiment where there is none.

    The draws follow from the registered seed: the same records give the same figures.
    """
    with open_records(options, REPORT_COMMAND, clock) as records:
        with records.database.read(records.node_key) as tx:
            found = experiments.latest(tx) if experiment_key is None else experiments.by_key(tx, experiment_key)
            if found is None:
                raise NoExperiment("no such experiment: `revops experiment start` begins one")
            results = {one: experiment_blocks.results(tx, one.experiment_key) for one in experiments.every(tx)}
        now = clock()
        shown = {one: reported(one, of, now, random.Random(one.seed).getrandbits) for one, of in results.items()}
        value = shown.pop(found)
        others = [OtherExperiment(one, of.pair_count, of.differences) for one, of in shown.items()]
        return replace(value, others=tuple(others))
