"""A stored rebalance job, held against the node as it is now, just before it is sent: can its channels carry it at all?

Whether it is still worth its price was judged before (`rebalance/judge.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from revops.decide.in_flight import short
from revops.decide.occupancy import left_alone
from revops.domain.channel import Channel
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import NodeView


def revalidate(
    source: Channel | None,
    target: Channel | None,
    amount_msat: int,
    in_flight: Sequence[str],
    congested_since: Mapping[str, float],
    view: NodeView,
) -> Reason | None:
    """Given a stored job's channels and the node as they are now, return why it can't be executed any more; None if it
    can.

    `congested_since` is when those that were congested at the last look became so. A target's peer that has several
    channels with us may let the payment in by another one than the route says. Out of a source it goes by the channel
    that the route names, and by no other (lightningd/pay.c, find_channel_for_htlc_add).
    """
    for channel, have_msat, side in (
        (source, source.spendable_msat if source else 0, "the source"),
        (target, target.receivable_msat if target else 0, "the target"),
    ):
        if channel is None or not channel.usable:
            state = "gone" if channel is None else "not connected" if channel.live else channel.state
            return why(ReasonCode.NOT_USABLE, state=f"{side} is {state}")
        if channel.channel_id in in_flight:
            return why(ReasonCode.IN_FLIGHT)
        congested = left_alone(channel, congested_since.get(channel.channel_id), view.taken_at)
        if congested is not None:
            return congested
        if have_msat < amount_msat:
            return short(channel, side, have_msat, amount_msat)
    count = sum(1 for other in view.channels if target is not None and other.live and other.peer_id == target.peer_id)
    return why(ReasonCode.SEVERAL_CHANNELS, channel_count=count) if count > 1 else None
