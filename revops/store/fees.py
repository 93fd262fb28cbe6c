"""What fee setting remembers: the strategy's state, and the fees that were in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, bindparam, func, insert, select

from revops.domain.decision import FeeState
from revops.domain.demand import DemandFigures
from revops.domain.measures import PriceMarks
from revops.domain.record import FeeChange
from revops.errors import BugError, DataError
from revops.store.codec import dump_state, load_figures, load_object, load_state
from revops.store.engine import NODE, Tx
from revops.store.keys import channel_key, channel_keys, insert_of, next_keys
from revops.store.tables import channel, fee_change, fee_state

STRATEGY: Final = "hill_climb"
#: `FeeChange.source` of our own changes, of somebody else's, and of a fee that the operator gave back to us. A turn of
#: the htlc_max valve that leaves the fee is an announcement of ours, but no change of the fee.
REVOPS: Final = "revops"
EXTERNAL: Final = "external"
RELEASED: Final = "released"
VALVE: Final = "valve"


def fee_states(tx: Tx) -> dict[str, FeeState]:
    """Return what the strategy remembers of each channel_id. Raise DataError for a state of a newer version."""
    return {channel_id: load_state(document) for channel_id, document in tx.execute(_fee_states())}


@cache
def _fee_states() -> Executable:
    return (
        select(channel.c.channel_id, fee_state.c.state_json)
        .join(
            channel, (channel.c.node_key == fee_state.c.node_key) & (channel.c.channel_key == fee_state.c.channel_key)
        )
        .where(fee_state.c.node_key == NODE, fee_state.c.strategy == STRATEGY)
    )


def demand_figures(tx: Tx) -> dict[int, DemandFigures]:
    """Return what the strategy `demand` judged last, by the channel_key of each channel that it prices."""
    found = {key: load_figures(document) for key, document in tx.execute(_fee_documents())}
    return {key: figures for key, figures in found.items() if figures is not None}


@cache
def _fee_documents() -> Executable:
    mine = (fee_state.c.node_key == NODE, fee_state.c.strategy == STRATEGY)
    return select(fee_state.c.channel_key, fee_state.c.state_json).where(*mine)


def price_marks(tx: Tx) -> dict[str, PriceMarks]:
    """Return what is remembered of the fee in force of each channel_id, whatever the rest of its state is."""
    return {channel_id: _marks(load_object(document)) for channel_id, document in tx.execute(_fee_states()).all()}


def _marks(state: Mapping[str, Any]) -> PriceMarks:
    try:
        return PriceMarks(
            window_start_at=float(state["window_start_at"]),
            open_seconds=float(state.get("open_seconds", 0.0)),
            asleep_until_at=state.get("asleep_until_at"),
            congested_since_at=state.get("congested_since_at"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"database: a fee state can't be read ({error}); was it written by a newer revops?") from error


def congested_since(tx: Tx) -> dict[str, float]:
    """Return since when each channel_id that was congested at the last look has been."""
    return {
        channel_id: state.congested_since_at
        for channel_id, state in fee_states(tx).items()
        if state.congested_since_at is not None
    }


def save_fee_state(tx: Tx, channel_id: str, state: FeeState, updated_at: float) -> None:
    """Given what the strategy remembers of a channel now, keep it in place of what it remembered."""
    save_fee_states(tx, {channel_id: state}, updated_at)


def save_fee_states(tx: Tx, states: Mapping[str, FeeState], updated_at: float) -> None:
    """Given what the strategy remembers of channels now, keep it in place of what it remembered. Raise BugError for a
    channel that was never recorded.
    """
    keys = channel_keys(tx)
    unknown = sorted(states.keys() - keys.keys())
    if unknown:
        raise BugError(f"channel {unknown[0]} was never recorded: sync comes first")
    rows = [
        {
            "node_key": tx.node_key,
            "channel_key": keys[channel_id],
            "strategy": STRATEGY,
            "state_json": dump_state(state),
            "updated_at": updated_at,
        }
        for channel_id, state in states.items()
    ]
    if rows:
        tx.connection.execute(_save_fee_states(tx.connection.dialect.name), rows)


@cache
def _save_fee_states(dialect_name: str) -> Executable:
    row = insert_of(fee_state, dialect_name)
    facts = {name: row.excluded[name] for name in ("strategy", "state_json", "updated_at")}
    return row.on_conflict_do_update(index_elements=["node_key", "channel_key"], set_=facts)


def record_fee_change(tx: Tx, change: FeeChange) -> None:
    """Given a fee that came into force, record it."""
    row = {
        "node_key": tx.node_key,
        "change_key": next_keys(tx, "fee_change"),
        "channel_key": channel_key(tx, change.channel_id),
        "changed_at": change.changed_at,
        "old_ppm": change.old_ppm,
        "new_ppm": change.new_ppm,
        "source": change.source,
        "base_msat": change.base_msat,
    }
    tx.connection.execute(_insert_fee_change(), row)


@cache
def _insert_fee_change() -> Executable:
    return insert(fee_change)


def last_fee_changes(tx: Tx) -> dict[str, FeeChange]:
    """Return the last recorded change of each channel_id's fee."""
    return {row.channel_id: _change(row.channel_id, row) for row in tx.execute(_last_fee_changes())}


