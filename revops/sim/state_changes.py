"""How a channel's states follow each other, as listpeerchannels tells of them (`state_changes`)."""

from __future__ import annotations

from revops.sim.channels import Channel
from revops.sim.ids import iso_time
from revops.sim.state import World


def change_state(world: World, channel: Channel, state: str, cause: str, message: str) -> None:
    """Move a channel to another state and remember it."""
    channel.state_changes.append(state_change(world.now_at, channel.state, state, cause, message))
    channel.state = state


def lockin_change(channel: Channel, after_seconds: int = 3_600) -> dict[str, str]:
    """Return the state change with which the channel became usable, so long after its opening."""
    cause = "user" if channel.opener == "local" else "remote"
    at = channel.opened_at + after_seconds
    return state_change(at, "CHANNELD_AWAITING_LOCKIN", "CHANNELD_NORMAL", cause, "Lockin complete")


def state_change(at: float, old: str, new: str, cause: str, message: str) -> dict[str, str]:
    """Return one entry."""
    return {"timestamp": iso_time(at), "old_state": old, "new_state": new, "cause": cause, "message": message}
