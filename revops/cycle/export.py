"""The last step of a run: what the records say, as `.prom` files."""

from __future__ import annotations

from pathlib import Path

from revops import __version__
from revops.cycle.measures import read_measures
from revops.cycle.reserves import read_reserve
from revops.cycle.stability import recorded_stability
from revops.cycle.verdict import read_categories, read_verdict
from revops.decide.standing import peer_records
from revops.domain.budget import Category
from revops.domain.policy import Config
from revops.domain.reason import Reason
from revops.domain.values import replace
from revops.errors import SchemaMismatch
from revops.metrics.collect.command import CommandRun
from revops.metrics.textfile import write_command_metrics, write_node_metrics
from revops.store import queries, signals
from revops.store.engine import Database
from revops.store.tables import SCHEMA_VERSION


def label_of(config: Config) -> str:
    """Given the configuration, return what names the node in metrics and locks, also when the node is away."""
    return config.node.name.strip() or "node"


def ended_run(
    command: str,
    started_at: float,
    finished_at: float,
    exit_code: int,
    *,
    opened: bool,
    error: BaseException | None = None,
) -> CommandRun:
    """Given how a run went, whether it opened the database, and what ended it (None: nothing did), return it for its
    metrics, with the schemas that it needed and found.
    """
    found = SCHEMA_VERSION if opened else error.found if isinstance(error, SchemaMismatch) else None
    return CommandRun(
        command=command,
        started_at=started_at,
        finished_at=finished_at,
        exit_code=exit_code,
        last_success_at=None,
        version=__version__,
        schema_expected=int(SCHEMA_VERSION),
        # Another program's version is no number of ours.
        schema_found=int(found) if found is not None and found.isascii() and found.isdecimal() else None,
    )


def export_command(config: Config, run: CommandRun) -> None:
    """Given how a run ended, write its own file, if there is a folder for it. Raise OutputError where that fails."""
    if config.metrics.textfile_dir:
        write_command_metrics(Path(config.metrics.textfile_dir), label_of(config), run)


def export_node(
    config: Config, database: Database, node_key: int, now: float, suspended: tuple[Reason, ...] = ()
) -> None:
    """Given the records, write the node's file: state, sums, budget. An older snapshot doesn't replace a newer one."""
    if not config.metrics.textfile_dir:
        return
    with database.read(node_key) as tx:
        verdict = read_verdict(tx, config.budget, now, suspended)
        report = replace(queries.standing(tx, now, verdict), reserves=read_reserve(tx, config.reserve))
        stability = recorded_stability(tx, report.channels, report.synced_at)
        peers = peer_records(report.channels, signals.load(tx), now, stability)
        splices = next((one for one in read_categories(tx, config, now) if one.category is Category.SPLICE), None)
        measures = replace(
            read_measures(tx, report.channels, now, config.rebalance.horizon_days), splice_budget=splices
        )
    write_node_metrics(Path(config.metrics.textfile_dir), label_of(config), report, peers, measures)