@cache
def _last_fee_changes() -> Executable:
    return (
        select(fee_change, channel.c.channel_id)
        .select_from(channel)
        .join(
            fee_change,
            (fee_change.c.node_key == channel.c.node_key) & (fee_change.c.change_key == _last_of(_fee_changed)),
        )
        .where(channel.c.node_key == NODE)
    )


def _fee_changed(source: Any) -> Any:
    return source != VALVE


def _announced(source: Any) -> Any:
    return source.in_((REVOPS, VALVE))


def _last_of(kind: Callable[[Any], Any]) -> Any:
    """The last change_key of a channel's changes of one kind: the end of an index, not a look at all that ever was."""
    latest = fee_change.alias("latest")
    rows = (latest.c.node_key == channel.c.node_key, latest.c.channel_key == channel.c.channel_key)
    last = select(latest.c.change_key).where(*rows, kind(latest.c.source)).correlate(channel)
    return last.order_by(latest.c.change_key.desc()).limit(1).scalar_subquery()


def _change(channel_id: str, row: Any) -> FeeChange:
    return FeeChange(channel_id, row.changed_at, row.old_ppm, row.new_ppm, row.source, row.base_msat)


def last_own_changes(tx: Tx) -> dict[str, float]:
    """Return when we last announced something new of each channel_id: its fee, or its largest HTLC. The last is the one
    that was recorded last, whatever the clock said.
    """
    return {row[0]: row[1] for row in tx.execute(_last_own_changes())}


@cache
def _last_own_changes() -> Executable:
    return (
        select(channel.c.channel_id, fee_change.c.changed_at)
        .select_from(channel)
        .join(
            fee_change,
            (fee_change.c.node_key == channel.c.node_key) & (fee_change.c.change_key == _last_of(_announced)),
        )
        .where(channel.c.node_key == NODE)
    )


def fee_changes_until(tx: Tx, channel_id: str, at: float, limit: int) -> tuple[FeeChange, ...]:
    """Given a channel and a moment, return its latest fee changes by then, the newest first."""
    statement = (
        select(fee_change)
        .where(
            fee_change.c.node_key == tx.node_key,
            fee_change.c.channel_key == channel_key(tx, channel_id),
            fee_change.c.changed_at <= at,
            fee_change.c.source != VALVE,
        )
        .order_by(fee_change.c.changed_at.desc(), fee_change.c.change_key.desc())
        .limit(limit)
    )
    return tuple(_change(channel_id, row) for row in tx.connection.execute(statement))


def next_fee_change_at(tx: Tx, channel_id: str, at: float) -> float | None:
    """Given a channel and a moment, return when its fee changed next; None where it hasn't since."""
    later = (
        fee_change.c.node_key == tx.node_key,
        fee_change.c.channel_key == channel_key(tx, channel_id),
        fee_change.c.changed_at > at,
        fee_change.c.source != VALVE,
    )
    found: float | None = tx.connection.execute(select(func.min(fee_change.c.changed_at)).where(*later)).scalar()
    return found


def fee_updates_between(tx: Tx, since_at: float, until_at: float) -> dict[str, int]:
    """Return how many changes of ours were announced from `since_at` to `until_at`, by channel_id."""
    return {row[0]: row[1] for row in tx.execute(_fee_updates_between(), b_since=since_at, b_until=until_at)}


@cache
def _fee_updates_between() -> Executable:
    recent = (
        fee_change.c.node_key == NODE,
        fee_change.c.changed_at >= bindparam("b_since"),
        fee_change.c.changed_at <= bindparam("b_until"),
        _announced(fee_change.c.source),
    )
    return (
        select(channel.c.channel_id, func.count())
        .join(
            channel, (channel.c.node_key == fee_change.c.node_key) & (channel.c.channel_key == fee_change.c.channel_key)
        )
        .where(*recent)
        .group_by(channel.c.channel_id)
    )
