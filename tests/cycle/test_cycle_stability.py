"""Stability as a plan, the report and the metrics see it: from the records of a sync of the simulated node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from revops.cycle.stability import peer_stability, recorded_stability, stability_reasons
from revops.domain.channel import Channel
from revops.domain.node import NodeEvent
from revops.domain.policy import Config, NodeConfig, RebalanceConfig
from revops.domain.reason import ReasonCode
from revops.store import channels, events, queries
from revops.store.engine import Database, Tx
from revops.store.upgrade import upgrade
from tests.builders import DAY, HOUR, NOW, make_channel, make_view, node_id

CONFIG = Config(node=NodeConfig(rpc_path="/x"), rebalance=RebalanceConfig(max_flaps_per_day=2))


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[Tx]:
    url = f"sqlite:///{tmp_path / 'db'}"
    upgrade(url)
    with closing(Database.open(url)) as database:
        node_key = database.node_key(node_id(99), "ours", "bitcoin")
        with database.transaction(node_key) as opened:
            yield opened


def tell(tx: Tx, *rows: tuple[int, str, float]) -> None:
    """Store rows by (peer, kind, hours ago); a disconnect ends a connection of an hour."""
    events.ingest_events(
        tx,
        [
            NodeEvent(index, node_id(peer), kind, int(NOW - hours * HOUR), HOUR if kind == "disconnect" else None)
            for index, (peer, kind, hours) in enumerate(rows, 1)
        ],
    )


def look(tx: Tx, *found: Channel) -> None:
    channels.record_channels(tx, found, NOW)


def flapping(peer: int, *hours_ago: float) -> list[tuple[int, str, float]]:
    return [row for hours in hours_ago for row in ((peer, "disconnect", hours), (peer, "connect", hours - 0.01))]


def test_an_unsteady_peer_s_channels_are_named_with_the_figures(tx: Tx) -> None:
    seen = (
        make_channel(1, opened_at=int(NOW - 90 * DAY)),
        make_channel(2, opened_at=int(NOW - 90 * DAY)),
        make_channel(3, opened_at=int(NOW - 90 * DAY), peer_id=node_id(2)),
        make_channel(4, opened_at=int(NOW - 90 * DAY), connected=False),
    )
    look(tx, *seen)
    view = make_view(*seen)
    assert stability_reasons(tx, CONFIG, view) == {}, "nothing is recorded yet"
    rows = [(1, "connect", 24 * 40), (2, "connect", 24 * 40), (4, "connect", 24 * 40)]
    tell(tx, *rows, *flapping(2, 9, 6, 3), *flapping(1, 2, 1), (4, "disconnect", 0.5))
    reasons = stability_reasons(tx, CONFIG, view)
    # Peer 1 was dropped twice, as often as it may; peer 4 left half an hour ago, which is no tenth of a day.
    assert set(reasons) == {seen[1].channel_id, seen[2].channel_id}
    assert {reason.code for reason in reasons.values()} == {ReasonCode.UNSTABLE}
    assert "dropped 3 times" in reasons[seen[1].channel_id].sentence
    later = make_view(*seen, taken_at=NOW + 3 * HOUR)
    assert set(stability_reasons(tx, CONFIG, later)) == {seen[1].channel_id, seen[2].channel_id, seen[3].channel_id}


def test_a_peer_is_known_since_its_first_channel(tx: Tx) -> None:
    seen = (
        make_channel(1, opened_at=int(NOW - 2 * HOUR)),
        make_channel(2, opened_at=int(NOW - 2 * HOUR), peer_id=node_id(3)),
        make_channel(3, opened_at=int(NOW - 90 * DAY)),
        make_channel(4, opened_at=None),
        make_channel(5, opened_at=None, state="CHANNELD_AWAITING_LOCKIN"),
    )
    look(tx, *seen)
    tell(tx, (3, "connect", 24 * 40))
    covered = {peer_id: one.day.covered_seconds / HOUR for peer_id, one in peer_stability(tx, make_view(*seen)).items()}
    assert covered == {node_id(1): 2, node_id(3): 24, node_id(4): 24, node_id(5): 0}


def test_the_records_tell_the_same_at_the_moment_of_the_sync(tx: Tx) -> None:
    seen = tuple(
        make_channel(number, opened_at=int(NOW - 90 * DAY), last_stable_connection_at=int(NOW - HOUR))
        for number in (1, 2)
    )
    look(tx, *seen)
    tell(tx, (1, "connect", 24 * 40), (2, "disconnect", 20))
    view = make_view(*seen)
    now_known = peer_stability(tx, view)
    # Peer 2 has come back, as the channel list says, though no row does.
    assert now_known[node_id(2)].day.uptime_ratio is None
    assert now_known[node_id(2)].day.up_seconds == pytest.approx(2 * HOUR + 60)
    assert recorded_stability(tx, queries.channel_records(tx, NOW), NOW) == now_known
    assert recorded_stability(tx, queries.channel_records(tx, NOW), None) == {}
    channels.record_channels(tx, seen[:1], NOW + 1)
    assert set(recorded_stability(tx, queries.channel_records(tx, NOW), NOW + 1)) == {node_id(1)}
