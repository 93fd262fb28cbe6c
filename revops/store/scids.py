"""Every name that a channel ever had, since forwards keep the name of their time.

A splice gives a channel a new scid, and a zero-conf channel starts under our alias for it. A name that nobody can
explain gets a placeholder channel, so that totals still add up; when the channel turns up, its forwards move over to
it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

from sqlalchemy import Executable, delete, func, or_, select, update

from revops.domain.channel import Channel, ClosedChannel
from revops.store.days import DAY_SUMS, add_days
from revops.store.engine import NODE, Tx
from revops.store.keys import ensure_channels, upsert
from revops.store.lot_marks import forget_channels
from revops.store.signals import merge_channel
from revops.store.sums import merge_sums, take_turns
from revops.store.tables import channel, channel_scid, forward, forward_day

_PLACEHOLDER: Final = "unknown:"


def resolve_scids(tx: Tx, scids: Iterable[str]) -> dict[str, int]:
    """Given scids or aliases, return the channel_key of each that is known."""
    known = _known(tx)
    return {scid: known[scid] for scid in set(scids) if scid in known}


def unknown_scids(tx: Tx, scids: Iterable[str]) -> set[str]:
    """Given scids or aliases, return those that name no channel yet."""
    return set(scids) - _known(tx).keys()


def names_by_channel(tx: Tx) -> dict[str, frozenset[str]]:
    """Return every scid and alias that each channel_id ever went by."""
    statement = select(channel_scid.c.scid, channel.c.channel_id).join(
        channel, (channel.c.node_key == channel_scid.c.node_key) & (channel.c.channel_key == channel_scid.c.channel_key)
    )
    names: dict[str, set[str]] = defaultdict(set)
    for row in tx.connection.execute(statement.where(channel_scid.c.node_key == tx.node_key)):
        names[row.channel_id].add(row.scid)
    return {channel_id: frozenset(found) for channel_id, found in names.items()}


def add_placeholder(tx: Tx, scid: str, seen_at: float) -> int:
    """Given an scid that nobody can explain, return the key of a channel that stands for it, a new one if need be."""
    known = _known(tx)
    if scid not in known:
        channel_id = _PLACEHOLDER + scid
        key = ensure_channels(tx, [channel_id], seen_at)[channel_id]
        tx.connection.execute(
            update(channel).where(channel.c.node_key == tx.node_key, channel.c.channel_key == key).values(scid=scid)
        )
        record_names(tx, [(scid, key)], seen_at)
        return key
    return known[scid]


def attach_scids(tx: Tx, channel_ids: Mapping[str, str]) -> None:
    """Given scids, and the channel that the node says each named, record that; a placeholder's forwards move over.

    A channel that was opened since the last listing gets a bare row, which the next listing completes.
    """
    if channel_ids:
        listed = select(func.coalesce(func.max(channel.c.last_seen_at), 0.0)).where(channel.c.node_key == tx.node_key)
        seen_at: float = tx.connection.execute(listed).scalar_one()
        keys = ensure_channels(tx, channel_ids.values(), seen_at)
        record_names(tx, [(scid, keys[channel_id]) for scid, channel_id in channel_ids.items()], seen_at)


def names_of(channels: Iterable[Channel] | Iterable[ClosedChannel], keys: Mapping[str, int]) -> list[tuple[str, int]]:
    """Given channels, return what forwards may call each: its scid, and our alias while it had none."""
    pairs = ((name, keys[item.channel_id]) for item in channels for name in (item.scid, item.alias_local))
    return [(name, key) for name, key in pairs if name is not None]


def record_names(tx: Tx, names: Iterable[tuple[str, int]], seen_at: float) -> None:
    """Given (scid, channel_key), record the new ones. A name that stood for a placeholder brings its forwards along."""
    known = _known(tx)
    placeholders = placeholder_keys(tx) if known else frozenset()
    for scid, key in names:
        before = known.get(scid)
        if before == key:
            continue
        values = {"node_key": tx.node_key, "scid": scid, "channel_key": key, "first_seen_at": seen_at}
        insert = upsert(tx, channel_scid).values(values)
        insert = insert.on_conflict_do_update(index_elements=["node_key", "scid"], set_={"channel_key": key})
        tx.connection.execute(insert)
        known[scid] = key
        if before is not None and before in placeholders:
            _merge(tx, before, key)


def _known(tx: Tx) -> dict[str, int]:
    return {row[0]: row[1] for row in tx.execute(_names()).all()}


@cache
def _names() -> Executable:
    return select(channel_scid.c.scid, channel_scid.c.channel_key).where(channel_scid.c.node_key == NODE)


def placeholder_keys(tx: Tx) -> frozenset[int]:
    """Return the keys of channels of which only an scid is known."""
    return frozenset(tx.execute(_placeholder_keys()).scalars())


@cache
def _placeholder_keys() -> Executable:
    return select(channel.c.channel_key).where(
        channel.c.node_key == NODE, channel.c.channel_id.startswith(_PLACEHOLDER)
    )


def _merge(tx: Tx, old_key: int, new_key: int) -> None:
    """Give a placeholder's history to the channel that it stood for, and drop it."""
    take_turns(tx)
    for column in (forward.c.in_channel_key, forward.c.out_channel_key):
        tx.connection.execute(
            update(forward).where(forward.c.node_key == tx.node_key, column == old_key).values({column: new_key})
        )
    touched = (
        forward_day.c.node_key == tx.node_key,
        or_(forward_day.c.in_channel_key == old_key, forward_day.c.out_channel_key == old_key),
    )
    columns = ("day", "in_channel_key", "out_channel_key", *DAY_SUMS, "last_settled_at")
    rows = tx.connection.execute(select(*(forward_day.c[name] for name in columns)).where(*touched)).all()
    tx.connection.execute(delete(forward_day).where(*touched))
    moved = {old_key: new_key}
    for row in rows:
        sums = row._asdict()
        for name in ("in_channel_key", "out_channel_key"):
            sums[name] = moved.get(sums[name], sums[name])
        add_days(tx, [sums])
    merge_sums(tx, old_key, new_key)
    merge_channel(tx, old_key, new_key)
    forget_channels(tx, (old_key, new_key))
    tx.connection.execute(delete(channel).where(channel.c.node_key == tx.node_key, channel.c.channel_key == old_key))
