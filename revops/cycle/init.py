"""`revops init`: look at a node before there is a configuration, write the first one, and create the database. Where
that is done already, nothing is changed.

The node is only read. What is written is a new file, and an existing one only when told to; the values in it come from
`revops/config_suggest.py`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

from revops import config as configuration
from revops.config import home_dir
from revops.config_suggest import document as document  # `demo` does what `init` does, step by step
from revops.config_suggest import suggest as suggest
from revops.cycle import db
from revops.cycle.doctor_machine import exporters
from revops.cycle.find_node import find_rpc
from revops.domain.forward import ForwardStatus
from revops.domain.listed import Forward
from revops.domain.options import CommonOptions
from revops.domain.snapshot import NodeView
from revops.domain.summary import DatabaseState, FirstLook, InitSummary
from revops.domain.text import without_password
from revops.errors import ConfigError, DataError, OutputError, PermissionDenied, RevopsError
from revops.node.reader import NodeReader, Reader
from revops.node.rpc import Rpc
from revops.node.version import check_version
from revops.store.engine import Database
from revops.store.tables import SCHEMA_VERSION
from revops.store.url import parse_url

_log = logging.getLogger(__name__)

COMMAND: Final = "init"
WINDOW_DAYS: Final = 7
_DAY_SECONDS: Final = 86_400
_PAGE_SIZE: Final = 5_000
#: 200,000 forwards are enough for an estimate; a node with more in a week gets a lower bound and is told so.
_MOST_PAGES: Final = 40
_TIMEOUT_SECONDS: Final = 60.0

#: Where packages and guides put node_exporter's textfile collector, Debian's first. One that runs says it itself.
TEXTFILE_DIRS: Final = (
    "/var/lib/prometheus/node-exporter",
    "/var/lib/node_exporter/textfile_collector",
    "/var/lib/node_exporter/textfile",
    "/var/lib/node_exporter",
)


def run(
    options: CommonOptions,
    rpc_path: Path | None = None,
    output: Path | None = None,
    *,
    force: bool = False,
    clock: Callable[[], float] = time.time,
) -> InitSummary:
    """Given the flags, look at the node, write the configuration and create its database; a dry run only looks. Where
    both are there already, change nothing.

    Raise ConfigError where there is a configuration that says otherwise than the flags, or has no database, and no
    `force`; and whatever `look` and `db.upgrade` raise.
    """
    path = place(options, output)
    if path.exists() and not (force or options.dry_run):
        return _unchanged(path, options, rpc_path)
    database_url, metrics_dir = configuration.places_of(options)
    if database_url is not None:
        parse_url(database_url)  # nor a file left behind that names no database
    seen = look(rpc_path, clock)
    if seen.version_warning is not None:
        _log.warning("%s", seen.version_warning)
    text = document(seen, suggest(seen, database_url=database_url, metrics_dir=metrics_dir))
    if options.dry_run:
        return InitSummary(str(path), text, seen, None)
    write(path, text, force=force)
    try:
        database = db.upgrade(replace(options, config_path=path))
    except RevopsError:
        _log.warning("%s is written, but its database isn't: mend what follows, then run `revops db upgrade`", path)
        raise
    return InitSummary(str(path), text, seen, database)


def place(options: CommonOptions, output: Path | None) -> Path:
    """Given the flags, return where the configuration goes, or is."""
    return (output or options.config_path or default_output(os.environ)).expanduser().absolute()


def _unchanged(path: Path, options: CommonOptions, rpc_path: Path | None) -> InitSummary:
    """What is there already, if it can be used and is what the flags ask for."""
    found = configuration.read(replace(options, config_path=path, database_url=None, metrics_dir=None))
    configuration.warn(found)
    config = found.config
    url, folder = configuration.places_of(options)
    named = None if rpc_path is None else str(rpc_path.expanduser().absolute())
    for asked, stands in (
        (named, config.node.rpc_path),
        (url, configuration.database_url(config)),
        (folder, config.metrics.textfile_dir),
    ):
        if asked is not None and asked != stands:
            raise ConfigError(f"{_taken(path)}; it says {without_password(stands)}, not {without_password(asked)}")
    with closing(Database.open(configuration.database_url(config), read_only=True)) as database:
        state = DatabaseState(database.shown_url, SCHEMA_VERSION, SCHEMA_VERSION)
    return InitSummary(str(path), path.read_text(encoding="utf-8"), None, state)


def default_output(environment: Mapping[str, str]) -> Path:
    """Given the environment, return where the file goes when nobody says. Not XDG_CONFIG_HOME: cron doesn't have it."""
    named = environment.get("REVOPS_CONFIG")
    return Path(named) if named else home_dir() / ".config" / "revops" / "config.toml"


