"""What gossip tells of other nodes' channels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GossipEdge:
    """One direction of one announced channel (`listchannels`): what `source_id` asks for the way to its peer.

    `active` is false where the source has disabled it. All of it was chosen by strangers.
    """

    scid: str
    source_id: str
    capacity_msat: int
    fee_base_msat: int
    fee_ppm: int
    active: bool
