"""Fees that the operator set by hand. The last one of a channel counts, until it ends or is released."""

from __future__ import annotations

from sqlalchemy import insert, or_, select, update

from revops.domain.snapshot import FeePin
from revops.store.engine import Tx
from revops.store.keys import channel_key, next_keys
from revops.store.tables import channel, fee_pin


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


def release_pin(tx: Tx, channel_id: str, at: float) -> bool:
    """Given a channel_id, end its pin; return whether one was in force."""
    mine = (
        fee_pin.c.node_key == tx.node_key,
        fee_pin.c.channel_key == channel_key(tx, channel_id),
        fee_pin.c.released_at.is_(None),
        or_(fee_pin.c.until_at.is_(None), fee_pin.c.until_at > at),
    )
    return tx.connection.execute(update(fee_pin).where(*mine).values(released_at=at)).rowcount > 0


def pins_at(tx: Tx, at: float) -> dict[str, FeePin]:
    """Given a moment, return the pin that was in force on each channel_id that had one."""
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
    return {
        row.channel_id: FeePin(ppm=row.pin_ppm, set_at=row.set_at, until_at=row.until_at, forced=row.forced)
        for row in tx.connection.execute(statement)
    }
