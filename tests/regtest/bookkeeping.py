"""The oracle of the books: the node's own rows, added up here once more."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tests.regtest.network import Lightningd
from tests.regtest.operator_home import Operator
from tests.regtest.ring import Ring
from tests.regtest.street import channel_moves


def by_status(node: Lightningd, status: str) -> list[dict[str, Any]]:
    return [forward for forward in node.forwards() if forward["status"] == status]


def settled_sum(node: Lightningd, field: str, **wanted: str) -> int:
    """The sum over settled forwards, of those that have the wanted fields."""
    return sum(
        forward[field]
        for forward in by_status(node, "settled")
        if all(forward[name] == value for name, value in wanted.items())
    )


def circles(node: Lightningd) -> dict[str, list[dict[str, Any]]]:
    """The moves of each circular payment, by its hash: what left by an `invoice` row and arrived by another."""
    payments: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for move in channel_moves(node):
        if move["primary_tag"] == "invoice":
            payments[move["payment_hash"]].append(move)
    return {
        payment_hash: moves
        for payment_hash, moves in payments.items()
        if any(move["credit_msat"] for move in moves) and any(move["debit_msat"] for move in moves)
    }


def circular_cost_msat(node: Lightningd) -> int:
    """What circular payments have cost the node in all its life, whoever sent them."""
    return sum(move["debit_msat"] - move["credit_msat"] for moves in circles(node).values() for move in moves)


def assert_equal_books(ring: Ring, operator: Operator) -> dict[str, Any]:
    """What the report adds up is what the node says, both in its sum and in its rows. Return its channels by name."""
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
    return {channel["name"]: channel for channel in report["channels"]}


def assert_equal_channels(ring: Ring, shown: dict[str, Any]) -> None:
    """Each channel of the report, by name, has what the node says of it, and what its forwards add up to."""
    for peer in (ring.bob, ring.carol):
        listed = ring.alice.channel_with(peer)
        channel = shown.pop(listed["short_channel_id"])
        assert channel["alias"] == peer.name
        _assert_equal_channel(ring.alice, listed, channel)
    assert shown == {}


def _assert_equal_channel(alice: Lightningd, listed: dict[str, Any], shown: dict[str, Any]) -> None:
    scid, flow = listed["short_channel_id"], shown["lifetime"]
    assert shown["channel_id"] == listed["channel_id"]
    assert (shown["local_msat"], shown["spendable_msat"]) == (listed["to_us_msat"], listed["spendable_msat"])
    assert (shown["receivable_msat"], shown["capacity_msat"]) == (listed["receivable_msat"], listed["total_msat"])
    assert shown["fee_ppm"] == listed["fee_proportional_millionths"]
    assert flow["out_msat"] == settled_sum(alice, "out_msat", out_channel=scid) > 0
    assert flow["in_msat"] == settled_sum(alice, "in_msat", in_channel=scid) > 0
    assert flow["earned_msat"] == settled_sum(alice, "fee_msat", out_channel=scid)
    assert flow["sourced_msat"] == settled_sum(alice, "fee_msat", in_channel=scid)
