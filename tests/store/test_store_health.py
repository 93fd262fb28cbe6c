"""What the doctor reads of a database, on both kinds; and all that it says of records on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from revops.cycle import doctor, doctor_machine, doctor_records
from revops.domain.health import Fault, Severity
from revops.domain.options import CommonOptions
from revops.domain.policy import Config, DatabaseConfig, NodeConfig
from revops.errors import ConfigError
from revops.store import health, runs
from revops.store.engine import Database
from revops.store.nodes import record_node
from tests.builders import OWN_ID, make_node

NOW = 1_800_000_000.0


def test_runs_are_found(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        assert (health.oldest_run_at(tx), runs.latest_starts(tx, "sync", 3)) == (None, ())
        for hour in range(5):
            run_key = runs.begin_run(tx, "sync", NOW + hour, "1")
            runs.end_run(tx, run_key, NOW + hour + 0.5, 0, None)
        runs.begin_run(tx, "rollup", NOW - 7, "1")
        assert health.oldest_run_at(tx) == NOW - 7
        assert runs.latest_starts(tx, "sync", 3) == (NOW + 4, NOW + 3, NOW + 2)


def test_facts(url: str, kind: str) -> None:
    facts = health.database_facts(url, None)
    assert (facts.fault, facts.problems) == (None, () if kind == "sqlite" else None)
    assert (facts.path is None) is (kind == "postgresql")
    closed = health.database_facts(url, Fault("away", 69))
    assert closed.fault == Fault("away", 69)
    assert closed.shown_url == facts.shown_url


def test_a_url_that_is_none() -> None:
    with pytest.raises(ConfigError):
        health.database_facts("mysql://x", None)


def test_the_records_are_read(url: str, database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record_node(
            tx, make_node(), wallet_spendable_msat=7_000, channels_spendable_msat=8_000, synced_at=NOW
        )  # fmt: skip
        runs.end_run(tx, runs.begin_run(tx, "sync", NOW - 9, "1"), NOW - 8, 0, None)
    config = Config(node=NodeConfig(rpc_path="/none"), database=DatabaseConfig(url=url))
    with doctor_records.opened(config) as opened:
        assert opened.facts.fault is None
        assert opened.database is not None
        assert doctor_records.node_key(opened.database, config, OWN_ID) == node_key
        assert doctor_records.node_key(opened.database, config, None) == node_key
        facts = doctor_records.record_facts(opened.database, config, node_key, NOW)
        assert doctor_records.ledger_gap(opened.database, node_key) is None
    assert (facts.node_id, facts.known_node_ids, facts.synced_at) == (OWN_ID, (OWN_ID,), NOW)
    (command,) = facts.commands
    assert (command.last.command, command.last_success_at, command.starts) == ("sync", NOW - 8, (NOW - 9,))
    assert [reason.code for reason in facts.suspended] == ["reserve_low"]


def test_the_doctor_on_either(
    url: str, database: Database, node_key: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a node: everything that the records tell is looked at all the same."""
    monkeypatch.setattr(doctor_machine, "running", lambda _names: ())
    path = tmp_path / "config.toml"
    path.write_text(f'[node]\nrpc_path = "{tmp_path}/none"\n[database]\nurl = "{url}"\nstate_dir = "{tmp_path}"\n')
    report = doctor.run(CommonOptions(config_path=path, environment={}), lambda: NOW)
    found = {one.check: one for one in report.findings}
    assert {one.check for one in report.findings if one.severity is Severity.ERROR} == {"node.socket"}
    assert report.exit_code == 69
    assert {"database", "database.integrity", "records.ledger", "records.fresh", "cron"} <= found.keys()
    assert ("database.backup" in found) is url.startswith("sqlite")


def test_a_server_that_is_away(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        f'[node]\nrpc_path = "{tmp_path}/none"\n[database]\nurl = "postgresql+psycopg://me:SECRET@/x?host={tmp_path}"\n'
    )
    report = doctor.run(CommonOptions(config_path=path, environment={}), lambda: NOW)
    (found,) = [one for one in report.findings if one.check == "database"]
    assert (found.severity, found.exit_code) == (Severity.ERROR, 69)
    assert "SECRET" not in str(report)
