"""How steadily peers are connected, and which are too unsteady to move liquidity to or from them.

A payment through a peer that leaves in mid-flight hangs until it is back, and a refilled channel whose peer is away
sells nothing. But an outage of our own takes all peers away at once: of such a time nothing is held against them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from revops.decide.uptime import stretches
from revops.domain.node import NodeEvent
from revops.domain.policy import RebalanceConfig
from revops.domain.reason import Reason, ReasonCode, why
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


def stabilities(pasts: Mapping[str, PeerPast], now: float) -> dict[str, Stability]:
    """Given what the records say of each peer_id, and the moment of the last look, return how steady each is."""
    weeks = {peer_id: _week(past, now) for peer_id, past in pasts.items()}
    ours = own_outages(weeks.values())
    return {
        peer_id: Stability(peer_id, window_of(week, now, DAY_SECONDS, ours), window_of(week, now, WEEK_SECONDS, ours))
        for peer_id, week in weeks.items()
    }


def _week(past: PeerPast, now: float) -> tuple[Stretch, ...]:
    if past.known_since_at is None:
        return ()
    since_at = max(now - WEEK_SECONDS, past.known_since_at)
    return stretches(past.events, past.connected, since_at, now, past.last_stable_at)


def window_of(found: Iterable[Stretch], now: float, seconds: float, ours: Sequence[Span] = ()) -> StabilityWindow:
    """Given a peer's stretches and the outages of our own, return the last `seconds` before `now` added up."""
    since_at, up_seconds, down_seconds, flap_count = now - seconds, 0.0, 0.0, 0
    for one in found:
        if one.presence is Presence.UNKNOWN or one.until_at < since_at:
            continue
        span = (max(one.from_at, since_at), one.until_at)
        if one.presence is Presence.UP:
            up_seconds += span[1] - span[0]
            continue
        shared = [_overlap(span, other) for other in ours]
        down_seconds += span[1] - span[0] - sum(shared)
        flap_count += one.dropped and one.from_at >= since_at and not any(shared)
    return StabilityWindow(seconds, up_seconds, down_seconds, flap_count)


def _overlap(one: Span, other: Span) -> float:
    return max(min(one[1], other[1]) - max(one[0], other[0]), 0.0)


def own_outages(weeks: Iterable[Sequence[Stretch]]) -> tuple[Span, ...]:
    """Given the stretches of each peer, return when all of them that were ever there were away: an outage of ours.

    None where that holds for fewer than three peers: two can be away at once by chance.
    """
    edges: list[tuple[float, int, int]] = []
    for week in weeks:
        if not any(one.presence is Presence.UP for one in week):
            continue
        for one in week:
            up, down = int(one.presence is Presence.UP), int(one.presence is Presence.DOWN)
            if one.seconds and (up or down):
                edges += [(one.from_at, up, down), (one.until_at, -up, -down)]
    found: list[Span] = []
    up_count = down_count = 0
    began_at: float | None = None
    for at, up, down in sorted(edges):
        if began_at is not None and at > began_at and up_count == 0 and down_count >= LEAST_PEERS:
            found.append((began_at, at))
        up_count, down_count, began_at = up_count + up, down_count + down, at
    return tuple(found)


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
