"""Experiments on record: registered once and for all, one at a time; each block's sums recorded exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from revops.domain.experiment import Arm, BlockTime, Ending, Experiment
from revops.domain.listed import Forward
from revops.errors import BugError
from revops.store import cursors, experiment_blocks, experiments, forwards, rollup
from revops.store.engine import Database, Tx
from tests.builders import DAY, HOUR, NOW, channel_id, node_id
from tests.decide.test_decide_experiment import BLOCK, make_experiment
from tests.store.rows import FAILED, OFFERED, make_forward, new_node, record, scid

PLAN = make_experiment(experiment_key=0)
SEEN_AT = NOW + 100 * DAY


def begin(tx: Tx, **overrides: Any) -> Experiment:
    record(tx, 1, 2, 3)
    return experiments.register(tx, replace(PLAN, **overrides))


def test_what_was_registered_is_read_back_and_ended_once(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        assert experiments.latest(tx) is None
        assert experiments.running(tx) is None
        first = begin(tx)
        assert first == replace(PLAN, experiment_key=1)
        assert (experiments.running(tx), experiments.latest(tx), experiments.by_key(tx, 1)) == (first, first, first)
        assert experiments.end(tx, first, NOW + DAY, Ending.HARM)
        assert not experiments.end(tx, first, NOW + 2 * DAY, Ending.STOPPED)
        ended = replace(first, ended_at=NOW + DAY, ending=Ending.HARM)
        assert (experiments.running(tx), experiments.latest(tx)) == (None, ended)
        second = begin(tx, seed=9)
        assert (second.experiment_key, experiments.latest(tx)) == (2, second)
        assert experiments.by_key(tx, 1) == ended
    with database.read(new_node(database)) as tx:
        assert experiments.latest(tx) is None


def test_the_database_lets_one_run_at_a_time(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        begin(tx)
    with pytest.raises(BugError, match=r"(?i)unique"), database.transaction(node_key) as tx:
        begin(tx)
    with database.transaction(new_node(database)) as tx:
        begin(tx)  # another node's experiment is its own


def test_a_look_is_never_taken_back(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        begin(tx)
        for count, kept in ((2, 2), (1, 2), (3, 3)):
            experiments.looked(tx, 1, count)
            found = experiments.running(tx)
            assert found is not None
            assert found.look_count == kept


def time_of(channel: int, block: int, arm: Arm = Arm.A, **overrides: Any) -> BlockTime:
    began_at = NOW + block * BLOCK
    base = BlockTime(channel_id(channel), block, arm, began_at + DAY, began_at + BLOCK, 40 * HOUR, 47 * HOUR)
    return base._replace(**overrides)


def test_time_is_counted_up_until_the_block_is_recorded(database: Database, node_key: int) -> None:
    first = time_of(1, 0)
    with database.transaction(node_key) as tx:
        one = begin(tx)
        experiment_blocks.save_times(tx, 1, [])
        experiment_blocks.save_times(tx, 1, [first, time_of(2, 0)])
        later = first._replace(counted_at=NOW + 4 * DAY, open_seconds=41 * HOUR, seen_seconds=48 * HOUR)
        # Where a block began, and whose it is, was settled by its first run.
        experiment_blocks.save_times(tx, 1, [later._replace(measured_at=0.0, arm=Arm.B)])
        assert experiment_blocks.block_times(tx, 1)[channel_id(1), 0] == later
        assert experiment_blocks.record_blocks(tx, one, 1, NOW + 4 * DAY) == 2
        assert experiment_blocks.block_times(tx, 1) == {}
        experiment_blocks.save_times(tx, 1, [later._replace(open_seconds=0.0)])
        assert {found.open_seconds for found in experiment_blocks.results(tx, 1)} == {40 * HOUR, 41 * HOUR}


def test_a_block_that_was_left_is_forgotten_and_may_be_entered_anew(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        one = begin(tx)
        experiment_blocks.save_times(tx, 1, [time_of(1, 0), time_of(1, 1), time_of(2, 1)])
        experiment_blocks.record_blocks(tx, one, 1, NOW + 4 * DAY)
        experiment_blocks.drop_times(tx, 1, [])
        experiment_blocks.drop_times(tx, 1, [(channel_id(1), 0), (channel_id(1), 1)])
        assert experiment_blocks.block_times(tx, 1) == {(channel_id(2), 1): time_of(2, 1)}
        assert [found.block for found in experiment_blocks.results(tx, 1)] == [0]  # recorded: it stands
        later = time_of(1, 1, measured_at=NOW + 6 * DAY)
        experiment_blocks.save_times(tx, 1, [later])
        assert experiment_blocks.block_times(tx, 1)[channel_id(1), 1] == later


def paid(index: int, received_at: float, **overrides: Any) -> Forward:
    """A forward from channel 2 to channel 1."""
    own = {"in_scid": scid(2), "out_scid": scid(1), "received_at": received_at, "fee_msat": 10**index}
    return make_forward(index, **(own | overrides))


def ingest(tx: Tx, page: Sequence[Forward]) -> None:
    forwards.ingest(tx, page, SEEN_AT)
    for name in (cursors.FORWARDS_CREATED, cursors.FORWARDS_UPDATED):
        cursors.set_cursor(tx, name, 100)


PAGE = (
    paid(1, NOW + DAY - 1),  # in the washout
    paid(2, NOW + DAY),
    paid(3, NOW + 3 * DAY - 1, resolved_at=NOW + 3 * DAY + 1_800),  # settles after the block
    paid(4, NOW + 3 * DAY),
    paid(5, NOW + 2 * DAY, status=FAILED),
    paid(6, NOW + 2 * DAY, status=OFFERED),
    paid(7, NOW + 2 * DAY, in_scid=scid(1), out_scid=scid(2)),
    paid(8, NOW + 5 * DAY),
)


def sums(tx: Tx) -> dict[tuple[str, int], tuple[int, int, int]]:
    return {
        (found.channel_id, found.block): (found.score_msat, found.fee_msat, found.forward_count)
        for found in experiment_blocks.results(tx, 1)
    }


def test_a_block_brought_what_was_received_while_it_was_measured(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        one = begin(tx)
        ingest(tx, PAGE)
        tx.connection.execute(text("UPDATE forward SET score_msat = 7 WHERE created_index = 2"))
        experiment_blocks.save_times(tx, 1, [time_of(1, 0), time_of(3, 0), time_of(1, 1, Arm.B)])
        assert experiment_blocks.record_blocks(tx, one, 0, SEEN_AT) == 0
        assert experiment_blocks.record_blocks(tx, one, 1, SEEN_AT) == 2
        assert sums(tx) == {(channel_id(1), 0): (7 + 10**3, 10**2 + 10**3, 2), (channel_id(3), 0): (0, 0, 0)}
        (first, _other) = experiment_blocks.results(tx, 1)
        assert (first.peer_id, first.arm, first.open_seconds) == (node_id(1), Arm.A, 40 * HOUR)


def test_it_is_recorded_once_and_stands_when_the_forwards_are_gone(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        one = begin(tx)
        ingest(tx, PAGE)
        experiment_blocks.save_times(tx, 1, [time_of(1, 0)])
        assert experiment_blocks.record_blocks(tx, one, 1, SEEN_AT) == 1
        before = experiment_blocks.results(tx, 1)
        assert rollup.prune_forwards(tx, SEEN_AT, 100) == 7
        ingest(tx, [paid(9, NOW + 2 * DAY)])  # came late: the block is closed
        assert experiment_blocks.record_blocks(tx, one, 1, SEEN_AT + DAY) == 0
        assert experiment_blocks.results(tx, 1) == before


def test_an_interrupted_recording_leaves_all_of_it_to_the_next(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        one = begin(tx)
        ingest(tx, PAGE)
        experiment_blocks.save_times(tx, 1, [time_of(1, 0), time_of(2, 0)])
    with suppress(KeyboardInterrupt), database.transaction(node_key) as tx:
        experiment_blocks.record_blocks(tx, one, 1, SEEN_AT)
        raise KeyboardInterrupt
    with database.transaction(node_key) as tx:
        assert experiment_blocks.results(tx, 1) == ()
        assert experiment_blocks.record_blocks(tx, one, 1, SEEN_AT) == 2
        assert len(sums(tx)) == 2


def test_an_end_drops_the_block_that_is_cut_short_and_keeps_the_whole_ones(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        one = begin(tx)
        experiment_blocks.save_times(tx, 1, [time_of(1, 0), time_of(1, 1, Arm.B), time_of(1, 2)])
        experiment_blocks.record_blocks(tx, one, 1, SEEN_AT)
        assert experiments.end(tx, one, NOW + 2.5 * BLOCK, Ending.STOPPED)
        assert set(experiment_blocks.block_times(tx, 1)) == {(channel_id(1), 1)}
        (waiting,) = experiments.open_experiments(tx)
        assert waiting.ending is Ending.STOPPED
        assert experiment_blocks.record_blocks(tx, waiting, 2, SEEN_AT) == 1
        assert experiments.open_experiments(tx) == ()
        assert set(sums(tx)) == {(channel_id(1), 0), (channel_id(1), 1)}
