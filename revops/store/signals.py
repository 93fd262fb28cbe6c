"""Decayed sums of peers and channels, and the value of liquidity: one small row each, whatever the history.

Sums are saved in the transaction that stores the forwards which they count; that is what makes them exactly-once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, Table, delete, func, select

from revops.domain.traffic import ChannelTraffic, Reputation, Role, Traffic
from revops.domain.units import PPM
from revops.errors import BugError
from revops.store.engine import NODE, Tx
from revops.store.keys import channel_keys, insert_of, peer_keys
from revops.store.tables import channel, channel_signal, peer, peer_signal

_PEER_SUMS: Final = Reputation._fields
_CHANNEL_SUMS: Final = ChannelTraffic._fields


def load(tx: Tx) -> Traffic:
    """Return all sums of the node, with the values of liquidity in force."""
    rows = tx.execute(_load()).all()
    peers: dict[str, dict[str, Reputation]] = {role: {} for role in Role}
    for role, peer_id, *sums in tx.execute(_load_peers()).all():
        peers[role][peer_id] = Reputation(*sums)
    return Traffic(
        senders=peers[Role.SENDER],
        receivers=peers[Role.RECEIVER],
        channels={row.channel_id: ChannelTraffic(*row[3:]) for row in rows if row.since_at is not None},
        values_ppm={row.channel_id: row.value_ppm for row in rows if row.value_ppm},
        open_since={row.channel_id: float(row.opened_at) for row in rows},
    )


@cache
def _load() -> Executable:
    columns = (channel_signal.c[name] for name in _CHANNEL_SUMS)
    opened_at = func.coalesce(channel.c.opened_at, channel.c.first_seen_at).label("opened_at")
    return (
        select(channel.c.channel_id, opened_at, channel_signal.c.value_ppm, *columns)
        .outerjoin(
            channel_signal,
            (channel_signal.c.node_key == channel.c.node_key) & (channel_signal.c.channel_key == channel.c.channel_key),
        )
        .where(channel.c.node_key == NODE)
    )


@cache
def _load_peers() -> Executable:
    return (
        select(peer_signal.c.role, peer.c.peer_id, *(peer_signal.c[name] for name in _PEER_SUMS))
        .join(peer, (peer.c.node_key == peer_signal.c.node_key) & (peer.c.peer_key == peer_signal.c.peer_key))
        .where(peer_signal.c.node_key == NODE)
    )


def save_peers(tx: Tx, senders: Mapping[str, Reputation], receivers: Mapping[str, Reputation]) -> None:
    """Given what has changed of peers in their two roles, keep it in place of what it was."""
    if senders or receivers:
        keys = peer_keys(tx)
        rows = [
            {"peer_key": keys[peer_id], "role": str(role)} | one._asdict()
            for role, peers in ((Role.SENDER, senders), (Role.RECEIVER, receivers))
            for peer_id, one in peers.items()
        ]
        _upsert(tx, peer_signal, rows, ("peer_key", "role"), _PEER_SUMS)


def save_channels(tx: Tx, channels: Mapping[str, ChannelTraffic]) -> None:
    """Given what has changed of channels, keep it in place of what it was. Values of liquidity stay."""
    if channels:
        keys = channel_keys(tx)
        rows = [
            {"channel_key": keys[channel_id], "value_ppm": 0.0} | one._asdict() for channel_id, one in channels.items()
        ]
        _upsert(tx, channel_signal, rows, ("channel_key",), _CHANNEL_SUMS)


def save_values(tx: Tx, values_ppm: Mapping[str, float], at: float) -> None:
    """Given the value of liquidity (ppm) of channel_ids, put them in force from `at` on; other channels keep theirs.

    Raise BugError for a channel that was never recorded, or what can't be a value (no sat is worth more than itself):
    forwards would be scored by it.
    """
    keys = channel_keys(tx)
    rows = []
    for channel_id, value_ppm in values_ppm.items():
        if channel_id not in keys or not 0.0 <= value_ppm <= PPM:
            raise BugError(f"channel {channel_id} was given a value of {value_ppm} ppm")
        sums: dict[str, Any] = dict.fromkeys(_CHANNEL_SUMS, 0.0) | {"since_at": None, "updated_at": at}
        rows.append({"channel_key": keys[channel_id], "value_ppm": float(value_ppm), "value_at": at} | sums)
    if rows:
        _upsert(tx, channel_signal, rows, ("channel_key",), ("value_ppm", "value_at"))


def values(tx: Tx) -> dict[str, float]:
    """Return the value of liquidity (ppm) in force of each channel_id that was given one."""
    statement = (
        select(channel.c.channel_id, channel_signal.c.value_ppm)
        .join(
            channel_signal,
            (channel_signal.c.node_key == channel.c.node_key) & (channel_signal.c.channel_key == channel.c.channel_key),
        )
        .where(channel.c.node_key == tx.node_key, channel_signal.c.value_at.is_not(None))
    )
    return {row.channel_id: row.value_ppm for row in tx.connection.execute(statement)}


def merge_channel(tx: Tx, old_key: int, new_key: int) -> None:
    """Given a placeholder and the channel that it stood for, give the sums of the former to the latter."""
    columns = (channel_signal.c[name] for name in ("channel_key", *_CHANNEL_SUMS))
    both = (channel_signal.c.node_key == tx.node_key, channel_signal.c.channel_key.in_((old_key, new_key)))
    rows = tx.connection.execute(select(*columns).where(*both)).all()
    found = {row.channel_key: ChannelTraffic(*row[1:]) for row in rows if row.since_at is not None}
    if old_key in found:
        joined = found[new_key].joined(found[old_key]) if new_key in found else found[old_key]
        row = {"channel_key": new_key, "value_ppm": 0.0} | joined._asdict()
        _upsert(tx, channel_signal, [row], ("channel_key",), _CHANNEL_SUMS)
    tx.connection.execute(delete(channel_signal).where(both[0], channel_signal.c.channel_key == old_key))


def _upsert(tx: Tx, table: Table, rows: list[dict[str, Any]], key: tuple[str, ...], changed: tuple[str, ...]) -> None:
    statement = _upsert_of(table, key, changed, tx.connection.dialect.name)
    tx.connection.execute(statement, [{"node_key": tx.node_key, **row} for row in rows])


@cache
def _upsert_of(table: Table, key: tuple[str, ...], changed: tuple[str, ...], dialect_name: str) -> Executable:
    insert = insert_of(table, dialect_name)
    return insert.on_conflict_do_update(
        index_elements=["node_key", *key], set_={name: insert.excluded[name] for name in changed}
    )
