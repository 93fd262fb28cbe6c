"""What keeps a channel, or all of them, out of rebalancing, whatever it would be worth."""

from __future__ import annotations

from revops.decide.occupancy import left_alone
from revops.domain.channel import Channel
from revops.domain.policy import RebalanceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import RebalanceSnapshot


def mode_reasons(policy: RebalanceConfig) -> tuple[Reason, ...]:
    """Given the policy, return why nothing is executed at all; empty where it may be."""
    reasons: list[Reason] = []
    if policy.mode != "act":
        reasons.append(why(ReasonCode.OBSERVE_MODE))
    if policy.executor == "none":
        reasons.append(why(ReasonCode.EXECUTOR_NONE))
    return tuple(reasons)


def permission_reason(permission: str, side: str) -> Reason | None:
    """Given what a rule lets a channel take part in as, and the side that it would be on ("source" or "target"), return
    why it may not; None if it may.
    """
    if permission in {"both", side}:
        return None
    return why(ReasonCode.NOT_PERMITTED, permission=permission, side=f"a {side}")


def kept_out(channel: Channel, side: str, snapshot: RebalanceSnapshot) -> Reason | None:
    """Given a channel and the side that it would be on, return why it takes part in nothing now; None where it may."""
    if not channel.usable:
        return why(ReasonCode.NOT_USABLE, state=channel.state if channel.connected else "peer is not connected")
    forbidden = permission_reason(snapshot.permissions.get(channel.channel_id, "both"), side)
    if forbidden is not None:
        return forbidden
    if channel.channel_id in snapshot.in_flight:
        return why(ReasonCode.IN_FLIGHT)
    unstable = snapshot.unstable.get(channel.channel_id)
    if unstable is not None:
        return unstable
    return left_alone(channel, snapshot.congested_since.get(channel.channel_id), snapshot.view.taken_at)
