"""The books: what `sync` copied and `report` adds up is what alice's node says of itself, to the msat."""

from __future__ import annotations

import pytest

from tests.regtest.bookkeeping import assert_equal_books, assert_equal_channels, by_status
from tests.regtest.operator_home import Operator
from tests.regtest.ring import Ring

pytestmark = pytest.mark.regtest


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
    assert_equal_channels(ring, assert_equal_books(ring, operator))

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
    """Moves and events; `routed` moves say no more than their forwards do, pings nothing at all, and an attempt that
    fails after one that failed nothing new.
    """
    moves = ring.alice.call("listchannelmoves")["channelmoves"]
    names = {"created_index": "created_index", "credit_msat": "credit_msat", "debit_msat": "debit_msat",
             "fees_msat": "fees_msat", "primary_tag": "tag"}  # fmt: skip
    wanted = [{ours: move[its] for its, ours in names.items()} for move in moves if move["primary_tag"] != "routed"]
    assert operator.rows(f"SELECT {', '.join(names.values())} FROM channel_move ORDER BY created_index") == wanted
    assert len(operator.rows("SELECT * FROM chain_move")) == len(ring.alice.call("listchainmoves")["chainmoves"])
    events = ring.alice.call("listnetworkevents")["networkevents"]
    copied = {row["created_index"]: row["kind"] for row in operator.rows("SELECT created_index, kind FROM peer_event")}
    wanted_events: dict[int, str] = {}
    last: dict[str, str] = {}
    for event in events:
        kind, peer_id = event["type"], event["peer_id"]
        if kind != "ping" and not last.get(peer_id) == kind == "connect_fail":
            wanted_events[event["created_index"]] = last[peer_id] = kind
    assert copied == wanted_events
