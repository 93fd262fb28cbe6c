"""The last step of a run: what the records say, as `.prom` files."""

from __future__ import annotations

from pathlib import Path

from revops.cycle.reserves import read_reserve
from revops.cycle.spool import recorder_record
from revops.cycle.stability import recorded_stability
from revops.cycle.verdict import read_verdict
from revops.decide.standing import peer_records
from revops.domain.policy import Config
from revops.domain.reason import Reason
from revops.domain.values import replace
from revops.metrics.collect import CommandRun
from revops.metrics.textfile import write_command_metrics, write_node_metrics
from revops.store import queries, signals
from revops.store.engine import Database


def label_of(config: Config) -> str:
    """Given the configuration, return what names the node in metrics and locks, also when the node is away."""
    return config.node.name.strip() or "node"


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
        recorder = recorder_record(tx, now)
    write_node_metrics(Path(config.metrics.textfile_dir), label_of(config), report, peers, recorder)
