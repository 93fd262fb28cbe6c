"""Migrations, checks and backups."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from revops.cycle import db
from revops.domain.options import CommonOptions
from revops.domain.summary import BackupSummary
from revops.errors import ConfigError, DataError, OutputError, PermissionDenied
from revops.store import tables, upgrade
from revops.store.engine import Database, make_engine
from revops.store.files import create_file
from revops.store.keys import next_keys
from revops.store.url import parse_url
from tests.builders import NOW, OWN_ID, channel_id
from tests.store.rows import record

REPOSITORY = Path(__file__).resolve().parents[2]


def test_head_is_the_version_that_runs_check_for() -> None:
    config = Config()
    config.set_main_option("script_location", str(upgrade.migrations_directory()))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [tables.SCHEMA_VERSION]
    # Versions are compared as text, so they must sort.
    versions = [script.revision for script in scripts.walk_revisions()]
    assert versions == sorted(versions, reverse=True)
    assert {len(version) for version in versions} == {4}


def test_migrations_make_what_the_code_expects(empty_url: str) -> None:
    state = upgrade.upgrade(empty_url)
    assert (state.version_before, state.version) == (None, tables.SCHEMA_VERSION)
    assert upgrade.check(empty_url).problems == ()
    again = upgrade.upgrade(empty_url)
    assert (again.version_before, again.version) == (tables.SCHEMA_VERSION, tables.SCHEMA_VERSION)


def describe(url: str) -> dict[str, Any]:
    """All that the database itself says of its schema, for what Alembic doesn't compare."""
    engine = make_engine(parse_url(url))
    try:
        with engine.connect() as connection:
            found = inspect(connection)
            described: dict[str, Any] = {}
            for name in sorted(set(found.get_table_names()) - {"alembic_version"}):
                described[name] = (
                    [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(name)],
                    found.get_pk_constraint(name),
                    sorted(map(str, found.get_foreign_keys(name))),
                    sorted(map(str, found.get_unique_constraints(name))),
                    sorted(str(check) for check in found.get_check_constraints(name)),
                )
            if engine.dialect.name == "sqlite":
                rows = connection.execute(text("SELECT name, type, sql FROM sqlite_master WHERE sql IS NOT NULL"))
                # Of a table only what follows the columns (WITHOUT ROWID), of an index all (WHERE).
                described["sql"] = {
                    row.name: " ".join((row.sql if row.type == "index" else row.sql.rpartition(")")[2]).split())
                    for row in rows
                }
            else:
                rows = connection.execute(
                    text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
                )
                described["sql"] = {row.indexname: row.indexdef for row in rows}
            return described
    finally:
        engine.dispose()


def test_migrations_make_the_same_as_the_metadata_in_every_detail(own_url: str, empty_url: str) -> None:
    """Check constraints, partial indexes and WITHOUT ROWID are not compared by Alembic."""
    parsed = parse_url(empty_url)
    if empty_url.startswith("sqlite"):
        create_file(Path(parsed.database or ""))
    engine = make_engine(parsed)
    try:
        with engine.begin() as connection:
            tables.metadata.create_all(connection)
    finally:
        engine.dispose()
    migrated, made = describe(own_url), describe(empty_url)
    for own in ("alembic_version", "alembic_version_pkc"):
        migrated["sql"].pop(own, None)
    assert migrated == made


def test_failed_upgrade_leaves_nothing_behind(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original = upgrade._config

    def broken(connection):
        config = original(connection)
        connection.execute(text("CREATE TABLE rebalance_plan (oops INTEGER)"))  # the migration will stumble over it
        return config

    monkeypatch.setattr(upgrade, "_config", broken)
    with pytest.raises(Exception, match="rebalance_plan"):
        upgrade.upgrade(empty_url)
    monkeypatch.undo()
    with pytest.raises(ConfigError, match=r"no schema|is empty"):
        Database.open(empty_url)
    assert upgrade.upgrade(empty_url).version_before is None


def test_upgrade_that_breaks_references_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite doesn't check them while Alembic copies tables, so they are checked before the commit."""
    url = f"sqlite:///{tmp_path / 'new.db'}"
    monkeypatch.setattr(upgrade, "_broken_references", lambda _connection: ["a row of x refers to nothing"])
    with pytest.raises(DataError, match="refers to nothing; nothing was changed"):
        upgrade.upgrade(url)
    with pytest.raises(ConfigError, match="the file is empty"):
        Database.open(url)


def test_newer_schema_is_left_alone(own_url: str) -> None:
    with closing(Database.open(own_url)) as database, database.transaction(0) as tx:
        tx.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="newer"):
        upgrade.upgrade(own_url)
    assert upgrade.check(own_url).problems == (
        f"its schema 9999 is newer than {tables.SCHEMA_VERSION}: upgrade revops itself",
    )


