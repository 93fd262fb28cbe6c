"""Fees that the operator set by hand. The last one of a channel counts, until it ends or is released."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Executable, bindparam, func, insert, or_, select, update

from revops.domain.instants import is_ahead
from revops.domain.snapshot import FeePin
from revops.store.engine import NODE, Tx
from revops.store.fees import REVOPS
from revops.store.keys import channel_key, next_keys
from revops.store.tables import channel, fee_change, fee_pin


def set_pin(tx: Tx, channel_id: str, pin: FeePin) -> None:
    """Given a channel_id and the fee that the operator wants on it, record it in place of an earlier one."""
    release_pin(tx, channel_id, pin.set_at)
    tx.connection.execute(
        insert(fee_pin).values(
            node_key=tx.node_key,
            pin_key=next_keys(tx, "fee_pin"),
            channel_key=channel_key(tx, channel_id),
            pin_ppm=pin.ppm,
            set_at=pin.set_at,
            until_at=pin.until_at,
            forced=pin.forced,
        )
    )


def release_pin(tx: Tx, channel_id: str, at: float) -> None:
    """Given a channel_id, end its pin, and any that by a wrong clock might seem to be in force again."""
    mine = (
        fee_pin.c.node_key == tx.node_key,
        fee_pin.c.channel_key == channel_key(tx, channel_id),
        fee_pin.c.released_at.is_(None),
    )
    tx.connection.execute(update(fee_pin).where(*mine).values(released_at=at))


def pins_in_force(tx: Tx, now: float) -> dict[str, FeePin]:
    """Given the time, return the pin in force of each channel_id that has one: the one that was set last, whatever the
    clock said then, unless it has ended or was released.

    It is `forced` until its fee has come into force by a call of ours: else we would be at war with whoever changes it.
    One that was set under a clock ahead can't tell, and isn't.
    """
    return {
        row.channel_id: _pin(row, forced=row.forced and not row.reached and not is_ahead(row.set_at, now))
        for row in tx.execute(_in_force(), b_now=now)
    }


@cache
def _in_force() -> Executable:
    newest = select(func.max(fee_pin.c.pin_key)).where(fee_pin.c.node_key == NODE).group_by(fee_pin.c.channel_key)
    reached = (
        select(fee_change.c.change_key)
        .where(
            fee_change.c.node_key == fee_pin.c.node_key,
            fee_change.c.channel_key == fee_pin.c.channel_key,
            fee_change.c.source == REVOPS,
            fee_change.c.new_ppm == fee_pin.c.pin_ppm,
            fee_change.c.changed_at >= fee_pin.c.set_at,
        )
        .exists()
    )
    return (
        select(fee_pin, channel.c.channel_id, reached.label("reached"))
        .join(channel, (channel.c.node_key == fee_pin.c.node_key) & (channel.c.channel_key == fee_pin.c.channel_key))
        .where(
            fee_pin.c.node_key == NODE,
            fee_pin.c.pin_key.in_(newest),
            or_(fee_pin.c.until_at.is_(None), fee_pin.c.until_at > bindparam("b_now")),
            fee_pin.c.released_at.is_(None),
        )
    )


def pins_at(tx: Tx, at: float) -> dict[str, FeePin]:
    """Given a moment, return the pin that by the records was in force then on each channel_id that had one."""
    statement = (
        select(fee_pin, channel.c.channel_id)
        .join(channel, (channel.c.node_key == fee_pin.c.node_key) & (channel.c.channel_key == fee_pin.c.channel_key))
        .where(
            fee_pin.c.node_key == tx.node_key,
            fee_pin.c.set_at <= at,
            or_(fee_pin.c.until_at.is_(None), fee_pin.c.until_at > at),
            or_(fee_pin.c.released_at.is_(None), fee_pin.c.released_at > at),
        )
        .order_by(fee_pin.c.pin_key)
    )
    return {row.channel_id: _pin(row, forced=row.forced) for row in tx.connection.execute(statement)}


def _pin(row: Any, *, forced: bool) -> FeePin:
    return FeePin(ppm=row.pin_ppm, set_at=row.set_at, until_at=row.until_at, forced=forced)
