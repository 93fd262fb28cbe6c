"""`revops init`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click

from revops.cli.crontab import crontab
from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.cli.program import called
from revops.config import search_paths
from revops.domain.options import CommonOptions
from revops.domain.summary import FirstLook, InitSummary
from revops.domain.text import counted
from revops.errors import ConfigError
from revops.report import summaries
from revops.report.amounts import income
from revops.report.blocks import Block, Line


@click.command("init", cls=Command)
@click.option(
    "--rpc", "--rpc-path", "rpc_path",
    type=click.Path(path_type=Path, readable=False),
    metavar="PATH",
    help="lightningd's RPC socket; default: of a lightningd that runs here, in $LIGHTNING_DIR, or in the usual places.",
)  # fmt: skip
@click.option(
    "-o", "--output", "output_path", type=click.Path(path_type=Path, readable=False), metavar="PATH",
    help="Where the configuration goes; default: ~/.config/revops/config.toml.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace a configuration that exists.")
@click.option(
    "--crontab", "crontab_only", is_flag=True,
    help="Print the lines for the crontab, with the paths of this machine, and do nothing else.",
)  # fmt: skip
@common
def init(
    options: CommonOptions, rpc_path: Path | None, output_path: Path | None, *, force: bool, crontab_only: bool
) -> None:
    """Look at the node, write a commented configuration for it, and create the database.

    Fees and rebalancing start in mode "observe": nothing is changed on the node. With --dry-run the configuration is
    printed and nothing is written. Where both are there already, nothing is changed. The crontab is for you to edit:
    the lines for it are printed.
    """
    from revops.cycle import init as cycle

    output = Output(options)
    if crontab_only:
        path = cycle.place(options, output_path)
        if not path.exists():
            raise ConfigError(f"there is no {path} for cron's commands to find: run `revops init` first")
        output.text(crontab(path))
        return
    summary = cycle.run(options, rpc_path, output_path, force=force)
    if options.dry_run and not options.json:
        output.text(summary.text)
        return
    output.answer("init", _document(summary), lambda: _blocks(summary))
    if not options.json and options.verbosity >= 0:
        output.text(crontab(Path(summary.config_path)))  # never folded: it is there to be pasted


def _document(summary: InitSummary) -> dict[str, object]:
    seen = summary.seen
    return {
        "config_path": summary.config_path,
        "written": summary.database is not None and seen is not None,
        "database": summary.database,
        "node_id": None if seen is None else seen.view.node.node_id,
        "earned_msat": None if seen is None else seen.earned_msat,
        "config": summary.text,
        "crontab": crontab(Path(summary.config_path)),
    }


def _blocks(summary: InitSummary) -> Iterator[Block]:
    if summary.seen is not None:
        yield from _seen(summary.seen)
        yield Line(f"written: {summary.config_path}")
        if summary.database is not None:
            yield from summaries.database(summary.database)
    elif summary.database is not None:
        yield Line(f"nothing to do: {summary.config_path} is there and valid, and")
        yield Line(f"{summary.database.url} at schema {summary.database.version}; nothing was changed")
    yield Line("")
    yield Line("Next:")
    named = "" if Path(summary.config_path) in search_paths(os.environ) else f" --config {summary.config_path}"
    program = called()
    steps = (
        (f"{program} fees adjust --dry-run{named}", "what its first run would do, and why; sends nothing"),
        (f"{program} doctor{named}", "whether anything is in the way"),
        (f"$EDITOR {summary.config_path}", "budget, reserve, bounds; modes stay observe"),
        ("crontab -e", "paste the lines below: they watch and record"),
    )
    for step, why in steps:
        yield Line(f"  {step}")
        yield Line(f"      {why}")
    yield Line("")


def _seen(seen: FirstLook) -> Iterator[Block]:
    node = seen.view.node
    live = sum(channel.live for channel in seen.view.channels)
    yield Line(
        f"{node.alias or node.node_id[:12]}: lightningd {node.version}, {node.network}, {counted(live, 'channel')}"
    )
    yield Line(
        f"forwards of the last {seen.window_days} days earned {'' if seen.complete else 'at least '}"
        f"{income(seen.earned_msat)} sat; the wallet holds {income(seen.view.wallet.spendable_msat)} sat"
    )
