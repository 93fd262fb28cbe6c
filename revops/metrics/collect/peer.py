"""Peers: how well their payments do, and how steadily they are connected."""

from __future__ import annotations

from revops.domain.record import PeerRecord
from revops.domain.stability import Stability
from revops.domain.traffic import Role
from revops.metrics.catalog import PeerMetric
from revops.metrics.collect.families import Row


def peer_rows(peer: PeerRecord) -> list[Row]:
    """Given a peer, return its reputation in each role, and its past."""
    rows: list[Row] = [(PeerMetric.HOLD, (peer.peer_id,), peer.hold_seconds)]
    for role, standing in ((Role.SENDER, peer.sender), (Role.RECEIVER, peer.receiver)):
        rows += [
            (PeerMetric.REPUTATION, (peer.peer_id, role), standing.score_ratio),
            (PeerMetric.PAYMENTS, (peer.peer_id, role), standing.payment_count),
        ]
    return [*rows, *_stability(peer.stability)]


def _stability(stability: Stability | None) -> list[Row]:
    if stability is None:
        return []
    rows: list[Row] = []
    for name, window in (("24h", stability.day), ("7d", stability.week)):
        labels = (stability.peer_id, name)
        rows += [
            (PeerMetric.UPTIME, labels, window.uptime_ratio),
            (PeerMetric.DOWN, labels, window.down_seconds),
            (PeerMetric.COVERED, labels, window.covered_seconds),
            (PeerMetric.FLAPS, labels, window.flap_count),
        ]
    return rows
