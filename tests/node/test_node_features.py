"""Feature bits: which of them a node signals, by what real ones answer; and what is no answer."""

from __future__ import annotations

from typing import Any

import pytest

from revops.node.errors import NodeError
from revops.node.parse_features import features
from tests.builders import node_id

#: As a node of v26.06.6 and its peers say it.
OWN, PEER = "800898882a8a59a1", "800898880a8a59a1"


def info(bits: str | None = OWN) -> dict[str, Any]:
    return {"id": node_id(9)} if bits is None else {"id": node_id(9), "our_features": {"init": bits, "node": ""}}


def peer(number: int, **more: Any) -> dict[str, Any]:
    return {"id": node_id(number), "connected": True, "num_channels": 1, **more}


def test_the_lowest_bit_stands_last() -> None:
    found = features(info("03"), {"peers": [peer(1, features="8000000000000000"), peer(2, features="")]})
    assert found.own == {0, 1}
    assert found.peers == {node_id(1): {63}, node_id(2): frozenset()}


def test_real_nodes_signal_splicing() -> None:
    found = features(info(), {"peers": [peer(1, features=PEER), peer(2, connected=False)]})
    assert 63 in found.own
    assert 63 in found.peers[node_id(1)]
    assert 29 in found.own, "option_dual_fund"
    assert 29 not in found.peers[node_id(1)]
    assert node_id(2) not in found.peers, "what it hasn't said isn't known"


def test_a_node_that_says_nothing_of_itself_signals_nothing() -> None:
    assert features(info(None), {"peers": []}).own == frozenset()


@pytest.mark.parametrize("bits", ["8", "xy", "80 ", "0x80", "8" * 131_072, 5, ["80"]])
def test_what_is_no_hex_is_an_error(bits: object) -> None:
    with pytest.raises(NodeError, match="features"):
        features(info(), {"peers": [peer(1, features=bits)]})


@pytest.mark.parametrize("reply", [{}, {"peers": [{"features": PEER}]}, {"peers": [{"id": "x", "features": PEER}]}])
def test_what_is_no_list_of_peers_is_an_error(reply: dict[str, object]) -> None:
    with pytest.raises(NodeError, match="listpeers"):
        features(info(), reply)
