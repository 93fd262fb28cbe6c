"""Peers as people and metrics see them: how they do in each role, beside what their channels have moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from revops.decide.reputation import STRANGER, hold_seconds_of, score_of
from revops.domain.record import ChannelRecord, PeerRecord, Standing
from revops.domain.stability import Stability
from revops.domain.traffic import Reputation, Traffic


def peer_records(
    channels: Iterable[ChannelRecord],
    traffic: Traffic,
    now: float,
    stability: Mapping[str, Stability] | None = None,
) -> tuple[PeerRecord, ...]:
    """Given channels, open and closed, the sums, and how steady each peer_id is, return their peers, the best earner
    first.
    """
    by_peer: Mapping[str, list[ChannelRecord]] = defaultdict(list)
    for channel in channels:
        if channel.peer_id is not None:
            by_peer[channel.peer_id].append(channel)
    steady = stability or {}
    peers = (_peer(peer_id, members, traffic, now, steady.get(peer_id)) for peer_id, members in by_peer.items())
    return tuple(sorted(peers, key=lambda peer: (-peer.earned_msat, -peer.moved_msat, peer.peer_id)))


def _peer(
    peer_id: str, members: list[ChannelRecord], traffic: Traffic, now: float, stability: Stability | None
) -> PeerRecord:
    receiver = traffic.receivers.get(peer_id, STRANGER).at(now)
    return PeerRecord(
        peer_id=peer_id,
        alias=members[0].alias,
        channel_count=sum(one.open for one in members),
        connected=any(one.connected for one in members),
        sender=_standing(traffic.senders.get(peer_id, STRANGER).at(now)),
        receiver=_standing(receiver),
        hold_seconds=hold_seconds_of(receiver),
        in_msat=sum(one.window.in_msat for one in members),
        out_msat=sum(one.window.out_msat for one in members),
        earned_msat=sum(one.window.earned_msat for one in members),
        sourced_msat=sum(one.window.sourced_msat for one in members),
        stability=stability,
    )


def _standing(reputation: Reputation) -> Standing:
    return Standing(score_of(reputation), reputation.success + reputation.failure)
