"""Switch-back experiments: what was registered, which is never changed, how far each has come, and how it ended. What
their blocks brought is in `experiment_blocks.py`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import CursorResult, Executable, func, insert, select, update

from revops.domain.experiment import Ending, Experiment
from revops.errors import BugError
from revops.store.engine import NODE, Tx
from revops.store.experiment_blocks import cut_off
from revops.store.keys import next_keys
from revops.store.tables import experiment, experiment_block


def register(tx: Tx, plan: Experiment) -> Experiment:
    """Given an experiment without a key, write down all that belongs to it; return it with its key.

    The database refuses a second one that runs: ask `running` first.
    """
    experiment_key = next_keys(tx, "experiment")
    tx.connection.execute(
        insert(experiment).values(
            node_key=tx.node_key,
            experiment_key=experiment_key,
            started_at=plan.started_at,
            a_strategy=plan.a,
            b_strategy=plan.b,
            seed=plan.seed,
            block_seconds=plan.block_seconds,
            washout_seconds=plan.washout_seconds,
            block_count=plan.block_count,
            seen_ratio=plan.seen_ratio,
            harm_alpha=plan.harm_alpha,
            metric=plan.metric,
            second_metric=plan.second_metric,
            version=plan.version,
            look_count=0,
        )
    )
    found = by_key(tx, experiment_key)
    if found is None:
        raise BugError(f"experiment {experiment_key} was registered and isn't there")
    return found


def running(tx: Tx) -> Experiment | None:
    """Return the experiment that wasn't ended yet; until its last block is recorded its planned end may have passed."""
    return _first(tx.execute(_running()))


@cache
def _running() -> Executable:
    return select(experiment).where(experiment.c.node_key == NODE, experiment.c.ended_at.is_(None))


def by_key(tx: Tx, experiment_key: int) -> Experiment | None:
    """Given an experiment's key, return it; None where there is none."""
    return _one(tx, experiment.c.experiment_key == experiment_key)


def latest(tx: Tx) -> Experiment | None:
    """Return the experiment that began last, running or ended; None where there never was one."""
    newest = select(func.max(experiment.c.experiment_key)).where(experiment.c.node_key == tx.node_key)
    return _one(tx, experiment.c.experiment_key == newest.scalar_subquery())


def every(tx: Tx) -> tuple[Experiment, ...]:
    """Return all experiments, running or ended, the first one first."""
    statement = select(experiment).where(experiment.c.node_key == tx.node_key).order_by(experiment.c.experiment_key)
    return tuple(_experiment(row) for row in tx.connection.execute(statement))


def _one(tx: Tx, condition: Any) -> Experiment | None:
    return _first(tx.connection.execute(select(experiment).where(experiment.c.node_key == tx.node_key, condition)))


def _first(found: CursorResult[Any]) -> Experiment | None:
    row = found.first()
    return None if row is None else _experiment(row)


def _experiment(row: Any) -> Experiment:
    return Experiment(
        experiment_key=row.experiment_key,
        started_at=row.started_at,
        a=row.a_strategy,
        b=row.b_strategy,
        seed=row.seed,
        block_seconds=row.block_seconds,
        washout_seconds=row.washout_seconds,
        block_count=row.block_count,
        seen_ratio=row.seen_ratio,
        harm_alpha=row.harm_alpha,
        version=row.version,
        metric=row.metric,
        second_metric=row.second_metric,
        look_count=row.look_count,
        ended_at=row.ended_at,
        ending=None if row.ending is None else Ending(row.ending),
    )


def looked(tx: Tx, experiment_key: int, look_count: int) -> None:
    """Given how many pairs of blocks a look for harm has seen, remember it. A lower number changes nothing."""
    mine = (experiment.c.node_key == tx.node_key, experiment.c.experiment_key == experiment_key)
    later = update(experiment).where(*mine, experiment.c.look_count < look_count)
    tx.connection.execute(later.values(look_count=look_count))


def end(tx: Tx, ended: Experiment, at: float, ending: Ending) -> bool:
    """Given an experiment that runs, end it; return whether it ran. A block that is cut short is no result: it goes."""
    mine = (experiment.c.node_key == tx.node_key, experiment.c.experiment_key == ended.experiment_key)
    open_one = update(experiment).where(*mine, experiment.c.ended_at.is_(None))
    if tx.connection.execute(open_one.values(ended_at=at, ending=str(ending))).rowcount != 1:
        return False
    cut_off(tx, ended.experiment_key, ended.whole_blocks(at))
    return True


def open_experiments(tx: Tx) -> tuple[Experiment, ...]:
    """Return the experiments of which blocks wait to be recorded, or that weren't ended yet."""
    return tuple(_experiment(row) for row in tx.execute(_open()))


@cache
def _open() -> Executable:
    waiting = select(experiment_block.c.experiment_key).where(
        experiment_block.c.node_key == NODE, experiment_block.c.recorded_at.is_(None)
    )
    return select(experiment).where(
        experiment.c.node_key == NODE,
        experiment.c.ended_at.is_(None) | experiment.c.experiment_key.in_(waiting),
    )
