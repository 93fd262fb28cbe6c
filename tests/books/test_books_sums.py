"""The product's sums of a made node equal those of plain Python, to the msat, whenever it is synced and pruned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any, cast
from unittest.mock import patch

import pytest
from sqlalchemy import select

from revops.cycle.ingest import sync_node
from revops.node.reader import Reader
from revops.store import flows, queries, rollup
from revops.store.books import books as reconciled
from revops.store.engine import Database, Tx
from revops.store.keys import channel_keys
from revops.store.tables import rebalance_payment
from revops.store.upgrade import upgrade
from tests.books.made import MadeNode
from tests.books.plain import Sums, books
from tests.builders import DAY, NOW

MOMENTS = tuple(NOW - 730 * DAY * part for part in (0.97, 0.81, 0.5003, 0.2, 0.05, 0.0))


@pytest.fixture(params=(3, 11))
def node(request: Any) -> MadeNode:
    return MadeNode(request.param, 20, 5_000)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'books.sqlite3'}"
    Database.open(url, create=True).close()
    upgrade(url)
    with closing(Database.open(url)) as opened:
        yield opened


def sync(database: Database, node: MadeNode) -> int:
    info = node.info()
    node_key = database.node_key(info.node_id, info.alias, info.network)
    sync_node(database, node_key, cast(Reader, node), info, lambda: node.now_at)
    return node_key


def product_flows(tx: Tx, node: MadeNode, since_at: float | None, until_at: float | None) -> dict[str, dict[str, Any]]:
    """The store's sums by channel_id. Names of channels that closed before the first sync have placeholders."""
    names = {name: life.channel_id for life in node.lives for _, name in life.names}
    ids = {
        key: names.get(channel_id.removeprefix("unknown:"), channel_id) for channel_id, key in channel_keys(tx).items()
    }
    found: dict[str, Sums] = defaultdict(Sums)
    for key, one in flows.flow_sums(tx, since_at, until_at).items():
        into = found["" if key == 0 else ids[key]]
        for name, value in asdict(one).items():
            if name == "last_settled_at":
                if value is not None:
                    into.settled_at(value)
            else:
                setattr(into, name, getattr(into, name) + value)
    return plain_of(found)


def plain_of(sums: Mapping[str, Sums]) -> dict[str, dict[str, Any]]:
    return {channel_id: asdict(one) for channel_id, one in sums.items() if one != Sums()}


