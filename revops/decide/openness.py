"""Open hours: the time in which a channel could have forwarded a typical payment.

A price learns nothing while nothing could flow. A disconnected or drained channel that earns nothing says nothing
about its fee, so rates are per open hour, and only open time counts towards "no revenue". Nor does one that no payment
can get to, since the channels of all other peers are full.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from revops.domain.channel import Channel
from revops.domain.decision import FeeState
from revops.domain.forward import TYPICAL_PAYMENT_MSAT
from revops.domain.occupancy import Direction, occupancy
from revops.domain.snapshot import FeeInput
from revops.domain.values import replace

#: Small channels are judged by a share of their capacity.
TYPICAL_SHARE: Final = 20
#: Longer than this between two looks, and we don't know whether the channel was open all the time.
LONGEST_GAP_SECONDS: Final = 6 * 3_600.0


def could_route(channel: Channel) -> bool:
    """Given a channel, return whether it could forward a typical payment now: usable, spendable, a slot free, and the
    value that may be in flight not used up.
    """
    return channel.usable and channel.spendable_msat >= _typical_msat(channel) and _has_room(channel, "out")


def could_receive(channel: Channel) -> bool:
    """Given a channel, return whether a typical payment could enter by it now, as it could leave (`could_route`)."""
    return channel.usable and channel.receivable_msat >= _typical_msat(channel) and _has_room(channel, "in")


def _has_room(channel: Channel, direction: Direction) -> bool:
    if not channel.htlcs:
        return channel.max_accepted_htlcs > 0  # as most channels are at most times
    fill = occupancy(channel, direction)
    return fill.htlc_count < fill.slot_count and fill.limit_msat - fill.in_flight_msat >= _typical_msat(channel)


def _typical_msat(channel: Channel) -> int:
    return min(TYPICAL_PAYMENT_MSAT, channel.capacity_msat // TYPICAL_SHARE)


def could_sell(offer: FeeInput) -> bool:
    """Given a channel or peer, return whether a typical payment could get to it and leave by it now."""
    return offer.reachable and could_route(offer.channel)


def unreachable_peers(channels: Iterable[Channel]) -> frozenset[str]:
    """Given all our channels, return the peers that no typical payment can get to, since it could enter by no other
    peer's channel. A node with a single peer forwards nothing anyway: it has none.
    """
    live = [channel for channel in channels if channel.live]
    peers = {channel.peer_id for channel in live}
    open_to = {channel.peer_id for channel in live if could_receive(channel)}
    if len(peers) < 2 or len(open_to) > 1:
        return frozenset()
    return frozenset(open_to or peers)


def count_open_time(offer: FeeInput, state: FeeState, now: float) -> FeeState:
    """Given a channel or peer and what was counted up to the last look, return it counted up to `now`.

    A clock that went back counts nothing. A gap of more than six hours counts as six. What lies before the window's
    start belongs to the former price and counts for idleness only.
    """
    elapsed = min(max(now - state.counted_at, 0.0), LONGEST_GAP_SECONDS)
    in_window = min(max(now - max(state.counted_at, state.window_start_at), 0.0), LONGEST_GAP_SECONDS)
    is_open = could_sell(offer)
    last_earned_at = offer.last_earned_at
    open_seconds = state.open_seconds + (in_window if is_open else 0.0)
    idle_open_seconds = state.idle_open_seconds + (elapsed if is_open else 0.0)
    if last_earned_at is not None and last_earned_at >= state.counted_at:
        idle_open_seconds = min(max(now - last_earned_at, 0.0), elapsed) if is_open else 0.0
    return replace(
        state, counted_at=max(now, state.counted_at), open_seconds=open_seconds, idle_open_seconds=idle_open_seconds
    )
