"""Channels, peers and names: nothing that was ever seen is lost, and every name leads to its channel."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from revops.domain.forward import Flow
from revops.domain.occupancy import Occupancy
from revops.domain.profit import ProfitLine
from revops.store import channels, cursors, flows, forwards, queries, rollup, scids
from revops.store.cursors import FORWARDS_CREATED, FORWARDS_UPDATED
from revops.store.engine import Database, Tx
from revops.store.keys import ensure_channels
from revops.store.profit_rows import channel_profits
from revops.store.tables import channel, channel_scid, closed_channel, peer
from tests.builders import DAY, NOW, channel_id, make_channel, make_htlc, make_terms, node_id
from tests.store.rows import REFUSED, make_closed, make_forward, record, scid


def by_id(tx: Tx):
    return {record.channel_id: record for record in queries.channel_records(tx, NOW - DAY)}


def test_channel_is_recorded_with_its_terms(database: Database, node_key: int) -> None:
    listed = make_channel(1, fee_ppm=321, private=True, htlcs=(), opened_at=1_700_000_000)
    with database.transaction(node_key) as tx:
        channels.record_channels(tx, [listed], NOW)
    with database.read(node_key) as tx:
        found = by_id(tx)[channel_id(1)]
    assert (found.name, found.peer_id, found.state) == (listed.scid, listed.peer_id, "CHANNELD_NORMAL")
    assert (found.fee_ppm, found.fee_base_msat, found.opened_at) == (321, 0, 1_700_000_000)
    assert (found.capacity_msat, found.local_msat) == (listed.capacity_msat, listed.local_msat)
    assert (found.spendable_msat, found.receivable_msat) == (listed.spendable_msat, listed.receivable_msat)
    assert found.open
    assert found.private
    assert found.connected


def test_what_is_in_flight_is_recorded_by_direction(database: Database, node_key: int) -> None:
    out, into = make_htlc(amount_msat=3_000, expiry_blockheight=900_200), make_htlc(direction="in", amount_msat=5_000)
    held = make_channel(1, htlcs=(out, out, into), max_accepted_htlcs=30, max_in_flight_in_msat=9_000)
    with database.transaction(node_key) as tx:
        channels.record_channels(tx, [held], NOW)
    with database.read(node_key) as tx:
        found = by_id(tx)[channel_id(1)]
    assert found.occupancy_out == Occupancy(2, 30, 6_000, held.capacity_msat - held.our_reserve_msat)
    assert found.occupancy_in == Occupancy(1, 30, 5_000, 9_000)
    assert (found.htlc_count, found.nearest_expiry_blockheight) == (3, 900_100)
    with database.transaction(node_key) as tx:
        channels.record_channels(tx, [], NOW + 60)
        gone = by_id(tx)[channel_id(1)]
        assert gone.occupancy_out is not None
        assert (gone.htlc_count, gone.occupancy_out.htlc_count, gone.nearest_expiry_blockheight) == (0, 0, None)
        # As in a database that was upgraded and not synced since.
        tx.connection.execute(update(channel).values(htlc_out_msat=None))
        assert by_id(tx)[channel_id(1)].occupancy_out is None


def test_second_listing_replaces_the_first(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        channels.record_channels(tx, [make_channel(1, fee_ppm=1), make_channel(2)], NOW)
    changed = make_channel(1, fee_ppm=2, connected=False, remote_terms=None, scid="999999x1x1")
    with database.transaction(node_key) as tx:
        channels.record_channels(tx, [changed, make_channel(2, remote_terms=make_terms(fee_ppm=7))], NOW + 60)
    with database.read(node_key) as tx:
        found = by_id(tx)[channel_id(1)]
        assert (found.fee_ppm, found.connected, found.name) == (2, False, "999999x1x1")
        # Both scids lead to the channel: forwards from before the splice keep the old one.
        keys = scids.resolve_scids(tx, [scid(1), "999999x1x1", scid(2), "1x1x1"])
        assert keys[scid(1)] == keys["999999x1x1"] != keys[scid(2)]
        assert "1x1x1" not in keys
        assert scids.unknown_scids(tx, [scid(1), "1x1x1"]) == {"1x1x1"}


def test_our_alias_is_a_name_and_the_peers_alias_is_not(database: Database, node_key: int) -> None:
    """lightningd writes our alias into forwards of a channel without scid; the peer's alias is not ours to read."""
    with database.transaction(node_key) as tx:
        channels.record_channels(tx, [make_channel(1, scid=None)], NOW)
    with database.read(node_key) as tx:
        assert scids.unknown_scids(tx, ["10001x2x0", "20001x3x0"]) == {"20001x3x0"}


