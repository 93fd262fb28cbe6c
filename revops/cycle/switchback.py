"""The course of a switch-back experiment within other commands: whose turn it is, what is counted, what is over."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import replace

from msgspec.structs import replace as with_settings

from revops.cycle.session import Session
from revops.decide.experiment import counted, due_blocks, takes_part, turn_of
from revops.decide.experiment_result import counting, harmful, look_due
from revops.domain.experiment import Ending, Experiment
from revops.domain.policy import FeesConfig
from revops.domain.rules import ChannelPolicy
from revops.domain.snapshot import FeeInput
from revops.store import experiments
from revops.store.engine import Tx

_log = logging.getLogger(__name__)


def in_turn(
    one: FeeInput, ruled: ChannelPolicy | None, fees: FeesConfig, experiment: Experiment | None, now: float
) -> FeeInput:
    """Given a channel, what the rules make of it, `[fees]`, and the experiment that runs, return the channel with the
    strategy whose turn it is, where it takes part.
    """
    turn = None if experiment is None else turn_of(experiment, one.channel.peer_id, now)
    policy = fees if ruled is None else ruled.fees
    by_rule = ruled is not None and "strategy" in ruled.origins
    if experiment is None or turn is None or not takes_part(one, policy, by_rule=by_rule, experiment=experiment):
        return one
    return replace(one, turn=turn, policy=with_settings(policy, strategy=turn.strategy))


def go_on(session: Session, now: float, experiment: Experiment | None = None, inputs: Sequence[FeeInput] = ()) -> None:
    """Given the time, and where a run has priced by turns the experiment and what it has decided on, count blocks up to
    now, and record what each that is over has brought, all in one transaction. An experiment whose last block is
    recorded is over.

    Where no block waits for anything, nothing is written.
    """
    with session.database.read(session.node_key) as tx:
        if not experiments.open_experiments(tx):
            return
    with session.database.transaction(session.node_key) as tx:
        if experiment is not None:
            _count(tx, experiment, inputs, now)
        for one in experiments.open_experiments(tx):
            due_count = due_blocks(one, now)
            experiments.record_blocks(tx, one, due_count, now)
            if one.ended_at is None and due_count == one.block_count:
                experiments.end(tx, one, one.ends_at, Ending.COMPLETE)


def _count(tx: Tx, experiment: Experiment, inputs: Sequence[FeeInput], now: float) -> None:
    turns = {one.channel.channel_id: one.turn for one in inputs if one.turn is not None}
    known = experiments.block_times(tx, experiment.experiment_key)
    changed = counted(experiment, known, [one.channel for one in inputs], turns, now)
    experiments.save_times(tx, experiment.experiment_key, changed)


def look_for_harm(session: Session, now: float) -> None:
    """When a pair of blocks is over, look whether B is worse beyond doubt, and end the experiment if it is.

    The draws follow from the registered seed, so that a run that was killed here is repeated with the same result.
    """
    with session.database.read(session.node_key) as tx:
        experiment = experiments.running(tx)
        if experiment is None:
            return
        over_count = look_due(experiment, now)
        if over_count is None:
            return
        pairs, _used = counting(experiment, experiments.results(tx, experiment.experiment_key))
    draws = random.Random(f"{experiment.seed}/{over_count}")
    harm = harmful(experiment, pairs, over_count, draws.getrandbits)
    with session.database.transaction(session.node_key) as tx:
        experiments.looked(tx, experiment.experiment_key, over_count)
        ended = harm and experiments.end(tx, experiment, now, Ending.HARM)
    if ended:
        _log.warning(
            "experiment %d was ended: B, %s, brings less than A, %s; see `revops report experiment`",
            experiment.experiment_key,
            experiment.b,
            experiment.a,
        )
