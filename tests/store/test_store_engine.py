"""Opening a database: what is made, for whom, with which settings, and what a transaction promises."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from revops.errors import BugError, ConfigError, DataError, DiskError, RevopsError
from revops.store import nodes
from revops.store import url as urls
from revops.store.engine import Database, Tx
from revops.store.keys import next_keys
from revops.store.upgrade import upgrade
from tests.builders import NOW, OWN_ID, make_node, node_id


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A umask that hides nothing, as a careless crontab might set it."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("open_umask")
def test_file_and_its_log_are_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "revops.sqlite3"
    with closing(Database.open(f"sqlite:///{path}", create=True)) as database:
        key = database.node_key(OWN_ID, "ours", "bitcoin")
        with database.transaction(key) as tx:
            nodes.record_node(tx, make_node(), wallet_spendable_msat=1, channels_spendable_msat=2, synced_at=NOW)
        modes = {found.name: mode(found) for found in path.parent.iterdir()}
    assert modes == {"revops.sqlite3": 0o600, "revops.sqlite3-wal": 0o600, "revops.sqlite3-shm": 0o600}
    assert mode(path.parent) == 0o700


def test_file_that_a_umask_would_hide_from_us_is_usable(tmp_path: Path) -> None:
    path = tmp_path / "revops.sqlite3"
    before = os.umask(0o777)
    try:
        upgrade(f"sqlite:///{path}")
    finally:
        os.umask(before)
    assert mode(path) == 0o600


def test_existing_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "revops.sqlite3"
    path.touch(0o640)
    upgrade(f"sqlite:///{path}")
    assert mode(path) == 0o640


def test_closing_folds_the_log_into_the_file(database: Database, node_key: int, url: str) -> None:
    if not url.startswith("sqlite"):
        return
    with database.transaction(node_key) as tx:
        next_keys(tx, "x")
    database.close()
    path = Path(url.removeprefix("sqlite:///"))
    assert [found.name for found in path.parent.iterdir() if found.name.startswith(path.name)] == [path.name]


def test_closed_database_is_closed(database: Database) -> None:
    database.close()
    database.close()
    with pytest.raises(BugError, match="is closed"):
        database.known_nodes()


def test_closing_one_database_leaves_another_alone(url: str) -> None:
    """A process may open the same database twice; what one of them has open is its own."""
    for _ in range(3):  # the second and third time with engines that were used before
        with closing(Database.open(url)) as first:
            with closing(Database.open(url)) as second, first.transaction(1) as tx:
                next_keys(tx, "x")
                second.close()
                next_keys(tx, "x")
            with first.read(1) as tx:
                count = tx.connection.execute(text("SELECT last_key FROM serial")).scalar_one()
    assert count == 6


def test_sqlite_settings(sqlite_template: Path) -> None:
    wanted = {"busy_timeout": 10_000, "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "query_only": 0}
    with closing(Database.open(f"sqlite:///{sqlite_template}")) as database, database.transaction(0) as tx:
        found = {name: tx.connection.execute(text(f"PRAGMA {name}")).scalar() for name in wanted}
    assert found == wanted


@pytest.mark.postgres
def test_postgresql_settings(postgres_url: str) -> None:
    with closing(Database.open(postgres_url)) as database:
        with database.transaction(0) as tx:
            names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
            found = [tx.connection.execute(text(f"SHOW {name}")).scalar() for name in names]
            assert found == ["10s", "5min", "1min"]
            assert tx.connection.execute(text("SHOW transaction_isolation")).scalar() == "read committed"
        with database.read(0) as tx:
            assert tx.connection.execute(text("SHOW transaction_isolation")).scalar() == "repeatable read"
            assert tx.connection.execute(text("SHOW transaction_read_only")).scalar() == "on"
        with database.transaction(0) as tx:  # the same pooled connection, as it was
            assert tx.connection.execute(text("SHOW transaction_isolation")).scalar() == "read committed"
            assert tx.connection.execute(text("SHOW transaction_read_only")).scalar() == "off"


def test_settings_of_the_url_stand() -> None:
    url = urls.parse_url("postgresql://u@h/x?connect_timeout=3&application_name=mine")
    settings = urls.postgresql_arguments(url)
    assert "connect_timeout" not in settings
    assert "application_name" not in settings
    assert settings["keepalives_idle"] == 20


def test_transaction_is_all_or_nothing(database: Database, node_key: int) -> None:
    def fail(tx: Tx) -> None:
        next_keys(tx, "x")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), database.transaction(node_key) as tx:
        fail(tx)
    with database.transaction(node_key) as tx:
        assert next_keys(tx, "x") == 1


def test_read_sees_one_moment(url: str) -> None:
    with closing(Database.open(url)) as reader, closing(Database.open(url)) as writer:
        first = writer.node_key(OWN_ID, "ours", "bitcoin")
        with reader.read(first) as tx:
            assert nodes.node_row(tx).synced_at is None
            with writer.transaction(first) as other:
                nodes.record_node(other, make_node(), wallet_spendable_msat=1, channels_spendable_msat=2, synced_at=NOW)
            assert nodes.node_row(tx).synced_at is None
        with reader.read(first) as tx:
            assert nodes.node_row(tx).synced_at == NOW


def test_overlapping_writers_all_get_through(url: str) -> None:
    """Each transaction reads, then writes: with deferred transactions most of these would fail at once."""
    found: list[int] = []
    failures: list[BaseException] = []
    start = threading.Barrier(4)

    def work() -> None:
        try:
            with closing(Database.open(url)) as database:
                start.wait()
                for _ in range(15):
                    with database.transaction(1) as tx:
                        tx.connection.execute(text("SELECT count(*) FROM serial")).scalar()
                        found.append(next_keys(tx, "x"))
        except RevopsError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(found) == list(range(1, 61))


def test_read_only_database_refuses_to_write(url: str) -> None:
    with closing(Database.open(url)) as database:
        key = database.node_key(OWN_ID, "ours", "bitcoin")
    with closing(Database.open(url, read_only=True)) as database:
        assert database.node_key(OWN_ID, "ours", "bitcoin") == key
        with pytest.raises(BugError, match="reading only"), database.transaction(key):
            pass
        with pytest.raises(DiskError, match=r"(?i)read-?only"), database.read(key) as tx:
            next_keys(tx, "x")


def test_node_key_is_made_once(database: Database) -> None:
    first = database.node_key(OWN_ID, "ours", "bitcoin")
    second = database.node_key(node_id(5), "other", "bitcoin")
    assert database.node_key(OWN_ID, "renamed", "bitcoin") == first != second
    assert [tuple(node) for node in database.known_nodes()] == [(first, OWN_ID, "ours"), (second, node_id(5), "other")]


def test_node_on_another_network_is_refused(database: Database, node_key: int) -> None:
    assert node_key
    with pytest.raises(DataError, match="recorded on bitcoin, getinfo says testnet"):
        database.node_key(OWN_ID, "ours", "testnet")


def test_node_row(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        before = nodes.node_row(tx)
        assert (before.alias, before.version, before.synced_at) == ("ours", None, None)
        nodes.record_node(
            tx, make_node(alias="new"), wallet_spendable_msat=1, channels_spendable_msat=2, synced_at=NOW + 0.25
        )
        after = nodes.node_row(tx)
        assert (after.alias, after.version, after.blockheight, after.synced_at) == (
            "new",
            "v26.06.6",
            900_000,
            NOW + 0.25,
        )
        assert (after.wallet_spendable_msat, after.channels_spendable_msat) == (1, 2)
        stranger = make_node(node_id=node_id(9))
        with pytest.raises(BugError):
            nodes.record_node(tx, stranger, wallet_spendable_msat=0, channels_spendable_msat=0, synced_at=NOW)
    with database.read(99) as tx, pytest.raises(BugError):
        nodes.node_row(tx)


def test_create_makes_a_database_but_never_migrates_one(empty_url: str, own_url: str) -> None:
    with pytest.raises(ConfigError, match="revops db upgrade"):
        Database.open(empty_url)
    with pytest.raises(ConfigError, match="revops db upgrade"):
        Database.open(empty_url, create=True, read_only=True)
    with closing(Database.open(empty_url, create=True)) as database:
        assert database.known_nodes() == ()
    with closing(Database.open(own_url)) as database, database.transaction(0) as tx:
        tx.connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(ConfigError, match=r"schema is 0000, this revops needs .*revops db upgrade"):
        Database.open(own_url, create=True)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", r"9999 is newer than \w+: upgrade revops"),
        ("DELETE FROM alembic_version", "no schema of revops"),
        ("UPDATE alembic_version SET version_num = 'ae10'", "another program's"),
    ],
)
def test_other_schema_is_refused(own_url: str, statement: str, message: str) -> None:
    with closing(Database.open(own_url)) as database, database.transaction(0) as tx:
        tx.connection.execute(text(statement))
    with pytest.raises(ConfigError, match=message):
        Database.open(own_url)


def test_two_versions_at_once_are_damage(own_url: str) -> None:
    with closing(Database.open(own_url)) as database, database.transaction(0) as tx:
        tx.connection.execute(text("INSERT INTO alembic_version VALUES ('0002')"))
    with pytest.raises(DataError, match="2 rows"):
        Database.open(own_url)


@pytest.mark.parametrize("name", ["with space.db", "with#hash.db", "with+plus.db", "wïth-ünicode.db"])
def test_odd_file_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with closing(Database.open(f"sqlite:///{path}", create=True)):
        pass
    assert [found.name for found in tmp_path.iterdir()] == [name]
    with closing(Database.open(f"sqlite:///{path}")) as database:
        assert database.shown_url == str(path)


def test_home_directory_in_the_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    upgrade("sqlite:///~/state.db")
    assert (tmp_path / "state.db").exists()


def test_normal_runs_import_neither_alembic_nor_the_orm(sqlite_template: Path) -> None:
    """Alembic costs as much as everything else together; a driver that isn't used costs, too."""
    script = (
        "import sys, pkgutil, importlib, revops.store\n"
        "from revops.store.engine import Database\n"
        "names = [m.name for m in pkgutil.iter_modules(revops.store.__path__) if not m.name.startswith('upgrade')]\n"
        "[importlib.import_module(f'revops.store.{name}') for name in names]\n"
        f"Database.open('sqlite:///{sqlite_template}').close()\n"
        "print(len(names), sorted({'alembic', 'sqlalchemy.orm', 'psycopg', 'pyln', 'click'} & set(sys.modules)))\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    count, found = answer.stdout.split(" ", 1)
    assert int(count) > 20
    assert found.strip() == "[]"
