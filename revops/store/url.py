"""Where a database is: the URL of the configuration, what the driver needs to open it, and how it is shown to people.

A URL may hold a password; nothing made here shows it, and nothing that a driver says is passed on without `redacted`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from revops.errors import ConfigError

_SECRETS: Final = ("password", "sslpassword", "passfile")
#: Longest wait for a row or table that another transaction holds. Our own write transactions take well under a second.
LOCK_TIMEOUT_SECONDS: Final[float] = 10
_CONNECT_TIMEOUT_SECONDS: Final = 10
#: A statement that takes longer is hopeless for a command that cron starts; the longest are reports over all history.
STATEMENT_TIMEOUT_SECONDS: Final[float] = 300
#: No transaction of ours waits for anything but the database: one that idles belongs to a run that hangs.
IDLE_TIMEOUT_SECONDS: Final[float] = 60


def parse_url(text: str) -> URL:
    """Given the configured URL, return it parsed. Raise ConfigError where it isn't one of the two kinds we know."""
    try:
        text.encode()
        url = make_url(text)
        for host in (url.host or "").split(","):
            if host and not host.lower().startswith(("/", "%2f")):  # a socket's folder can have any name
                host.encode("idna")  # as whoever looks it up does
    except (ArgumentError, ValueError):  # the driver's text could hold the password
        raise ConfigError(_wanted("this is not a database URL")) from None
    if url.drivername in {"postgres", "postgresql"}:
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername in {"sqlite", "sqlite+pysqlite"}:
        if not url.database or url.database == ":memory:":
            raise ConfigError(_wanted("an SQLite database needs a file"))
        return URL.create("sqlite", database=str(Path(url.database).expanduser().absolute()))
    if url.drivername != "postgresql+psycopg":
        raise ConfigError(_wanted(f"{url.drivername} is not supported"))
    return url


def _wanted(problem: str) -> str:
    return (
        f"[database] url: {problem}; use sqlite:////absolute/path.sqlite3 or postgresql+psycopg://user@host/name"
        " (special characters of a password as %XX)"
    )


def is_sqlite(url: URL) -> bool:
    """Given a parsed URL, return whether it names an SQLite file."""
    return url.drivername == "sqlite"


def sqlite_path(url: URL) -> Path:
    """Given a parsed SQLite URL, return the file's absolute path."""
    return Path(url.database or "")


def sqlite_engine_url(path: Path) -> URL:
    """Given the file, return the URL for SQLAlchemy. It never creates the file: that is done on purpose, with mode
    0600.
    """
    return URL.create("sqlite", database=f"file:{quote(str(path))}", query={"mode": "rw", "uri": "true"})


def postgresql_arguments(url: URL) -> dict[str, str | int]:
    """Given a parsed PostgreSQL URL, return libpq's settings that it doesn't set itself.

    A peer that vanished without a word is noticed within a minute: the server then frees its locks, the client gives
    up.
    """
    settings: dict[str, str | int] = {
        "connect_timeout": _CONNECT_TIMEOUT_SECONDS,
        "application_name": "revops",
        "keepalives_idle": 20,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 50_000,
    }
    return {name: value for name, value in settings.items() if name not in url.query}


def shown(url: URL) -> str:
    """Given a parsed URL, return it for people: without its password, SQLite as its path."""
    if is_sqlite(url):
        return str(sqlite_path(url))
    hidden = {name: "***" for name in _SECRETS if name in url.query}
    return url.update_query_dict(hidden).render_as_string(hide_password=True)


def redacted(url: URL, text: str) -> str:
    """Given a driver's message, return it on one line, without any secret of the URL."""
    secrets = [str(url.password)] if url.password else []
    secrets += [str(url.query[name]) for name in _SECRETS if name in url.query]
    for secret in sorted(secrets, key=len, reverse=True):  # one may begin another
        for spelling in (secret, quote(secret, safe="")):
            text = text.replace(spelling, "***")
    return " ".join(text.split())
