"""Calls that change the node, written down before they are made: a run that is killed leaves evidence."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, bindparam, insert, select, update

from revops.domain.decision import FeeState
from revops.domain.record import ActionRecord
from revops.errors import BugError
from revops.store.codec import dump, dump_state, load_object, load_state
from revops.store.engine import NODE, Tx
from revops.store.keys import channel_key, next_keys
from revops.store.tables import action, channel

PENDING: Final = "pending"
_SETTLED: Final = frozenset({"done", "failed", "unknown"})


def begin_action(
    tx: Tx,
    run_key: int,
    method: str,
    channel_id: str | None,
    request: Mapping[str, object],
    created_at: float,
    state_if_done: FeeState | None = None,
) -> int:
    """Given a call that is about to be made, and what a strategy remembers once it is carried out, write it down as
    pending; return its key.
    """
    key = next_keys(tx, "action")
    values = {
        "node_key": tx.node_key,
        "action_key": key,
        "run_key": run_key,
        "method": method,
        "channel_key": None if channel_id is None else channel_key(tx, channel_id),
        "request_json": dump(dict(request)),
        "status": PENDING,
        "created_at": created_at,
        "state_json": None if state_if_done is None else dump_state(state_if_done),
    }
    tx.connection.execute(_insert_action(), values)
    return key


@cache
def _insert_action() -> Executable:
    return insert(action)


def finish_action(tx: Tx, action_key: int, status: str, reply: Mapping[str, object] | None, settled_at: float) -> None:
    """Given how a pending call ended (done, failed, unknown), record it. Raise BugError where it isn't pending."""
    if status not in _SETTLED:
        raise BugError(f"action {action_key} can't end as {status!r}")
    values = {
        "status": status,
        "reply_json": None if reply is None else dump(dict(reply)),
        "settled_at": settled_at,
        "state_json": None,
    }
    if tx.execute(_finish(), b_key=action_key, **values).rowcount != 1:
        raise BugError(f"action {action_key} is not pending")


@cache
def _finish() -> Executable:
    """Sets the columns that the values name."""
    pending = (action.c.node_key == NODE, action.c.action_key == bindparam("b_key"), action.c.status == PENDING)
    return update(action).where(*pending)


def pending_actions(tx: Tx, method: str) -> tuple[ActionRecord, ...]:
    """Given a method, return its calls whose end is not known, oldest first."""
    # Sorted here: for the database's order SQLite would walk all actions that ever were.
    rows = sorted(tx.execute(_pending_actions(), b_method=method), key=lambda row: row.action_key)
    return tuple(map(_record_of, rows))


@cache
def _pending_actions() -> Executable:
    return (
        select(action, channel.c.channel_id)
        .outerjoin(channel, (channel.c.node_key == action.c.node_key) & (channel.c.channel_key == action.c.channel_key))
        .where(action.c.node_key == NODE, action.c.status == PENDING, action.c.method == bindparam("b_method"))
    )


def calls_of(tx: Tx, method: str) -> tuple[ActionRecord, ...]:
    """Given a method that is rarely called, return its calls, whatever became of them, the oldest first."""
    statement = (
        select(action, channel.c.channel_id)
        .outerjoin(channel, (channel.c.node_key == action.c.node_key) & (channel.c.channel_key == action.c.channel_key))
        .where(action.c.node_key == tx.node_key, action.c.method == method)
        .order_by(action.c.action_key)
    )
    return tuple(_record_of(row) for row in tx.connection.execute(statement))


def actions_until(tx: Tx, channel_id: str, at: float, limit: int) -> tuple[ActionRecord, ...]:
    """Given a channel and a moment, return the latest calls by then that changed the channel, the newest first."""
    statement = (
        select(action, channel.c.channel_id)
        .join(channel, (channel.c.node_key == action.c.node_key) & (channel.c.channel_key == action.c.channel_key))
        .where(action.c.node_key == tx.node_key, channel.c.channel_id == channel_id, action.c.created_at <= at)
        .order_by(action.c.action_key.desc())
        .limit(limit)
    )
    return tuple(_record_of(row) for row in tx.connection.execute(statement))


def _record_of(row: Any) -> ActionRecord:
    return ActionRecord(
        action_key=row.action_key,
        method=row.method,
        channel_id=row.channel_id,
        request=load_object(row.request_json),
        status=row.status,
        reply=None if row.reply_json is None else load_object(row.reply_json),
        created_at=row.created_at,
        settled_at=row.settled_at,
        state_if_done=None if row.state_json is None else load_state(row.state_json),
    )
