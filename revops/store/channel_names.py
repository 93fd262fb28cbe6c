"""What each channel is called, and by which names it is found again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from sqlalchemy import Executable, select

from revops.store.engine import NODE, Tx
from revops.store.scids import names_by_channel
from revops.store.tables import channel, peer


@dataclass(frozen=True, slots=True)
class NamedChannel:
    """A channel, open or closed. `names` are all that it ever went by: its channel_id, its scids and aliases."""

    channel_key: int
    channel_id: str
    name: str
    peer_id: str | None
    alias: str | None
    names: frozenset[str]


def named_channels(tx: Tx) -> dict[int, NamedChannel]:
    """Return every channel that was ever seen, by channel_key."""
    known = names_by_channel(tx)
    found = {}
    for row in tx.execute(_channels()).all():
        name = row.scid or row.alias_local or row.channel_id
        names = known.get(row.channel_id, frozenset()) | {row.channel_id, name}
        found[row.channel_key] = NamedChannel(row.channel_key, row.channel_id, name, row.peer_id, row.alias, names)
    return found


@cache
def _channels() -> Executable:
    columns = (channel.c[name] for name in ("channel_key", "channel_id", "scid", "alias_local"))
    return (
        select(*columns, peer.c.peer_id, peer.c.alias)
        .outerjoin(peer, (peer.c.node_key == channel.c.node_key) & (peer.c.peer_key == channel.c.peer_key))
        .where(channel.c.node_key == NODE)
    )
