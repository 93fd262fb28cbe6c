"""How steadily peers are connected, and which are too unsteady to move liquidity to or from them.

A payment through a peer that leaves in mid-flight hangs until it is back, and a refilled channel whose peer is away
sells nothing. But an outage of our own takes all peers away at once: of such a time nothing is held against them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import inf
from operator import attrgetter, itemgetter
from typing import Final

from revops.decide.uptime import stretches
from revops.domain.node import NodeEvent
from revops.domain.policy import RebalanceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.recorder import Outage
from revops.domain.stability import Presence, Stability, StabilityWindow, Stretch

HOUR_SECONDS: Final = 3_600.0
DAY_SECONDS: Final = 86_400.0
WEEK_SECONDS: Final = 7 * DAY_SECONDS
#: So many peers, all that were there within the week, must be away at once for an outage to be ours.
LEAST_PEERS: Final = 3

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class PeerPast:
    """What the records say of a peer: its events in order, complete since `known_since_at` (None: there is no record),
    with the last one before that or before the window. `last_stable_at` is None where no channel says it.
    """

    events: Sequence[NodeEvent]
    connected: bool
    known_since_at: float | None
    last_stable_at: float | None = None


def stabilities(pasts: Mapping[str, PeerPast], now: float, outages: Sequence[Outage] = ()) -> dict[str, Stability]:
    """Given what the records say of each peer_id, the moment of the last look, and when lightningd is known to have
    been away, return how steady each is.
    """
    weeks = {peer_id: _week(past, now, outages) for peer_id, past in pasts.items()}
    ours = own_outages(weeks.values())
    return {
        peer_id: Stability(peer_id, window_of(week, now, DAY_SECONDS, ours), window_of(week, now, WEEK_SECONDS, ours))
        for peer_id, week in weeks.items()
    }


def _week(past: PeerPast, now: float, outages: Sequence[Outage]) -> tuple[Stretch, ...]:
    if past.known_since_at is None:
        return ()
    since_at = max(now - WEEK_SECONDS, past.known_since_at)
    return stretches(past.events, past.connected, since_at, now, past.last_stable_at, outages)


def window_of(found: Sequence[Stretch], now: float, seconds: float, ours: Sequence[Span] = ()) -> StabilityWindow:
    """Given a peer's stretches in order and the outages of our own, return the last `seconds` before `now` added up."""
    since_at, up_seconds, down_seconds, flap_count = now - seconds, 0.0, 0.0, 0
    for one in islice(found, bisect_left(found, since_at, key=_until_at), None):
        if one.presence is Presence.UNKNOWN:
            continue
        from_at = max(one.from_at, since_at)
        if one.presence is Presence.UP:
            up_seconds += one.until_at - from_at
            continue
        shared_seconds = _overlap(from_at, one.until_at, ours) if ours else 0.0
        down_seconds += one.until_at - from_at - shared_seconds
        flap_count += one.dropped and one.from_at >= since_at and not shared_seconds
    return StabilityWindow(seconds, up_seconds, down_seconds, flap_count)


_until_at: Final = attrgetter("until_at")


def _overlap(from_at: float, until_at: float, spans: Sequence[Span]) -> float:
    """How much of a stretch lies in spans that are in order and apart."""
    seconds = 0.0
    for span in islice(spans, bisect_right(spans, from_at, key=itemgetter(1)), None):
        if span[0] >= until_at:
            break
        seconds += min(until_at, span[1]) - max(from_at, span[0])
    return seconds


def own_outages(weeks: Iterable[Sequence[Stretch]]) -> tuple[Span, ...]:
    """Given the stretches of each peer, return when all of them that were ever there were away: an outage of ours.

    None where that holds for fewer than three peers: two can be away at once by chance.
    """
    there = [week for week in weeks if any(one.presence is Presence.UP for one in week)]
    without = _without_any(there)
    if not without:
        return ()
    edges: list[tuple[float, int]] = []
    for week in there:
        for one in week:
            if one.presence is Presence.DOWN:
                edges += _edges_within(one, without)
    found: list[Span] = []
    down_count, began_at = 0, -inf
    for at, down in sorted(edges):
        if at > began_at and down_count >= LEAST_PEERS:
            found.append((began_at, at))
        down_count, began_at = down_count + down, at
    return tuple(found)


def _without_any(weeks: Iterable[Sequence[Stretch]]) -> list[Span]:
    """When no peer was connected. Peers that come and go little are looked at first: mostly a few of them have filled
    the week.
    """
    left: list[Span] = [(-inf, inf)]
    for week in sorted(weeks, key=len):
        if not left:
            break
        left = _less(left, [one for one in week if one.presence is Presence.UP])
    return left


def _less(spans: Sequence[Span], stretches_up: Iterable[Stretch]) -> list[Span]:
    """The spans without what lies in stretches; both in order."""
    left: list[Span] = []
    rest = iter(spans)
    span = next(rest, None)
    for one in stretches_up:
        while span is not None and span[1] <= one.from_at:
            left.append(span)
            span = next(rest, None)
        while span is not None and span[0] < one.until_at:
            if span[0] < one.from_at:
                left.append((span[0], one.from_at))
            span = (one.until_at, span[1]) if span[1] > one.until_at else next(rest, None)
    if span is not None:
        left.append(span)
    return [*left, *rest]


def _edges_within(one: Stretch, spans: Sequence[Span]) -> Iterator[tuple[float, int]]:
    """Where a stretch begins and ends in each of the spans, which are in order."""
    for span in islice(spans, bisect_right(spans, one.from_at, key=itemgetter(1)), None):
        if span[0] >= one.until_at:
            break
        yield max(one.from_at, span[0]), 1
        yield min(one.until_at, span[1]), -1


def unstable_reason(stability: Stability | None, policy: RebalanceConfig) -> Reason | None:
    """Given a peer's stability (None: nothing is known) and the bounds, return why no liquidity should be moved to or
    from it; None where it is steady enough, or where too little is known to say that it isn't.

    What was seen counts: a peer that was away for too long in the last 24 hours is unsteady however little is known
    of the rest, and one that was dropped too often, too.
    """
    if stability is None:
        return None
    day = stability.day
    share_ratio = day.uptime_ratio
    too_long = day.best_uptime_ratio < policy.min_uptime_ratio or (
        share_ratio is not None and share_ratio < policy.min_uptime_ratio
    )
    if not too_long and day.flap_count <= policy.max_flaps_per_day:
        return None
    return why(
        ReasonCode.UNSTABLE,
        uptime_percent=round(100 * (day.known_uptime_ratio or 0.0), 1),
        covered_hours=round(day.covered_seconds / HOUR_SECONDS, 1),
        down_minutes=round(day.down_seconds / 60),
        flap_count=day.flap_count,
        min_percent=round(100 * policy.min_uptime_ratio, 1),
        max_flaps=policy.max_flaps_per_day,
    )
