"""What a made node's socket says is read as what the made node itself says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from revops.domain.channel import Channel
from revops.domain.listed import Forward
from revops.node.errors import NodeError
from revops.node.reader import NodeReader
from tests.books.made import MadeNode
from tests.books.served import Served
from tests.builders import DAY, NOW


class Direct:
    """A caller without a socket."""

    def __init__(self, served: Served) -> None:
        self.served = served

    def call(self, method: str, params: Any = None, timeout_seconds: float | None = None) -> dict[str, object]:
        reply = json.loads(self.served.answer({"id": "1", "method": method, "params": params}))
        if "error" in reply:
            raise NodeError(method, reply["error"]["message"], code=reply["error"]["code"])
        return dict(reply["result"])


def listed(one: Channel) -> Channel:
    """A channel without what the socket leaves out."""
    return replace(one, opened_at=None)


def untimed(one: Forward) -> Forward:
    """A forward without its instants, which are rounded on their way."""
    return structs.replace(one, received_at=0.0, resolved_at=None)


@pytest.mark.parametrize("now_at", [NOW, NOW - 200.2 * DAY])
def test_the_socket_says_what_the_node_says(now_at: float) -> None:
    node = MadeNode(9, 30, 2_000)
    node.now_at = now_at
    reader = NodeReader(Direct(Served(node)))
    assert reader.info() == node.info()
    assert [listed(one) for one in reader.channels()] == [listed(one) for one in node.channels()]
    assert reader.closed_channels() == node.closed_channels() != ()
    assert reader.wallet() == node.wallet()
    for index in ("created", "updated"):
        read, made = reader.forwards(index, 300, 500), node.forwards(index, 300, 500)
        assert len(read) == 500
        assert [untimed(one) for one in read] == [untimed(one) for one in made]
        assert [one.resolved_at for one in read] == pytest.approx([one.resolved_at for one in made], abs=1e-6)
    assert reader.channel_moves(90, 500) == node.channel_moves(90, 500)
    assert reader.chain_moves(5, 300) == node.chain_moves(5, 300)
    assert reader.node_events(3, 50) == node.node_events(3, 50)
    for subsystem in ("forwards", "channelmoves", "chainmoves", "networkevents"):
        assert reader.top_index(subsystem, "created") == node.top_index(subsystem, "created") > 0
    spliced = next(life for life in node.lives if len(life.names) > 1 and life.open_at(now_at))
    found = reader.channel_by_scid(spliced.names[0][1])
    assert found is not None
    assert found.channel_id == spliced.channel_id
    assert reader.channel_by_scid("1x1x1") is None
