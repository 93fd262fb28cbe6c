"""Making and migrating a database, checking it, and copying it. The only module that imports Alembic, and only when
asked.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import alembic.command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, func, inspect, select, text
from sqlalchemy.engine import URL

from revops.domain.summary import BackupSummary, DatabaseState
from revops.errors import BugError, ConfigError, DataError, OutputError, PermissionDenied
from revops.store import space, tables
from revops.store.engine import make_engine
from revops.store.faults import explained_sqlite, translated
from revops.store.files import create_file, has_content
from revops.store.recount import wrong_sums
from revops.store.tables import SCHEMA_VERSION
from revops.store.url import is_sqlite, parse_url, shown, sqlite_path
from revops.store.version import READS, schema_version, version_fault, wrong_version
from revops.store.wal import use_wal

#: Held while migrating: two upgrades at once would both try to make the same table.
_UPGRADE_LOCK = 7_310_214_902_557_483


@dataclass(frozen=True, slots=True)
class DatabaseCheck:
    """What `check` found. `problems` is empty where all is well."""

    url: str
    version: str | None
    problems: tuple[str, ...]


def migrations_directory() -> Path:
    """Return where the migrations are: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    for directory in (package / "migrations", package.parent / "migrations"):
        if (directory / "env.py").is_file():
            return directory
    raise BugError(f"the migrations are missing beside {package}: install revops anew")


def upgrade(url: str) -> DatabaseState:
    """Given a URL, make the database if need be and bring its schema up to date; all of it or nothing.

    An SQLite file from before that doesn't give its free pages back is written anew, once. Where that can't be done,
    the state that is returned has a warning.

    Raise ConfigError for a schema that is newer than ours, and as `Database.open` does.
    """
    parsed = parse_url(url)
    if is_sqlite(parsed):
        create_file(sqlite_path(parsed))
    with _engine(parsed) as engine:
        before = schema_version(parsed, engine)
        if before is not None and before > SCHEMA_VERSION:
            raise ConfigError(wrong_version(parsed, before))
        if before != SCHEMA_VERSION:
            with translated(parsed), _migrating(parsed, engine) as connection:
                _migrate(parsed, connection)
            use_wal(parsed, engine)
        # After the migration, never in it, and on each call until it has worked: it needs room and a quiet moment.
        warning = space.switch(parsed, engine)
    return DatabaseState(url=shown(parsed), version_before=before, version=SCHEMA_VERSION, warning=warning)


@contextmanager
def _migrating(url: URL, engine: Engine) -> Iterator[Connection]:
    """The transaction in which a schema is made or changed."""
    is_new = is_sqlite(url) and not has_content(sqlite_path(url))
    with engine.connect().execution_options(**{READS: is_new}) as connection, connection.begin():
        if is_new:
            space.begin_new(connection)  # takes the lock for writing
        yield connection


@contextmanager
def _engine(url: URL) -> Iterator[Engine]:
    engine = make_engine(url, migrating=True)
    try:
        yield engine
    finally:
        engine.dispose()


def _migrate(url: URL, connection: Connection) -> None:
    if not is_sqlite(url):
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _UPGRADE_LOCK})
    refuse_others(url, connection)
    alembic.command.upgrade(_config(connection), "head")
    broken = _broken_references(connection) if is_sqlite(url) else []
    if broken:
        raise DataError(f"database {shown(url)}: {broken[0]}; nothing was changed")


def refuse_others(url: URL, connection: Connection) -> None:
    """Given a database without a schema of ours, raise ConfigError where it holds tables of another program: a mistyped
    URL must not put ours into a wallet's or lightningd's own file. PostgreSQL databases may be shared, as long as no
    name is taken.
    """
    if inspect(connection).has_table("alembic_version"):
        return
    found = set(inspect(connection).get_table_names())
    if not is_sqlite(url):
        found &= tables.metadata.tables.keys()
    if found:
        raise ConfigError(
            f"database {shown(url)}: it holds tables of another program ({', '.join(sorted(found)[:3])}):"
            " look at [database] url"
        )


