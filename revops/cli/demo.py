"""`revops demo`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click

from revops.cli.files import replace_file
from revops.cli.options import Command, common, refuse_node_options
from revops.cli.output import Output
from revops.cli.program import called
from revops.config import FOR_TESTS
from revops.domain.options import CommonOptions
from revops.domain.summary import Comparison, DemoSummary, OperatorDeed
from revops.domain.text import counted
from revops.report import overview
from revops.report.amounts import cost, income
from revops.report.blocks import Block, Legend, Line, Table
from revops.report.text import page

#: Jobs that nobody has tried: they wait, or a newer plan took their place.
_UNTRIED: Final = frozenset({"planned", "expired"})


@click.command("demo", cls=Command)
@click.option(
    "--days",
    type=click.IntRange(1, 365),
    default=2,
    show_default=True,
    metavar="N",
    help="Virtual days to live through.",
)
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="The same seed is the same node.")
@click.option(
    "--channels", "channel_count", type=click.IntRange(2, 500), default=16, show_default=True, metavar="N",
    help="Channels of the simulated node.",
)  # fmt: skip
@click.option(
    "--dir", "directory", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Where it lives. Default: a new temporary folder.",
)  # fmt: skip
@click.option("--serve", is_flag=True, help="Keep the simulated node running until Ctrl-C, to try commands on it.")
@common
def demo(options: CommonOptions, days: int, seed: int, channel_count: int, directory: Path | None, serve: bool) -> None:
    """Show revops at work on a simulated node: no lightningd, no bitcoin, nothing to configure.

    It keeps to its own folder, and follows no REVOPS_ variable to anywhere else.
    """
    refuse_node_options(options, "the demo runs on what is in its own folder (--dir)")
    from revops.cycle import demo as cycle

    output = Output(options)

    watching = ExitStack()

    def ready(summary: DemoSummary) -> None:
        watching.close()  # the bars are done; what follows is printed below them
        replace_file(Path(summary.report_path), [page(overview.report(summary.report))])
        output.product("demo", summary, lambda: _blocks(summary, serve=serve))

    with watching:
        summary = cycle.run(
            watching.enter_context(output.working()),
            days=days,
            seed=seed,
            channel_count=channel_count,
            directory=directory.absolute() if directory else None,
            serve=serve,
            ready=ready if serve else None,
        )
    if not serve:
        ready(summary)


def _settled_first(status: str) -> tuple[bool, str]:
    return status != "settled", status


def _comparison_row(comparison: Comparison) -> tuple[str, ...]:
    figures = (comparison.node_msat, comparison.database_msat, comparison.report_msat, comparison.metrics_msat)
    return (comparison.name, *(f"{figure:,}" for figure in figures), "yes" if comparison.equal else "NO")


def _by_hand(summary: DemoSummary) -> Iterator[Block]:
    """What the demo's operator did, for which the pages of the books have lines."""
    if summary.deeds:
        names = {channel.channel_id: channel.name for channel in summary.report.channels}
        told = "; ".join(_deed(deed, names) for deed in summary.deeds)
        yield Legend(
            f"by hand, meanwhile: {told}; that cost {cost(summary.chain_msat)} sat (`report pnl --by day`, `history`)"
        )


def _deed(deed: OperatorDeed, names: Mapping[str, str]) -> str:
    channels = " and ".join(names.get(channel_id, channel_id) for channel_id in deed.channel_ids)
    amount = income(deed.amount_msat)
    match deed.what:
        case "splice":
            return f"{amount} sat spliced into {channels}"
        case "batch_open":
            return f"{channels} opened by one transaction, with {amount} sat"
    return f"{channels} closed, in which {amount} sat were ours"


def _blocks(summary: DemoSummary, *, serve: bool) -> Iterator[Block]:
    yield from overview.brief(summary.report)
    yield Line("")
    yield Line(
        f"simulated: {counted(summary.days, 'day')}, seed {summary.seed}, {summary.run_count:,} runs: earned "
        f"{income(summary.earned_msat)} sat, spent {cost(summary.rebalance_fees_msat + summary.chain_msat)}, "
        f"net {income(summary.net_msat)}"
    )
    yield from _by_hand(summary)
    ended = {status: summary.refill_counts[status] for status in sorted(summary.refill_counts, key=_settled_first)}
    if ended:
        told = ", ".join(f"{count:,} {status.replace('_', ' ')}" for status, count in ended.items())
        tried = sum(count for status, count in summary.job_counts.items() if status not in _UNTRIED)
        yield Line(f"refills: {told}; {counted(tried, 'attempt')} in all")
    if summary.too_dear_count:
        yield Legend(
            f"{counted(summary.too_dear_count, 'attempt')} found no route as cheap as the refill is worth, and cost "
            f"nothing. That is meant: others' routes are dear here, and revops pays no more than a refill is "
            f"worth, less the return that is asked for (rebalance.min_return_ratio)"
        )
    rows = tuple(_comparison_row(comparison) for comparison in summary.comparisons)
    yield Table("Books (msat)", ("", ">node", ">database", ">report", ">metrics", "agree"), rows)
    yield Line(f"database       {summary.database_path}")
    yield Line(f"metrics        {summary.metrics_dir}")
    yield Line(f"report         {summary.report_path}")
    yield Line(f"configuration  {summary.config_path}")
    set_here = sorted(name for name in os.environ if name.startswith("REVOPS_") and name not in FOR_TESTS)
    if set_here:
        yield Line(f"first unset {' '.join(set_here)}: they override the demo's configuration, which is in mode act")
    yield Line(f"try: {called()} report --config {summary.config_path}")
    if serve:
        yield Line(f"the node answers on {summary.rpc_path} until Ctrl-C; in another terminal try:")
        yield Line(f"     {called()} fees adjust --dry-run --config {summary.config_path}")
