"""What fee setting remembers: the strategy's state, the fees that were in force, and what each price has earned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Double,
    Integer,
    Values,
    case,
    cast,
    column,
    func,
    insert,
    literal_column,
    select,
    union_all,
    values,
)

from revops.domain.decision import FeeState
from revops.domain.forward import TYPICAL_PAYMENT_MSAT, ForwardStatus
from revops.domain.record import FeeChange
from revops.store.codec import dump_state, load_state
from revops.store.days import DAY_SECONDS
from revops.store.engine import Tx
from revops.store.flows import status_literal
from revops.store.keys import channel_key, channel_keys, next_keys, upsert
from revops.store.tables import channel, fee_change, fee_state, forward, forward_day

STRATEGY: Final = "hill_climb"
#: `FeeChange.source` of our own changes, of somebody else's, and of a fee that the operator gave back to us. A turn of
#: the htlc_max valve that leaves the fee is an announcement of ours, but no change of the fee.
REVOPS: Final = "revops"
EXTERNAL: Final = "external"
RELEASED: Final = "released"
VALVE: Final = "valve"
#: Smaller payments cost their sender nothing: they don't tell that a price earns.
LEAST_EARNING_MSAT: Final = 1_000_000
_ONE: Final = literal_column("1", BigInteger)


class Earned(NamedTuple):
    """What a channel earned in a window, and what strategies learn from: the sum of its forwards' scores, with its
    standard error (payments come as a compound Poisson process, whose variance is the sum of the squares).
    `interest_count` counts its payments, one smaller than a typical payment by its part of it: a flood of tiny ones is
    no interest.
    """

    earned_msat: int
    earned_count: int
    last_at: float | None
    score_msat: float
    score_error_msat: float
    interest_count: float


def fee_states(tx: Tx) -> dict[str, FeeState]:
    """Return what the strategy remembers of each channel_id. Raise DataError for a state of a newer version."""
    statement = (
        select(channel.c.channel_id, fee_state.c.state_json)
        .join(
            channel, (channel.c.node_key == fee_state.c.node_key) & (channel.c.channel_key == fee_state.c.channel_key)
        )
        .where(fee_state.c.node_key == tx.node_key, fee_state.c.strategy == STRATEGY)
    )
    return {row.channel_id: load_state(row.state_json) for row in tx.connection.execute(statement)}


def congested_since(tx: Tx) -> dict[str, float]:
    """Return since when each channel_id that was congested at the last look has been."""
    return {
        channel_id: state.congested_since_at
        for channel_id, state in fee_states(tx).items()
        if state.congested_since_at is not None
    }


def save_fee_state(tx: Tx, channel_id: str, state: FeeState, updated_at: float) -> None:
    """Given what the strategy remembers of a channel now, keep it in place of what it remembered."""
    facts = {"strategy": STRATEGY, "state_json": dump_state(state), "updated_at": updated_at}
    row = upsert(tx, fee_state).values(node_key=tx.node_key, channel_key=channel_key(tx, channel_id), **facts)
    tx.connection.execute(row.on_conflict_do_update(index_elements=["node_key", "channel_key"], set_=facts))


def record_fee_change(tx: Tx, change: FeeChange) -> None:
    """Given a fee that came into force, record it."""
    tx.connection.execute(
        insert(fee_change).values(
            node_key=tx.node_key,
            change_key=next_keys(tx, "fee_change"),
            channel_key=channel_key(tx, change.channel_id),
            changed_at=change.changed_at,
            old_ppm=change.old_ppm,
            new_ppm=change.new_ppm,
            source=change.source,
        )
    )


def last_fee_changes(tx: Tx) -> dict[str, FeeChange]:
    """Return the last recorded change of each channel_id's fee."""
    mine = (fee_change.c.node_key == tx.node_key) & (fee_change.c.source != VALVE)
    latest = select(func.max(fee_change.c.change_key)).where(mine).group_by(fee_change.c.channel_key)
    statement = (
        select(fee_change, channel.c.channel_id)
        .join(
            channel, (channel.c.node_key == fee_change.c.node_key) & (channel.c.channel_key == fee_change.c.channel_key)
        )
        .where(mine, fee_change.c.change_key.in_(latest))
    )
    return {
        row.channel_id: FeeChange(row.channel_id, row.changed_at, row.old_ppm, row.new_ppm, row.source)
        for row in tx.connection.execute(statement)
    }


def last_own_changes(tx: Tx) -> dict[str, float]:
    """Return when we last announced something new of each channel_id: its fee, or its largest HTLC."""
    ours = (fee_change.c.node_key == tx.node_key, fee_change.c.source.in_((REVOPS, VALVE)))
    statement = (
        select(channel.c.channel_id, func.max(fee_change.c.changed_at).label("changed_at"))
        .join(
            channel, (channel.c.node_key == fee_change.c.node_key) & (channel.c.channel_key == fee_change.c.channel_key)
        )
        .where(*ours)
        .group_by(channel.c.channel_id)
    )
    return {row.channel_id: row.changed_at for row in tx.connection.execute(statement)}


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
    return tuple(
        FeeChange(channel_id, row.changed_at, row.old_ppm, row.new_ppm, row.source)
        for row in tx.connection.execute(statement)
    )


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


