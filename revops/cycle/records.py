"""What the commands share that only read: the records of a node, or of all, without the node, a lock, or a row of
their own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from revops import config as configuration
from revops.cycle.export import ended_run, export_command
from revops.cycle.own_run import exit_code_of
from revops.cycle.session import Clock
from revops.decide.suspend import clock_reasons, funds_reasons
from revops.domain.options import CommonOptions
from revops.domain.policy import Config
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.text import plain_name, printable
from revops.errors import ConfigError, RevopsError
from revops.metrics.collect.command import CommandRun
from revops.store import nodes, samples
from revops.store.engine import Database, KnownNode, Tx
from revops.store.reserve import suspended_since

_log = logging.getLogger(__name__)


@dataclass
class Records:
    """One node's records. `exit_code` is what the run's metrics will show; a predicate that is false sets it to 1."""

    config: Config
    database: Database
    node_key: int
    exit_code: int = 0

    def suspensions(self, tx: Tx, now: float) -> tuple[Reason, ...]:
        """Given the moment, return why spending is suspended, as far as the last sync can tell."""
        row = nodes.node_row(tx)
        if row.wallet_spendable_msat is None or row.channels_spendable_msat is None or row.blockheight is None:
            return (why(ReasonCode.NEVER_SYNCED),)
        funds = row.wallet_spendable_msat, row.channels_spendable_msat
        reserve = funds_reasons(*funds, self.config.reserve, suspended_since(tx))
        marks = samples.clock_marks(tx, 0.0)
        synced_at = row.synced_at or now
        return (*reserve, *clock_reasons(marks, synced_at, row.blockheight, row.network))


@dataclass
class Fleet:
    """All nodes of a database, one at least."""

    config: Config
    database: Database
    nodes: tuple[KnownNode, ...]
    exit_code: int = 0


_Opened = TypeVar("_Opened", Records, Fleet)


@contextmanager
def open_records(options: CommonOptions, command: str, clock: Clock = time.time) -> Iterator[Records]:
    """Given the flags, yield the records of the configured node; write the command's own metrics at the end, if
    that can be done.

    Raise ConfigError where it isn't clear which node is meant.
    """

    def records(config: Config, database: Database) -> Records:
        return Records(config, database, choose_node(database, config.node.name))

    with _opened(options, command, clock, records) as opened:
        yield opened


@contextmanager
def open_fleet(options: CommonOptions, command: str, clock: Clock = time.time) -> Iterator[Fleet]:
    """As `open_records`, for all nodes of the database. Raise ConfigError where it knows none."""

    def fleet(config: Config, database: Database) -> Fleet:
        return Fleet(config, database, _known(database))

    with _opened(options, command, clock, fleet) as opened:
        yield opened


@contextmanager
def _opened(
    options: CommonOptions, command: str, clock: Clock, make: Callable[[Config, Database], _Opened]
) -> Iterator[_Opened]:
    config = configuration.load(options)
    started_at = clock()
    opened: _Opened | None = None
    try:
        with closing(Database.open(configuration.database_url(config), read_only=True)) as database:
            opened = make(config, database)
            yield opened
    except BaseException as error:
        run = ended_run(command, started_at, clock(), exit_code_of(error), opened=opened is not None, error=error)
        _export(config, run, "the failed run left no metrics")  # the first error is the one to report
        raise
    # A person who may not write there still gets the answer.
    run = ended_run(command, started_at, clock(), opened.exit_code, opened=True)
    _export(config, run, "this run left no metrics")


def _export(config: Config, run: CommandRun, failed: str) -> None:
    try:
        export_command(config, run)
    except RevopsError as problem:
        _log.warning("%s: %s", failed, problem)


def _known(database: Database) -> tuple[KnownNode, ...]:
    known = database.known_nodes()
    if not known:
        raise ConfigError("the database knows no node yet: run `revops sync` first")
    return known


def choose_node(database: Database, name: str) -> int:
    """Given a database and node.name, return the key of the node that is meant. Raise ConfigError where that isn't
    clear.
    """
    known = _known(database)
    fitting = [
        node.node_key
        for node in known
        if name and (name in {node.alias, plain_name(node.alias, node.node_id)} or node.node_id.startswith(name))
    ]
    if len(known) == 1 or len(fitting) == 1:
        return fitting[0] if fitting else known[0].node_key
    names = ", ".join(printable(node.alias or node.node_id) for node in known)
    raise ConfigError(
        f"the database holds several nodes ({names}): set node.name to the alias, or the start of the id, of one"
    )
