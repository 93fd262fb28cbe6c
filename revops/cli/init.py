"""`revops init`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click

from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.cli.program import called, cron_settings
from revops.config import search_paths
from revops.domain.options import CommonOptions
from revops.domain.summary import InitSummary
from revops.domain.text import counted
from revops.report import summaries
from revops.report.amounts import income
from revops.report.blocks import Block, Line


@click.command("init", cls=Command)
@click.option(
    "--rpc-path",
    type=click.Path(path_type=Path, readable=False),
    metavar="PATH",
    help="lightningd's RPC socket; default: the usual places.",
)
@click.option(
    "-o", "--output", "output_path", type=click.Path(path_type=Path, readable=False), metavar="PATH",
    help="Where the configuration goes; default: ~/.config/revops/config.toml.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace a configuration that exists.")
@common
def init(options: CommonOptions, rpc_path: Path | None, output_path: Path | None, *, force: bool) -> None:
    """Look at the node, write a commented configuration for it, and create the database.

    Fees and rebalancing start in mode "observe": nothing is changed on the node. With --dry-run the configuration is
    printed and nothing is written.
    """
    from revops.cycle import init as cycle

    output = Output(options)
    summary = cycle.run(options, rpc_path, output_path, force=force)
    if options.dry_run and not options.json:
        output.text(summary.text)
    else:
        output.answer("init", _document(summary), lambda: _blocks(summary))


def _document(summary: InitSummary) -> dict[str, object]:
    return {
        "config_path": summary.config_path,
        "written": summary.database is not None,
        "database": summary.database,
        "node_id": summary.seen.view.node.node_id,
        "earned_msat": summary.seen.earned_msat,
        "config": summary.text,
    }


def _blocks(summary: InitSummary) -> Iterator[Block]:
    seen = summary.seen
    node = seen.view.node
    live = sum(channel.live for channel in seen.view.channels)
    yield Line(
        f"{node.alias or node.node_id[:12]}: lightningd {node.version}, {node.network}, {counted(live, 'channel')}"
    )
    yield Line(
        f"forwards of the last {seen.window_days} days earned {'' if seen.complete else 'at least '}"
        f"{income(seen.earned_msat)} sat; the wallet holds {income(seen.view.wallet.spendable_msat)} sat"
    )
    yield Line(f"written: {summary.config_path}")
    if summary.database is not None:
        yield from summaries.database(summary.database)
    yield Line("")
    yield Line("Next:")
    named = "" if Path(summary.config_path) in search_paths(os.environ) else f" --config {summary.config_path}"
    program = called()
    for step, why in (
        (f"$EDITOR {summary.config_path}", "budget, reserve, fee bounds; modes stay observe"),
        (f"{program} sync{named}", "copy the node's history; the first time takes longest"),
        (f"{program} fees adjust --dry-run{named}", "what its first run would do, and why; it records nothing"),
        (f"{program} report{named}", "what the node earned"),
        ("crontab -e", 'the lines of crontab.example: they watch and record; after days of reports, mode = "act"'),
    ):
        yield Line(f"  {step:<44}  {why}")
    for setting in cron_settings(Path(summary.config_path)):
        yield Line(f"      in the crontab, instead of the line there:  {setting}")
