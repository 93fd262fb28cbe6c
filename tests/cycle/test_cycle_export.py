"""What a run's metrics say of the database's schema, and of a reconciliation that failed later."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from revops.cycle import budget
from revops.cycle.export import ended_run
from revops.domain.options import CommonOptions
from revops.errors import ConfigError, SchemaMismatch
from revops.store.tables import SCHEMA_VERSION
from revops.store.upgrade import upgrade

OURS = int(SCHEMA_VERSION)


@pytest.mark.parametrize(
    ("opened", "error", "found"),
    [
        (True, None, OURS),
        (True, ConfigError("something else"), OURS),
        (False, SchemaMismatch("older", "0007"), 7),
        (False, SchemaMismatch("another program's", "f3a9"), None),
        (False, SchemaMismatch("another program's", "\u0663"), None),
        (False, SchemaMismatch("none", None), None),
        (False, OSError("it can't be read"), None),
    ],
)
def test_schemas_of_a_run(opened: bool, error: BaseException | None, found: int | None) -> None:
    run = ended_run("sync", 1.0, 2.0, 78, opened=opened, error=error)
    assert (run.schema_expected, run.schema_found) == (OURS, found)


def test_a_database_of_another_schema_is_shown(tmp_path: Path) -> None:
    path, folder = tmp_path / "revops.sqlite3", tmp_path / "metrics"
    folder.mkdir()
    upgrade(f"sqlite:///{path}")
    config = tmp_path / "config.toml"
    config.write_text(
        f'[node]\nrpc_path = "{tmp_path}/rpc"\n[database]\nurl = "sqlite:///{path}"\n'
        f'[metrics]\ntextfile_dir = "{folder}"\n'
    )
    config.chmod(0o600)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0009'")
    with pytest.raises(SchemaMismatch):
        budget.run(CommonOptions(config_path=config))
    text = (folder / "revops_node_budget_check.prom").read_text()
    labels = 'command="budget check",node="node"'
    assert f"revops_command_schema_version_found{{{labels}}} 9.0\n" in text
    assert f"revops_command_schema_version_expected{{{labels}}} {float(OURS)}\n" in text
    assert f"revops_command_last_exit_code{{{labels}}} 78.0\n" in text
