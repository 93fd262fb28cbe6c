"""What goes wrong below us, made to happen for real: each has its exit code, one line, and no password in it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from revops.errors import (
    BugError,
    ConfigError,
    DataError,
    DiskError,
    PermissionDenied,
    RevopsError,
    TemporaryError,
    UnavailableError,
)
from revops.store import cursors
from revops.store import url as urls
from revops.store.engine import Database, Tx
from revops.store.keys import next_keys
from revops.store.upgrade import check, upgrade
from tests.builders import OWN_ID


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls, "LOCK_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(urls, "STATEMENT_TIMEOUT_SECONDS", 0.2)


# ---- SQLite


@pytest.mark.usefixtures("short_timeouts")
def test_locked_file_is_temporary(sqlite_url: str) -> None:
    with closing(Database.open(sqlite_url)) as database, closing(sqlite3.connect(path_of(sqlite_url))) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TemporaryError, match="another run is writing") as caught, database.transaction(1):
            pytest.fail("the body must not start")
        assert caught.value.exit_code == 75
        with database.read(1) as tx:  # readers don't wait for writers
            assert tx.connection.execute(text("SELECT count(*) FROM node")).scalar() == 0


def add_node(tx: Tx, node_key: int, node_id: str) -> None:
    statement = "INSERT INTO node (node_key, node_id, alias, network) VALUES (:key, :node_id, '', '')"
    tx.connection.execute(text(statement), {"key": node_key, "node_id": node_id})


def fill(tx: Tx) -> None:
    pages = tx.connection.execute(text("PRAGMA page_count")).scalar()
    tx.connection.execute(text(f"PRAGMA max_page_count = {pages}"))
    for number in range(10_000):
        add_node(tx, number + 100, f"{number:066d}")


def test_full_database_is_a_disk_error_and_loses_nothing(sqlite_url: str) -> None:
    with closing(Database.open(sqlite_url)) as database:
        key = database.node_key(OWN_ID, "ours", "bitcoin")
        with pytest.raises(DiskError, match="the disk is full"), database.transaction(key) as tx:
            fill(tx)
        assert [node.node_id for node in database.known_nodes()] == [OWN_ID]


def in_child(script: str, *arguments: str) -> str:
    """Run a script that prints one line in a process of its own; return what it printed."""
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments], capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


WRITE_A_LOT = """
import resource, sys
from revops.errors import RevopsError
from revops.store.engine import Database, Tx
from revops.store.keys import next_keys
database = Database.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))  # EFBIG, as a quota gives it
count = 0
try:
    for count in range(100_000):
        with database.transaction(1) as tx:
            for name in range(50):
                next_keys(tx, f"{count} {name}")
except RevopsError as error:
    print(error.exit_code, count)
"""


def test_file_that_can_not_grow_is_a_disk_error_and_keeps_what_was_committed(sqlite_url: str) -> None:
    code, committed = in_child(WRITE_A_LOT, sqlite_url).split()
    assert code == "74"
    with closing(Database.open(sqlite_url)) as database, database.read(1) as tx:
        assert tx.connection.execute(text("SELECT count(*) FROM serial")).scalar() == int(committed) * 50
        assert tx.connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"


AS_SOMEBODY_ELSE = """
import os, sys
from revops.errors import RevopsError
from revops.store.engine import Database, Tx
from revops.store import upgrade
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    if sys.argv[2] == "upgrade":
        upgrade.upgrade(sys.argv[1])
    else:
        with Database.open(sys.argv[1], read_only=sys.argv[2] == "read") as database:
            with database.read(1) if sys.argv[2] == "read" else database.transaction(1):
                pass
    print("fine")
except RevopsError as error:
    print(error.exit_code, error)
"""


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """A directory that every user can enter: pytest's own are the owner's alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_file_of_another_user_is_permission_denied(public_directory: Path) -> None:
    path = public_directory / "revops.sqlite3"
    upgrade(f"sqlite:///{path}")
    path.chmod(0o000)
    answer = in_child(AS_SOMEBODY_ELSE, f"sqlite:///{path}", "write")
    assert answer.startswith(f"77 database {path}")
    path.chmod(0o444)
    public_directory.chmod(0o555)
    try:
        answer = in_child(AS_SOMEBODY_ELSE, f"sqlite:///{path}", "write")
    finally:
        public_directory.chmod(0o755)
    assert answer.startswith(f"77 database {path}")