def test_database_of_another_program_is_left_alone(empty_url: str) -> None:
    """A URL that names the node's own database by mistake must not put our tables there, nor change its journal."""
    parsed = parse_url(empty_url)
    if empty_url.startswith("sqlite"):
        create_file(Path(parsed.database or ""))
    engine = make_engine(parsed)
    try:
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE channel (id INTEGER)"))
    finally:
        engine.dispose()
    with pytest.raises(ConfigError, match=r"tables of another program \(channel\)"):
        upgrade.upgrade(empty_url)
    with pytest.raises(ConfigError, match="no schema of revops"):
        Database.open(empty_url)
    if empty_url.startswith("sqlite"):
        with closing(sqlite3.connect(parsed.database or "")) as raw:
            assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("channel",)]
            assert raw.execute("PRAGMA journal_mode").fetchone() == ("delete",)


@pytest.mark.postgres
def test_postgresql_database_may_be_shared(postgres_urls) -> None:
    import psycopg

    url = postgres_urls(None)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    assert upgrade.upgrade(url).version == tables.SCHEMA_VERSION
    assert upgrade.check(url).problems == ()


def test_two_upgrades_at_once(empty_url: str) -> None:
    if empty_url.startswith("sqlite"):
        create_file(Path(parse_url(empty_url).database or ""))
    start = threading.Barrier(2)
    failures: list[BaseException] = []
    script = "import sys; from revops.store.upgrade import upgrade; upgrade(sys.argv[1])"

    def work() -> None:
        start.wait()
        command = [sys.executable, "-c", script, empty_url]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=REPOSITORY)
        if answer.returncode:
            failures.append(RuntimeError(answer.stderr))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert upgrade.check(empty_url).problems == ()


def test_migrations_are_found_in_a_checkout_and_in_a_wheel(tmp_path: Path) -> None:
    assert upgrade.migrations_directory() == REPOSITORY / "migrations"
    wheel_like = tmp_path / "site-packages"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "revops", wheel_like / "revops", ignore=ignored)
    shutil.copytree(REPOSITORY / "migrations", wheel_like / "revops" / "migrations", ignore=ignored)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from revops.store import upgrade\n"
        "upgrade.upgrade(sys.argv[2])\n"
        "print(upgrade.migrations_directory())\n"
    )
    command = [sys.executable, "-P", "-c", script, str(wheel_like), f"sqlite:///{tmp_path / 'new.db'}"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, env=environment)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == str(wheel_like / "revops" / "migrations")


def test_wheel_carries_the_migrations() -> None:
    """hatchling copies what `force-include` names; the look-up above finds it there."""
    import tomllib

    build = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert build["targets"]["wheel"]["force-include"]["migrations"] == "revops/migrations"


def test_missing_migrations_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "__file__", str(tmp_path / "revops" / "store" / "upgrade.py"))
    with pytest.raises(Exception, match="install revops anew"):
        upgrade.migrations_directory()


# ---- check


def test_check_finds_what_was_changed(own_url: str) -> None:
    with closing(Database.open(own_url)) as database, database.transaction(0) as tx:
        tx.connection.execute(text("ALTER TABLE run ADD COLUMN extra INTEGER"))
        tx.connection.execute(text("DROP INDEX ix_forward_earned"))
    problems = " ".join(upgrade.check(own_url).problems)
    assert "extra" in problems
    assert "ix_forward_earned" in problems


def test_check_finds_rows_without_their_parents(sqlite_url: str) -> None:
    with closing(Database.open(sqlite_url)) as database:
        key = database.node_key(OWN_ID, "ours", "bitcoin")
        with database.transaction(key) as tx:
            record(tx, 1)
    with closing(sqlite3.connect(parse_url(sqlite_url).database or "")) as raw:
        raw.execute("DELETE FROM peer")
        raw.commit()
    assert "a row of channel refers to a row of peer that doesn't exist" in upgrade.check(sqlite_url).problems


def test_check_reads_the_whole_file(sqlite_url: str) -> None:
    path = Path(parse_url(sqlite_url).database or "")
    with closing(sqlite3.connect(path)) as raw:
        (page,) = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'chain_move'").fetchone()
        (size,) = raw.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    try:
        problems = upgrade.check(sqlite_url).problems
    except DataError:
        return
    assert problems


