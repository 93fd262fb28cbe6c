"""What others charge into each peer, as gossip had it when it was last asked: a cache, one row a peer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Executable, select

from revops.store.engine import NODE, Tx
from revops.store.keys import ensure_peers, upsert
from revops.store.tables import peer, peer_anchor

#: An anchor is measured again after a day: gossip moves slowly, and each question makes the node walk its whole graph.
REFRESH_SECONDS: Final = 86_400.0


class Anchor(NamedTuple):
    """What others charge into a peer (None: too few channels to tell), and when gossip was read."""

    ppm: int | None
    checked_at: float


def anchors(tx: Tx) -> dict[str, Anchor]:
    """Return the last price into each peer_id that gossip was ever read for, however old: while the node doesn't
    answer, the last one stands.
    """
    known = tx.execute(_anchors())
    return {row.peer_id: Anchor(row.anchor_ppm, row.checked_at) for row in known if row.checked_at is not None}


@cache
def _anchors() -> Executable:
    return (
        select(peer.c.peer_id, peer_anchor.c.anchor_ppm, peer_anchor.c.checked_at, peer_anchor.c.tried_at)
        .join(peer, (peer.c.node_key == peer_anchor.c.node_key) & (peer.c.peer_key == peer_anchor.c.peer_key))
        .where(peer_anchor.c.node_key == NODE)
    )


def due_peers(tx: Tx, peer_ids: Collection[str], urgent: Collection[str], now: float, limit: int) -> tuple[str, ...]:
    """Given peers, those of them with new channels, and the time, return at most `limit` that should be asked about.

    Those of new channels that were never asked about come first, then the others, the longest untried first. A trial
    from the future, made by a clock that was wrong, counts as none.
    """
    tried = {row.peer_id: row.tried_at for row in tx.execute(_anchors()) if row.tried_at <= now}
    due = [peer_id for peer_id in peer_ids if now - tried.get(peer_id, 0.0) >= REFRESH_SECONDS]
    due.sort(key=lambda peer_id: (peer_id in tried or peer_id not in urgent, tried.get(peer_id, 0.0), peer_id))
    return tuple(due[:limit])


def record_anchors(tx: Tx, measured: Mapping[str, int | None], failed: Collection[str], at: float) -> None:
    """Given what was measured of peers (None: too few channels), and those of which the node told nothing, record both.

    A failure leaves the last measurement and its age: only that it was tried is new.
    """
    keys = ensure_peers(tx, [*measured, *failed])
    for peer_id, anchor_ppm in measured.items():
        _record(tx, keys[peer_id], {"anchor_ppm": anchor_ppm, "checked_at": at, "tried_at": at})
    for peer_id in failed:
        _record(tx, keys[peer_id], {"tried_at": at})


def _record(tx: Tx, peer_key: int, facts: Mapping[str, Any]) -> None:
    row = upsert(tx, peer_anchor).values(node_key=tx.node_key, peer_key=peer_key, **facts)
    tx.connection.execute(row.on_conflict_do_update(index_elements=["node_key", "peer_key"], set_=dict(facts)))
