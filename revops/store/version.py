"""Which schema a database stands at, and what a person has to do where it isn't ours."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import Engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from revops.errors import DataError
from revops.store import url as urls
from revops.store.faults import UPGRADE, explained, no_database
from revops.store.files import has_content
from revops.store.tables import SCHEMA_VERSION

#: The option of a connection whose transactions only read.
READS: Final = "revops_reads"
_OUR_VERSION: Final = re.compile(r"\d{4}")
_VERSIONS: Final = text("SELECT version_num FROM alembic_version")


def schema_version(url: URL, engine: Engine) -> str | None:
    """Given a parsed URL and its engine, return the migration that the database stands at; None without a schema of
    ours.

    Alembic is not asked: importing it costs more than a whole run. Raise as `Database.open` does.
    """
    if urls.is_sqlite(url) and not has_content(urls.sqlite_path(url)):
        return None
    try:
        with engine.connect().execution_options(**{READS: True}) as connection:  # waits for no writer
            versions = connection.execute(_VERSIONS).scalars().all()
    except DBAPIError as error:
        if _no_such_table(error):
            return None
        raise explained(url, error) from error
    if len(versions) > 1:
        raise DataError(f"database {urls.shown(url)}: alembic_version has {len(versions)} rows, one is expected")
    return str(versions[0]) if versions else None


def _no_such_table(error: DBAPIError) -> bool:
    code = getattr(error.orig, "sqlstate", None)
    return code == "42P01" if code is not None else str(error.orig).startswith("no such table")


def wrong_version(url: URL, found: str | None) -> str:
    """Given a parsed URL and a version that isn't ours, return what to do, for a person."""
    where = urls.shown(url)
    if found is None and urls.is_sqlite(url) and not has_content(urls.sqlite_path(url)):
        return no_database(urls.sqlite_path(url))
    return f"database {where}: {version_fault(found)}"


def version_fault(found: str | None) -> str:
    """Given a version that isn't ours, return what is wrong and what to do, without saying where."""
    if found is None:
        return f"there is no schema of revops: {UPGRADE}"
    if not _OUR_VERSION.fullmatch(found):
        return f"its schema {found} is another program's: look at [database] url"
    if found < SCHEMA_VERSION:
        return f"its schema is {found}, this revops needs {SCHEMA_VERSION}: {UPGRADE}"
    return f"its schema {found} is newer than {SCHEMA_VERSION}: upgrade revops itself"
