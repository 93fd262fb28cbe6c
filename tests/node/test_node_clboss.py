"""CLBOSS's two methods as its own source has them (Boss/Mod/UnmanagedManager.cpp)."""

from __future__ import annotations

from typing import Any

import pytest

from revops.node.errors import NodeError
from revops.node.parse_clboss import unmanaged
from revops.node.reader import NodeReader
from revops.node.writer import DryRunWriter, NodeWriter
from revops.sim.world import SimConfig, SimulatedNode
from tests.node.samples import Replay
from tests.sim.driving import refused

ONE, TWO = "02" + "ab" * 32, "03" + "cd" * 32
COMMENT = "Use 'clboss-unmanage' to disable management of some nodes."


def test_the_list_has_a_comment_and_a_text_of_tags_a_peer() -> None:
    listed = {"comment": COMMENT, ONE: "balance, lnfee", TWO: "open"}
    assert unmanaged({"unmanaged": listed, "internet": {}}) == {ONE: {"balance", "lnfee"}, TWO: {"open"}}
    assert unmanaged({"unmanaged": {"comment": COMMENT}}) == {}
    # Tags that we don't know are kept: they are to be sent back as they are.
    assert unmanaged({"unmanaged": {ONE: "lnfee,,swap", TWO: ""}}) == {ONE: {"lnfee", "swap"}}


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ({}, "field unmanaged is missing"),
        ({"unmanaged": None}, "field unmanaged is null, not an object"),
        ({"unmanaged": [ONE]}, "field unmanaged is a list, not an object"),
        ({"unmanaged": {"alice": "lnfee"}}, r"field unmanaged\.alice is not a node id"),
        ({"unmanaged": {ONE: 7}}, rf"field unmanaged\.{ONE} is a whole number, not a text"),
        ({"unmanaged": {ONE: "lnfee balance"}}, rf"field unmanaged\.{ONE} is not a list of tags"),
        ({"unmanaged": {ONE: "ln\x1b[2J"}}, rf"field unmanaged\.{ONE} is not a list of tags"),
    ],
)
def test_anything_else_is_an_error(reply: dict[str, Any], problem: str) -> None:
    with pytest.raises(NodeError, match=f"clboss-status: {problem}"):
        unmanaged(reply)


def test_no_such_method_means_that_clboss_is_not_there() -> None:
    absent = NodeError("clboss-status", "no", code=-32601)
    assert NodeReader(Replay(**{"clboss-status": absent})).clboss_unmanaged() is None
    ended = NodeError("clboss-status", "no", code=-4)
    with pytest.raises(NodeError):
        NodeReader(Replay(**{"clboss-status": ended})).clboss_unmanaged()


def test_tags_are_sent_in_order_and_without_a_space() -> None:
    rpc = Replay(**{"clboss-unmanage": {}})
    NodeWriter(rpc).clboss_unmanage(ONE, frozenset({"open", "balance", "lnfee"}))
    NodeWriter(rpc).clboss_unmanage(ONE, frozenset())
    assert rpc.asked == [
        ("clboss-unmanage", {"nodeid": ONE, "tags": "balance,lnfee,open"}),
        ("clboss-unmanage", {"nodeid": ONE, "tags": ""}),
    ]
    DryRunWriter().clboss_unmanage(ONE, frozenset())


def test_the_simulated_one_behaves_as_its_source_says() -> None:
    node = SimulatedNode(SimConfig(channel_count=2))
    for method in ("clboss-status", "clboss-unmanage"):
        assert refused(node, method).code == -32601
    node.run_clboss()
    assert node.handle("clboss-unmanage", [ONE, "lnfee,open"]) == {}
    assert node.handle("clboss-status")["unmanaged"] == {"comment": COMMENT, ONE: "lnfee, open"}
    # A set takes the place of the one before it, and none is full management.
    node.handle("clboss-unmanage", {"nodeid": ONE, "tags": "close"})
    assert unmanaged(node.handle("clboss-status")) == {ONE: {"close"}}
    node.handle("clboss-unmanage", {"nodeid": ONE, "tags": ""})
    assert unmanaged(node.handle("clboss-status")) == {}
    for params in ([ONE, "lnfee, open"], [ONE, "fees"], ["alice", "open"]):
        error = refused(node, "clboss-unmanage", params)
        assert (error.code, error.message[:17]) == (-32602, "Parameter error: ")
    assert unmanaged(node.handle("clboss-status")) == {}
