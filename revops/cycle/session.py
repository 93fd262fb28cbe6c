"""What every cycle shares: configuration, locks, database, node, the run's row and its metrics.

A cycle's own file is then only its decision. The frame sees to it that each run, a failed one too, ends with its exit
code in the database and in its `.prom` file, and that a dry run leaves neither.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from revops import config as configuration
from revops.cycle.export import export_node
from revops.cycle.ingest import Synced, sync_node
from revops.cycle.own_run import OwnRun
from revops.cycle.reserves import look_at_reserve
from revops.cycle.spool import ingest_spool
from revops.decide.suspend import clock_reasons, lagging_reasons, reserve_reasons, syncing_reasons
from revops.domain.measures import CommandFigures
from revops.domain.node import NodeInfo
from revops.domain.options import CommonOptions
from revops.domain.policy import Config
from revops.domain.reason import Reason, ReasonCode
from revops.domain.snapshot import ClockMark
from revops.errors import (
    DataError,
    TemporaryError,
)
from revops.lock import Domain, hold
from revops.node.reader import NodeReader
from revops.node.rpc import Rpc
from revops.node.version import check_version
from revops.node.writer import DryRunWriter, NodeWriter, Writer
from revops.store import locks, samples
from revops.store.engine import Database

Clock = Callable[[], float]
_log = logging.getLogger(__name__)


@dataclass
class Session:
    """One run of a command that looks at the node."""

    options: CommonOptions
    config: Config
    command: str
    clock: Clock
    database: Database
    node_key: int
    info: NodeInfo
    reader: NodeReader
    writer: Writer
    #: None in a dry run, which leaves no trace.
    run_key: int | None
    #: How many decisions ended how, for the command's metrics.
    decision_counts: dict[str, int] | None = field(default=None)
    #: What the command shows of its own in its metrics, and the exit code that it will have if nothing fails.
    figures: CommandFigures = field(default_factory=CommandFigures)
    exit_code: int = 0

    def count(self, outcomes: Iterable[str]) -> None:
        """Given the outcomes of this run's decisions, keep their counts for the metrics."""
        self.decision_counts = dict(Counter(str(outcome) for outcome in outcomes))

    def recorded_run_key(self) -> int:
        """The run's key where something is to be recorded under it; never called in a dry run."""
        if self.run_key is None:
            raise RuntimeError("a dry run records nothing")
        return self.run_key

    @contextmanager
    def exclusive(self, domain: Domain) -> Iterator[None]:
        """Be the only run that acts in `domain`: by flock on this machine, by the database between machines.

        The lock goes by the node's id, so that two configurations of one node exclude each other too.
        """
        wait_seconds = self.options.lock_wait_seconds
        state_dir = configuration.state_dir(self.config)
        name = self.info.node_id[:16]
        with (
            hold(state_dir, name, domain, command=self.command, wait_seconds=wait_seconds),
            locks.advisory_lock(self.database, self.node_key, domain, wait_seconds=wait_seconds),
        ):
            yield

    def sync(self) -> Synced:
        """Copy what is new on the node, one run at a time."""
        with self.exclusive("sync"):
            # Read again under the lock: the figures must not be older than what another run has just written.
            info = self.node_info()
            synced = sync_node(self.database, self.node_key, self.reader, info, self.clock, self.options.progress)
            ingest_spool(self.database, self.node_key, self.config)
            return synced

    def node_info(self) -> NodeInfo:
        """Ask the node anew who it is and how it stands. Raise DataError where it says that it is another one than at
        the start of this run.
        """
        info = self.reader.info()
        if (info.node_id, info.network) != (self.info.node_id, self.info.network):
            raise DataError(
                f"getinfo: the node was {self.info.node_id} on {self.info.network} when this run began, now it says "
                f"{info.node_id} on {info.network}"
            )
        return info

    def suspensions(self, synced: Synced, *, exempt: bool = False, spending: bool = False) -> tuple[Reason, ...]:
        """Given the node as it is, return why nothing may be written to it now; empty when it may.

        `exempt` leaves the reserve out (reserve.exempt lists the caller); `spending` asks for the clock's
        confirmation too.
        """
        view, policy = synced.view, self.config.reserve
        reasons = syncing_reasons(view)
        # Looked at also where it doesn't count: a run that may go on below the reserve still sees it fall.
        since = look_at_reserve(self.database, self.node_key, view, policy, records=self.run_key is not None)
        if not exempt:
            reasons += reserve_reasons(view, policy, since)
        if spending:
            reasons += clock_reasons(self._clock_marks(), view.taken_at, view.node.blockheight, view.node.network)
        return reasons

    def clock_doubts(self, synced: Synced) -> tuple[Reason, ...]:
        """Given the node as it is, return why nothing can be learnt now: the clock is ahead of the chain, or it has
        gone back. Empty when it can.
        """
        marks, now, node = self._clock_marks(), synced.view.taken_at, synced.view.node
        ahead = clock_reasons(marks, now, node.blockheight, node.network)
        return ahead or lagging_reasons(marks, now, node.blockheight, node.network)

    def _clock_marks(self) -> tuple[ClockMark, ...]:
        with self.database.read(self.node_key) as tx:
            return samples.clock_marks(tx, 0.0)

    def show_node(self, synced: Synced) -> None:
        """Given the node as this run found it, show it in the metrics as the records have it now; not in a dry run."""
        if self.run_key is None:
            return
        suspended = self.suspensions(synced, spending=True)
        export_node(self.config, self.database, self.node_key, self.clock(), suspended)

    def insist_on_chain(self, suspended: Iterable[Reason]) -> None:
        """Given what suspended this run, raise TemporaryError where the node is behind the chain: it did nothing, and
        the next run tries again. A dry run has said so already.
        """
        if self.options.dry_run:
            return
        for reason in suspended:
            if reason.code is ReasonCode.NODE_SYNCING:
                raise TemporaryError(f"getinfo: {reason.sentence}; nothing was sent, the next run tries again")