@pytest.mark.parametrize("ending", ["-shm", "-wal"])
def test_a_companion_left_from_a_read_only_spell_is_named(public_directory: Path, ending: str) -> None:
    public_directory.chmod(0o777)
    path = public_directory / "revops.sqlite3"
    upgrade(f"sqlite:///{path}")
    path.chmod(0o666)
    with closing(sqlite3.connect(path)) as other:  # both files stay as long as somebody has the database open
        other.execute("SELECT count(*) FROM node").fetchall()
        for one in ("-shm", "-wal"):
            path.with_name(path.name + one).chmod(0o444 if one == ending else 0o666)
        answer = in_child(AS_SOMEBODY_ELSE, f"sqlite:///{path}", "write")
    assert answer.startswith(f"77 database {path}: ")
    assert f"{path}{ending} isn't writable" in answer


def test_directory_of_another_user_is_permission_denied(public_directory: Path) -> None:
    closed = public_directory / "closed"
    closed.mkdir(mode=0o500)
    for path in (closed / "revops.sqlite3", closed / "deeper" / "revops.sqlite3"):
        assert in_child(AS_SOMEBODY_ELSE, f"sqlite:///{path}", "upgrade").startswith("77 ")
    closed.chmod(0o000)
    try:
        assert in_child(AS_SOMEBODY_ELSE, f"sqlite:///{closed}/revops.sqlite3", "read").startswith("77 ")
    finally:
        closed.chmod(0o700)


def test_what_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary\n" * 1_000)
    with pytest.raises(DataError, match="not an SQLite database"):
        Database.open(f"sqlite:///{path}")
    with pytest.raises(DataError, match="not an SQLite database"):
        upgrade(f"sqlite:///{path}")
    with pytest.raises(ConfigError, match="directory"):
        Database.open(f"sqlite:///{tmp_path}")
    with pytest.raises(ConfigError, match="url"):
        Database.open(f"sqlite:///{path}/deeper")
    assert path.read_text().startswith("dear diary")


def test_damaged_file(sqlite_url: str) -> None:
    path = path_of(sqlite_url)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"), closing(Database.open(sqlite_url)) as database:
        database.known_nodes()


def test_missing_file_and_foreign_file(tmp_path: Path) -> None:
    for attempt in (Database.open, check):
        with pytest.raises(ConfigError, match=r"missing\.db.*not mounted.*revops db upgrade.*earlier spending"):
            attempt(f"sqlite:///{tmp_path / 'missing.db'}")
    assert list(tmp_path.iterdir()) == []
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE songs (name TEXT)")
    with pytest.raises(ConfigError, match="no schema of revops"):
        Database.open(f"sqlite:///{tmp_path / 'other.db'}")


def test_file_that_vanishes_is_not_made_anew(sqlite_url: str) -> None:
    with closing(Database.open(sqlite_url)) as database, database.read(1):
        path_of(sqlite_url).unlink()
        # The first connection is in use, so this needs another one.
        with pytest.raises(ConfigError, match="no such file"), database.transaction(1):
            pass
    assert not path_of(sqlite_url).exists()


def test_lost_table_is_a_schema_error(own_url: str) -> None:
    with closing(Database.open(own_url)) as database, database.transaction(1) as tx:
        tx.connection.execute(text("DROP TABLE serial"))
    with (
        closing(Database.open(own_url)) as database,
        pytest.raises(ConfigError, match="revops db upgrade"),
        database.transaction(1) as tx,
    ):
        next_keys(tx, "x")


def test_broken_invariant_is_a_bug(database: Database, node_key: int) -> None:
    with pytest.raises(BugError, match="report"), database.transaction(node_key) as tx:
        add_node(tx, node_key, OWN_ID)


def test_number_that_no_column_holds(database: Database, node_key: int) -> None:
    for number in (2**63, 2**80):
        with pytest.raises(DataError, match="larger than a column"), database.transaction(node_key) as tx:
            cursors.set_cursor(tx, "x", number)


# ---- PostgreSQL


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("55P03", TemporaryError),
        ("40001", TemporaryError),
        ("40P01", TemporaryError),
        ("53300", TemporaryError),
        ("53100", DiskError),
        ("58030", DiskError),
        ("25006", DiskError),
        ("42501", PermissionDenied),
        ("57P03", UnavailableError),
        ("08006", UnavailableError),
        ("XX001", DataError),
        ("42P01", ConfigError),
        ("28000", ConfigError),
        ("22012", BugError),
    ],
)
def test_what_the_server_says_has_its_exit_code(postgres_url: str, code: str, kind: type[RevopsError]) -> None:
    with closing(Database.open(postgres_url)) as database, pytest.raises(kind) as caught, database.transaction(1) as tx:
        tx.connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'so it is' USING ERRCODE = '{code}'; END $$"))
    assert type(caught.value) is kind
    assert "so it is" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.postgres