def _config(connection: Connection) -> Config:
    config = Config()
    # Alembic reads options through configparser, to which % is special.
    config.set_main_option("script_location", str(migrations_directory()).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    return config


def check(url: str) -> DatabaseCheck:
    """Given a URL, look at the schema, the file and the ledger; return what is wrong. Raise as `Database.open` does.

    Reads the whole of an SQLite file: for people, not for cron.
    """
    parsed = parse_url(url)
    with _engine(parsed) as engine:
        version = schema_version(parsed, engine)
        if version is None:
            raise ConfigError(wrong_version(parsed, None))
        with translated(parsed), engine.connect().execution_options(**{READS: True}) as connection:
            problems = _file_problems(connection) if is_sqlite(parsed) else []
            if version != SCHEMA_VERSION:
                problems.append(version_fault(version))
            else:
                problems += [*_schema_problems(connection), *_ledger_problems(connection), *wrong_sums(connection)]
    return DatabaseCheck(url=shown(parsed), version=version, problems=tuple(problems))


def _file_problems(connection: Connection) -> list[str]:
    answers = connection.execute(text("PRAGMA integrity_check")).scalars().all()
    return [str(answer) for answer in answers if answer != "ok"] + _broken_references(connection)


def _broken_references(connection: Connection) -> list[str]:
    rows = connection.execute(text("PRAGMA foreign_key_check")).all()
    return [f"a row of {row[0]} refers to a row of {row[2]} that doesn't exist" for row in rows]


def _schema_problems(connection: Connection) -> list[str]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": _is_ours})
    return [f"the schema differs: {difference}" for difference in compare_metadata(context, tables.metadata)]


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Other programs' tables in a shared database are no difference."""
    return kind != "table" or name in tables.metadata.tables


def _ledger_problems(connection: Connection) -> list[str]:
    head, entry = tables.ledger_head.c, tables.spend_ledger.c
    counted = (
        select(func.count()).where(entry.node_key == head.node_key).correlate(tables.ledger_head).scalar_subquery()
    )
    rows = connection.execute(select(head.node_key, head.entry_count, counted.label("found")))
    return [
        f"node {row.node_key}: the spend ledger has {row.found} entries, {row.entry_count} were written"
        for row in rows
        if row.found != row.entry_count
    ]


def backup(url: str, target: Path, *, make_folder: bool = False) -> BackupSummary:
    """Given a URL and a file that doesn't exist yet, copy the SQLite database there while others go on using it; with
    `make_folder`, make the folder first where there is none.

    The copy is for its owner alone, and appears under its name only when it is whole. Raise OutputError where the
    target can't be written or exists, PermissionDenied where this user may not write there, ConfigError for
    PostgreSQL: pg_dump does that better.
    """
    parsed = parse_url(url)
    if not is_sqlite(parsed):
        raise ConfigError(f"database {shown(parsed)}: use pg_dump to back up PostgreSQL")
    with _engine(parsed) as engine:
        if schema_version(parsed, engine) is None:
            raise ConfigError(f"database {shown(parsed)}: there is no schema of revops, nothing to back up")
    part = target.with_name(f".{target.name}.part")
    try:
        if make_folder:
            target.parent.mkdir(mode=0o700, exist_ok=True)
        if target.exists():
            raise OutputError(f"backup {target}: there is such a file already")
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        part.chmod(0o600)
        _copy(parsed, part, target)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.rename(target)
    except PermissionError as error:
        raise PermissionDenied(f"backup {target}: {error.strerror}") from error
    except OSError as error:
        raise OutputError(f"backup {target}: {error.strerror or error}") from error
    finally:
        with suppress(PermissionError):  # where this user may not even look, nothing was left
            part.unlink(missing_ok=True)
    return BackupSummary(target=str(target), size_bytes=target.stat().st_size)


#: SQLite's names for what only happens where something is written: here, the copy.
_TARGET_FAULTS = frozenset({"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_TRUNCATE"})


def _copy(url: URL, part: Path, target: Path) -> None:
    try:
        with closing(sqlite3.connect(sqlite_path(url))) as source, closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") in _TARGET_FAULTS:
            raise OutputError(f"backup {target}: {error}; is the disk full?") from error
        raise explained_sqlite(url, error) from error
