"""Fee memory: states as they were, what changed last, and what each price has earned since it came into force."""

from __future__ import annotations

import math
import random
from dataclasses import fields

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from revops.domain.decision import FeeState, PriceWindow
from revops.domain.demand import DemandFigures
from revops.domain.record import FeeChange
from revops.errors import BugError, DataError
from revops.store import channels, cursors, fees, forwards, queries, rollup
from revops.store.codec import dump_state, load_figures, load_state
from revops.store.cursors import FORWARDS_CREATED, FORWARDS_UPDATED
from revops.store.earned import Earned, earned_since
from revops.store.engine import Database
from revops.store.tables import fee_state
from tests.builders import DAY, NOW, channel_id, make_channel, make_demand
from tests.store.rows import FAILED, REFUSED, SETTLED, make_forward, new_node, record, scid
from tests.strategies import fee_states


@given(state=fee_states(100))
def test_state_survives_json_bit_by_bit(state: FeeState) -> None:
    assert load_state(dump_state(state)) == state


def test_states_are_replaced(database: Database, node_key: int) -> None:
    first = FeeState(fee_ppm=100, window_start_at=NOW - 0.1, counted_at=NOW)
    second = FeeState(fee_ppm=110, window_start_at=NOW, counted_at=NOW, last_rate_msat=1 / 3, direction=-1)
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        assert fees.fee_states(tx) == {}
        fees.save_fee_state(tx, channel_id(1), first, NOW)
        fees.save_fee_state(tx, channel_id(2), first, NOW)
        fees.save_fee_state(tx, channel_id(1), second, NOW + 60)
    with database.read(node_key) as tx:
        assert fees.fee_states(tx) == {channel_id(1): second, channel_id(2): first}


def test_figures_of_demand_are_read_without_the_rest(database: Database, node_key: int) -> None:
    state = FeeState(100, NOW, NOW, demand=make_demand())
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        fees.save_fee_state(tx, channel_id(1), state, NOW)
        fees.save_fee_state(tx, channel_id(2), FeeState(100, NOW, NOW), NOW)
    with database.read(node_key) as tx:
        assert fees.fee_states(tx)[channel_id(1)] == state
        assert list(fees.demand_figures(tx).values()) == [make_demand()]
        shown = {one.channel_id: one.demand for one in queries.channel_records(tx, 0.0)}
    assert shown == {channel_id(1): make_demand(), channel_id(2): None}


def test_figures_of_a_newer_version_are_not_guessed() -> None:
    assert load_figures('{"fee_ppm":100}') is None
    with pytest.raises(DataError, match="newer revops"):
        load_figures('{"demand":{"judged_at":1,"curvature":2}}')


def test_state_of_a_channel_that_was_never_recorded(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx, pytest.raises(BugError, match="sync comes first"):
        fees.save_fee_state(tx, channel_id(1), FeeState(1, NOW, NOW), NOW)


def test_state_of_an_older_version_takes_defaults() -> None:
    state = load_state('{"fee_ppm":100,"window_start_at":1.5,"counted_at":2.5}')
    assert state == FeeState(100, 1.5, 2.5)


@pytest.mark.parametrize(
    "document",
    [
        '{"fee_ppm":100,"window_start_at":1.5}',
        '{"fee_ppm":1,"window_start_at":1,"counted_at":1,"elasticity":2}',
        "[]",
        '{"fee_ppm":1,"window_start_at":1,"counted_at":1,"windows":[{"fee_ppm":1}]}',
        '{"fee_ppm":1,"window_start_at":1,"counted_at":1,"windows":[7]}',
        '{"fee_ppm":1,"window_start_at":1,"counted_at":1,"demand":{"elasticity":1}}',
        '{"fee_ppm":1,"window_start_at":1,"counted_at":1,"demand":7}',
        '{"fee_ppm":1,"window_start_at":1,"counted_at":1,"demand":{"values_ppm":["x"]}}',
        '{"fee_ppm":1,"window_start_at":1,"counted_at":1,"demand":{"values_ppm":7}}',
    ],
)
def test_state_that_can_not_be_read_is_not_guessed(database: Database, node_key: int, document: str) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1)
        fees.save_fee_state(tx, channel_id(1), FeeState(1, NOW, NOW), NOW)
        tx.connection.execute(fee_state.update().values(state_json=document))
        with pytest.raises(DataError):
            fees.fee_states(tx)


def test_every_field_of_a_state_is_plain() -> None:
    """What JSON brings back as another type would be lost silently."""
    plain = {"int", "float", "float | None", "bool", "str"}
    assert {str(field.type) for field in fields(FeeState) if field.name not in {"windows", "demand"}} <= plain
    assert {str(field.type) for field in fields(DemandFigures) if field.name != "values_ppm"} <= plain
    assert {str(field.type) for field in fields(PriceWindow)} <= plain


