"""What an upgrade of the database would do: its steps, and the room that they take. Changes nothing."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import Engine, func, select, text
from sqlalchemy.engine import URL

from revops.domain.summary import UpgradePlan, UpgradeStep
from revops.errors import ConfigError
from revops.store import space, tables
from revops.store.engine import make_engine
from revops.store.faults import refused_file, translated
from revops.store.files import has_content
from revops.store.tables import SCHEMA_VERSION
from revops.store.upgrade import migrations_directory, refuse_others
from revops.store.url import is_sqlite, parse_url, shown, sqlite_path
from revops.store.version import READS, schema_version, wrong_version


def plan(url: str) -> UpgradePlan:
    """Given a URL, return what `upgrade` would do with it. Raise as `upgrade` does where that can be known before."""
    parsed = parse_url(url)
    if is_sqlite(parsed) and not has_content(sqlite_path(parsed)):
        return UpgradePlan(shown(parsed), None, SCHEMA_VERSION, _steps(None), 0, 0, _free_bytes(parsed))
    engine = make_engine(parsed, read_only=True)
    try:
        before = schema_version(parsed, engine)
        if before is not None and before > SCHEMA_VERSION:
            raise ConfigError(wrong_version(parsed, before))
        steps = _steps(before)
        size_bytes, switch_bytes = _sizes(parsed, engine)
    finally:
        engine.dispose()
    # One transaction changes all: until it ends, what it writes anew stands beside what was there.
    needed_bytes = max(size_bytes if before is not None and steps else 0, switch_bytes)
    return UpgradePlan(
        url=shown(parsed),
        version_before=before,
        version=SCHEMA_VERSION,
        steps=steps,
        size_bytes=size_bytes,
        needed_bytes=needed_bytes,
        free_bytes=_free_bytes(parsed),
        is_rewritten=switch_bytes > 0,
    )


def _steps(before: str | None) -> tuple[UpgradeStep, ...]:
    """The migrations that lead from a version to ours, in order, each with the first line of its text."""
    found = ScriptDirectory(str(migrations_directory())).walk_revisions()
    steps = [UpgradeStep(one.revision, one.doc.partition("\n")[0].rstrip(".")) for one in found]
    return tuple(sorted((one for one in steps if before is None or one.version > before), key=lambda one: one.version))


def _sizes(url: URL, engine: Engine) -> tuple[int, int]:
    """What the database takes, and what writing it anew would (0: it isn't)."""
    with translated(url), engine.connect().execution_options(**{READS: True}) as connection:
        refuse_others(url, connection)
        if not is_sqlite(url):
            ours = text("SELECT relname FROM pg_class WHERE relkind = 'r' AND pg_table_is_visible(oid)")
            names = set(connection.execute(ours).scalars()) & tables.metadata.tables.keys()
            sizes = (connection.scalar(select(func.pg_total_relation_size(name))) for name in sorted(names))
            return sum(int(size or 0) for size in sizes), 0
    try:
        size_bytes = sqlite_path(url).stat().st_size
    except OSError as error:
        raise refused_file(sqlite_path(url), error) from error
    with translated(url), closing(engine.raw_connection()) as pooled:
        driver = pooled.driver_connection
        return size_bytes, space.switch_bytes(driver) if isinstance(driver, sqlite3.Connection) else 0


def _free_bytes(url: URL) -> int | None:
    """What the disk of an SQLite file has; None for PostgreSQL's, and where nobody can say."""
    if not is_sqlite(url):
        return None
    path: Path = sqlite_path(url)
    standing = next((one for one in path.parents if one.is_dir()), None)
    try:
        return None if standing is None else shutil.disk_usage(standing).free
    except OSError:
        return None
