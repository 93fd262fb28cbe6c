"""Forwards that are settled and not yet in the node's ledger, by the HTLCs that are still there."""

from __future__ import annotations

from revops.domain.channel import Htlc
from revops.domain.reconciliation import Sides
from revops.store import forwards
from revops.store.engine import Database
from revops.store.keys import channel_keys
from revops.store.under_way import under_way
from tests.builders import DAY, NOW, channel_id, make_channel
from tests.store.rows import FAILED, make_forward, record

ENTERED = Sides(in_msat=1_000_100, sourced_msat=100)
LEFT = Sides(out_msat=1_000_000, earned_msat=100)


def htlc(direction: str, msat: int, state: str) -> Htlc:
    return Htlc(direction, msat, 900_000, "ab" * 32, state)


def found(database: Database, node_key: int, *first: Htlc, second: tuple[Htlc, ...] = ()) -> dict[str, list[Sides]]:
    """By channel, what the HTLCs of channels 1 and 2 may be."""
    listed = [make_channel(1, htlcs=first), make_channel(2, htlcs=second)]
    with database.read(node_key) as tx:
        keys = channel_keys(tx)
        names = {key: name for name, key in keys.items()}
        return {names[key]: list(parts) for key, parts in under_way(tx, listed, keys).items()}


def test_an_htlc_that_ends_is_the_forward_that_settled_for_as_much(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        old = make_forward(3, in_msat=5_000, out_msat=4_000, fee_msat=1_000, received_at=NOW - 40 * DAY)
        failed = make_forward(2, status=FAILED, in_msat=7_000, out_msat=6_000, fee_msat=1_000)
        forwards.ingest(tx, [make_forward(1), failed, old], NOW)
    entered, left = htlc("in", 1_000_100, "SENT_REMOVE_COMMIT"), htlc("out", 1_000_000, "RCVD_REMOVE_COMMIT")
    assert found(database, node_key, entered, second=(left,)) == {channel_id(1): [ENTERED], channel_id(2): [LEFT]}
    for other in (
        htlc("in", 1_000_100, "RCVD_ADD_ACK_REVOCATION"),  # nobody knows yet how it ends
        htlc("out", 1_000_100, "SENT_REMOVE_COMMIT"),  # the other way
        htlc("in", 1_000_101, "SENT_REMOVE_COMMIT"),  # of another amount
        htlc("in", 7_000, "SENT_REMOVE_COMMIT"),  # it failed
        htlc("in", 5_000, "SENT_REMOVE_COMMIT"),  # longer ago than an HTLC lasts
    ):
        assert found(database, node_key, other) == {}
    assert found(database, node_key, second=(entered,)) == {}
