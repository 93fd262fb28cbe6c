"""`listchannels` as domain values. What stands in it was chosen by strangers; that it is well-formed is lightningd's
word.
"""

from __future__ import annotations

from revops.domain.gossip import GossipEdge
from revops.node.fields import Fields


def edges_into(reply: dict[str, object], node_id: str) -> tuple[GossipEdge, ...]:
    """Given the reply of `listchannels destination=…`, return the channels that lead to that node.

    Raise NodeError where one leads somewhere else.
    """
    return tuple(_edge(row, node_id) for row in Fields("listchannels", reply).rows("channels"))


def _edge(row: Fields, node_id: str) -> GossipEdge:
    if row.node_id("destination") != node_id:
        raise row.wrong("destination", "is not the node that was asked for")
    return GossipEdge(
        scid=row.scid("short_channel_id"),
        source_id=row.node_id("source"),
        capacity_msat=row.msat("amount_msat"),
        fee_base_msat=row.whole("base_fee_millisatoshi"),
        fee_ppm=row.whole("fee_per_millionth"),
        active=row.flag("active"),
    )
