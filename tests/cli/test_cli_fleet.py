"""`report --fleet`: several nodes in one database, whatever their number, networks and names."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from revops.cli.main import main
from revops.cycle import fleet as cycle
from revops.cycle.profit import profit_report
from revops.domain.fleet import FleetReport
from revops.domain.options import CommonOptions
from revops.domain.period import last_days
from revops.domain.profit import ProfitLine, total_of
from revops.domain.reason import ReasonCode
from revops.errors import ConfigError
from revops.report.fleet import fleet
from revops.report.text import page
from revops.store import balances, channels, forwards, nodes, reserve, samples
from revops.store.engine import Database
from tests.builders import DAY, HOUR, NOW, SAT, make_channel, make_node, node_id
from tests.databases import database as database
from tests.databases import kind as kind
from tests.databases import postgres_admin as postgres_admin
from tests.databases import postgres_server as postgres_server
from tests.databases import postgres_shared as postgres_shared
from tests.databases import postgres_template as postgres_template
from tests.databases import postgres_url as postgres_url
from tests.databases import postgres_urls as postgres_urls
from tests.databases import sqlite_template as sqlite_template
from tests.databases import sqlite_url as sqlite_url
from tests.databases import url as url
from tests.store.rows import make_closed, make_forward

EVIL = "\x1b[2J\u202e[red]=1+1\n"
LATE = NOW - 5 * HOUR


def add_node(database: Database, number: int, alias: str, network: str = "bitcoin", **overrides: Any) -> int:
    """A synced node with two open channels and a closed one, which earned `number` sat today and 10 sat a year ago."""
    key = database.node_key(node_id(number), alias, network)
    info = make_node(node_id=node_id(number), alias=alias, network=network)
    with database.transaction(key) as tx:
        listed = [make_channel(1), make_channel(2)]
        channels.record_channels(tx, listed, NOW)
        channels.record_closed(tx, [make_closed(3)], NOW)
        for ago in range(7):
            balances.record_balances(tx, listed, NOW - ago * DAY)
        forwards.ingest(
            tx,
            [
                make_forward(1, fee_msat=number * SAT, received_at=NOW - 60),
                make_forward(2, fee_msat=10 * SAT, received_at=NOW - 365 * DAY),
            ],
            NOW,
        )
        nodes.record_node(
            tx,
            info,
            wallet_spendable_msat=number * 1_000 * SAT,
            channels_spendable_msat=0,
            synced_at=overrides.get("synced_at", NOW - 300),
        )
    return key


@pytest.fixture
def config(url: str, tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(f'[node]\nrpc_path = "/x"\n[database]\nurl = "{url}"\n', encoding="utf-8")
    path.chmod(0o600)  # its URL may hold a password
    return path


@pytest.fixture
def looked(config: Path) -> Callable[[], FleetReport]:
    return lambda: cycle.run(CommonOptions(config_path=config, environment={}), 7, lambda: NOW)


@pytest.fixture
def told(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    monkeypatch.setattr(cycle.run, "__defaults__", (None, lambda: NOW))

    def tell(*line: str) -> tuple[int, str]:
        code = main(["report", *line, "--config", str(config)])
        done = capsys.readouterr()
        return code, done.out + done.err

    return tell


def test_each_node_is_as_its_own_report_and_totals_are_by_network(
    database: Database, looked: Callable[[], FleetReport]
) -> None:
    add_node(database, 1, "one")
    add_node(database, 2, "two")
    add_node(database, 30, "test", "regtest")
    database.node_key(node_id(4), "four", "bitcoin")
    value = looked()
    assert [one.alias for one in value.nodes] == ["two", "one", "four", "test"], "bitcoin first, the best first"
    for known in database.known_nodes():
        one = next(one for one in value.nodes if one.node_id == known.node_id)
        with database.read(known.node_key) as tx:
            own = profit_report(tx, last_days(NOW, 7), NOW)
        assert one.window == own.total
        assert one.yearly_return_ratio == own.yearly_return_ratio
        assert one.rated == own.rated
        assert one.ever.earned_msat == one.window.earned_msat + (10 * SAT if one.synced_at else 0)
    two, _one, four, test = value.nodes
    assert (two.open_count, two.capacity_msat, two.local_msat) == (2, 10_000_000 * SAT, 5_000_000 * SAT)
    assert (four.synced_at, four.wallet_msat, four.open_count) == (None, None, 0)
    assert [reason.code for reason in four.suspended] == [ReasonCode.NEVER_SYNCED]
    assert four.window == four.ever == ProfitLine()
    bitcoin, regtest = value.totals
    assert (bitcoin.network, bitcoin.node_count, bitcoin.wallet_msat) == ("bitcoin", 3, 3_000 * SAT)
    assert bitcoin.window == total_of(one.window for one in value.nodes[:3])
    assert bitcoin.window.earned_msat == 3 * SAT
    assert bitcoin.yearly_return_ratio == pytest.approx(
        3 / 10_000_000 * 365 * DAY / (NOW - 300 - (NOW // DAY - 6) * DAY)
    )
    assert (regtest.network, regtest.window, regtest.wallet_msat) == ("regtest", test.window, 30_000 * SAT)


def test_the_page_adds_up_networks_apart(database: Database, told: Callable[..., tuple[int, str]]) -> None:
    add_node(database, 1, "one")
    add_node(database, 2, EVIL)
    add_node(database, 30, "test", "regtest")
    database.node_key(node_id(4), "", "bitcoin")
    code, text = told("--fleet", "--window-days", "7")
    assert code == 0
    assert "4 nodes; the window: 2025-06-09 to 2025-06-15, 7 days (UTC)" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\x1b[2J\\u202e[red]=1+1\\x0a" in text
    ours, tests = text.split("Nodes on regtest (sat)")
    assert "7 d on bitcoin (sat)" in ours
    together = [line.split() for line in ours.splitlines() if line.startswith("together")]
    assert together[0] == ["together", "4", "20,000,000", "10,000,000", "3,000"]
    assert together[1][1:6] == ["2", "3", "0", "0", "3"]
    assert together[2] == ["together", "4", "23", "0", "0", "23"]
    never = next(line for line in ours.splitlines() if line.startswith("(no alias)"))
    assert never.split()[2:9] == ["020000000000", "?", "?", "?", "?", "?", "never"]
    assert "together" not in tests, "one node needs no sum"
    assert "never added up" in tests


def test_what_suspends_a_node_stands_in_its_row(
    database: Database, looked: Callable[[], FleetReport], told: Callable[..., tuple[int, str]]
) -> None:
    key = add_node(database, 1, "one")
    with database.transaction(key) as tx:
        reserve.record_suspended(tx, {"onchain": LATE})
        samples.record_clock_mark(tx, NOW - 12 * HOUR, 900_000)
    add_node(database, 2, "two")
    two, one = looked().nodes
    assert (two.suspended, two.reserve_since) == ((), {})
    assert [reason.code for reason in one.suspended] == [ReasonCode.CLOCK_DOUBTFUL]
    assert one.reserve_since == {"onchain": LATE}
    text = " ".join(told("--fleet")[1].split())
    assert "below the reserve of the wallet since 2025-06-15 10:06Z" in text


def test_which_node_is_configured_does_not_matter(
    database: Database, config: Path, told: Callable[..., tuple[int, str]]
) -> None:
    add_node(database, 1, "one")
    add_node(database, 2, "two")
    before = told("--fleet")
    assert before[0] == 0
    assert told()[0] == ConfigError.exit_code, "a report of one node has to know which"
    for name in ("two", "nobody"):
        config.write_text(config.read_text().replace("[node]\n", f'[node]\nname = "{name}"\n', 1))
        assert told("--fleet") == before
        config.write_text(config.read_text().replace(f'name = "{name}"\n', "", 1))


def test_the_document(database: Database, told: Callable[..., tuple[int, str]]) -> None:
    add_node(database, 1, EVIL)
    add_node(database, 30, "test", "signet")
    code, text = told("--fleet", "--json")
    assert code == 0
    document = json.loads(text)
    assert document["command"] == "report fleet"
    assert [node["alias"] for node in document["nodes"]] == [EVIL, "test"]
    assert document["nodes"][0]["window"]["net_msat"] == 1 * SAT
    assert {total["network"]: total["ever"]["earned_msat"] for total in document["totals"]} == {
        "bitcoin": 11 * SAT, "signet": 40 * SAT,
    }  # fmt: skip


def test_thirty_nodes(database: Database, told: Callable[..., tuple[int, str]]) -> None:
    for number in range(1, 31):
        add_node(database, number, "same" if number % 2 else f"node {number}")
    code, text = told("--fleet")
    assert code == 0
    together = [line.split() for line in text.splitlines() if line.startswith("together")]
    assert together[0][1:] == ["60", "300,000,000", "150,000,000", "465,000"]
    assert together[1][1:3] == ["30", f"{sum(range(1, 31)):,}"]
    assert text.count("same ") == 45, "three rows of each of fifteen, told apart by their ids"


def test_an_empty_database_and_a_part_of_the_report_are_errors(told: Callable[..., tuple[int, str]]) -> None:
    code, text = told("--fleet")
    assert (code, "knows no node yet" in text) == (ConfigError.exit_code, True)
    code, text = told("--fleet", "peers")
    assert (code, "no part of it" in text) == (2, True)


def test_leases_have_a_column_where_there_are_any(looked: Callable[[], FleetReport], database: Database) -> None:
    add_node(database, 1, "one")
    value = looked()
    assert "leases" not in page(fleet(value))
    node = replace(value.nodes[0], ever=ProfitLine(lease_earned_msat=7 * SAT, lease_paid_msat=2 * SAT))
    row = page(fleet(replace(value, nodes=(node,)))).split("Ever on bitcoin")[1].splitlines()[3]
    assert row.split()[-6:] == ["0", "0", "5", "0", "0", "5"]