def fee_updates_since(tx: Tx, since_at: float) -> dict[str, int]:
    """Return how many changes of ours were announced at `since_at` or later, by channel_id."""
    recent = (
        fee_change.c.node_key == tx.node_key,
        fee_change.c.changed_at >= since_at,
        fee_change.c.source.in_((REVOPS, VALVE)),
    )
    statement = (
        select(channel.c.channel_id, func.count().label("count"))
        .join(
            channel, (channel.c.node_key == fee_change.c.node_key) & (channel.c.channel_key == fee_change.c.channel_key)
        )
        .where(*recent)
        .group_by(channel.c.channel_id)
    )
    return {row.channel_id: row[1] for row in tx.connection.execute(statement)}


def earned_since(tx: Tx, since_at: Mapping[str, float]) -> dict[str, Earned]:
    """Given the start of each channel_id's price, return what it has earned since, of those that earned.

    A forward counts if it was received since then: one that was accepted before was accepted at another price. Of
    days that were summarised only whole ones count. One that was never scored scores what it earned. `last_at` is of
    the last that was no dust: a free payment of 1 msat must not keep an idle channel's price from falling.
    """
    keys = channel_keys(tx)
    starts = {keys[channel_id]: start for channel_id, start in since_at.items() if channel_id in keys}
    if not starts:
        return {}
    prices = _prices(starts).cte("price")
    # Doubles: a sum of squares of msat is beyond every whole number that a database has.
    score = cast(func.coalesce(forward.c.score_msat, forward.c.fee_msat), Double)
    day_score = cast(forward_day.c.score_msat, Double)
    raw = (
        select(
            prices.c.price_key,
            forward.c.fee_msat,
            case((forward.c.out_msat >= LEAST_EARNING_MSAT, forward.c.counted_at)).label("last_at"),
            _ONE.label("settled_count"),
            score.label("score_msat"),
            (score * score).label("score_squares"),
            _interest(forward.c.out_msat, 1.0).label("interest_count"),
        )
        .join(forward, (forward.c.out_channel_key == prices.c.price_key) & (forward.c.received_at >= prices.c.since_at))
        .where(forward.c.node_key == tx.node_key, forward.c.status == status_literal(ForwardStatus.SETTLED))
    )
    days = (
        select(
            prices.c.price_key,
            forward_day.c.fee_msat,
            case((forward_day.c.settled_out_msat >= LEAST_EARNING_MSAT, forward_day.c.last_settled_at)).label(
                "last_at"
            ),
            forward_day.c.settled_count,
            day_score.label("score_msat"),
            # The squares went with the rows. Those of equal payments are the least that they can have been.
            (day_score * day_score / forward_day.c.settled_count).label("score_squares"),
            _interest(forward_day.c.settled_out_msat, forward_day.c.settled_count).label("interest_count"),
        )
        .join(
            forward_day,
            (forward_day.c.out_channel_key == prices.c.price_key)
            & (forward_day.c.day * DAY_SECONDS >= prices.c.since_at),
        )
        .where(
            forward_day.c.node_key == tx.node_key,
            forward_day.c.day >= int(min(starts.values()) // DAY_SECONDS),
            forward_day.c.settled_count > 0,
        )
    )
    both = union_all(raw, days).subquery()
    statement = select(
        both.c.price_key,
        func.sum(both.c.fee_msat),
        func.sum(both.c.settled_count),
        func.max(both.c.last_at),
        func.sum(both.c.score_msat),
        func.sum(both.c.score_squares),
        func.sum(both.c.interest_count),
    ).group_by(both.c.price_key)
    ids = {key: channel_id for channel_id, key in keys.items()}
    return {
        ids[key]: Earned(int(earned_msat), int(count), last_at, score_msat, math.sqrt(squares), interest_count)
        for key, earned_msat, count, last_at, score_msat, squares, interest_count in tx.connection.execute(statement)
    }


def _interest(out_msat: Any, count: Any) -> Any:
    """Given what left in so many payments, return the count, or how many typical ones it makes, if those are fewer."""
    typical = cast(out_msat, Double) / TYPICAL_PAYMENT_MSAT
    return case((typical >= count, cast(count, Double)), else_=typical)


def _prices(starts: Mapping[int, float]) -> Values:
    """The windows as a table of (channel_key, start), so that one query answers for all channels."""
    return values(column("price_key", Integer), column("since_at", Double), name="price").data(sorted(starts.items()))
