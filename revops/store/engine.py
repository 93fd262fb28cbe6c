"""Opening a database and giving out transactions. All else in this package goes through a `Tx` from here.

A write transaction takes its lock at the start (SQLite: BEGIN IMMEDIATE): a deferred one that reads, then writes,
fails under overlap whatever the timeout. A read sees one moment (SQLite: WAL snapshot; PostgreSQL: REPEATABLE READ),
so that a report adds up. Writes on PostgreSQL are READ COMMITTED on purpose: the ledger locks its head row first and
reads its totals after, and each statement must see what was committed while it waited; REPEATABLE READ would show it
the past.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple, Self

from sqlalchemy import (
    BindParameter,
    Connection,
    CursorResult,
    Engine,
    Executable,
    bindparam,
    create_engine,
    event,
    select,
)
from sqlalchemy.engine import URL
from sqlalchemy.pool import QueuePool

from revops.errors import BugError, ConfigError, DataError, SchemaMismatch
from revops.store import tables
from revops.store import url as urls
from revops.store.faults import explained_sqlite, translated
from revops.store.tables import SCHEMA_VERSION
from revops.store.version import READS, schema_version, wrong_version
from revops.store.wal import use_wal

#: The node whose rows a statement is about, in one that is built once and executed by `Tx.execute`.
NODE: Final[BindParameter[int]] = bindparam("b_node")
#: Engines of closed databases. A process that runs several commands (the demo, a test) takes them up again: they have
#: no connections, but the statements that they compiled cost a third of a command. Never shared: closing one database
#: must not take the connections of another.
_SPARE_ENGINES: Final[deque[tuple[URL, bool, Engine]]] = deque(maxlen=8)


@dataclass(frozen=True, slots=True)
class Tx:
    """An open transaction, and the node whose rows it is about."""

    connection: Connection
    node_key: int

    def execute(self, statement: Executable, /, **values: object) -> CursorResult[*tuple[Any, ...]]:
        """Given a statement with `NODE` and other parameters in it by name, execute it with their values.

        SQLAlchemy takes longer to build a statement than SQLite to answer it, and knows one again that it has executed:
        statements of every run are built once (`functools.cache`). Rows are best taken `all()` at once: one by one they
        take twice as long.
        """
        return self.connection.execute(statement, {"b_node": self.node_key, **values})


class KnownNode(NamedTuple):
    """A node that has rows in this database."""

    node_key: int
    node_id: str
    alias: str


class Database:
    """An open database whose schema is the one this version knows."""

    def __init__(self, engine: Engine, url: URL, *, read_only: bool) -> None:
        self._engine: Final = engine
        self._url: Final = url
        self._read_only: Final = read_only
        self._closed = False

    @classmethod
    def open(cls, url: str, *, create: bool = False, read_only: bool = False) -> Self:
        """Given a URL, open the database. With `create`, make it first where there is none; never migrate an older
        one.

        Raise ConfigError where there is none, or its schema is older or newer than ours; UnavailableError,
        PermissionDenied, DiskError or DataError where it can't be read.
        """
        parsed = urls.parse_url(url)
        engine = _take_engine(parsed, read_only=read_only)
        try:
            found = schema_version(parsed, engine)
            if found is None and create and not read_only:
                from revops.store.upgrade import upgrade  # Alembic costs as much as everything else together

                found = upgrade(url).version
            if found != SCHEMA_VERSION:
                raise SchemaMismatch(wrong_version(parsed, found), found)
            if not read_only:
                use_wal(parsed, engine)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, parsed, read_only=read_only)

    def close(self) -> None:
        """Close all connections. On SQLite this also folds the write-ahead log into the file."""
        if self._closed:
            return
        self._closed = True
        self._engine.dispose()
        _SPARE_ENGINES.append((self._url, self._read_only, self._engine))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def shown_url(self) -> str:
        """Where it is, without a password."""
        return urls.shown(self._url)

    @contextmanager
    def transaction(self, node_key: int) -> Iterator[Tx]:
        """Write: all of the body or nothing of it. Never wait for the node inside: others wait for the lock."""
        if self._read_only:
            raise BugError(f"database {self.shown_url} was opened for reading only")
        with translated(self._url), self._connect() as connection, connection.begin():
            yield Tx(connection, node_key)

    @contextmanager
    def read(self, node_key: int) -> Iterator[Tx]:
        """Read one consistent moment; blocks no writer."""
        with translated(self._url), self._connect() as connection:
            options: dict[str, Any] = {READS: True}
            if not urls.is_sqlite(self._url):
                options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            with connection.execution_options(**options).begin():
                yield Tx(connection, node_key)

    def _connect(self) -> Connection:
        if self._closed:
            raise BugError(f"database {self.shown_url} is closed")
        return self._engine.connect()

    @contextmanager
    def session(self) -> Iterator[Connection | None]:
        """A PostgreSQL connection of its own, without a transaction, closed for good at the end; None on SQLite."""
        if urls.is_sqlite(self._url):
            yield None
            return
        with translated(self._url), self._connect() as pooled:
            connection = pooled.execution_options(isolation_level="AUTOCOMMIT")
            connection.detach()
            yield connection

    @contextmanager
    def file(self) -> Iterator[sqlite3.Connection | None]:
        """SQLite's own connection, without a transaction, for what is about the file as a whole; None on PostgreSQL."""
        if not urls.is_sqlite(self._url):
            yield None
            return
        if self._read_only:
            raise BugError(f"database {self.shown_url} was opened for reading only")
        try:
            with translated(self._url), closing(self._connect()) as connection:
                driver: Any = connection.connection.driver_connection
                yield driver
        except sqlite3.Error as error:
            raise explained_sqlite(self._url, error) from error

    def node_key(self, node_id: str, alias: str, network: str) -> int:
        """Given who the node says it is, return its key, a new one where it isn't known.

        Raise DataError when the same node_id was recorded on another network.
        """
        with self.read(0) as tx:
            row = tx.connection.execute(_find_node(), {"b_id": node_id}).one_or_none()
        if row is None:
            row = self._add_node(node_id, alias, network)
        if row.network != network:
            raise DataError(f"node {node_id} was recorded on {row.network}, getinfo says {network}")
        return int(row.node_key)

    def _add_node(self, node_id: str, alias: str, network: str) -> Any:
        from revops.store.keys import next_keys, upsert

        with self.transaction(0) as tx:
            values = {"node_key": next_keys(tx, "node"), "node_id": node_id, "alias": alias, "network": network}
            statement = upsert(tx, tables.node).values(values).on_conflict_do_nothing(index_elements=["node_id"])
            tx.connection.execute(statement)
            return tx.connection.execute(_find_node(), {"b_id": node_id}).one()

    def known_nodes(self) -> tuple[KnownNode, ...]:
        """Return the nodes that have rows here, oldest first."""
        statement = select(tables.node.c.node_key, tables.node.c.node_id, tables.node.c.alias)
        with self.read(0) as tx:
            rows = tx.connection.execute(statement.order_by(tables.node.c.node_key))
            return tuple(KnownNode(row.node_key, row.node_id, row.alias) for row in rows)


