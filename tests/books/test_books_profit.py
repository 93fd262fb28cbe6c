"""Profit and loss of a made node is what plain Python adds up, over any days, whatever was pruned and forgotten."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from revops.domain.profit import ProfitLine
from revops.store import profits, rollup
from revops.store.engine import Database
from tests.books.lines import NAMES, kept_lines, sync, wanted_lines
from tests.books.made import MadeNode
from tests.builders import DAY, NOW

MOMENTS = tuple(NOW - 730 * DAY * part for part in (0.9, 0.6, 0.31, 0.3, 0.02, 0.0))


@pytest.mark.parametrize("seed", [3, 11])
def test_profit_and_loss_is_the_plain_sum(database: Database, seed: int) -> None:
    node, rng = MadeNode(seed, 24, 6_000), Random(seed)
    for node.now_at in MOMENTS:
        node_key = sync(database, node)
        today = int(node.now_at // DAY)
        spans: list[tuple[int | None, int | None]] = [(None, None), (today, today + 1), (today - 6, today + 1)]
        for _ in range(4):
            first_day, end_day = sorted(rng.sample(range(today - 730, today + 1), 2))
            spans.append((first_day, end_day))
        if node.now_at != MOMENTS[-1]:  # a channel that waits for its opening is a fee of the wallet to the oracle
            spans = []
        for since_day, until_day in spans:
            with database.read(node_key) as tx:
                assert kept_lines(tx, node, since_day, until_day) == wanted_lines(node, since_day, until_day)
            with database.transaction(node_key) as tx:
                rollup.prune_forwards(tx, rng.choice([node.now_at, NOW - rng.random() * 730 * DAY]) // DAY * DAY, 700)


@pytest.mark.parametrize("seed", [3])
def test_what_autoclean_has_deleted_before_we_came_is_in_it(database: Database, seed: int) -> None:
    node = MadeNode(seed, 24, 6_000)
    node.cleaned_before_at = NOW - 200 * DAY
    node_key = sync(database, node)
    everything = wanted_lines(node, None, None)
    with database.read(node_key) as tx:
        kept = kept_lines(tx, node, None, None)
        days = [kept_lines(tx, node, day, day + 30) for day in range(int(NOW // DAY) - 730, int(NOW // DAY) + 1, 30)]
    # What failed is in no ledger: only settled forwards come back.
    for lines in (everything, kept):
        for channel_id, line in lines.items():
            lines[channel_id] = _settled(line)
    assert {key: line for key, line in kept.items() if line != ProfitLine()} == {
        key: line for key, line in everything.items() if line != ProfitLine()
    }
    assert sum(one.earned_msat for lines in days for one in lines.values()) == sum(
        line.earned_msat for line in everything.values()
    )


def _settled(line: ProfitLine) -> ProfitLine:
    values: dict[str, Any] = {name: getattr(line, name) for name in NAMES}
    return ProfitLine(**(values | {"failed_count": 0, "refused_count": 0}))


def test_a_long_history_is_where_it_is_looked_for(tmp_path: Path) -> None:
    """The page itself, of a node of two years: totals are the sum of channels and wallet."""
    node = MadeNode(8, 60, 4_000)
    from revops.store.upgrade import upgrade

    url = f"sqlite:///{tmp_path}/db"
    upgrade(url)
    database = Database.open(url)
    try:
        node_key = sync(database, node)
        with database.read(node_key) as tx:
            found = profits.lines(tx, None, None)
    finally:
        database.close()
    assert found.total.net_msat == sum(line.net_msat for line in found.by_channel.values()) + found.rest.net_msat
    assert found.total.chain_msat == sum(node.drawn_msat.values())
