"""What rules are told of a channel, gathered from the records of an ordinary node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from revops.cycle.policies import channel_policies, recorded_policies
from revops.domain.listed import Forward
from revops.domain.node import NodeEvent
from revops.domain.policy import Config, Match, NodeConfig, Rule
from revops.domain.rules import ChannelFacts
from revops.store import channels, events, forwards, queries
from revops.store.engine import Database, Tx
from revops.store.upgrade import upgrade
from tests.builders import DAY, HOUR, NOW, SAT, make_channel, node_id
from tests.store.rows import make_forward

CONFIG = Config(node=NodeConfig(rpc_path="/x"))


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[Tx]:
    url = f"sqlite:///{tmp_path / 'db'}"
    upgrade(url)
    with closing(Database.open(url)) as database:
        node_key = database.node_key(node_id(99), "ours", "bitcoin")
        with database.transaction(node_key) as opened:
            yield opened


def facts(tx: Tx) -> dict[str, ChannelFacts]:
    """By the name of the channel, as `policy show` sees them now."""
    known = queries.channel_records(tx, NOW)
    return {one.facts.name: one.facts for one in recorded_policies(tx, CONFIG, known, NOW)}


def test_uptime_counts_as_far_back_as_the_record_the_window_and_the_channel_go(tx: Tx) -> None:
    old = make_channel(1, opened_at=int(NOW - 90 * DAY))
    new = make_channel(2, opened_at=int(NOW - 2 * DAY))
    channels.record_channels(tx, [old, new], NOW)
    assert {one.uptime_ratio for one in facts(tx).values()} == {None}, "nothing is recorded"
    away = [
        NodeEvent(1, node_id(1), "disconnect", int(NOW - 60 * DAY), 5.0),
        NodeEvent(2, node_id(1), "connect", int(NOW - 59 * DAY), None),
        NodeEvent(3, node_id(1), "disconnect", int(NOW - 15 * DAY), 44 * DAY),
        NodeEvent(4, node_id(1), "connect", int(NOW - 12 * DAY), None),
        NodeEvent(5, node_id(2), "connect", int(NOW - 3 * DAY), None),
    ]
    events.ingest_events(tx, away)
    found = facts(tx)
    assert found[old.name].uptime_ratio == pytest.approx(27 / 30)
    assert found[new.name].uptime_ratio == 1.0
    assert found[new.name].age_days == pytest.approx(2)


@pytest.mark.parametrize(
    ("match", "uptime_ratio"),
    [(Match(max_uptime_ratio=0.5), 0.9), (Match(min_uptime_ratio=0.95), 0.9), (Match(flow=("idle",)), None)],
)
def test_uptime_is_looked_for_where_a_rule_asks_for_it(tx: Tx, match: Match, uptime_ratio: float | None) -> None:
    listed = make_channel(1, opened_at=int(NOW - 90 * DAY))
    channels.record_channels(tx, [listed], NOW)
    away = [
        NodeEvent(1, node_id(1), "connect", int(NOW - 60 * DAY), None),
        NodeEvent(2, node_id(1), "disconnect", int(NOW - 15 * DAY), 45 * DAY),
        NodeEvent(3, node_id(1), "connect", int(NOW - 12 * DAY), None),
    ]
    events.ingest_events(tx, away)
    config = Config(node=NodeConfig(rpc_path="/x"), rules=(Rule(name="one", match=match, settings={}),))
    found = channel_policies(tx, config, [listed], NOW)[listed.channel_id]
    assert found.facts.uptime_ratio == (None if uptime_ratio is None else pytest.approx(uptime_ratio))


def test_flow_is_that_of_the_last_two_weeks(tx: Tx) -> None:
    channels.record_channels(tx, [make_channel(1), make_channel(2)], NOW)
    assert {one.flow for one in facts(tx).values()} == {"idle"}
    forwards.ingest(tx, [_forward(1, NOW - 15 * DAY)], NOW)
    assert {one.flow for one in facts(tx).values()} == {"idle"}
    forwards.ingest(tx, [_forward(2, NOW - HOUR)], NOW)
    assert {name: one.flow for name, one in facts(tx).items()} == {
        make_channel(1).name: "source",
        make_channel(2).name: "sink",
    }


def _forward(index: int, at: float) -> Forward:
    """A twentieth of the capacity, from channel 1 to channel 2."""
    return make_forward(
        index,
        received_at=at - 1,
        resolved_at=at,
        in_msat=250_000 * SAT + 100,
        out_msat=250_000 * SAT,
    )