@cache
def _find_node() -> Executable:
    return select(tables.node.c.node_key, tables.node.c.network).where(tables.node.c.node_id == bindparam("b_id"))


def _take_engine(url: URL, *, read_only: bool) -> Engine:
    """Given a parsed URL, return an engine that nobody else uses."""
    for spare in list(_SPARE_ENGINES):
        if spare[:2] == (url, read_only):
            try:
                _SPARE_ENGINES.remove(spare)
            except ValueError:  # another thread was faster
                continue
            return spare[2]
    return make_engine(url, read_only=read_only)


def make_engine(url: URL, *, read_only: bool = False, migrating: bool = False) -> Engine:
    """Given a parsed URL, return an engine with our settings. `migrating` leaves foreign keys to Alembic's batches."""
    if urls.is_sqlite(url):
        engine = create_engine(
            urls.sqlite_engine_url(urls.sqlite_path(url)),
            poolclass=QueuePool,
            hide_parameters=True,
            connect_args={"timeout": urls.LOCK_TIMEOUT_SECONDS},
        )
        _prepare_sqlite(engine, url, read_only=read_only, foreign_keys=not migrating)
        return engine
    try:
        engine = create_engine(
            url,
            hide_parameters=True,
            isolation_level="READ COMMITTED",
            connect_args=urls.postgresql_arguments(url),
        )
    except ModuleNotFoundError as error:
        raise ConfigError(
            "[database] url: PostgreSQL needs a driver: pip install '.[postgres]' in the checkout of revops"
        ) from error
    _prepare_postgresql(engine)
    return engine


def _prepare_sqlite(engine: Engine, url: URL, *, read_only: bool, foreign_keys: bool) -> None:
    """Settings of each connection, the busy timeout first: the others may have to wait already.

    synchronous=FULL, not the usual NORMAL of WAL: with NORMAL the last commits can vanish with the power, among them
    a reservation whose payment was already sent. One more fsync per commit is cheap beside that.
    """

    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {round(urls.LOCK_TIMEOUT_SECONDS * 1000)}")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        cursor.execute(f"PRAGMA query_only = {'ON' if read_only else 'OFF'}")
        cursor.close()

    def begun(connection: Connection) -> None:
        reads = read_only or connection.get_execution_options().get(READS, False)
        driver: Any = connection.connection.driver_connection
        try:  # past SQLAlchemy, which takes ten times as long for it; a run has two dozen transactions
            driver.execute("BEGIN" if reads else "BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise explained_sqlite(url, error) from error

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)


def _prepare_postgresql(engine: Engine) -> None:
    """Bound every wait. Plain SET works through a pooler, too, where start-up options don't."""

    def connected(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {round(urls.LOCK_TIMEOUT_SECONDS * 1000)}")
            cursor.execute(f"SET statement_timeout = {round(urls.STATEMENT_TIMEOUT_SECONDS * 1000)}")
            cursor.execute(f"SET idle_in_transaction_session_timeout = {round(urls.IDLE_TIMEOUT_SECONDS * 1000)}")
        connection.commit()

    event.listen(engine, "connect", connected)