def test_channel_that_is_listed_no_more_is_gone_until_it_is_named_closed(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        record(tx, 2, seen_at=NOW + 60)
    with database.read(node_key) as tx:
        gone = by_id(tx)[channel_id(1)]
        assert (gone.state, gone.open, gone.connected, gone.spendable_msat) == ("GONE", False, False, 0)
    with database.transaction(node_key) as tx:
        channels.record_closed(tx, [make_closed(1)], NOW + 120)
    with database.read(node_key) as tx:
        closed = by_id(tx)[channel_id(1)]
        assert (closed.state, closed.open, closed.local_msat) == ("CLOSED", False, 1_234_000)
        assert by_id(tx)[channel_id(2)].open


def test_channel_that_comes_back_is_open_again(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1)
        record(tx, seen_at=NOW + 60)
        record(tx, 1, seen_at=NOW + 120)
    with database.read(node_key) as tx:
        assert by_id(tx)[channel_id(1)].state == "CHANNELD_NORMAL"
        assert by_id(tx)[channel_id(1)].open


def test_closed_channel_that_was_never_seen_open(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        channels.record_closed(tx, [make_closed(7), make_closed(8, peer_id=None, scid=None)], NOW)
        channels.record_closed(tx, [make_closed(7, close_cause="protocol")], NOW + 60)
    with database.read(node_key) as tx:
        found = by_id(tx)
        assert found[channel_id(7)].capacity_msat == 5_000_000_000
        assert (found[channel_id(8)].peer_id, found[channel_id(8)].name) == (None, "10008x2x0")
        assert scids.unknown_scids(tx, [scid(7)]) == set()
        causes = tx.connection.execute(select(closed_channel.c.close_cause).order_by(closed_channel.c.channel_key))
        assert causes.scalars().all() == ["protocol", "user"]


def test_the_end_of_a_channel_is_known_by_the_ledger_or_where_it_was_seen_open(
    database: Database, node_key: int
) -> None:
    with database.transaction(node_key) as tx:
        channels.record_channels(tx, [make_channel(1), make_channel(2)], NOW)
        channels.record_channels(tx, [make_channel(2)], NOW + 60)
        channels.record_closed(tx, [make_closed(1), make_closed(7)], NOW + 60)
        keys = ensure_channels(tx, [f"unknown:{scid(9)}"], NOW + 60)
        found = channel_profits(tx, {key: ProfitLine(earned_msat=1) for key in keys.values()})
    ends = {one.channel_id: (one.open, one.closed_at) for one in found}
    assert ends == {
        channel_id(1): (False, NOW + 60),
        channel_id(2): (True, None),
        channel_id(7): (False, None),
        f"unknown:{scid(9)}": (False, None),
    }


def test_peers_are_connected_while_one_of_their_channels_is(database: Database, node_key: int) -> None:
    shared = [make_channel(1, peer_id=node_id(9), connected=False), make_channel(2, peer_id=node_id(9))]
    with database.transaction(node_key) as tx:
        channels.record_channels(tx, [*shared, make_channel(3, connected=False)], NOW)
        states = select(peer.c.peer_id, peer.c.connected)
        assert {tuple(row) for row in tx.connection.execute(states)} == {(node_id(9), True), (node_id(3), False)}


def test_aliases_are_asked_for_oldest_first(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        channels.record_alias(tx, node_id(1), "\u202eevil", NOW - 50)
        channels.record_alias(tx, node_id(2), None, NOW - 90)
    with database.read(node_key) as tx:
        assert channels.peers_without_alias(tx, NOW, 10) == (node_id(3), node_id(2), node_id(1))
        assert channels.peers_without_alias(tx, NOW, 2) == (node_id(3), node_id(2))
        assert channels.peers_without_alias(tx, NOW - 60, 10) == (node_id(3), node_id(2))
        assert by_id(tx)[channel_id(1)].alias == "\u202eevil"
    with database.transaction(node_key) as tx:
        channels.record_alias(tx, node_id(1), None, NOW)  # gossip has forgotten it: what we knew stays
        assert by_id(tx)[channel_id(1)].alias == "\u202eevil"


def test_placeholder_counts_until_its_channel_is_found(database: Database, node_key: int) -> None:
    lost = "1x1x1"
    with database.transaction(node_key) as tx:
        record(tx, 1)
        key = scids.add_placeholder(tx, lost, NOW)
        assert scids.add_placeholder(tx, lost, NOW) == key
        page = [make_forward(1, out_scid=lost), make_forward(2, in_scid=lost, out_scid=scid(1))]
        forwards.ingest(tx, page, NOW)
    with database.read(node_key) as tx:
        found = flows.flows(tx, None)
        assert found[f"unknown:{lost}"].earned_msat == found[f"unknown:{lost}"].sourced_msat == 100
        assert by_id(tx)[f"unknown:{lost}"].name == lost
        assert not by_id(tx)[f"unknown:{lost}"].open


@pytest.mark.parametrize("pruned", [0, 1, 4])
def test_placeholder_hands_its_history_over(database: Database, node_key: int, pruned: int) -> None:
    """Raw rows and summarised days move, and join with what the channel has of the same day."""
    lost = "1x1x1"
    page = [
        make_forward(1, out_scid=lost),
        make_forward(2),
        make_forward(3, in_scid=lost, out_scid=lost),
        make_forward(4, status=REFUSED, in_scid=lost),
    ]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        scids.add_placeholder(tx, lost, NOW)
        forwards.ingest(tx, page, NOW)
        for name in (FORWARDS_CREATED, FORWARDS_UPDATED):
            cursors.set_cursor(tx, name, 4)
        assert rollup.prune_forwards(tx, NOW + DAY, pruned) == pruned
    with database.transaction(node_key) as tx:
        before = flows.flows(tx, None)
        scids.attach_scids(tx, {lost: channel_id(2)})
    with database.read(node_key) as tx:
        after = flows.flows(tx, None)
        assert before[f"unknown:{lost}"].out_count == 2
        assert set(after) == {channel_id(1), channel_id(2)}
        assert after[channel_id(1)] == before[channel_id(1)]
        assert after[channel_id(2)] == Flow(1_000_100, 3_000_000, 1, 3, 300, 100, 1, NOW - 996)
        assert scids.resolve_scids(tx, [lost]) == {lost: scids.resolve_scids(tx, [scid(2)])[scid(2)]}
        assert f"unknown:{lost}" not in by_id(tx)


def test_placeholder_is_adopted_by_a_listing_and_by_a_closed_channel(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        for number in (3, 4):
            scids.add_placeholder(tx, scid(number), NOW)
        forwards.ingest(tx, [make_forward(1, out_scid=scid(3)), make_forward(2, out_scid=scid(4))], NOW)
        record(tx, 1, 2, 3)
        channels.record_closed(tx, [make_closed(4)], NOW)
    with database.read(node_key) as tx:
        assert set(flows.flows(tx, None)) == {channel_id(1), channel_id(3), channel_id(4)}


def test_scid_of_a_channel_opened_since_the_listing(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1)
        scids.attach_scids(tx, {scid(5): channel_id(5)})
        bare = by_id(tx)[channel_id(5)]
        assert (bare.open, bare.capacity_msat) == (False, 0)
        record(tx, 1, 5)
        assert by_id(tx)[channel_id(5)].open


def test_alias_that_passed_to_another_channel_follows_it(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        channels.record_channels(tx, [make_channel(1, alias_local="5x5x5")], NOW)
        channels.record_channels(tx, [make_channel(2, alias_local="5x5x5")], NOW + 60)
        key = tx.connection.execute(select(channel_scid.c.channel_key).where(channel_scid.c.scid == "5x5x5")).scalar()
        assert key == scids.resolve_scids(tx, [scid(2)])[scid(2)]
        assert key != scids.resolve_scids(tx, [scid(1)])[scid(1)]


def test_nodes_do_not_mix(database: Database, node_key: int) -> None:
    other = database.node_key(node_id(77), "other", "bitcoin")
    with database.transaction(other) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, [make_forward(1)], NOW)
    with database.transaction(node_key) as tx:
        assert by_id(tx) == {}
        assert scids.unknown_scids(tx, [scid(1)]) == {scid(1)}
        record(tx, 2)
        channels.record_channels(tx, [], NOW + 60)
    with database.read(other) as tx:
        assert by_id(tx)[channel_id(2)].open
        assert by_id(tx)[channel_id(2)].window.earned_msat == 100
