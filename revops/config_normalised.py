"""Values of the configuration brought into the form that all else reads: absolute paths, a database's URL with its
driver, lists that a variable holds.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

_POSTGRES: Final = re.compile(r"^postgres(ql)?://")
#: A file's name holds 255 bytes; around the node's stand revops_, the command and .prom, and a temporary's ending.
_LONGEST_NAME: Final = 200


def listed(text: str) -> list[Any]:
    """Given a list as a variable holds it, `a,b` or as TOML writes it, return it. Raise ValueError where it is none."""
    if not text.strip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        found = tomllib.loads(f"list = {text.strip()}")["list"]
    except ValueError as error:
        raise ValueError(f'expected a list: a,b or, as in TOML, ["a", "b"]; found {text!r}') from error
    return list(found)


def _absolute(text: str) -> str:
    """Given a path, return it with ~ expanded. Raise ValueError for a relative one: cron runs somewhere else."""
    if not text:
        return text
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{text!r}: {error}") from error
    if not path.is_absolute():
        raise ValueError(f"{text!r} is relative; cron starts in another directory, so paths must be absolute")
    return str(path)


def _database_url(url: str) -> str:
    """Given a database URL, return it with its driver named and its path absolute. Raise ValueError if useless."""
    if not url:
        return url
    if url.startswith(("sqlite:///", "sqlite+pysqlite:///")):
        scheme, _, rest = url.partition(":///")
        path, mark, query = rest.partition("?")
        if path in {"", ":memory:"}:
            raise ValueError("a database in memory forgets everything at the end of each run")
        return f"{scheme}:///{_absolute(path)}{mark}{query}"
    if _POSTGRES.match(url) or url.startswith("postgresql+psycopg://"):
        return _POSTGRES.sub("postgresql+psycopg://", url)
    # The URL itself is not shown: it may hold a password.
    raise ValueError("expected sqlite:////absolute/path or postgresql+psycopg://user@host/name")


def _name(name: str) -> str:
    """Given the node's name, return it. Raise ValueError where no file could be named after it."""
    if len(quote(name, safe="", errors="surrogatepass")) > _LONGEST_NAME:
        raise ValueError(f"is too long for the names of files: {_LONGEST_NAME} letters at most")
    return name


NORMALISED: Final[Mapping[str, Callable[[str], str]]] = {
    "node.name": _name,
    "node.rpc_path": _absolute,
    "metrics.textfile_dir": _absolute,
    "recorder.spool_dir": _absolute,
    "database.state_dir": _absolute,
    "database.url": _database_url,
}
