"""What the records say of the node's traffic in the last weeks, gathered for a market like it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, TypeVar

from revops.decide.absences import absences_of
from revops.decide.belief import UNSETTLED_PER_SETTLED
from revops.decide.hindsight import put_right
from revops.domain.decision import FeeState, PriceWindow
from revops.domain.node import NodeEvent
from revops.domain.node_traffic import ChannelPast, EntryHour, NodeTraffic, TrafficHour
from revops.domain.record import ChannelRecord
from revops.store import anchors, fees, queries, samples, signals
from revops.store import events as peer_events
from revops.store import node_traffic as stored
from revops.store.days import DAY_SECONDS
from revops.store.earned import Earned, earned_since
from revops.store.engine import Tx
from revops.store.nodes import node_row

#: Raw forwards are kept for a month at least.
WINDOW_DAYS: Final = 30
#: A market of more peers takes too long; those with most traffic tell most.
MOST_PEERS: Final = 40
_Hour = TypeVar("_Hour", TrafficHour, EntryHour)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the records know of all channels and peers."""

    now: float
    since_at: float
    open_since: Mapping[str, float]
    hours: Mapping[str, tuple[TrafficHour, ...]]
    entries: Mapping[str, tuple[EntryHour, ...]]
    prices: Mapping[str, tuple[tuple[float, int], ...]]
    states: Mapping[str, FeeState]
    earned: Mapping[str, Earned]
    anchors: Mapping[str, anchors.Anchor]
    events: Mapping[str, Sequence[NodeEvent]]
    events_recorded: bool


def read_traffic(tx: Tx, now: float) -> NodeTraffic:
    """Given the time, return what the records say of the node's traffic in the weeks before the last sync."""
    now = min(now, node_row(tx).synced_at or now)
    sums = signals.load(tx)
    oldest_at = stored.oldest_at(tx)
    since_at = now if oldest_at is None else min(max(now - WINDOW_DAYS * DAY_SECONDS, oldest_at), now)
    attempts = stored.attempts_by_channel(tx, since_at)
    groups: dict[str, list[ChannelRecord]] = defaultdict(list)
    for one in queries.channel_records(tx, since_at):
        if one.open and one.capacity_msat > 0:
            groups[one.peer_id or one.channel_id].append(one)
    ranked = sorted(groups.values(), key=lambda members: _busiest_first(members, attempts))
    chosen = ranked[:MOST_PEERS]
    known = _read(tx, chosen, sums.open_since, since_at, now)
    return NodeTraffic(
        taken_at=now,
        since_at=since_at,
        channels=tuple(_past(members, known) for members in chosen),
        amounts=stored.amounts(tx, since_at),
        tiny_count=stored.tiny_count(tx, since_at),
        earned_msat=sum(one.window.earned_msat for members in chosen for one in members),
        left_out_count=len(ranked) - len(chosen),
        opening_perkw=_feerate(tx, since_at),
    )


def _busiest_first(members: Sequence[ChannelRecord], attempts: Mapping[str, int]) -> tuple[int, int, str]:
    count = sum(attempts.get(one.channel_id, 0) for one in members)
    return -count, -sum(one.window.in_msat for one in members), members[0].name


def _read(
    tx: Tx, chosen: Sequence[Sequence[ChannelRecord]], open_since: Mapping[str, float], since_at: float, now: float
) -> _Known:
    channel_ids = [one.channel_id for members in chosen for one in members]
    states = {channel_id: put_right(state, now) for channel_id, state in fees.fee_states(tx).items()}
    recorded_at, events = peer_events.comings_and_goings(tx, since_at)
    return _Known(
        now=now,
        since_at=since_at,
        open_since=open_since,
        hours=stored.traffic_hours(tx, channel_ids, since_at),
        entries=stored.entry_hours(tx, channel_ids, since_at),
        prices=stored.prices_since(tx, since_at),
        states=states,
        earned=earned_since(tx, _price_starts(chosen, states)),
        anchors=anchors.anchors(tx),
        events=events,
        events_recorded=recorded_at is not None,
    )


def _price_starts(chosen: Sequence[Sequence[ChannelRecord]], states: Mapping[str, FeeState]) -> dict[str, float]:
    """Since when each channel asks for its fee: its peer's leader remembers it."""
    starts: dict[str, float] = {}
    for members in chosen:
        state = states.get(_leader(members).channel_id)
        if state is not None:
            starts |= dict.fromkeys((one.channel_id for one in members), state.window_start_at)
    return starts


def _leader(members: Sequence[ChannelRecord]) -> ChannelRecord:
    """The oldest channel, whose fee and memory stand for all of its peer (`decide/peers.py`)."""
    return min(members, key=lambda one: (one.opened_at or 0, -one.capacity_msat, one.channel_id))


def _past(members: Sequence[ChannelRecord], known: _Known) -> ChannelPast:
    """The channels of one peer as one: its leader, with what all of them have added up."""
    leader = _leader(members)
    watched_at = min(known.open_since.get(one.channel_id, known.since_at) for one in members)
    since_at = min(max(watched_at, known.since_at), known.now)
    anchor = known.anchors.get(leader.peer_id or "")
    connected = any(one.connected for one in members)
    return ChannelPast(
        channel_id=leader.channel_id,
        name=leader.name,
        alias=leader.alias,
        capacity_msat=sum(one.capacity_msat for one in members),
        local_msat=sum(one.local_msat for one in members),
        fee_ppm=leader.fee_ppm or 0,
        fee_base_msat=leader.fee_base_msat or 0,
        since_at=since_at,
        hours=_added(hour for one in members for hour in known.hours[one.channel_id]),
        entries=_added(hour for one in members for hour in known.entries[one.channel_id]),
        windows=_windows(leader, members, known),
        prices=known.prices.get(leader.channel_id, ()),
        anchor_ppm=None if anchor is None else anchor.ppm,
        absences=absences_of(known.events.get(leader.peer_id or "", ()), connected, since_at, known.now),
        peer_known=known.events_recorded,
        channel_count=len(members),
    )


def _added(hours: Iterable[_Hour]) -> tuple[_Hour, ...]:
    sums: dict[int, _Hour] = {}
    for one in hours:
        had = sums.get(one.hour)
        sums[one.hour] = one if had is None else had.joined(one)
    return tuple(sorted(sums.values()))


def _windows(leader: ChannelRecord, members: Sequence[ChannelRecord], known: _Known) -> tuple[PriceWindow, ...]:
    """The prices that fee setting remembers, and the one in force, as strategies look at them (`evidence.py`)."""
    state = known.states.get(leader.channel_id)
    if state is None:
        return ()
    if state.open_seconds <= 0:
        return state.windows
    found = [known.earned[one.channel_id] for one in members if one.channel_id in known.earned]
    paid_count = sum(one.settled_interest_count for one in found)
    count = min(sum(one.interest_count for one in found), (1 + UNSETTLED_PER_SETTLED) * paid_count)
    return (*state.windows, PriceWindow(known.now, state.fee_ppm, state.open_seconds / 3_600, count))


def _feerate(tx: Tx, since_at: float) -> int | None:
    sampled = [one.opening_perkw for one in samples.feerates_since(tx, since_at) if one.opening_perkw is not None]
    return round(median(sampled)) if sampled else None