@contextmanager
def open_session(
    options: CommonOptions, command: str, domain: Domain | None, clock: Clock = time.time, *, writes: bool = False
) -> Iterator[Session]:
    """Given the flags and the command, yield a session whose locks are held and whose run is recorded.

    `domain` is the lock that keeps two runs that act apart; None for a command that only syncs. `writes` lets the
    command's listed writing calls through, unless it is a dry run.
    """
    config = configuration.load(options)
    if not options.dry_run:
        options.pings.begin(config.ping, command)
    with ExitStack() as stack:
        run = OwnRun(options, config, command, clock(), clock)
        try:
            session = _enter(stack, run, domain, writes=writes and not options.dry_run)
            run.begin(session)
            yield session
            run.end(session)
        except BaseException as error:
            run.fail(error)
            raise


def _enter(stack: ExitStack, run: OwnRun, domain: Domain | None, *, writes: bool) -> Session:
    """Open the database, greet the node, take the lock. Whatever was opened is closed by the stack."""
    run.database = stack.enter_context(closing(Database.open(configuration.database_url(run.config))))
    session = _connect(run, run.database, writes=writes)
    # A dry run neither acts nor decides for the record: it holds up no run that does.
    if domain is not None and not run.options.dry_run:
        stack.enter_context(session.exclusive(domain))
    return session


def _connect(run: OwnRun, database: Database, *, writes: bool) -> Session:
    """Greet the node, refuse versions that aren't supported, and find or make its key."""
    config = run.config
    rpc = Rpc(
        Path(config.node.rpc_path).expanduser(),
        command=run.command,
        timeout_seconds=config.node.rpc_timeout_seconds,
        writes_allowed=writes,
    )
    reader = NodeReader(rpc)
    info = reader.info()
    warning = check_version(info.version)
    if warning is not None:
        _log.warning("%s", warning)
    return Session(
        options=run.options,
        config=config,
        command=run.command,
        clock=run.clock,
        database=database,
        node_key=database.node_key(info.node_id, info.alias, info.network),
        info=info,
        reader=reader,
        writer=NodeWriter(rpc) if writes else DryRunWriter(),
        run_key=None,
    )
