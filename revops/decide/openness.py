"""Open hours: the time in which a channel could have forwarded a typical payment.

A price learns nothing while nothing could flow. A disconnected or drained channel that earns nothing says nothing
about its fee, so rates are per open hour, and only open time counts towards "no revenue".
"""

from __future__ import annotations

from typing import Final

from revops.domain.channel import Channel
from revops.domain.decision import FeeState
from revops.domain.forward import TYPICAL_PAYMENT_MSAT
from revops.domain.values import replace

#: Small channels are judged by a share of their capacity.
TYPICAL_SHARE: Final = 20
#: Longer than this between two looks, and we don't know whether the channel was open all the time.
LONGEST_GAP_SECONDS: Final = 6 * 3_600.0


def could_route(channel: Channel) -> bool:
    """Given a channel, return whether it could forward a typical payment now: usable, spendable, a slot free."""
    typical_msat = min(TYPICAL_PAYMENT_MSAT, channel.capacity_msat // TYPICAL_SHARE)
    if not channel.usable or channel.spendable_msat < typical_msat:
        return False
    return sum(htlc.direction == "out" for htlc in channel.htlcs) < channel.max_accepted_htlcs


def count_open_time(state: FeeState, channel: Channel, last_earned_at: float | None, now: float) -> FeeState:
    """Given what was counted up to the last look, return it counted up to `now`.

    A clock that went back counts nothing. A gap of more than six hours counts as six. What lies before the window's
    start belongs to the former price and counts for idleness only.
    """
    elapsed = min(max(now - state.counted_at, 0.0), LONGEST_GAP_SECONDS)
    in_window = min(max(now - max(state.counted_at, state.window_start_at), 0.0), LONGEST_GAP_SECONDS)
    is_open = could_route(channel)
    open_seconds = state.open_seconds + (in_window if is_open else 0.0)
    idle_open_seconds = state.idle_open_seconds + (elapsed if is_open else 0.0)
    if last_earned_at is not None and last_earned_at >= state.counted_at:
        idle_open_seconds = min(max(now - last_earned_at, 0.0), elapsed) if is_open else 0.0
    return replace(
        state, counted_at=max(now, state.counted_at), open_seconds=open_seconds, idle_open_seconds=idle_open_seconds
    )
