"""Runs and actions: what was begun is on record, however it ended."""

from __future__ import annotations

import pytest

from revops.domain.record import RunRecord
from revops.errors import BugError
from revops.store import actions, runs
from revops.store.engine import Database
from revops.store.tables import action, run
from tests.builders import NOW, channel_id
from tests.store.rows import new_node, record


def test_run_from_begin_to_end(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        key = runs.begin_run(tx, "sync", NOW, "0.1.0")
        assert runs.last_runs(tx) == (RunRecord("sync", NOW, None, None, None),)
        assert runs.last_success(tx, "sync") is None
        runs.end_run(tx, key, NOW + 2.5, 0, None)
        assert runs.last_runs(tx) == (RunRecord("sync", NOW, NOW + 2.5, 0, None),)
        assert runs.last_success(tx, "sync") == NOW + 2.5


def test_run_that_never_ended_is_called_interrupted(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        killed = runs.begin_run(tx, "sync", NOW, "0.1.0")
        other = runs.begin_run(tx, "fees adjust", NOW, "0.1.0")
        assert other > killed
        last = runs.begin_run(tx, "sync", NOW + 60, "0.1.0")
        runs.end_run(tx, last, NOW + 61, 69, "no lightningd")
        assert runs.last_runs(tx) == (
            RunRecord("fees adjust", NOW, None, None, None),
            RunRecord("sync", NOW + 60, NOW + 61, 69, "no lightningd"),
        )
        assert runs.last_success(tx, "sync") is None
        # It was alive after all, on another machine: its own word counts.
        runs.end_run(tx, killed, NOW + 70, 0, None)
        assert runs.last_success(tx, "sync") == NOW + 70


def test_interruption_shows_while_nothing_came_after(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        runs.begin_run(tx, "sync", NOW, "0.1.0")
        second = runs.begin_run(tx, "sync", NOW + 60, "0.1.0")
        rows = tx.connection.execute(run.select().order_by(run.c.run_key)).all()
        assert [(row.run_key, row.message) for row in rows] == [(second - 1, runs.INTERRUPTED), (second, None)]


def test_last_word_of_a_run_stands(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        key = runs.begin_run(tx, "sync", NOW, "0.1.0")
        runs.end_run(tx, key, NOW + 1, 0, None)
        runs.end_run(tx, key, NOW + 2, 73, "metrics: no such directory")
        assert runs.last_runs(tx)[0].exit_code == 73


def test_run_that_never_began_can_not_end(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        key = runs.begin_run(tx, "sync", NOW, "0.1.0")
    with database.transaction(new_node(database)) as tx, pytest.raises(BugError):
        runs.end_run(tx, key, NOW, 0, None)


def test_run_keys_are_never_used_twice(database: Database, node_key: int) -> None:
    """The fence of the ledger compares them, so one must not come back after its row was pruned."""
    with database.transaction(node_key) as tx:
        first = runs.begin_run(tx, "sync", NOW, "0.1.0")
        tx.connection.execute(run.delete())
        assert runs.begin_run(tx, "sync", NOW, "0.1.0") > first


def test_action_is_pending_until_it_is_known(database: Database, node_key: int) -> None:
    request: dict[str, object] = {"feebase": 0, "feeppm": 120, "note": "ünïcode \u202e"}
    with database.transaction(node_key) as tx:
        record(tx, 1)
        first = actions.begin_action(tx, 7, "setchannel", channel_id(1), request, NOW)
        second = actions.begin_action(tx, 7, "setchannel", None, {}, NOW + 1)
        actions.begin_action(tx, 7, "sendpay", channel_id(1), {}, NOW)
    with database.read(node_key) as tx:
        found = actions.pending_actions(tx, "setchannel")
        assert [one.action_key for one in found] == [first, second]
        assert (found[0].request, found[0].channel_id, found[0].created_at) == (request, channel_id(1), NOW)
        assert (found[0].status, found[0].reply, found[0].settled_at) == ("pending", None, None)
        assert found[1].channel_id is None
    with database.transaction(node_key) as tx:
        actions.finish_action(tx, first, "done", {"feeppm": 120}, NOW + 2)
        actions.finish_action(tx, second, "failed", None, NOW + 2)
        assert actions.pending_actions(tx, "setchannel") == ()
        stored = tx.connection.execute(action.select().order_by(action.c.action_key)).all()
        assert [(row.status, row.reply_json, row.settled_at) for row in stored[:2]] == [
            ("done", '{"feeppm":120}', NOW + 2),
            ("failed", None, NOW + 2),
        ]


def test_action_ends_once(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        key = actions.begin_action(tx, 7, "setchannel", None, {}, NOW)
        with pytest.raises(BugError, match="can't end as 'pending'"):
            actions.finish_action(tx, key, "pending", None, NOW)
        actions.finish_action(tx, key, "unknown", None, NOW)
        for wrong in (key, 99):
            with pytest.raises(BugError, match="is not pending"):
                actions.finish_action(tx, wrong, "done", {}, NOW)


def test_action_on_a_channel_that_was_never_recorded(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx, pytest.raises(BugError, match="sync comes first"):
        actions.begin_action(tx, 7, "setchannel", channel_id(1), {}, NOW)
