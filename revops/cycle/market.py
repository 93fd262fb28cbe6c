"""What the market and the chain say of our channels, for `fees adjust`: gossip is asked, the records are read.

Prices of others come from gossip, a few peers a run, and are kept: a node that doesn't answer leaves the last ones.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from revops.cycle.session import Session
from revops.decide.anchor import anchor_ppm
from revops.decide.chain_floor import OLDEST_SECONDS
from revops.decide.first_fee import is_young
from revops.domain.channel import Channel
from revops.domain.node import Feerates
from revops.domain.signals import UNKNOWN, Signals
from revops.domain.snapshot import NodeView
from revops.domain.values import replace
from revops.errors import DataError
from revops.node.errors import NodeError
from revops.store import anchors, flows, payments, samples
from revops.store.engine import Tx

#: Peers that gossip is asked about in one run; lightningd walks its whole graph for each.
ANCHORS_A_RUN: Final = 25
#: Volumes and refills of so long are what a floor rests on.
WINDOW_SECONDS: Final = 30 * 86_400.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Market:
    """What was read: feerates of the last days, and figures by channel_id and peer_id."""

    read_at: float
    feerates: tuple[Feerates, ...]
    sold_msat: Mapping[str, int]
    refill_ppm: Mapping[str, int]
    anchors: Mapping[str, anchors.Anchor]

    def signals(self, channel: Channel, known: Signals = UNKNOWN) -> Signals:
        """Given a channel and what is known of it otherwise, return its signals with the market's in them."""
        anchor = self.anchors.get(channel.peer_id)
        if anchor is not None:
            age_seconds = max(self.read_at - anchor.checked_at, 0.0)
            known = replace(known, anchor_ppm=anchor.ppm, anchor_age_seconds=age_seconds, market_read=True)
        return replace(known, refill_ppm=self.refill_ppm.get(channel.channel_id))


def read_market(tx: Tx, now: float) -> Market:
    """Given the time, return what the records know of the market and the chain."""
    sold_msat = flows.sold_msat(tx, now - WINDOW_SECONDS)
    return Market(
        read_at=now,
        feerates=samples.feerates_since(tx, now - OLDEST_SECONDS),
        sold_msat=sold_msat,
        refill_ppm=payments.refill_costs(tx, now - WINDOW_SECONDS, sold_msat),
        anchors=anchors.anchors(tx),
    )


def refresh_anchors(session: Session, view: NodeView) -> None:
    """Ask gossip what others charge into our peers, the longest unasked first, peers of new channels at once.

    Never raises because the node doesn't answer: then the last prices stand. An answer that makes no sense costs only
    its peer's turn; where there is none at all, the rest waits for the next run.
    """
    now = view.taken_at
    live = [channel for channel in view.channels if channel.live]
    peers = {channel.peer_id for channel in live}
    with session.database.read(session.node_key) as tx:
        due = anchors.due_peers(tx, peers, _peers_of_new(live, now), now, ANCHORS_A_RUN)
    measured: dict[str, int | None] = {}
    failed: list[str] = []
    for peer_id in due:
        try:
            measured[peer_id] = anchor_ppm(session.reader.channels_into(peer_id), view.node.node_id)
        except NodeError as error:
            _log.warning("%s; the last price into %s stands", error, peer_id)
            failed.append(peer_id)
            if error.exit_code != DataError.exit_code:
                break
    if measured or failed:
        with session.database.transaction(session.node_key) as tx:
            anchors.record_anchors(tx, measured, failed, now)


def _peers_of_new(channels: Sequence[Channel], now: float) -> set[str]:
    return {channel.peer_id for channel in channels if is_young(channel, now)}