def test_last_change_of_each_channel(database: Database, node_key: int) -> None:
    first = FeeChange(channel_id(1), NOW + 50, None, 100, "external")
    second = FeeChange(channel_id(1), NOW, 100, 120, "revops")  # recorded later, though its clock says earlier
    other = FeeChange(channel_id(2), NOW, 5, 0, "revops", base_msat=1_000)
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        for change in (first, second, other):
            fees.record_fee_change(tx, change)
        assert fees.last_fee_changes(tx) == {channel_id(1): second, channel_id(2): other}


def test_the_last_announcement_is_the_one_that_was_recorded_last(database: Database, node_key: int) -> None:
    """One that a clock ahead has dated isn't the last for as long."""
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        for number, at, source in (
            (1, 60 * DAY, "revops"),
            (2, 0, "valve"),
            (1, 0, "revops"),
            (1, 90 * DAY, "external"),
        ):
            fees.record_fee_change(tx, FeeChange(channel_id(number), NOW + at, 1, 2, source))
        assert fees.last_own_changes(tx) == {channel_id(1): NOW, channel_id(2): NOW}


def test_only_our_own_updates_are_counted(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1)
        for at, source in ((0, "revops"), (1, "revops"), (2, "external"), (3, "revops")):
            fees.record_fee_change(tx, FeeChange(channel_id(1), NOW + at, 1, 2, source))
        assert sum(fees.fee_updates_between(tx, NOW + 1, NOW + 3).values()) == 2
        assert sum(fees.fee_updates_between(tx, 0, NOW + 3).values()) == 3
        assert sum(fees.fee_updates_between(tx, 0, NOW + 2).values()) == 2


def test_earned_since_counts_what_was_received_under_the_price(database: Database, node_key: int) -> None:
    page = [
        make_forward(1, received_at=NOW - 1, resolved_at=NOW + 5),  # accepted at the price before
        make_forward(2, received_at=NOW, resolved_at=NOW + 1),
        make_forward(3, received_at=NOW + 3, resolved_at=NOW + 4, fee_msat=11),
        make_forward(4, received_at=NOW + 3, status=FAILED),
        make_forward(5, received_at=NOW + 3, status=REFUSED),
        make_forward(6, received_at=NOW + 3, in_scid=scid(2), out_scid=scid(1)),
    ]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        forwards.ingest(tx, page, NOW + DAY)
        starts = {channel_id(2): NOW, channel_id(1): NOW + 4, channel_id(3): 0.0, channel_id(9): 0.0}
        assert earned_since(tx, starts) == {
            channel_id(2): Earned(111, 2, NOW + 4, 111.0, math.sqrt(10_121), 0.08, 0.08)
        }
        assert earned_since(tx, {channel_id(1): NOW + 3}) == {
            channel_id(1): Earned(100, 1, NOW + 4, 100.0, 100.0, 0.04, 0.04)
        }
        assert earned_since(tx, {}) == {}


def test_earned_since_reaches_into_whole_pruned_days(database: Database, node_key: int) -> None:
    midnight = NOW // DAY * DAY
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(
            tx, [make_forward(day, received_at=midnight + day * DAY + 60) for day in (1, 2, 3)], NOW + 9 * DAY
        )
        for name in (FORWARDS_CREATED, FORWARDS_UPDATED):
            cursors.set_cursor(tx, name, 3)
        rollup.prune_forwards(tx, midnight + 3 * DAY, 9)
        latest = midnight + 3 * DAY + 61
        assert earned_since(tx, {channel_id(2): midnight + DAY}) == {
            channel_id(2): Earned(300, 3, latest, 300.0, math.sqrt(30_000), 0.12, 0.12)
        }
        assert earned_since(tx, {channel_id(2): midnight + DAY + 1}) == {
            channel_id(2): Earned(200, 2, latest, 200.0, math.sqrt(20_000), 0.08, 0.08)
        }
        assert earned_since(tx, {channel_id(2): midnight + 4 * DAY}) == {}


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), count=st.integers(0, 60))
def test_one_query_for_all_channels_says_what_one_each_would(database: Database, seed: int, count: int) -> None:
    chance = random.Random(seed)
    numbers = range(1, 6)
    page = [
        make_forward(
            index,
            in_scid=scid(chance.choice(numbers)),
            out_scid=scid(chance.choice(numbers)),
            fee_msat=chance.randrange(1_000),
            status=chance.choice([SETTLED, SETTLED, FAILED, REFUSED]),
            received_at=NOW + chance.randrange(100),
        )
        for index in range(1, count + 1)
    ]
    starts = {channel_id(number): NOW + chance.randrange(100) for number in numbers}
    with database.transaction(new_node(database)) as tx:
        channels.record_channels(tx, [make_channel(number) for number in numbers], NOW)
        forwards.ingest(tx, page, NOW + DAY)
        found = earned_since(tx, starts)
    expected = {}
    for number in numbers:
        mine = [
            row
            for row in page
            if row.status is SETTLED and row.out_scid == scid(number) and row.received_at >= starts[channel_id(number)]
        ]
        if mine:
            earned = sum(row.fee_msat or 0 for row in mine)
            expected[channel_id(number)] = (earned, len(mine), max(row.resolved_at or 0 for row in mine))
    assert {name: one[:3] for name, one in found.items()} == expected