@pytest.mark.parametrize(
    ("version", "advice"), [("0000", "run `revops db upgrade`"), ("9999", "upgrade revops itself")]
)
def test_check_says_of_another_version_what_the_others_say(sqlite_url: str, version: str, advice: str) -> None:
    with closing(Database.open(sqlite_url)) as database, database.transaction(0) as tx:
        tx.connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
    options = CommonOptions(
        database_url=sqlite_url, environment={"REVOPS_NODE_RPC_PATH": "/x"}, config_path=Path(os.devnull)
    )
    with pytest.raises(ConfigError) as said:
        db.check(options)
    with pytest.raises(ConfigError) as elsewhere:
        Database.open(sqlite_url)
    assert str(said.value) == str(elsewhere.value)
    assert str(said.value).endswith(advice)


def test_check_of_a_damaged_file_does_not_send_to_itself(sqlite_url: str) -> None:
    path = Path(parse_url(sqlite_url).database or "")
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(DataError, match="restore a backup") as caught:
        upgrade.check(sqlite_url)
    assert "db check" not in str(caught.value)


def test_check_without_a_schema(empty_url: str) -> None:
    with pytest.raises(ConfigError, match="revops db upgrade"):
        upgrade.check(empty_url)


# ---- backup


def test_backup_is_whole_private_and_usable(sqlite_url: str, tmp_path: Path) -> None:
    target = tmp_path / "backup.sqlite3"
    with closing(Database.open(sqlite_url)) as database:
        key = database.node_key(OWN_ID, "ours", "bitcoin")
        with database.transaction(key) as tx:
            record(tx, 1)
        before = os.umask(0)
        try:
            # The rows are still in the write-ahead log, and a writer is at work.
            with database.transaction(key) as tx:
                next_keys(tx, "x")
                summary = upgrade.backup(sqlite_url, target)
        finally:
            os.umask(before)
    assert summary == BackupSummary(str(target), target.stat().st_size)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(found.name for found in tmp_path.iterdir() if "backup" in found.name) == ["backup.sqlite3"]
    assert upgrade.check(f"sqlite:///{target}").problems == ()
    with closing(Database.open(f"sqlite:///{target}")) as copy, copy.read(key) as tx:
        names = tx.connection.execute(text("SELECT channel_id FROM channel")).scalars().all()
        assert names == [channel_id(1)]
        assert tx.connection.execute(text("SELECT count(*) FROM serial WHERE name = 'x'")).scalar() == 0
    assert NOW


def _refused(*_: object, **__: object) -> int:
    raise PermissionError(errno.EACCES, "Permission denied")


def test_backup_overwrites_nothing_and_says_why_it_can_not_write(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "precious"
    target.write_text("mine")
    with pytest.raises(OutputError, match="already"):
        upgrade.backup(sqlite_url, target)
    assert target.read_text() == "mine"
    with pytest.raises(OutputError, match="No such file or directory"):
        upgrade.backup(sqlite_url, tmp_path / "missing" / "backup.db")
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", _refused)
        patch.setattr(Path, "unlink", _refused)
        with pytest.raises(PermissionDenied, match=r"backup .*: Permission denied"):
            upgrade.backup(sqlite_url, tmp_path / "backup.db")
    with pytest.raises(ConfigError, match="nothing to back up"):
        upgrade.backup(f"sqlite:///{tmp_path / 'none.db'}", tmp_path / "backup.db")
    assert not (tmp_path / "backup.db").exists()


def test_failed_backup_leaves_no_part(sqlite_url: str, tmp_path: Path) -> None:
    path = Path(parse_url(sqlite_url).database or "")
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\x5a" * 3996
    path.write_bytes(content)
    with pytest.raises(DataError):
        upgrade.backup(sqlite_url, tmp_path / "backup.db")
    assert [found.name for found in tmp_path.iterdir() if "backup" in found.name] == []


BACK_UP_WITHOUT_ROOM = """
import pathlib, resource, sys
from revops.errors import RevopsError
from revops.store.upgrade import backup
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    backup(sys.argv[1], pathlib.Path(sys.argv[2]))
except RevopsError as error:
    print(error.exit_code, error)
"""


def test_backup_that_finds_no_room(sqlite_url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", BACK_UP_WITHOUT_ROOM, sqlite_url, str(tmp_path / "backup.db")]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=REPOSITORY)
    assert answer.stdout.startswith(f"73 backup {tmp_path / 'backup.db'}: "), answer
    assert [found.name for found in tmp_path.iterdir() if "backup" in found.name] == []


@pytest.mark.postgres
def test_backup_of_postgresql_is_pg_dumps_business(postgres_url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pg_dump"):
        upgrade.backup(postgres_url, tmp_path / "backup.db")


def test_zip_is_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "y" * 5_000)
    with pytest.raises(DataError):
        upgrade.check(f"sqlite:///{path}")
