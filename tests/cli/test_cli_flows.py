"""`report flows`: forwards hour by hour, of the node and of a channel, and what is known by the day only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from revops.cli.main import main
from revops.cycle import flow_hours as cycle
from revops.domain.flow_hours import HourSums
from revops.domain.options import CommonOptions
from revops.errors import UnknownChannel
from revops.store import cursors, flows, forwards, nodes, rollup
from revops.store.cursors import FORWARDS_CREATED, FORWARDS_UPDATED
from revops.store.engine import Database, Tx
from tests.builders import DAY, HOUR, NOW, OWN_ID, make_node, node_id
from tests.databases import sqlite_template as sqlite_template
from tests.databases import sqlite_url as sqlite_url
from tests.store.rows import FAILED, REFUSED, make_forward, record, scid

#: Half past an hour.
NOON = NOW // HOUR * HOUR + HOUR / 2


def forward(index: int, at: float, **overrides: Any) -> Any:
    return make_forward(index, received_at=at - 1, **overrides)


def fill(tx: Tx) -> None:
    record(tx, 1, 2, 3)
    page = [
        forward(1, NOON),
        forward(2, NOON - HOUR, fee_msat=1_999),
        forward(3, NOON - HOUR, in_scid=scid(2), out_scid=scid(3), fee_msat=1),
        forward(4, NOON - HOUR, status=FAILED),
        forward(5, NOON - HOUR, status=REFUSED),
        forward(6, NOON - HOUR, status=REFUSED, out_scid=None, out_msat=None, fee_msat=None),
        forward(7, NOON - 30 * HOUR),
    ]
    forwards.ingest(tx, page, NOON)
    for name in (FORWARDS_CREATED, FORWARDS_UPDATED):
        cursors.set_cursor(tx, name, 7)
    nodes.record_node(tx, make_node(), wallet_spendable_msat=0, channels_spendable_msat=0, synced_at=NOON - 300)


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    with closing(Database.open(sqlite_url)) as opened:
        with opened.transaction(opened.node_key(OWN_ID, "ours", "bitcoin")) as tx:
            fill(tx)
        yield opened


@pytest.fixture
def config(database: Database, sqlite_url: str, tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(f'[node]\nrpc_path = "/x"\n[database]\nurl = "{sqlite_url}"\n', encoding="utf-8")
    return path


@pytest.fixture
def told(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    monkeypatch.setattr(cycle.run, "__defaults__", (24, None, lambda: NOON))

    def tell(*line: str) -> tuple[int, str]:
        code = main(["report", "flows", *line, "--config", str(config)])
        done = capsys.readouterr()
        return code, done.out + done.err

    return tell


def test_each_hour_has_a_row_and_they_add_up(config: Path, database: Database) -> None:
    value = cycle.run(CommonOptions(config_path=config, environment={}), 24, None, lambda: NOON)
    assert len(value.hours) == 24
    assert (value.hours[-1].begins_at, value.until_at) == (NOON - HOUR / 2, NOON + HOUR / 2)
    assert value.hours[-1].sums == HourSums(1_000_100, 1_000_000, 1, 1, 100, 100)
    assert value.hours[-2].sums == HourSums(2_000_200, 2_000_000, 2, 2, 2_000, 2_000, refused_count=2, failed_count=1)
    assert all(hour.sums == HourSums() for hour in value.hours[:-2])
    with database.read(1) as tx:
        sums = flows.flow_sums(tx, value.since_at, value.until_at).values()
    for name in HourSums.__slots__:
        assert getattr(value.total, name) == sum(getattr(one, name) for one in sums), name
    assert value.by_day_only == ()


def test_a_channel_alone_by_any_name_of_its(config: Path) -> None:
    options = CommonOptions(config_path=config, environment={})
    for name in (scid(2), "10002x2x0", node_id(2)):
        value = cycle.run(options, 2, name, lambda: NOON)
        assert value.channels == (scid(2),)
        assert value.total == HourSums(1_000_100, 2_000_000, 1, 2, 2_099, 1, refused_count=1, failed_count=1)
    with pytest.raises(UnknownChannel):
        cycle.run(options, 2, "nobody", lambda: NOON)


def test_the_page(told: Callable[..., tuple[int, str]]) -> None:
    code, text = told()
    assert code == 0
    assert ", 24 hours (UTC), the last one still running; synced 5 min ago" in text
    assert text.startswith("2025-06-14 16:00Z to 2025-06-15 15:59Z")
    assert "settled    failed    local_failed" in text
    assert "local_failed: those that this node refused" in text
    rows = [line.split() for line in text.splitlines() if "Z  " in line or line.startswith("together")]
    assert len(rows) == 25
    assert rows[-2][2:] == ["0.100", "1,000", "1,000", "1", "0", "0"]
    assert rows[-1] == ["together", "2.100", "3,000", "3,000", "3", "1", "2"]
    assert "not in these hours" not in text


def test_hours_after_the_last_sync_are_not_known(
    told: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cycle.run, "__defaults__", (24, None, lambda: NOON + 2 * HOUR))
    _code, text = told("--last-hours", "4")
    rows = [line.split()[2:] for line in text.splitlines() if "Z  " in line]
    assert rows[2:] == [["-"] * 6] * 2
    assert rows[1] == ["0.100", "1,000", "1,000", "1", "0", "0"]
    assert text.split("together")[1].split()[0] == "2.100"


def test_the_page_of_a_channel(told: Callable[..., tuple[int, str]]) -> None:
    code, text = told("--last-hours", "2", "--channel", scid(2))
    assert code == 0
    assert f"2 hours (UTC) through {scid(2)}, the last" in text
    assert "sourced: of those that entered by it" in text
    assert next(line for line in text.splitlines() if "together" in line).split() == [
        "together",
        "2.099",
        "0.001",
        "1,000",
        "1",
        "2,000",
        "2",
        "1",
        "1",
    ]


def test_what_was_pruned_is_said_and_in_no_hour(told: Callable[..., tuple[int, str]], database: Database) -> None:
    with database.transaction(1) as tx:
        assert rollup.prune_forwards(tx, NOON - DAY, 10) == 1
    assert "not in these hours" not in told("--last-hours", "3")[1]
    code, text = told("--last-hours", "40")
    assert code == 0
    assert "not in these hours: 1 forward with 0.100 sat of fees and 0 failures of 2025-06-14" in text
    assert text.split("together")[1].split()[0] == "2.100"
    assert "not in these hours" not in told("--last-hours", "40", "--channel", scid(3))[1], "it isn't one of its"


def test_the_document(told: Callable[..., tuple[int, str]]) -> None:
    code, text = told("--json", "--last-hours", "2")
    assert code == 0
    document = json.loads(text)
    assert document["command"] == "report flows"
    assert [hour["sums"]["earned_msat"] for hour in document["hours"]] == [2_000, 100]
    assert document["total"]["refused_count"] == 2


def test_a_name_that_nothing_goes_by_is_an_error(told: Callable[..., tuple[int, str]]) -> None:
    code, text = told("--channel", "nobody")
    assert code == UnknownChannel.exit_code
    assert "nobody" in text
