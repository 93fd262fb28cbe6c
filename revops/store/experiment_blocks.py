"""The blocks of switch-back experiments: how long each was counted, and what it brought, recorded once.

Raw forwards may be pruned: so what a block brought is added up when it is over, in one transaction for all blocks that
are, and stands for ever. Time is counted up by each run; a row that is recorded isn't touched again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, select, update

from revops.domain.experiment import Arm, BlockResult, BlockTime, Experiment, Member
from revops.domain.forward import ForwardStatus
from revops.store.engine import Tx
from revops.store.flows import status_literal
from revops.store.keys import channel_keys, total, upsert
from revops.store.tables import channel, experiment_block, forward, peer

_TIME: Final = ("counted_at", "open_seconds", "seen_seconds")


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


def cut_off(tx: Tx, experiment_key: int, from_block: int) -> None:
    """Given an experiment that ends, and the first block that isn't whole by then, forget the blocks from there on: one
    that is cut short is no result. One that is recorded stays as it is.
    """
    cut_short = (experiment_block.c.block >= from_block, experiment_block.c.recorded_at.is_(None))
    tx.connection.execute(delete(experiment_block).where(*_mine(tx, experiment_key), *cut_short))


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
