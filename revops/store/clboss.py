"""What CLBOSS leaves to us because we told it to: a row a peer, which ends when it is given back."""

from __future__ import annotations

from sqlalchemy import select

from revops.domain.clboss import HeldTags, Tags
from revops.errors import BugError
from revops.store.engine import Tx
from revops.store.keys import peer_keys, upsert
from revops.store.tables import clboss_tag, peer


def held_tags(tx: Tx) -> dict[str, HeldTags]:
    """Return what we hold of each peer_id, as we last knew it."""
    statement = (
        select(peer.c.peer_id, clboss_tag.c.tags, clboss_tag.c.taken_at)
        .join(peer, (peer.c.node_key == clboss_tag.c.node_key) & (peer.c.peer_key == clboss_tag.c.peer_key))
        .where(clboss_tag.c.node_key == tx.node_key, clboss_tag.c.returned_at.is_(None))
    )
    return {
        row.peer_id: HeldTags(frozenset(row.tags.split(",")), row.taken_at) for row in tx.connection.execute(statement)
    }


def record_held(tx: Tx, peer_id: str, tags: Tags, at: float) -> None:
    """Given a peer and what we hold of it now, record it; nothing: all is given back. Since when counts from the first
    tag that was taken. Raise BugError for a peer that was never recorded.
    """
    held = held_tags(tx).get(peer_id)
    if not tags and held is None:
        return
    key = peer_keys(tx).get(peer_id)
    if key is None:
        raise BugError(f"peer {peer_id} was never recorded: sync comes first")
    row = {
        "node_key": tx.node_key,
        "peer_key": key,
        "tags": ",".join(sorted(tags or (held.tags if held is not None else ()))),
        "taken_at": at if held is None else held.taken_at,
        "returned_at": None if tags else at,
    }
    insert = upsert(tx, clboss_tag).values(row)
    changed = {name: insert.excluded[name] for name in ("tags", "taken_at", "returned_at")}
    tx.connection.execute(insert.on_conflict_do_update(index_elements=["node_key", "peer_key"], set_=changed))
