"""The books: what `sync` copied and `report` adds up is what alice's node says of itself, to the msat."""

from __future__ import annotations

from typing import Any

import pytest

from tests.regtest.network import Lightningd
from tests.regtest.operator_home import Operator
from tests.regtest.ring import Ring

pytestmark = pytest.mark.regtest


def by_status(node: Lightningd, status: str) -> list[dict[str, Any]]:
    return [forward for forward in node.forwards() if forward["status"] == status]


def settled_sum(node: Lightningd, field: str, **wanted: str) -> int:
    """The sum over settled forwards, of those that have the wanted fields."""
    return sum(
        forward[field]
        for forward in by_status(node, "settled")
        if all(forward[name] == value for name, value in wanted.items())
    )


def assert_equal_books(ring: Ring, operator: Operator) -> None:
    """What the report adds up is what the node says, both in its sum and in its rows."""
    alice, report = ring.alice, operator.json("report")
    collected_msat = alice.call("getinfo")["fees_collected_msat"]
    assert collected_msat == settled_sum(alice, "fee_msat") > 0
    lifetime = report["lifetime"]
    assert lifetime == report["window"]
    assert lifetime["earned_msat"] == collected_msat
    assert lifetime["forwarded_msat"] == settled_sum(alice, "out_msat")
    assert lifetime["settled_count"] == len(by_status(alice, "settled"))
    assert lifetime["failed_count"] == len(by_status(alice, "failed"))
    assert lifetime["refused_count"] == len(by_status(alice, "local_failed"))
    books = report["books"]
    assert (books["node_fees_msat"], books["opening_msat"], books["difference_msat"]) == (collected_msat, 0, 0)
    assert operator.metric("revops_node_fees_earned_msat_total") == collected_msat
    assert operator.metric("revops_books_difference_msat") == 0
    shown = {channel["alias"]: channel for channel in report["channels"]}
    assert shown.keys() == {"bob", "carol"}
    for peer in (ring.bob, ring.carol):
        assert_equal_channel(alice, peer, shown[peer.name])


def assert_equal_channel(alice: Lightningd, peer: Lightningd, shown: dict[str, Any]) -> None:
    listed, flow = alice.channel_with(peer), shown["lifetime"]
    scid = listed["short_channel_id"]
    assert (shown["name"], shown["channel_id"]) == (scid, listed["channel_id"])
    assert (shown["local_msat"], shown["spendable_msat"]) == (listed["to_us_msat"], listed["spendable_msat"])
    assert (shown["receivable_msat"], shown["capacity_msat"]) == (listed["receivable_msat"], listed["total_msat"])
    assert shown["fee_ppm"] == listed["fee_proportional_millionths"]
    assert flow["out_msat"] == settled_sum(alice, "out_msat", out_channel=scid) > 0
    assert flow["in_msat"] == settled_sum(alice, "in_msat", in_channel=scid) > 0
    assert flow["earned_msat"] == settled_sum(alice, "fee_msat", out_channel=scid)
    assert flow["sourced_msat"] == settled_sum(alice, "fee_msat", in_channel=scid)


def test_every_forward_is_copied_once_and_the_books_equal_the_nodes(ring: Ring, operator: Operator) -> None:
    ring.pay(ring.carol, ring.bob, 40_000)
    ring.drain()
    ring.pay_nobody(ring.bob, ring.carol, 10_000)
    ring.pay_too_much(ring.bob, ring.carol)
    assert by_status(ring.alice, "failed")
    assert by_status(ring.alice, "local_failed")

    first = operator.json("sync")

    rows = operator.rows("SELECT * FROM forward")
    assert first["new_forward_count"] == len(rows) == len(ring.alice.forwards())
    assert_equal_books(ring, operator)

    second = operator.json("sync")

    assert [second[name] for name in ("new_forward_count", "changed_forward_count", "move_count")] == [0, 0, 0]
    assert operator.rows("SELECT * FROM forward") == rows

    ring.pay(ring.carol, ring.bob, 15_000)
    third = operator.json("sync")

    assert third["new_forward_count"] == 1
    assert operator.rows("SELECT * FROM forward")[:-1] == rows
    assert_equal_books(ring, operator)
    assert_moves_are_the_nodes(ring, operator)


def assert_moves_are_the_nodes(ring: Ring, operator: Operator) -> None:
    """Moves and events; `routed` moves say no more than their forwards do, and pings nothing at all."""
    moves = ring.alice.call("listchannelmoves")["channelmoves"]
    names = {"created_index": "created_index", "credit_msat": "credit_msat", "debit_msat": "debit_msat",
             "fees_msat": "fees_msat", "primary_tag": "tag"}  # fmt: skip
    wanted = [{ours: move[its] for its, ours in names.items()} for move in moves if move["primary_tag"] != "routed"]
    assert operator.rows(f"SELECT {', '.join(names.values())} FROM channel_move ORDER BY created_index") == wanted
    assert len(operator.rows("SELECT * FROM chain_move")) == len(ring.alice.call("listchainmoves")["chainmoves"])
    events = ring.alice.call("listnetworkevents")["networkevents"]
    copied = {row["created_index"]: row["kind"] for row in operator.rows("SELECT created_index, kind FROM peer_event")}
    assert copied == {event["created_index"]: event["type"] for event in events if event["type"] != "ping"}
