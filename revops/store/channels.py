"""Channels and peers as the node lists them, what they were called before, and what became of them.

Rows are for ever: a channel that is gone keeps its history. The names that it had are `scids`' business.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, bindparam, func, or_, select, update

from revops.domain.channel import Channel, ClosedChannel
from revops.domain.occupancy import nearest_expiry, occupancy
from revops.store.engine import NODE, Tx
from revops.store.fees import REVOPS, VALVE
from revops.store.keys import ensure_channels, ensure_peers, upsert
from revops.store.scids import names_of, record_names
from revops.store.tables import channel, closed_channel, fee_change, peer

#: No longer listed, and not yet named by listclosedchannels; and closed for good.
GONE_STATE: Final = "GONE"
CLOSED_STATE: Final = "CLOSED"
#: What can be sent over a channel that is gone, and what is under way on it.
_EMPTY: Final = {
    "spendable_msat": 0,
    "receivable_msat": 0,
    "htlc_count": 0,
    "htlc_out_count": 0,
    "htlc_out_msat": 0,
    "htlc_in_count": 0,
    "htlc_in_msat": 0,
    "nearest_expiry_blockheight": None,
}
#: What a call of ours changes on a channel.
_OWN_TERMS: Final = ("fee_base_msat", "fee_ppm", "htlc_max_msat")
#: By how much a call of ours can overtake a look at the node. What is announced further ahead was under a wrong clock.
_OVERTAKE_SECONDS: Final = 3_600.0


def record_channels(tx: Tx, channels: Sequence[Channel], seen_at: float) -> None:
    """Given all channels that the node lists, record them; those that it lists no more become GONE, closed at
    `seen_at`.

    Another run may have set a fee since the node was asked: what came into force by it stands.
    """
    known_peers = ensure_peers(tx, (item.peer_id for item in channels))
    known = ensure_channels(tx, (item.channel_id for item in channels), seen_at)
    _record_connected(tx, {known_peers[item.peer_id] for item in channels if item.connected})
    rows = [_row(tx.node_key, item, known[item.channel_id], known_peers[item.peer_id], seen_at) for item in channels]
    overtaken = _announced_since(tx, seen_at)
    late = [row for row in rows if row["b_key"] in overtaken]
    for row in late:
        for name in _OWN_TERMS:
            del row[name]
    for some in ([row for row in rows if row["b_key"] not in overtaken], late):
        if some:
            tx.connection.execute(_record(), some)  # sets the columns that the rows name
    _record_gone(tx, {known[item.channel_id] for item in channels}, seen_at)
    record_names(tx, names_of(channels, known), seen_at)


@cache
def _record() -> Executable:
    return update(channel).where(channel.c.node_key == NODE, channel.c.channel_key == bindparam("b_key"))


def record_own_terms(
    tx: Tx, channel_id: str, fee_base_msat: int, fee_ppm: int, htlc_max_msat: int | None = None
) -> None:
    """Given what came into force by a call of ours (None: left as it was), show it on the channel."""
    values = {"fee_base_msat": fee_base_msat, "fee_ppm": fee_ppm}
    if htlc_max_msat is not None:
        values["htlc_max_msat"] = htlc_max_msat
    tx.execute(_record_by_id(), b_id=channel_id, **values)


@cache
def _record_by_id() -> Executable:
    """Sets the columns that the values name."""
    return update(channel).where(channel.c.node_key == NODE, channel.c.channel_id == bindparam("b_id"))


def _announced_since(tx: Tx, seen_at: float) -> set[int]:
    """The channel_keys of which a call of ours changed something after the node was asked."""
    found = tx.execute(_announced(), b_after=seen_at, b_until=seen_at + _OVERTAKE_SECONDS)
    return set(found.scalars())


@cache
def _announced() -> Executable:
    return select(fee_change.c.channel_key).where(
        fee_change.c.node_key == NODE,
        fee_change.c.changed_at > bindparam("b_after"),
        fee_change.c.changed_at <= bindparam("b_until"),
        fee_change.c.source.in_((REVOPS, VALVE)),
    )


def _record_connected(tx: Tx, connected_keys: Collection[int]) -> None:
    known = tx.execute(_connected_peers()).scalars().all()
    changed = [(key, False) for key in known if key not in connected_keys]
    changed += [(key, True) for key in sorted(set(connected_keys).difference(known))]
    if changed:
        rows = [{"b_node": tx.node_key, "b_key": key, "connected": connected} for key, connected in changed]
        tx.connection.execute(_connect(), rows)


@cache
def _connected_peers() -> Executable:
    return select(peer.c.peer_key).where(peer.c.node_key == NODE, peer.c.connected)


@cache
def _connect() -> Executable:
    """Sets the column that the rows name."""
    return update(peer).where(peer.c.node_key == NODE, peer.c.peer_key == bindparam("b_key"))


def _row(node_key: int, item: Channel, channel_key: int, peer_key: int, seen_at: float) -> dict[str, Any]:
    remote = item.remote_terms
    return {
        "b_node": node_key,
        "b_key": channel_key,
        "peer_key": peer_key,
        "scid": item.scid,
        "alias_local": item.alias_local,
        "alias_remote": item.alias_remote,
        "direction": item.direction,
        "state": item.state,
        "opener": item.opener,
        "private": item.private,
        "connected": item.connected,
        "capacity_msat": item.capacity_msat,
        "local_msat": item.local_msat,
        "spendable_msat": item.spendable_msat,
        "receivable_msat": item.receivable_msat,
        "our_reserve_msat": item.our_reserve_msat,
        "their_reserve_msat": item.their_reserve_msat,
        "fee_base_msat": item.local_terms.fee_base_msat,
        "fee_ppm": item.local_terms.fee_ppm,
        "htlc_min_msat": item.local_terms.htlc_min_msat,
        "htlc_max_msat": item.local_terms.htlc_max_msat,
        "cltv_delta_blocks": item.local_terms.cltv_delta_blocks,
        "remote_fee_base_msat": remote.fee_base_msat if remote else None,
        "remote_fee_ppm": remote.fee_ppm if remote else None,
        "remote_htlc_min_msat": remote.htlc_min_msat if remote else None,
        "remote_htlc_max_msat": remote.htlc_max_msat if remote else None,
        "remote_cltv_delta_blocks": remote.cltv_delta_blocks if remote else None,
        "max_accepted_htlcs": item.max_accepted_htlcs,
        **_htlcs(item),
        "opened_at": item.opened_at,
        "last_stable_connection_at": item.last_stable_connection_at,
        "last_seen_at": seen_at,
        "closed_at": None,
    }


def _htlcs(item: Channel) -> dict[str, int | None]:
    out, into = occupancy(item, "out"), occupancy(item, "in")
    return {
        "htlc_count": len(item.htlcs),
        "htlc_out_count": out.htlc_count,
        "htlc_out_msat": out.in_flight_msat,
        "htlc_out_limit_msat": out.limit_msat,
        "htlc_in_count": into.htlc_count,
        "htlc_in_msat": into.in_flight_msat,
        "htlc_in_limit_msat": into.limit_msat,
        "nearest_expiry_blockheight": nearest_expiry(item),
    }


def _record_gone(tx: Tx, listed_keys: Collection[int], seen_at: float) -> None:
    gone = [{"b_key": key} for key in tx.execute(_open_keys()).scalars() if key not in listed_keys]
    if gone:
        values = {"state": GONE_STATE, "closed_at": seen_at, "connected": False, **_EMPTY}
        row = (channel.c.node_key == tx.node_key, channel.c.channel_key == bindparam("b_key"))
        tx.connection.execute(update(channel).where(*row).values(values), gone)


@cache
def _open_keys() -> Executable:
    return select(channel.c.channel_key).where(channel.c.node_key == NODE, channel.c.closed_at.is_(None))


def record_closed(tx: Tx, closed: Sequence[ClosedChannel], seen_at: float) -> None:
    """Given the channels that the node calls closed, record what is known of each, also of those never seen open."""
    if not closed:
        return
    known_peers = ensure_peers(tx, (item.peer_id for item in closed if item.peer_id is not None))
    known = ensure_channels(tx, (item.channel_id for item in closed), seen_at)
    for item in closed:
        key = known[item.channel_id]
        facts = {
            "opener": item.opener,
            "closer": item.closer,
            "close_cause": item.close_cause,
            "capacity_msat": item.capacity_msat,
            "final_local_msat": item.final_local_msat,
            "last_stable_connection_at": item.last_stable_connection_at,
        }
        insert = upsert(tx, closed_channel).values(node_key=tx.node_key, channel_key=key, seen_at=seen_at, **facts)
        insert = insert.on_conflict_do_update(index_elements=["node_key", "channel_key"], set_=facts)
        tx.connection.execute(insert)
        values: dict[str, Any] = {
            "state": CLOSED_STATE,
            "connected": False,
            "opener": item.opener,
            "capacity_msat": item.capacity_msat,
            "local_msat": item.final_local_msat,
            **_EMPTY,
            "closed_at": func.coalesce(channel.c.closed_at, seen_at),
            "scid": func.coalesce(item.scid, channel.c.scid),
            "alias_local": func.coalesce(item.alias_local, channel.c.alias_local),
        }
        if item.peer_id is not None:
            values["peer_key"] = known_peers[item.peer_id]
        row = (channel.c.node_key == tx.node_key) & (channel.c.channel_key == key)
        tx.connection.execute(update(channel).where(row).values(values))
    record_names(tx, names_of(closed, known), seen_at)


def record_alias(tx: Tx, peer_id: str, alias: str | None, checked_at: float) -> None:
    """Given what gossip calls a peer (None: nothing), record it with the moment of asking."""
    values = {"alias_checked_at": checked_at} if alias is None else {"alias": alias, "alias_checked_at": checked_at}
    row = (peer.c.node_key == tx.node_key) & (peer.c.peer_id == peer_id)
    tx.connection.execute(update(peer).where(row).values(values))


def aliases(tx: Tx) -> dict[str, str]:
    """Return the alias of each peer_id that has one. Strangers chose them."""
    known = (peer.c.node_key == tx.node_key, peer.c.alias.is_not(None))
    return {row.peer_id: row.alias for row in tx.connection.execute(select(peer.c.peer_id, peer.c.alias).where(*known))}


def peers_without_alias(tx: Tx, checked_before_at: float, limit: int) -> tuple[str, ...]:
    """Return at most `limit` peer_ids whose alias was never asked for, or last before that instant; oldest first."""
    return tuple(tx.execute(_peers_without_alias(), b_before=checked_before_at, b_limit=limit).scalars())


@cache
def _peers_without_alias() -> Executable:
    stale = or_(peer.c.alias_checked_at.is_(None), peer.c.alias_checked_at < bindparam("b_before"))
    return (
        select(peer.c.peer_id)
        .where(peer.c.node_key == NODE, stale)
        .order_by(func.coalesce(peer.c.alias_checked_at, 0.0), peer.c.peer_key)
        .limit(bindparam("b_limit"))
    )