def windows(node: MadeNode, rng: Random, after_at: float, count: int) -> list[tuple[float | None, float | None]]:
    """Windows of every sort: no bounds, whole days, and ends that fall on a forward exactly; what begins inside a day
    begins after `after_at`.
    """
    midnights = [(node.began_at // DAY + rng.randrange(node.days)) * DAY for _ in range(2 * count)]
    exact = [
        row.resolved_at for row in node.traffic.all() if row.resolved_at and after_at < row.resolved_at < node.now_at
    ]
    found: list[tuple[float | None, float | None]] = [(None, None), (after_at, None)]
    found += [(None, node.now_at)] * (after_at < node.now_at)
    for low, high in zip(midnights[:count], midnights[count:], strict=True):
        found += [(min(low, high), max(low, high)), (low, None), (None, high)]
    for _ in range(count if exact else 0):
        low, high = sorted((rng.choice(exact), rng.choice(exact)))
        found += [(low, high), (min(midnights), high), (rng.uniform(after_at, node.now_at), None)]
    return found


def assert_equal(
    database: Database, node_key: int, node: MadeNode, rng: Random, after_at: float, count: int = 2
) -> None:
    with database.read(node_key) as tx:
        for since_at, until_at in windows(node, rng, after_at, count):
            expected = books(node, since_at, until_at, moves=False)
            assert product_flows(tx, node, since_at, until_at) == plain_of(expected.flows)
            assert flows.settled_fees_msat(tx, since_at, until_at) == expected.earned_msat


def test_sums_of_a_node_synced_at_once_equal_plain_ones(database: Database, node: MadeNode) -> None:
    node_key = sync(database, node)
    assert_equal(database, node_key, node, Random(1), node.began_at, 6)
    with database.read(node_key) as tx:
        found = reconciled(tx)
    assert found is not None
    assert (found.recorded_fees_msat, found.opening_msat) == (node.info().fees_collected_msat, 0)


def test_sums_stay_equal_whenever_it_is_synced_and_pruned(database: Database, node: MadeNode) -> None:
    rng = Random(node.seed)
    pruned_at = node.began_at
    for node.now_at in [*sorted(rng.uniform(node.began_at + DAY, NOW) for _ in range(6)), NOW]:
        node_key = sync(database, node)
        for _ in range(rng.randrange(4)):
            before_at = rng.uniform(pruned_at, node.now_at)
            with database.transaction(node_key) as tx:
                rollup.prune_forwards(tx, before_at, rng.choice((1, 40, 10_000)))
            pruned_at = max(pruned_at, before_at)
        assert_equal(database, node_key, node, rng, (pruned_at // DAY + 1) * DAY)
        with database.read(node_key) as tx:
            found = reconciled(tx)
        assert found is not None
        assert found.difference_msat == 0
    with database.read(node_key) as tx:  # every name was seen while its channel was there
        assert not [channel_id for channel_id in channel_keys(tx) if channel_id.startswith("unknown:")]


def test_totals_and_records_of_a_report_equal_plain_ones(database: Database, node: MadeNode) -> None:
    node.now_at = NOW - 400 * DAY
    sync(database, node)
    node.now_at = NOW
    node_key = sync(database, node)
    with database.read(node_key) as tx:
        records = {record.channel_id: record for record in queries.channel_records(tx, NOW - 30 * DAY)}
        window = queries._totals(tx, NOW - 30 * DAY, flows.flow_sums(tx, NOW - 30 * DAY))
    month, ever = books(node, NOW - 30 * DAY, moves=False), books(node, moves=False)
    assert window.earned_msat == month.earned_msat > 0
    assert window.settled_count == sum(one.out_count for one in month.flows.values())
    assert window.refused_count == sum(one.refused_count for one in month.flows.values())
    assert window.failed_count == sum(one.failed_count for one in month.flows.values())
    assert window.forwarded_msat == sum(one.out_msat for one in month.flows.values())
    for name, one in ever.flows.items():
        if name:
            record = records[name]
            assert (record.lifetime.earned_msat, record.lifetime.sourced_msat) == (one.earned_msat, one.sourced_msat)
            assert (record.window.in_msat, record.window.out_count) == (
                month.flows[name].in_msat,
                month.flows[name].out_count,
            )
    assert {item.channel_id: item.local_msat for item in node.channels()} == {
        name: record.local_msat for name, record in records.items() if record.open
    }


def test_circular_payments_are_recorded_as_plain_python_finds_them(database: Database, node: MadeNode) -> None:
    for node.now_at in MOMENTS:
        node_key = sync(database, node)
        with database.read(node_key) as tx:
            ids = {key: channel_id for channel_id, key in channel_keys(tx).items()}
            paid = rebalance_payment.c
            recorded = {
                (row.payment_hash.hex(), ids[row.source_channel_key], ids[row.target_channel_key], row.amount_msat,
                 row.fee_msat, int(row.moved_at))
                for row in tx.connection.execute(select(rebalance_payment).where(paid.node_key == node_key))
            }  # fmt: skip
        assert recorded == {tuple(one) for one in books(node).circulars}


def test_what_was_cleaned_before_the_first_sync_is_in_the_ledger(database: Database, node: MadeNode) -> None:
    node.cleaned_before_at = NOW - 200 * DAY
    node_key = sync(database, node)
    with database.read(node_key) as tx:
        found = reconciled(tx)
    assert found is not None
    assert books(node, None, NOW - 200 * DAY).earned_msat > 0
    assert (found.opening_msat, found.recorded_fees_msat) == (0, books(node).earned_msat)


def test_without_a_ledger_it_is_the_opening(database: Database, node: MadeNode) -> None:
    node.cleaned_before_at = NOW - 200 * DAY
    with patch.object(MadeNode, "channel_moves", lambda *_: ()):
        node_key = sync(database, node)
    with database.read(node_key) as tx:
        found = reconciled(tx)
    assert found is not None
    assert found.opening_msat == books(node, None, NOW - 200 * DAY).earned_msat > 0
    assert found.recorded_fees_msat == books(node, NOW - 200 * DAY).earned_msat


def test_days_add_up_to_the_window(node: MadeNode) -> None:
    """The oracle's own: its sums by day are those of one-day windows."""
    whole = books(node, days=True)
    days = sorted({day for day, _ in whole.days})
    for day in Random(4).sample(days, 3):
        one = books(node, day * DAY, (day + 1) * DAY)
        assert plain_of(one.flows) == plain_of({name: sums for (when, name), sums in whole.days.items() if when == day})
    assert sum(one.earned_msat for one in whole.days.values()) == whole.earned_msat == node.info().fees_collected_msat
