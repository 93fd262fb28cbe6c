"""What `revops doctor` reads of the records. Nothing is written, and no lock is taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from revops import config as configuration
from revops.cycle.recorder import spool_status
from revops.cycle.records import Records, choose_node
from revops.cycle.reserves import read_reserve
from revops.decide.cadence import RUNS
from revops.domain.budget import Category
from revops.domain.health import BackupFacts, CommandFacts, DatabaseFacts, Fault, RecordFacts
from revops.domain.instants import AHEAD_SECONDS
from revops.domain.policy import Config
from revops.domain.recorder import RecorderStatus
from revops.errors import RevopsError
from revops.store import books, health, nodes, runs, samples, spending
from revops.store.backups import copied_name, default_folder, newest_at
from revops.store.engine import Database, Tx
from revops.store.url import is_sqlite, parse_url, sqlite_path


@dataclass(frozen=True, slots=True)
class Opened:
    """The database, if it can be opened."""

    database: Database | None
    facts: DatabaseFacts


def is_there(config: Config) -> bool:
    """Given the configuration, return whether there is a file where its SQLite database would be."""
    url = parse_url(configuration.database_url(config))
    return is_sqlite(url) and sqlite_path(url).exists()


@contextmanager
def opened(config: Config) -> Iterator[Opened]:
    """Given the configuration, yield its database, opened for reading, with what there is to know of it."""
    url = configuration.database_url(config)
    try:
        database = Database.open(url, read_only=True)
    except RevopsError as error:
        yield Opened(None, health.database_facts(url, Fault(str(error), error.exit_code)))
        return
    with closing(database):
        yield Opened(database, health.database_facts(url, None))


def node_key(database: Database, config: Config, node_id: str | None) -> int | None:
    """Given the node that answers (None: none did), return the key of its records; None where it has none.

    Raise ConfigError where it isn't clear which node's records are meant.
    """
    known = database.known_nodes()
    for one in known:
        if one.node_id == node_id:
            return one.node_key
    return choose_node(database, config.node.name) if known else None


def record_facts(database: Database, config: Config, key: int, now: float) -> RecordFacts:
    """Given the node's key and the time, return what the records say of it."""
    known = tuple(one.node_id for one in database.known_nodes())
    with database.read(key) as tx:
        row = nodes.node_row(tx)
        synced = row.wallet_spendable_msat is not None
        return RecordFacts(
            node_id=row.node_id,
            network=row.network,
            known_node_ids=known,
            synced_at=row.synced_at,
            blockheight=row.blockheight,
            books=books.books(tx),
            reserves=read_reserve(tx, config.reserve),
            suspended=Records(config, database, key).suspensions(tx, now) if synced else (),
            reserved_at=tuple(
                one.reserved_at for category in Category for one in spending.open_reservations(tx, category)
            ),
            marks=samples.clock_marks(tx, 0.0),
            commands=_commands(tx, now),
            oldest_run_at=health.oldest_run_at(tx),
        )


def _commands(tx: Tx, now: float) -> tuple[CommandFacts, ...]:
    until_at = now + AHEAD_SECONDS
    return tuple(
        CommandFacts(last, runs.last_success(tx, last.command, until_at), runs.latest_starts(tx, last.command, RUNS))
        for last in runs.last_runs(tx)
    )


def recorder_facts(database: Database, config: Config, key: int, now: float) -> RecorderStatus:
    """Given the node's key and the time, return how the companion plugin's spool stands, and what was read of it."""
    with database.read(key) as tx:
        return spool_status(tx, config, now)


def ledger_gap(database: Database, key: int) -> str | None:
    """Given the node's key, return what is missing in its spend ledger; None where nothing is."""
    with database.read(key) as tx:
        missing = spending.gaps(tx)
    return None if missing is None else missing.sentence


def backup_facts(config: Config, oldest_at: float | None) -> BackupFacts:
    """Given when the first command ran, return what there is in the folder of backups."""
    folder = default_folder(configuration.state_dir(config))
    name = copied_name(configuration.database_url(config))
    return BackupFacts(str(folder), newest_at(Path(folder), name), oldest_at)
