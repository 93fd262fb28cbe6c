"""Rows for store tests: forwards and moves as the node lists them, and a new node for each example of a property."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

from msgspec import structs

from revops.domain.channel import ClosedChannel
from revops.domain.forward import ForwardStatus
from revops.domain.listed import ChannelMove, Forward
from revops.store import channels
from revops.store.engine import Database, Tx
from tests.builders import NOW, channel_id, make_channel, node_id

SETTLED, FAILED = ForwardStatus.SETTLED, ForwardStatus.FAILED
REFUSED, OFFERED = ForwardStatus.LOCAL_FAILED, ForwardStatus.OFFERED
_NUMBERS = count(1_000)


def new_node(database: Database) -> int:
    """The key of a node that nothing was recorded of: isolation without a database of its own."""
    return database.node_key(node_id(next(_NUMBERS)), "ours", "bitcoin")


def scid(number: int) -> str:
    """The scid of `make_channel(number)`."""
    return f"{700_000 + number}x1x0"


def record(tx: Tx, *numbers: int, seen_at: float = NOW) -> None:
    """Record ordinary channels by number."""
    channels.record_channels(tx, [make_channel(number) for number in numbers], seen_at)


def make_forward(index: int, **overrides: Any) -> Forward:
    """A forward of 1,000,000 msat from channel 1 to channel 2, settled a second after it came, for 100 msat."""
    base = Forward(
        created_index=index,
        updated_index=index,
        in_scid=scid(1),
        out_scid=scid(2),
        in_msat=1_000_100,
        out_msat=1_000_000,
        fee_msat=100,
        status=SETTLED,
        received_at=NOW - 1_000 + index,
        resolved_at=NOW - 999 + index,
        failcode=None,
    )
    item = structs.replace(base, **overrides)
    if "status" in overrides and "resolved_at" not in overrides and item.status in (REFUSED, OFFERED):
        item = structs.replace(item, resolved_at=None)
    if "received_at" in overrides and "resolved_at" not in overrides and item.resolved_at is not None:
        item = structs.replace(item, resolved_at=item.received_at + 1)
    return item


def make_closed(number: int, **overrides: Any) -> ClosedChannel:
    """Channel `number`, closed by us."""
    base = ClosedChannel(
        channel_id=channel_id(number),
        peer_id=node_id(number),
        scid=scid(number),
        alias_local=f"{10_000 + number}x2x0",
        opener="local",
        closer="local",
        close_cause="user",
        capacity_msat=5_000_000_000,
        final_local_msat=1_234_000,
        last_stable_connection_at=int(NOW) - 100,
    )
    return replace(base, **overrides)


def make_move(index: int, **overrides: Any) -> ChannelMove:
    """A payment of our own that left by channel 1."""
    base = ChannelMove(index, channel_id(1), 0, 5_000, int(NOW) - 10, "invoice", "ab" * 32, 7)
    return structs.replace(base, **overrides)
