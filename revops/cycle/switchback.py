"""The course of a switch-back experiment within other commands: whose turn it is, what is counted, what is over."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import replace

from msgspec.structs import replace as with_settings

from revops.cycle.session import Session
from revops.decide.experiment import away_since, counted, due_blocks, takes_part, turn_of
from revops.decide.experiment_result import counting, harmful, look_due
from revops.domain.experiment import Ending, Experiment, Look
from revops.domain.policy import FeesConfig
from revops.domain.rules import ChannelPolicy
from revops.domain.snapshot import FeeInput, NodeView
from revops.store import experiment_blocks, experiments
from revops.store.engine import Tx

_log = logging.getLogger(__name__)


def in_turn(
    one: FeeInput, ruled: ChannelPolicy | None, fees: FeesConfig, experiment: Experiment | None, now: float
) -> FeeInput:
    """Given a channel, what the rules make of it, `[fees]`, and the experiment that runs, return the channel with the
    strategy whose turn it is, or with since when it takes no part.
    """
    if experiment is None:
        return one
    policy = fees if ruled is None else ruled.fees
    by_rule = ruled is not None and "strategy" in ruled.origins
    if not takes_part(one, policy, by_rule=by_rule, experiment=experiment):
        return replace(one, away_since_at=away_since(one, now))
    turn = turn_of(experiment, one.channel.peer_id, now)
    if turn is None:
        return one
    return replace(one, turn=turn, policy=with_settings(policy, strategy=turn.strategy))


def go_on(
    session: Session, view: NodeView, experiment: Experiment | None = None, inputs: Sequence[FeeInput] = ()
) -> None:
    """Given the node, and where a run has priced by turns the experiment and what it has decided on, count blocks up to
    now, and record what each that is over has brought, all in one transaction. An experiment whose last block is
    recorded is over.

    A run that has priced nothing counts blocks that are over to their end: until a run prices it, a channel is as the
    last one has left it. Where no block waits for anything, nothing is written.
    """
    now = view.taken_at
    with session.database.read(session.node_key) as tx:
        if not experiments.open_experiments(tx):
            return
    with session.database.transaction(session.node_key) as tx:
        for one in experiments.open_experiments(tx):
            priced = inputs if experiment is not None and one.experiment_key == experiment.experiment_key else ()
            _count(tx, one, view, priced)
            due_count = due_blocks(one, now)
            experiment_blocks.record_blocks(tx, one, due_count, now)
            if one.ended_at is None and due_count == one.block_count:
                experiments.end(tx, one, one.ends_at, Ending.COMPLETE)


def _count(tx: Tx, experiment: Experiment, view: NodeView, inputs: Sequence[FeeInput]) -> None:
    looks = {channel.channel_id: Look(channel) for channel in view.channels} | {
        one.channel.channel_id: Look(one.channel, one.turn, one.away_since_at, one.external_since_at) for one in inputs
    }
    known = experiment_blocks.block_times(tx, experiment.experiment_key)
    times, gone = counted(experiment, known, looks.values(), view.taken_at)
    experiment_blocks.drop_times(tx, experiment.experiment_key, gone)
    experiment_blocks.save_times(tx, experiment.experiment_key, times)


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
        pairs, _used = counting(experiment, experiment_blocks.results(tx, experiment.experiment_key))
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
