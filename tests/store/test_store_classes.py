"""Classes in force: kept as they are, dropped with their channel; and what open channels are judged by."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from revops.domain.profit_class import ClassState, ProfitClass
from revops.domain.reason import ReasonCode, why
from revops.domain.traffic import ChannelTraffic
from revops.errors import BugError, DataError
from revops.store import balances, channels, classes, forwards, signals, tables
from revops.store.engine import Database, Tx
from revops.store.open_channels import open_channels
from tests.builders import DAY, NOW, SAT, channel_id, make_channel
from tests.store.rows import make_closed, make_forward, new_node, record

EVIDENCE = (why(ReasonCode.CLASS_SILENT, silent_days=31.5, stagnant_days=14, dead_days=30),)
DEAD = ClassState(ProfitClass.DEAD, NOW - 9 * DAY, None, None, NOW, EVIDENCE)
PENDING = ClassState(ProfitClass.PROFITABLE, NOW - DAY, ProfitClass.BREAK_EVEN, NOW - 0.5, NOW, ())
TODAY = int(NOW // DAY)


def rows(tx: Tx) -> list[object]:
    return list(tx.connection.execute(select(tables.channel_class).order_by(tables.channel_class.c.channel_key)).all())


def test_classes_are_kept_to_the_letter_and_a_second_time_changes_nothing(database: Database, node_key: int) -> None:
    found = {channel_id(1): DEAD, channel_id(2): PENDING}
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        assert classes.states(tx) == {}
        classes.save(tx, {})
        classes.save(tx, found)
        assert classes.states(tx) == found
        before = rows(tx)
        classes.save(tx, found)
        assert rows(tx) == before
        later = replace(PENDING, judged_at=NOW + 1)
        classes.save(tx, found | {channel_id(2): later})
        assert classes.states(tx)[channel_id(2)] == later


def test_a_channel_that_is_gone_has_no_class_and_other_nodes_keep_theirs(database: Database, node_key: int) -> None:
    other = new_node(database)
    with database.transaction(other) as tx:
        record(tx, 1)
        classes.save(tx, {channel_id(1): PENDING})
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        classes.save(tx, {channel_id(1): DEAD, channel_id(2): DEAD})
        classes.save(tx, {channel_id(2): DEAD})
        assert set(classes.states(tx)) == {channel_id(2)}
    with database.read(other) as tx:
        assert classes.states(tx) == {channel_id(1): PENDING}


def test_a_class_of_a_newer_version_is_no_class(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1)
        classes.save(tx, {channel_id(1): DEAD})
        tx.connection.execute(update(tables.channel_class).values({"class": "golden"}))
        with pytest.raises(DataError, match="'golden' is no profitability class"):
            classes.states(tx)


def test_a_candidate_has_its_moment(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1)

    def save() -> None:
        with database.transaction(node_key) as tx:  # which makes the database's refusal an error of ours
            classes.save(tx, {channel_id(1): replace(PENDING, candidate_since_at=None)})

    with pytest.raises(BugError, match="candidate"):
        save()


def test_open_channels_with_what_they_are_judged_by(database: Database, node_key: int) -> None:
    opened = make_channel(1, opened_at=int(NOW - 90 * DAY), last_stable_connection_at=int(NOW - 60))
    closing = make_channel(3, state="CLOSINGD_COMPLETE")
    with database.transaction(node_key) as tx:
        for day in (40, 1):
            seen_at = NOW - day * DAY
            balances.record_balances(tx, [replace(opened, local_msat=day * SAT)], seen_at)
        channels.record_channels(tx, [opened, make_channel(2), closing, make_channel(4)], NOW)
        channels.record_channels(tx, [opened, make_channel(2), closing], NOW)
        channels.record_closed(tx, [make_closed(4)], NOW)
        forwards.ingest(tx, [make_forward(1)], NOW)
        signals.save_values(tx, {channel_id(1): 12.5}, NOW)
        # What went through a channel is on record before its liquidity was ever judged.
        signals.save_channels(tx, {channel_id(2): ChannelTraffic(NOW, NOW, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)})
        found = {one.channel_id: one for one in open_channels(tx, TODAY - 30).values()}
    assert set(found) == {channel_id(1), channel_id(2)}
    one = found[channel_id(1)]
    assert dict(one.balances_msat) == {TODAY - 1: SAT}
    assert (one.value_ppm, one.last_settled_at, one.opened_at) == (12.5, NOW - 998, opened.opened_at)
    assert (one.local_msat, one.reserve_msat, one.opener) == (opened.local_msat, opened.our_reserve_msat, "local")
    assert (one.last_stable_at, one.connected, one.name) == (NOW - 60, True, opened.name)
    assert (found[channel_id(2)].value_ppm, found[channel_id(2)].last_settled_at) == (None, NOW - 998)
