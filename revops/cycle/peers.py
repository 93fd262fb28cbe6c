"""`revops report peers`: what the records say of each peer. Reads them only."""

from __future__ import annotations

import time

from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.cycle.stability import recorded_stability
from revops.decide.standing import peer_records
from revops.domain.options import CommonOptions
from revops.domain.record import PeersReport
from revops.store import nodes, queries, signals

COMMAND = "report peers"
DAY_SECONDS = 86_400


def run(options: CommonOptions, window_days: int | None = None, clock: Clock = time.time) -> PeersReport:
    """Given the flags and the window, return the peers that have a channel with us, or had traffic in the window."""
    with open_records(options, COMMAND, clock) as records:
        now = clock()
        days = window_days or records.config.report.window_days
        with records.database.read(records.node_key) as tx:
            synced_at = nodes.node_row(tx).synced_at
            channels = queries.channel_records(tx, now - days * DAY_SECONDS)
            traffic = signals.load(tx)
            stability = recorded_stability(tx, channels, synced_at)
    known = peer_records(channels, traffic, now, stability)
    peers = tuple(peer for peer in known if peer.channel_count or peer.moved_msat)
    return PeersReport(now, synced_at, days, peers)
