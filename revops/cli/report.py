"""`revops report`, and its parts."""

from __future__ import annotations

from pathlib import Path

import click

from revops.cli.export import write_pnl
from revops.cli.groups import LazyGroup
from revops.cli.options import Command, NamedPath, common
from revops.cli.output import Output
from revops.cli.report_html import refuse_what_has_no_meaning, write_page
from revops.cli.rows import ListPage, csv_option, row_options
from revops.cli.spans import period_of, period_options, window_days_option
from revops.domain.options import CommonOptions
from revops.report import capital as capital_page
from revops.report import classes as classes_page
from revops.report import dead_capital, experiment_results, flow_hours, overview, profit
from revops.report import failures as failures_page
from revops.report import fleet as fleet_page

_PNL_PAGES = {
    "channel": profit.by_channel, "peer": profit.by_peer, "day": profit.by_span, "month": profit.by_span
}  # fmt: skip
_LISTS = {
    "channels": "revops.cli.report_lists:channels",
    "peers": "revops.cli.report_lists:peers",
    "rebalances": "revops.cli.report_lists:rebalances",
    "decisions": "revops.cli.report_lists:decisions",
}


class _Report(Command, LazyGroup):
    """A command that shows the whole when no part of it is named."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in two groups, then the parts."""
        Command.format_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)


@click.group("report", cls=_Report, invoke_without_command=True, lazy=_LISTS)
@window_days_option
@click.option(
    "--decisions", "decision_count", type=click.IntRange(0, 10_000), default=20, show_default=True, metavar="N",
    help="How many of the latest decisions.",
)  # fmt: skip
@click.option("--fleet", is_flag=True, help="All nodes of the database, a row each, over whole UTC days.")
@click.option(
    "--html", "page_path", type=NamedPath(path_type=Path, readable=False), metavar="FILE",
    help="All of it over a period (the last 30 days) as one page for a browser (mode 0600; -: standard output).",
)  # fmt: skip
@period_options
@common
def report(
    options: CommonOptions, window_days: int | None, decision_count: int, fleet: bool, page_path: Path | None,
    **days: int | None,
) -> None:  # fmt: skip
    """What the node earned and cost, its channels, and what was decided and why. Reads the database only."""
    context = click.get_current_context()
    refuse_what_has_no_meaning(context)
    if context.invoked_subcommand is not None:
        return
    if page_path is not None:
        write_page(options, page_path, period_of(days["first_day"], days["last_day"], days["last_count"]))
        return
    if fleet:
        _fleet(options, window_days)
        return
    from revops.cycle import report as cycle

    value = cycle.run(options, window_days=window_days, decision_count=decision_count)
    Output(options).product("report", value, lambda: overview.report(value))


def _fleet(options: CommonOptions, window_days: int | None) -> None:
    from revops.cycle import fleet as cycle

    value = cycle.run(options, window_days)
    Output(options).product("report fleet", value, lambda: fleet_page.fleet(value))


@report.command("pnl", cls=Command)
@click.option("--by", type=click.Choice(list(_PNL_PAGES)), default="channel", show_default=True, help="A row for each.")
@click.option(
    "--csv",
    "as_csv",
    is_flag=True,
    help="The rows as CSV, exact to the msat: `revops export pnl`, which also writes a file.",
)
@period_options
@common
def pnl(
    options: CommonOptions, by: str, as_csv: bool, first_day: int | None, last_day: int | None, last_count: int | None
) -> None:
    """What was earned and spent over a period (the last 30 days): forwards, refills, transactions, leases. Reads the
    database only.
    """
    from revops.cycle import profit as cycle

    period = period_of(first_day, last_day, last_count)
    if as_csv:
        write_pnl(options, by, period)
        return
    value = cycle.run(options, period, by=by)
    Output(options).product("report pnl", value, lambda: _PNL_PAGES[by](value))


@report.command("classes", cls=Command)
@row_options
@common
def classes(options: CommonOptions, page: ListPage) -> None:
    """Each open channel's profitability class, since when, and why: profitable, break-even, underwater, stagnant or
    dead. The last `revops rollup` has judged them. Reads the database only.
    """
    from revops.cycle import classes as cycle

    value = cycle.run(options)
    page.show(options, "report classes", value, "channels", classes_page.classes)


@report.command("dead", cls=Command)
@row_options
@common
def dead(options: CommonOptions, page: ListPage) -> None:
    """Channels whose capital does nothing: what a close would cost now, what the capital earns elsewhere on this node,
    and when a move would be paid. Advice only: nothing is ever closed. Reads the database only.
    """
    from revops.cycle import dead_capital as cycle

    value = cycle.run(options)
    page.show(options, "report dead", value, "dead", dead_capital.dead)


@report.command("capital", cls=Command)
@row_options
@common
def capital(options: CommonOptions, page: ListPage) -> None:
    """The cost of capital: what one more sat of outbound liquidity would earn a year, on each channel and on the node,
    with its bounds; what refills and transactions took of what was earned; what idle sats could earn. Reads the
    database only.
    """
    from revops.cycle import capital as cycle

    value = cycle.run(options)
    page.show(options, "report capital", value, "channels", capital_page.capital)


@report.command("failures", cls=Command)
@period_options
@csv_option
@common
def failures(
    options: CommonOptions, first_day: int | None, last_day: int | None, last_count: int | None, page: ListPage
) -> None:
    """Which forwards failed over a period (the last 30 days), at which exit, whether we refused them or they failed
    beyond us, why, and what helps. Reads the database only.
    """
    from revops.cycle import failures as cycle

    value = cycle.run(options, period_of(first_day, last_day, last_count))
    page.show(options, "report failures", value, "channels", failures_page.failures)


@report.command("flows", cls=Command)
@click.option(
    "--last-hours", "hour_count", type=click.IntRange(1, 8_784), default=24, show_default=True, metavar="N",
    help="How many hours, the one that runs among them.",
)  # fmt: skip
@click.option("--channel", metavar="SCID|CHANNEL_ID|PEER_ID|ALIAS", help="One channel, or those of a peer, only.")
@csv_option
@common
def flows(options: CommonOptions, hour_count: int, channel: str | None, page: ListPage) -> None:
    """What went through the node, or a channel, hour by hour (UTC), as far back as single forwards are kept
    (retention.forwards_days). Reads the database only.
    """
    from revops.cycle import flow_hours as cycle

    value = cycle.run(options, hour_count, channel)
    page.show(options, "report flows", value, "hours", flow_hours.flows)


@report.command("experiment", cls=Command)
@click.option(
    "experiment_key", "--number", type=click.IntRange(min=1), metavar="N", help="Which experiment (the latest)."
)
@common
def experiment(options: CommonOptions, experiment_key: int | None) -> None:
    """What an experiment has shown: the difference between its strategies with its interval, and how many more blocks
    it would take to see a smaller one. Reads the database only.
    """
    from revops.cycle import experiment as cycle

    value = cycle.report(options, experiment_key)
    Output(options).product("report experiment", value, lambda: experiment_results.result(value))
