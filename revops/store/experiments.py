"""Switch-back experiments: what was registered, which is never changed, and what each block brought, recorded once.

Raw forwards may be pruned: so what a block brought is added up when it is over, in one transaction for all blocks that
are, and stands for ever. Time is counted up by each run; a row that is recorded isn't touched again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Final

from sqlalchemy import CursorResult, Executable, bindparam, delete, func, insert, select, update

from revops.domain.experiment import Arm, BlockResult, BlockTime, Ending, Experiment, Member
from revops.domain.forward import ForwardStatus
from revops.errors import BugError
from revops.store.engine import NODE, Tx
from revops.store.flows import status_literal
from revops.store.keys import channel_keys, next_keys, total, upsert
from revops.store.tables import channel, experiment, experiment_block, forward, peer

_TIME: Final = ("counted_at", "open_seconds", "seen_seconds")


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
    cut_short = (experiment_block.c.block >= ended.whole_blocks(at), experiment_block.c.recorded_at.is_(None))
    tx.connection.execute(delete(experiment_block).where(*_mine(tx, ended.experiment_key), *cut_short))
    return True


def _mine(tx: Tx, experiment_key: int) -> tuple[Any, ...]:
    return (experiment_block.c.node_key == tx.node_key, experiment_block.c.experiment_key == experiment_key)


def block_times(tx: Tx, experiment_key: int) -> dict[tuple[str, int], BlockTime]:
    """Given an experiment, return what was counted of its blocks that aren't recorded, by (channel_id, block)."""
    statement = _with_channels(tx, experiment_key).where(experiment_block.c.recorded_at.is_(None))
    return {
        (row.channel_id, row.block): BlockTime(
            row.channel_id, row.block, Arm(row.arm), row.measured_at, row.counted_at, row.open_seconds, row.seen_seconds
        )
        for row in tx.connection.execute(statement)
    }


def _with_channels(tx: Tx, experiment_key: int) -> Any:
    return (
        select(
            experiment_block, channel.c.channel_id, channel.c.scid, channel.c.alias_local, peer.c.peer_id, peer.c.alias
        )
        .join(
            channel,
            (channel.c.node_key == experiment_block.c.node_key)
            & (channel.c.channel_key == experiment_block.c.channel_key),
        )
        .join(peer, (peer.c.node_key == channel.c.node_key) & (peer.c.peer_key == channel.c.peer_key))
        .where(*_mine(tx, experiment_key))
    )


def save_times(tx: Tx, experiment_key: int, times: Iterable[BlockTime]) -> None:
    """Given what was counted of blocks up to now, keep it; a block that is recorded stays as it is."""
    keys = channel_keys(tx)
    rows = [
        {"node_key": tx.node_key, "experiment_key": experiment_key, "channel_key": keys[time.channel_id]}
        | {name: value for name, value in time._asdict().items() if name != "channel_id"}
        | {"arm": str(time.arm)}
        for time in times
    ]
    if rows:
        row = upsert(tx, experiment_block)
        row = row.on_conflict_do_update(
            index_elements=["node_key", "experiment_key", "channel_key", "block"],
            set_={name: row.excluded[name] for name in _TIME},
            where=experiment_block.c.recorded_at.is_(None),
        )
        tx.connection.execute(row, rows)


def drop_times(tx: Tx, experiment_key: int, gone: Iterable[tuple[str, int]]) -> None:
    """Given (channel_id, block), forget what was counted of it; a block that is recorded stays as it is."""
    keys = channel_keys(tx)
    rows = [{"b_channel_key": keys[channel_id], "b_block": block} for channel_id, block in gone]
    if rows:
        one = (
            experiment_block.c.channel_key == bindparam("b_channel_key"),
            experiment_block.c.block == bindparam("b_block"),
            experiment_block.c.recorded_at.is_(None),
        )
        tx.connection.execute(delete(experiment_block).where(*_mine(tx, experiment_key), *one), rows)


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


def record_blocks(tx: Tx, of: Experiment, before_block: int, now: float) -> int:
    """Given an experiment, record what each of its blocks below a number brought, of those that aren't recorded;
    return how many were.

    Of forwards that were received while the block was measured: one that came before was accepted at another price.
    """
    waiting = (*_mine(tx, of.experiment_key), experiment_block.c.recorded_at.is_(None))
    due = select(experiment_block).where(*waiting, experiment_block.c.block < before_block).with_for_update()
    rows = [
        {
            "b_channel_key": row.channel_key,
            "b_block": row.block,
            "recorded_at": now,
            **_brought(tx, row.channel_key, row.measured_at, of.block_end_at(row.block)),
        }
        for row in tx.connection.execute(due).all()
    ]
    if rows:
        one = (
            experiment_block.c.channel_key == bindparam("b_channel_key"),
            experiment_block.c.block == bindparam("b_block"),
        )
        tx.connection.execute(update(experiment_block).where(*waiting, *one), rows)
    return len(rows)


def _brought(tx: Tx, channel_key: int, since_at: float, until_at: float) -> Mapping[str, int]:
    statement = select(
        total(func.coalesce(forward.c.score_msat, forward.c.fee_msat)).label("score_msat"),
        total(forward.c.fee_msat).label("fee_msat"),
        func.count().label("forward_count"),
    ).where(
        forward.c.node_key == tx.node_key,
        forward.c.out_channel_key == channel_key,
        forward.c.received_at >= since_at,
        forward.c.received_at < until_at,
        forward.c.status == status_literal(ForwardStatus.SETTLED),
    )
    return {name: int(value) for name, value in tx.connection.execute(statement).one()._asdict().items()}


def results(tx: Tx, experiment_key: int) -> tuple[BlockResult, ...]:
    """Given an experiment, return what each channel brought in each block that is recorded."""
    statement = _with_channels(tx, experiment_key).where(experiment_block.c.recorded_at.is_not(None))
    return tuple(
        BlockResult(
            row.channel_id, row.peer_id, row.block, Arm(row.arm), row.open_seconds, row.seen_seconds, row.score_msat,
            row.fee_msat, row.forward_count,
        )
        for row in tx.connection.execute(statement.order_by(experiment_block.c.block, channel.c.channel_id))
    )  # fmt: skip


def members(tx: Tx, of: Experiment) -> tuple[Member, ...]:
    """Given an experiment, return the channels that it has priced, those of a peer side by side."""
    found: dict[str, Member] = {}
    for row in tx.connection.execute(_with_channels(tx, of.experiment_key)):
        name = row.scid or row.alias_local or row.channel_id
        one = found.setdefault(row.channel_id, Member(row.channel_id, name, row.peer_id, row.alias, 0, 0))
        if row.recorded_at is not None:
            counts = row.seen_seconds >= of.seen_ratio * of.measured_seconds
            found[row.channel_id] = replace(
                one, recorded_count=one.recorded_count + 1, counting_count=one.counting_count + counts
            )
    return tuple(sorted(found.values(), key=lambda one: (one.peer_id, one.name)))
