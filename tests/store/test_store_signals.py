"""Sums and scores: each forward is counted once, whatever is repeated, killed, settled late or pruned in between."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import alembic.command
import pytest
from msgspec import structs
from sqlalchemy import select, text

from revops.cycle.passes import score_page
from revops.domain.listed import Forward
from revops.domain.traffic import TAUGHT_SECONDS, ChannelTraffic, FinalForward, Lesson, Reputation
from revops.errors import BugError
from revops.store import cursors, flows, forwards, rollup, scids, signals, tables, upgrade
from revops.store.cursors import FORWARDS_CREATED, FORWARDS_UPDATED
from revops.store.earned import earned_since
from revops.store.engine import Database, Tx, make_engine
from revops.store.files import create_file
from revops.store.tables import forward, forward_day
from revops.store.url import parse_url
from tests.builders import DAY, NOW, OWN_ID, channel_id, node_id
from tests.store.rows import FAILED, OFFERED, REFUSED, SETTLED, make_forward, record

SEEN_AT = NOW + 100 * DAY


def ingest(tx: Tx, page: Sequence[Forward]) -> None:
    """A page as the sync takes it."""
    forwards.ingest(tx, page, SEEN_AT, partial(score_page, tx, SEEN_AT))


def scores(tx: Tx) -> dict[int, int | None]:
    statement = select(forward.c.created_index, forward.c.score_msat).where(forward.c.node_key == tx.node_key)
    return {row.created_index: row.score_msat for row in tx.connection.execute(statement)}


def interest(tx: Tx) -> dict[int, int | None]:
    statement = select(forward.c.created_index, forward.c.interest_permille).where(forward.c.node_key == tx.node_key)
    return {row.created_index: row.interest_permille for row in tx.connection.execute(statement)}


def large(index: int, **overrides: object) -> Forward:
    """A forward of 10,000 sat, for 1,000 msat."""
    return structs.replace(make_forward(index, **overrides), in_msat=10_001_000, out_msat=10_000_000, fee_msat=1_000)


# ---- what became final


class Finals:
    """What a scorer was given, a page each."""

    def __init__(self) -> None:
        self.pages: list[list[FinalForward]] = []

    def __call__(self, page: Sequence[FinalForward]) -> dict[int, Lesson]:
        self.pages.append(list(page))
        return {one.created_index: Lesson(7 if one.status is SETTLED else None, 5) for one in page}

    @property
    def indexes(self) -> list[list[int]]:
        return [[one.created_index for one in page] for page in self.pages]


def test_each_forward_becomes_final_once(database: Database, node_key: int) -> None:
    page = [
        make_forward(1, resolved_at=NOW + 9),
        make_forward(2, status=OFFERED, updated_index=None),
        make_forward(3, status=FAILED, resolved_at=NOW + 5),
        make_forward(4, status=REFUSED, received_at=NOW + 7),
    ]
    finals = Finals()
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, page, SEEN_AT, finals)
        forwards.ingest(tx, page, SEEN_AT, finals)
        settled = make_forward(2, updated_index=9)
        forwards.ingest(tx, [page[0], settled, settled], SEEN_AT, finals)
        forwards.ingest(tx, [page[1]], SEEN_AT, finals)
        assert scores(tx) == {1: 7, 2: 7, 3: None, 4: None}
        assert interest(tx) == {1: 5, 2: 5, 3: 5, 4: 5}
    assert finals.indexes == [[3, 4, 1], [], [2], []]  # in order of resolution


def test_what_became_final_long_ago_teaches_nothing(database: Database, node_key: int) -> None:
    oldest_at = SEEN_AT - TAUGHT_SECONDS
    page = [large(1, received_at=oldest_at - 2), large(2, received_at=oldest_at - 1), large(3, received_at=NOW)]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        ingest(tx, page)
        assert scores(tx) == {1: None, 2: 1_000, 3: 1_000}
        assert interest(tx) == {1: None, 2: 400, 3: 400}
        assert {one.since_at for one in signals.load(tx).channels.values()} == {oldest_at}


def test_final_row_that_changes_again_keeps_what_it_taught(database: Database, node_key: int) -> None:
    finals = Finals()
    page = [
        make_forward(1, updated_index=5),
        make_forward(2, updated_index=6),
        make_forward(3, updated_index=7, status=FAILED),
    ]
    changed = [
        make_forward(1, updated_index=8, fee_msat=60),
        make_forward(2, updated_index=9, status=FAILED),
        make_forward(3, updated_index=10, status=FAILED, fee_msat=60),
    ]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, page, SEEN_AT, finals)
        forwards.ingest(tx, changed, SEEN_AT, finals)
        assert scores(tx) == {1: 7, 2: None, 3: None}
        assert interest(tx) == {1: 5, 2: None, 3: 5}
    assert finals.indexes == [[1, 2, 3], []]


def test_final_forward_names_channels_and_peers(database: Database, node_key: int) -> None:
    lost = "1x1x1"
    page = [
        make_forward(1, in_scid=lost),
        make_forward(2, status=REFUSED, out_scid=None, out_msat=None, fee_msat=None, failcode=4103),
    ]
    finals = Finals()
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        scids.add_placeholder(tx, lost, NOW)
        forwards.ingest(tx, page, SEEN_AT, finals)
    at = NOW - 998
    settled = FinalForward(
        1, SETTLED, f"unknown:{lost}", channel_id(2), None, node_id(2), 1_000_100, 1_000_000, 100, 1_000_000, at, 1.0,
        None,
    )  # fmt: skip
    refused = FinalForward(
        2, REFUSED, channel_id(1), None, node_id(1), None, 1_000_100, None, None, 1_000_100, at, None, 4103
    )
    assert finals.pages == [[settled, refused]]


# ---- sums and scores


def test_sums_are_those_of_the_page(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        ingest(tx, [large(1, received_at=NOW), large(2, received_at=NOW, status=FAILED)])
        found = signals.load(tx)
        assert scores(tx) == {1: 1_000, 2: None}
    assert found.senders == {node_id(1): Reputation(1.0, 1.0, 0.0, 0.0, NOW + 1, 1e7, 1e7)}
    assert found.receivers == {node_id(2): Reputation(1.0, 1.0, 2 * math.log(2), 2.0, NOW + 1)}
    assert found.channels == {
        channel_id(1): ChannelTraffic(NOW + 1, NOW + 1, inflow_msat=10_001_000.0, inflow_squares=10_001_000.0**2),
        channel_id(2): ChannelTraffic(NOW + 1, NOW + 1, 2e7, 2e14, 0.0, 0.0, 1e7, 0.0),
    }
    assert found.open_since == {channel_id(1): NOW, channel_id(2): NOW}


def test_scores_are_of_the_value_in_force_and_stay(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        ingest(tx, [large(1)])
        signals.save_values(tx, {channel_id(2): 60.0, channel_id(1): 20.0}, NOW)
        ingest(tx, [large(2)])
        signals.save_values(tx, {channel_id(2): 0.0}, NOW + 1)
        ingest(tx, [large(3)] + [large(index, status=FAILED) for index in range(4, 30)])
        assert signals.values(tx) == {channel_id(1): 20.0, channel_id(2): 0.0}
        ingest(tx, [large(1), large(2), large(30)])
        found = scores(tx)
    assert (found[1], found[2], found[3]) == (1_000, 1_000 - 600 + 200, 1_200)
    assert found[30] is not None
    assert found[30] < 1_200  # its sender has failed often meanwhile; the earlier ones aren't touched by that


def test_values_leave_sums_alone_and_sums_values(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        assert signals.values(tx) == {}
        signals.save_values(tx, {channel_id(1): 5.5}, NOW)
        assert signals.load(tx).channels == {}
        ingest(tx, [large(1)])
        before = signals.load(tx)
        signals.save_values(tx, {channel_id(1): 6.5, channel_id(2): 1}, NOW)
        after = signals.load(tx)
        assert after.channels == before.channels
        assert before.values_ppm == {channel_id(1): 5.5}
        assert after.values_ppm == {channel_id(1): 6.5, channel_id(2): 1.0}
        signals.save_values(tx, {}, NOW)
        assert signals.values(tx) == after.values_ppm


@pytest.mark.parametrize("value_ppm", [-1.0, math.nan, math.inf, 1_000_001.0])
def test_nonsense_is_no_value(database: Database, node_key: int, value_ppm: float) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1)
        with pytest.raises(BugError, match="value"):
            signals.save_values(tx, {channel_id(1): value_ppm}, NOW)
        with pytest.raises(BugError, match="value"):
            signals.save_values(tx, {channel_id(9): 1.0}, NOW)


@pytest.mark.parametrize("known", [False, True])
def test_placeholder_hands_its_sums_over(database: Database, node_key: int, known: bool) -> None:
    lost = "1x1x1"
    pages = [large(1, out_scid=lost, received_at=NOW), large(2, received_at=NOW + DAY)]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        scids.add_placeholder(tx, lost, NOW)
        signals.save_values(tx, {f"unknown:{lost}": 3.0}, NOW)
        ingest(tx, pages if known else pages[:1])
        before = dict(signals.load(tx).channels)
        scids.attach_scids(tx, {lost: channel_id(2)})
        after = signals.load(tx).channels
        placeholder = before.pop(f"unknown:{lost}")
        joined = before[channel_id(2)].joined(placeholder) if known else placeholder
        assert after == {**before, channel_id(2): joined}
        assert signals.values(tx) == {}


def test_placeholder_without_traffic_is_dropped(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1)
        scids.add_placeholder(tx, "1x1x1", NOW)
        signals.save_values(tx, {"unknown:1x1x1": 3.0}, NOW)
        scids.attach_scids(tx, {"1x1x1": channel_id(1)})
        assert signals.load(tx).channels == {}
        assert signals.values(tx) == {}


def test_nodes_do_not_mix(database: Database, node_key: int) -> None:
    other = database.node_key(node_id(77), "other", "bitcoin")
    for key in (node_key, other):
        with database.transaction(key) as tx:
            record(tx, 1, 2)
    with database.transaction(other) as tx:
        ingest(tx, [large(1)])
        signals.save_values(tx, {channel_id(1): 1.0}, NOW)
    with database.read(node_key) as tx:
        found = signals.load(tx)
        assert (found.senders, found.receivers, found.channels, signals.values(tx)) == ({}, {}, {}, {})


def test_page_that_dies_leaves_no_sum(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)

    def take_and_die(tx: Tx) -> None:
        ingest(tx, [large(1)])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), database.transaction(node_key) as tx:
        take_and_die(tx)
    with database.transaction(node_key) as tx:
        assert signals.load(tx).channels == {}
        ingest(tx, [large(1)])
        assert signals.load(tx).senders[node_id(1)].success == 1.0


def test_two_syncs_at_once_take_turns(url: str) -> None:
    """A sync that has lost its lock unnoticed: each would write sums that don't know of the other's page."""
    with closing(Database.open(url)) as database:
        node_key = database.node_key(OWN_ID, "ours", "bitcoin")
        with database.transaction(node_key) as tx:
            record(tx, 1, 2)

        def work() -> None:
            with database.transaction(node_key) as tx:
                ingest(tx, [large(index) for index in range(20, 40)])

        second = threading.Thread(target=work)
        with database.transaction(node_key) as tx:
            ingest(tx, [large(index) for index in range(1, 20)])
            second.start()
            second.join(timeout=0.5)
            assert second.is_alive()
        second.join()
        with database.read(node_key) as tx:
            assert signals.load(tx).senders[node_id(1)].success == pytest.approx(39, rel=1e-3)
            assert len(scores(tx)) == 39


# ---- rollups, and databases from before


def test_rolled_up_scores_add_up_to_the_same(database: Database, node_key: int) -> None:
    midnight = NOW // DAY * DAY
    page = [large(index, received_at=midnight + index * 3_600) for index in range(1, 80)]
    unscored = [large(index, received_at=midnight + index * 3_600) for index in range(80, 90)]
    window = {channel_id(2): midnight}
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        signals.save_values(tx, {channel_id(2): 30.0}, NOW)
        ingest(tx, page)
        forwards.ingest(tx, unscored, SEEN_AT)
        for name in (FORWARDS_CREATED, FORWARDS_UPDATED):
            cursors.set_cursor(tx, name, 99)
        before = earned_since(tx, window)[channel_id(2)]
        sums = signals.load(tx)
        assert before.score_msat == 79 * 700 + 10 * 1_000
        assert before.score_error_msat == pytest.approx(math.sqrt(79 * 700**2 + 10 * 1_000**2))
        assert rollup.prune_forwards(tx, midnight + 3 * DAY, 99) > 70
        after = earned_since(tx, window)[channel_id(2)]
        ingest(tx, page)
        assert signals.load(tx) == sums
        assert earned_since(tx, window)[channel_id(2)] == after
    assert after[:4] == before[:4]
    # A day of equal payments keeps its error, one of unequal ones a little less.
    assert after.score_error_msat == pytest.approx(before.score_error_msat, rel=0.01)


def test_scores_beyond_whole_numbers_are_no_overflow(database: Database, node_key: int) -> None:
    most = 2**60
    page = [make_forward(index, in_msat=most, out_msat=most, fee_msat=most) for index in (1, 2, 3)]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        ingest(tx, page)
        found = earned_since(tx, {channel_id(2): 0.0})[channel_id(2)]
    assert found.earned_msat == 3 * most
    assert found.score_error_msat == pytest.approx(found.score_msat / math.sqrt(3))


def test_database_from_before_keeps_every_row(empty_url: str) -> None:
    parsed = parse_url(empty_url)
    if empty_url.startswith("sqlite"):
        create_file(Path(parsed.database or ""))
    engine = make_engine(parsed, migrating=True)
    try:
        with engine.begin() as connection:
            alembic.command.upgrade(upgrade._config(connection), "0001")
            connection.execute(
                text("INSERT INTO node VALUES (1, :id, 'ours', 'bitcoin', NULL, NULL, NULL, NULL, NULL)"),
                {"id": OWN_ID},
            )
            connection.execute(
                text(
                    "INSERT INTO channel (node_key, channel_key, channel_id, state, private, connected, htlc_count,"
                    " first_seen_at, last_seen_at) VALUES (1, 2, :id, 'X', false, false, 0, 1, 1)"
                ),
                {"id": channel_id(2)},
            )
            for index in range(1, 6):
                connection.execute(
                    text("INSERT INTO forward VALUES (1, :i, :i, 2, :i, 2, 110, 100, 10, 1, :at, :at, :at, NULL)"),
                    {"i": index, "at": NOW + index},
                )
            connection.execute(text("INSERT INTO forward_day VALUES (1, 3, 2, 2, 4, 440, 400, 40, 1, 9, 2, 8, NULL)"))
            for day, count, out_msat in ((4, 3, 60_000_000), (5, 2, 2**60)):
                connection.execute(
                    text("INSERT INTO forward_day VALUES (1, :day, 2, 2, :count, 0, :out, 0, 7, 9, 0, 0, NULL)"),
                    {"day": day, "count": count, "out": out_msat},
                )
            alembic.command.upgrade(upgrade._config(connection), "0006")
            connection.execute(text("INSERT INTO peer VALUES (1, 8, :id, NULL, NULL, true)"), {"id": node_id(8)})
            for role in ("sender", "receiver"):
                connection.execute(
                    text("INSERT INTO peer_signal VALUES (1, 8, :role, 2.5, 1, 0, 0, :at)"), {"role": role, "at": NOW}
                )
    finally:
        engine.dispose()
    state = upgrade.upgrade(empty_url)
    assert (state.version_before, state.version) == ("0006", tables.SCHEMA_VERSION)
    assert upgrade.check(empty_url).problems == ()
    with closing(Database.open(empty_url)) as database, database.transaction(1) as tx:
        assert scores(tx) == dict.fromkeys(range(1, 6))
        days = tx.connection.execute(select(forward_day).order_by(forward_day.c.day)).all()
        assert tuple(days[0]) == (1, 3, 2, 2, 4, 440, 400, 40, 1, 9, 2, 8, None, 40, 0, 0)
        # As many typical payments as their sum makes, but no more than there were.
        assert [(day.settled_interest_permille, day.failed_interest_permille) for day in days[1:]] == [
            (2_400, 0), (2_000, 0),
        ]  # fmt: skip
        assert interest(tx) == dict.fromkeys(range(1, 6))
        assert flows.settled_fees_msat(tx, None) == 90
        found = earned_since(tx, {channel_id(2): 0.0})[channel_id(2)]
        assert (found.earned_msat, found.score_msat, found.interest_count) == (90, 90.0, 4.4)
        known = signals.load(tx)
        assert known.channels == {}
        assert known.senders == {node_id(8): Reputation(2.5, 1.0, 0.0, 0.0, NOW, 62_500_000.0, 0.0)}
        assert known.receivers == {node_id(8): Reputation(2.5, 1.0, 0.0, 0.0, NOW)}
