"""What the policy rules make of each channel: facts gathered from the records, and from the node where it was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from revops.cycle.spool import known_outages
from revops.decide.flow_kind import FLOW_DAYS, flow_kind
from revops.decide.rules import resolve
from revops.decide.stability import window_of
from revops.decide.uptime import stretches
from revops.domain.channel import Channel
from revops.domain.forward import Flow
from revops.domain.node import NodeEvent
from revops.domain.policy import Config
from revops.domain.record import ChannelRecord
from revops.domain.recorder import Outage
from revops.domain.rules import ChannelFacts, ChannelPolicy
from revops.domain.snapshot import NodeView
from revops.store import channels as stored_channels
from revops.store import events as peer_events
from revops.store import flows, scids
from revops.store.days import DAY_SECONDS
from revops.store.engine import Tx

#: Uptime is that of so many days, or of as long as there is a record and the channel.
UPTIME_DAYS: Final = 30
_NO_FLOW: Final = Flow()


@dataclass(frozen=True, slots=True)
class _Known:
    """What the records know of all channels and peers."""

    now: float
    names: Mapping[str, frozenset[str]]
    aliases: Mapping[str, str]
    flows: Mapping[str, Flow]
    recorded_since_at: float | None
    events: Mapping[str, Sequence[NodeEvent]]
    outages: Sequence[Outage]

    def uptime_ratio(self, peer_id: str | None, connected: bool, opened_at: float | None) -> float | None:
        """None where too little is known of the peer's comings and goings. What a peer did before the channel was
        there is not held against it.
        """
        if peer_id is None or self.recorded_since_at is None:
            return None
        since_at = max(self.now - UPTIME_DAYS * DAY_SECONDS, self.recorded_since_at, opened_at or 0.0)
        found = stretches(self.events.get(peer_id, ()), connected, since_at, self.now, outages=self.outages)
        return window_of(found, self.now, self.now - since_at).uptime_ratio

    def names_of(self, channel_id: str, *now: str | None) -> frozenset[str]:
        """What a channel is called now, and what it ever was: a rule that names an scid outlives a splice."""
        known = self.names.get(channel_id, frozenset())
        return known | {name for name in (channel_id, *now) if name is not None}

    def age_days(self, opened_at: float | None) -> float | None:
        return None if opened_at is None else max(self.now - opened_at, 0.0) / DAY_SECONDS


def channel_policies(tx: Tx, config: Config, channels: Sequence[Channel], now: float) -> dict[str, ChannelPolicy]:
    """Given the configuration and channels as the node lists them, return the policy of each channel_id; empty where
    there are no rules, since `[fees]` is everybody's then. Where no rule asks for the uptime, nobody looks for it.
    """
    if not config.rules:
        return {}
    matches = [rule.match for rule in config.rules]
    uptime = any(one.min_uptime_ratio is not None or one.max_uptime_ratio is not None for one in matches)
    known = _read(tx, now, uptime=uptime)
    return {
        channel.channel_id: resolve(_facts_of(channel, known), config.fees, config.rules, now) for channel in channels
    }


def permissions(tx: Tx, config: Config, view: NodeView) -> dict[str, str]:
    """Given the configuration and the node, return what the rules let each channel_id take part in as."""
    policies = channel_policies(tx, config, view.channels, view.taken_at)
    return {channel_id: policy.rebalance for channel_id, policy in policies.items()}


def recorded_policies(tx: Tx, config: Config, records: Sequence[ChannelRecord], now: float) -> list[ChannelPolicy]:
    """As `channel_policies`, of channels as the last sync saw them, also where there are no rules."""
    known = _read(tx, now, uptime=True)
    return [resolve(_facts_of_record(record, known), config.fees, config.rules, now) for record in records]


def _read(tx: Tx, now: float, *, uptime: bool) -> _Known:
    since_at: float | None = None
    events: Mapping[str, Sequence[NodeEvent]] = {}
    outages: Sequence[Outage] = ()
    if uptime:  # a month of all peers' comings and goings
        month_ago = now - UPTIME_DAYS * DAY_SECONDS
        since_at, events = peer_events.comings_and_goings(tx, month_ago)
        outages = known_outages(tx, month_ago)
    return _Known(
        now=now,
        names=scids.names_by_channel(tx),
        aliases=stored_channels.aliases(tx),
        flows=flows.flows(tx, now - FLOW_DAYS * DAY_SECONDS),
        recorded_since_at=since_at,
        events=events,
        outages=outages,
    )


def _facts_of(channel: Channel, known: _Known) -> ChannelFacts:
    return ChannelFacts(
        channel_id=channel.channel_id,
        name=channel.name,
        names=known.names_of(channel.channel_id, channel.scid, channel.alias_local),
        peer_id=channel.peer_id,
        alias=known.aliases.get(channel.peer_id),
        capacity_msat=channel.capacity_msat,
        local_ratio=channel.local_ratio,
        age_days=known.age_days(channel.opened_at),
        private=channel.private,
        opener=channel.opener,
        uptime_ratio=known.uptime_ratio(channel.peer_id, channel.connected, channel.opened_at),
        flow=flow_kind(known.flows.get(channel.channel_id, _NO_FLOW), channel.capacity_msat),
    )


def _facts_of_record(record: ChannelRecord, known: _Known) -> ChannelFacts:
    return ChannelFacts(
        channel_id=record.channel_id,
        name=record.name,
        names=known.names_of(record.channel_id, record.name),
        peer_id=record.peer_id,
        alias=record.alias,
        capacity_msat=record.capacity_msat,
        local_ratio=record.local_msat / record.capacity_msat if record.capacity_msat else 0.0,
        age_days=known.age_days(record.opened_at),
        private=record.private,
        opener=record.opener,
        uptime_ratio=known.uptime_ratio(record.peer_id, record.connected, record.opened_at),
        flow=flow_kind(known.flows.get(record.channel_id, _NO_FLOW), record.capacity_msat),
    )
