"""Retention: forwards are summarised by day and pruned in one transaction; what else is old goes, but what counts
stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, and_, delete, func, or_, select

from revops.domain.forward import ForwardStatus
from revops.domain.traffic import size_permille
from revops.store import ads, tables
from revops.store.cursors import FORWARDS_CREATED, FORWARDS_UPDATED, PRUNED, cursor, set_cursor
from revops.store.days import DAY_SUMS, add_days, day_of
from revops.store.engine import Tx
from revops.store.events import prune_events
from revops.store.fees import REVOPS, VALVE
from revops.store.flows import status_literal
from revops.store.keys import chunks
from revops.store.move_sums import ROUTED_TAG
from revops.store.recorder import prune_recorder
from revops.store.splices import prune_splices
from revops.store.sums import take_turns
from revops.store.tables import (
    action,
    decision,
    fee_change,
    fee_pin,
    forward,
    rebalance_job,
    rebalance_plan,
    rebalance_source,
    rebalance_step,
    run,
)

_COUNT_OF: Final = {
    ForwardStatus.SETTLED: "settled",
    ForwardStatus.FAILED: "failed",
    ForwardStatus.LOCAL_FAILED: "refused",
}


def prune_forwards(tx: Tx, before_at: float, max_rows: int) -> int:
    """Given a moment, add up and delete at most `max_rows` final forwards counted before it; return how many.

    Only rows that both passes of the sync have seen go, since the node would send a changed one again; a forward that
    is still `offered` stays, however old.
    """
    take_turns(tx)
    rows = _prunable(tx, before_at, max_rows)
    if not rows:
        return 0
    add_days(tx, _days(rows))
    for indexes in chunks(row.created_index for row in rows):
        gone = (forward.c.node_key == tx.node_key, forward.c.created_index.in_(indexes))
        tx.connection.execute(delete(forward).where(*gone))
    set_cursor(tx, PRUNED, max(row.created_index for row in rows))
    return len(rows)


def _prunable(tx: Tx, before_at: float, max_rows: int) -> Sequence[Any]:
    created, updated = cursor(tx, FORWARDS_CREATED), cursor(tx, FORWARDS_UPDATED)
    final = [status_literal(status) for status in _COUNT_OF]
    statement = (
        select(forward)
        .where(
            forward.c.node_key == tx.node_key,
            forward.c.status.in_(final),
            forward.c.counted_at < before_at,
            forward.c.created_index <= created,
            or_(forward.c.updated_index.is_(None), forward.c.updated_index <= updated),
        )
        .limit(max_rows)
    )
    return tx.connection.execute(statement).all()


def _days(rows: Sequence[Any]) -> list[dict[str, Any]]:
    sums: dict[tuple[int, int, int], dict[str, Any]] = {}
    for row in rows:
        day, out_channel_key = day_of(row.counted_at), row.out_channel_key or 0
        key = (day, row.in_channel_key, out_channel_key)
        if key not in sums:
            sums[key] = dict.fromkeys(DAY_SUMS, 0) | {"last_settled_at": None}
            sums[key] |= {"day": day, "in_channel_key": row.in_channel_key, "out_channel_key": out_channel_key}
        entry = sums[key]
        kind = _COUNT_OF[ForwardStatus(row.status)]
        entry[f"{kind}_count"] += 1
        entry[f"{kind}_in_msat"] += row.in_msat
        if kind == "failed":
            entry["failed_interest_permille"] += row.interest_permille or 0
        if kind == "settled":
            taught = row.interest_permille
            entry["settled_interest_permille"] += size_permille(row.out_msat) if taught is None else taught
            entry["settled_out_msat"] += row.out_msat
            entry["fee_msat"] += row.fee_msat
            entry["score_msat"] += row.fee_msat if row.score_msat is None else row.score_msat
            entry["last_settled_at"] = max(entry["last_settled_at"] or row.counted_at, row.counted_at)
    return list(sums.values())


def prune_other(
    tx: Tx,
    *,
    decisions_before_at: float,
    runs_before_at: float,
    events_before_at: float,
    samples_before_at: float,
    moves_before_at: float,
) -> dict[str, int]:
    """Given a moment for each kind of row, delete what is older; return how many rows of each kind went.

    With the decisions go fee changes, ended pins, settled actions, and jobs that cost nothing. What stays whatever its
    age: the last run and the last success of each command, each channel's last fee change and last announcement, pins
    in force, what was ever offered for lease, each peer's last event, calls and jobs that are still open, settled jobs,
    the spend ledger, and the moves on the chain, which are few.
    """
    return {
        "decisions": _prune(tx, decision, decision.c.last_at < decisions_before_at),
        "fee_changes": _prune(
            tx,
            fee_change,
            fee_change.c.changed_at < decisions_before_at,
            fee_change.c.change_key.not_in(
                _newest(tx, fee_change.c.change_key, fee_change.c.channel_key, fee_change.c.source != VALVE)
            ),
            fee_change.c.change_key.not_in(
                _newest(tx, fee_change.c.change_key, fee_change.c.channel_key, fee_change.c.source.in_((REVOPS, VALVE)))
            ),
        ),
        "actions": _prune(tx, action, action.c.settled_at < decisions_before_at, action.c.method != ads.METHOD),
        "pins": _prune(
            tx,
            fee_pin,
            or_(fee_pin.c.released_at < decisions_before_at, fee_pin.c.until_at < decisions_before_at),
        ),
        "jobs": _prune_jobs(tx, decisions_before_at) + prune_splices(tx, decisions_before_at),
        "runs": _prune(
            tx,
            run,
            run.c.started_at < runs_before_at,
            run.c.run_key.not_in(_newest(tx, run.c.run_key, run.c.command)),
            run.c.run_key.not_in(_newest(tx, run.c.run_key, run.c.command, run.c.exit_code == 0)),
        ),
        "events": prune_events(tx, events_before_at) + prune_recorder(tx, events_before_at),
        "feerates": _prune(tx, tables.feerate_sample, tables.feerate_sample.c.sampled_at < samples_before_at),
        # Moves of forwards are there as long as somebody has to look at them (store/forgotten.py).
        "channel_moves": _prune(
            tx,
            tables.channel_move,
            tables.channel_move.c.moved_at < moves_before_at,
            tables.channel_move.c.tag != ROUTED_TAG,
        ),
    }


def _prune(tx: Tx, table: Table, *condition: ColumnElement[bool]) -> int:
    return tx.connection.execute(delete(table).where(table.c.node_key == tx.node_key, *condition)).rowcount


def _newest(tx: Tx, key: Any, by: Any, *condition: ColumnElement[bool]) -> Any:
    return select(func.max(key)).where(key.table.c.node_key == tx.node_key, *condition).group_by(by)


def _prune_jobs(tx: Tx, before_at: float) -> int:
    """Jobs for which nothing was ever reserved; one with a ledger entry stays with it. Plans go with their last job."""
    free = and_(
        rebalance_job.c.finished_at < before_at,
        rebalance_job.c.reserve_key.is_(None),
        rebalance_job.c.status.in_(("failed", "released", "expired")),
    )
    gone = select(rebalance_job.c.job_key).where(rebalance_job.c.node_key == tx.node_key, free)
    for table in (rebalance_source, rebalance_step):
        _prune(tx, table, table.c.job_key.in_(gone))
    count = _prune(tx, rebalance_job, free)
    used = select(rebalance_job.c.plan_key).where(rebalance_job.c.node_key == tx.node_key)
    _prune(tx, rebalance_plan, rebalance_plan.c.created_at < before_at, rebalance_plan.c.plan_key.not_in(used))
    return count