@pytest.mark.usefixtures("short_timeouts")
def test_server_waits_are_bounded(postgres_url: str) -> None:
    with closing(Database.open(postgres_url)) as database, closing(Database.open(postgres_url)) as other:
        with other.transaction(1) as tx:
            next_keys(tx, "x")
            with pytest.raises(TemporaryError, match=r"holds a lock|too long"), database.transaction(1) as mine:
                next_keys(mine, "x")
        with pytest.raises(TemporaryError, match="too long"), database.transaction(1) as tx:
            tx.connection.execute(text("SELECT pg_sleep(20)"))


@pytest.mark.postgres
def test_connection_that_dies_is_unavailable_and_the_next_one_works(
    postgres_url: str, postgres_admin: Callable[[str], None]
) -> None:
    def die(tx: Tx) -> None:
        backend = tx.connection.execute(text("SELECT pg_backend_pid()")).scalar()
        postgres_admin(f"SELECT pg_terminate_backend({backend})")
        next_keys(tx, "x")

    with closing(Database.open(postgres_url)) as database:
        with pytest.raises(UnavailableError), database.transaction(1) as tx:
            die(tx)
        with database.transaction(1) as tx:
            assert next_keys(tx, "x") == 1


@pytest.mark.postgres
def test_server_that_is_not_there(postgres_server: Any) -> None:
    uri = str(postgres_server.get_uri(database="nowhere"))
    for url, kind in (
        ("postgresql://u:hush@127.0.0.1:1/revops", UnavailableError),
        ("postgresql://u:hush@/revops?host=/nonexistent", UnavailableError),
        (uri, ConfigError),
        (uri.replace("postgres:", "nobody:").replace("postgres@", "nobody@"), ConfigError),
    ):
        with pytest.raises(kind) as caught:
            Database.open(url)
        assert "hush" not in str(caught.value)
        assert "\n" not in str(caught.value)


# ---- URLs and what they hide


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "not a database URL"),
        ("revops.db", "not a database URL"),
        ("mysql://u:hush@h/x", "mysql is not supported"),
        ("postgresql+psycopg2://u:hush@h/x", "not supported"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("postgresql://u:hush@h:port/x", "not a database URL"),
        ("postgresql://u:hush@my..host/x", "not a database URL"),
        ("sqlite:////not/\udcff/utf-8", "not a database URL"),
    ],
)
def test_urls_that_we_do_not_know(url: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        Database.open(url)
    assert "hush" not in str(caught.value)


# '@', '/', ':' and the like must be written as %XX in a URL; whatever people write instead must not be shown either.
passwords = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12).map("zq9".__add__)


@given(password=passwords, quoted=st.booleans())
def test_passwords_are_never_shown(password: str, quoted: bool) -> None:
    from urllib.parse import quote

    written = quote(password, safe="") if quoted else password
    url = f"postgresql://u:{written}@127.0.0.1:1/revops"
    try:
        parsed = urls.parse_url(url)
    except ConfigError as error:
        shown = str(error)
    else:
        shown = urls.shown(parsed)
        said = f"connection to {password} and {written} failed\n  at once"
        if quoted:
            assert urls.redacted(parsed, said) == "connection to *** and *** failed at once"
    # Without %XX an "@" or "/" ends the password early, and what follows is a host, to us as to anybody.
    assert "zq9" not in shown


def test_secrets_in_the_query_are_hidden_as_well() -> None:
    url = urls.parse_url("postgresql://u@h/x?password=hush&sslpassword=hush2&sslmode=require")
    assert "hush" not in urls.shown(url)
    assert "sslmode=require" in urls.shown(url)
    assert urls.redacted(url, "FATAL: hush2 then hush") == "FATAL: *** then ***"


def test_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"pip install '\.\[postgres\]'"):
        Database.open("postgresql://u@127.0.0.1:1/nobody-asked-before")


def test_the_effective_user_is_told_apart(tmp_path: Path) -> None:
    """Guards the tests above: as root every file is open, so they must run as somebody else there."""
    if os.geteuid() == 0:
        answer = in_child(AS_SOMEBODY_ELSE, f"sqlite:///{tmp_path / 'x.db'}", "read")
        assert answer.startswith("77 ")
