"""Peers that have a channel with us."""

from __future__ import annotations

from enum import Enum, unique

from revops.metrics.catalog.define import PEER, PEER_WINDOW, state


@unique
class PeerMetric(Enum):
    """A peer."""

    REPUTATION = state(
        "revops_peer_reputation_ratio",
        PEER,
        "Chance that the peer's next payment succeeds, as its sender or its receiver; 0.5 where nothing is known.",
    )
    PAYMENTS = state(
        "revops_peer_reputation_payments", PEER, "Payments that the reputation rests on, older ones for less."
    )
    HOLD = state(
        "revops_peer_hold_seconds",
        ("node", "peer_id"),
        "How long the peer typically takes to settle or fail a payment; absent where nothing is known.",
    )
    UPTIME = state(
        "revops_peer_uptime_ratio",
        PEER_WINDOW,
        "Share of the known part of the window (24h, 7d) in which the peer was connected; absent where less than half "
        "is known.",
    )
    DOWN = state(
        "revops_peer_down_seconds",
        PEER_WINDOW,
        "How long the peer was away within the window (24h, 7d), outages of our own left out.",
    )
    COVERED = state(
        "revops_peer_covered_seconds",
        PEER_WINDOW,
        "Of how much of the window (24h, 7d) it is known whether the peer was connected.",
    )
    FLAPS = state(
        "revops_peer_flaps", PEER_WINDOW, "How often the peer's connection was lost within the window (24h, 7d)."
    )
