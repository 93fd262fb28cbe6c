"""How steadily the peers are connected, by the records: for a plan, a run, the report and the metrics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from revops.cycle.spool import known_outages
from revops.decide.stability import WEEK_SECONDS, PeerPast, stabilities, unstable_reason
from revops.domain.channel import LIVE_STATES
from revops.domain.policy import Config
from revops.domain.reason import Reason
from revops.domain.record import ChannelRecord
from revops.domain.snapshot import NodeView
from revops.domain.stability import Stability
from revops.store import events
from revops.store.engine import Tx


@dataclass(frozen=True, slots=True)
class _Link:
    """What a channel says of its peer."""

    peer_id: str
    connected: bool
    opened_at: float
    last_stable_at: float | None


def _opened_at(opened_at: int | None, state: str, now: float) -> float:
    """When a channel was opened: of one that isn't yet, now; of one that is too old for the node to know, long ago."""
    if opened_at is not None:
        return float(opened_at)
    return 0.0 if state in LIVE_STATES else now


def peer_stability(tx: Tx, view: NodeView) -> dict[str, Stability]:
    """Given the node as it is, after a sync, return how steady each peer_id with a channel is."""
    now = view.taken_at
    links = [
        _Link(one.peer_id, one.connected, _opened_at(one.opened_at, one.state, now), one.last_stable_connection_at)
        for one in view.channels
    ]
    return _stability(tx, links, now)


def recorded_stability(tx: Tx, records: Iterable[ChannelRecord], synced_at: float | None) -> dict[str, Stability]:
    """As `peer_stability`, of open channels as the last sync saw them, at that moment: nothing is known since."""
    if synced_at is None:
        return {}
    now = synced_at
    links = [
        _Link(one.peer_id, one.connected, _opened_at(one.opened_at, one.state, now), one.last_stable_connection_at)
        for one in records
        if one.open and one.peer_id is not None
    ]
    return _stability(tx, links, now)


def stability_reasons(tx: Tx, config: Config, view: NodeView) -> dict[str, Reason]:
    """Given the configuration and the node as it is, after a sync, return why nothing should be moved to or from a
    channel, by channel_id: those whose peer is unsteady.
    """
    reasons = {
        peer_id: unstable_reason(stability, config.rebalance) for peer_id, stability in peer_stability(tx, view).items()
    }
    found = ((channel.channel_id, reasons[channel.peer_id]) for channel in view.channels)
    return {channel_id: reason for channel_id, reason in found if reason is not None}


def _stability(tx: Tx, links: Iterable[_Link], now: float) -> dict[str, Stability]:
    """A peer counts as known since its first channel that is still there was opened: what strangers did isn't
    recorded.
    """
    complete_since_at, happened = events.comings_and_goings(tx, now - WEEK_SECONDS)
    by_peer: dict[str, list[_Link]] = defaultdict(list)
    for link in links:
        by_peer[link.peer_id].append(link)
    pasts = {}
    for peer_id, members in by_peer.items():
        known_since_at = complete_since_at
        if complete_since_at is not None:
            known_since_at = max(complete_since_at, min(one.opened_at for one in members))
        stable = [one.last_stable_at for one in members if one.last_stable_at is not None]
        pasts[peer_id] = PeerPast(
            events=happened.get(peer_id, ()),
            connected=any(one.connected for one in members),
            known_since_at=known_since_at,
            last_stable_at=max(stable, default=None),
        )
    return stabilities(pasts, now, known_outages(tx, now - WEEK_SECONDS))