def look(rpc_path: Path | None, clock: Callable[[], float] = time.time) -> FirstLook:
    """Given the socket's path (None: the usual places), return what is seen there.

    Raise ConfigError where there is no socket, or lightningd is too old; NodeError where it doesn't answer.
    """
    path = find_rpc(rpc_path)
    rpc = Rpc(path, command=COMMAND, timeout_seconds=_TIMEOUT_SECONDS, writes_allowed=False)
    return look_through(NodeReader(rpc), str(path), clock())


def look_through(reader: Reader, rpc_path: str, now: float) -> FirstLook:
    """Given a reader and the time, return the node, its revenue of the last week, and where node_exporter looks."""
    info = reader.info()
    warning = check_version(info.version)
    view = NodeView(taken_at=now, node=info, wallet=reader.wallet(), channels=reader.channels())
    earned_msat, count, complete = _recent_income(reader, now - WINDOW_DAYS * _DAY_SECONDS)
    told = [one.folder for one in exporters() if one.folder]
    folder = next((name for name in (*told, *TEXTFILE_DIRS) if Path(name).is_dir()), None)
    return FirstLook(
        rpc_path=rpc_path,
        view=view,
        window_days=WINDOW_DAYS,
        earned_msat=earned_msat,
        forward_count=count,
        complete=complete,
        textfile_dir=folder,
        textfile_dir_writable=folder is not None and os.access(folder, os.W_OK | os.X_OK),
        version_warning=warning,
    )


def _recent_income(reader: Reader, since: float) -> tuple[int, int, bool]:
    """Page backwards until a whole page is older. Return what settled earned, how many, and whether that is all."""
    end = reader.top_index("forwards", "created")
    earned_msat = count = 0
    for _ in range(_MOST_PAGES):
        if end <= 0:
            return earned_msat, count, True
        start = max(1, end - _PAGE_SIZE + 1)
        page = reader.forwards("created", start, end - start + 1)
        recent = [row for row in page if row.created_index <= end and row.received_at >= since]
        settled = [row for row in recent if row.status is ForwardStatus.SETTLED]
        earned_msat += sum(_fee_msat(row) for row in settled)
        count += len(settled)
        if page and not recent:
            return earned_msat, count, True
        end = start - 1
    return earned_msat, count, end <= 0


def _fee_msat(row: Forward) -> int:
    if row.fee_msat is None:
        raise DataError(f"listforwards: forward {row.created_index} is settled but has no fee_msat")
    return row.fee_msat


def write(path: Path, text: str, *, force: bool) -> None:
    """Given a path and the text, write the file with mode 0600, whole or not at all.

    Raise ConfigError where it exists without `force`, PermissionDenied or OutputError where it can't be written.
    """
    # A file that is replaced must never be half of one; a new one is made in place, so that nobody's is overwritten.
    place = path.with_name(f".{path.name}.{os.getpid()}") if force else path
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(descriptor)
            if force:
                place.replace(path)
        except BaseException:
            place.unlink(missing_ok=True)
            raise
    except FileExistsError as error:
        raise ConfigError(_taken(path)) from error
    except PermissionError as error:
        raise PermissionDenied(f"{path}: {error.strerror}; --output writes elsewhere") from error
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error


def _taken(path: Path) -> str:
    return f"{path} exists; --force replaces it, --output writes another"
