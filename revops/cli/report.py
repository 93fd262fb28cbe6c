"""`revops report`, and its parts."""

from __future__ import annotations

from pathlib import Path

import click

from revops.cli.groups import LazyGroup
from revops.cli.options import Command, NamedPath, common
from revops.cli.output import Output, stream
from revops.cli.report_html import refuse_what_has_no_meaning, write_page
from revops.cli.spans import period_of, period_options
from revops.domain.options import CommonOptions
from revops.report import classes as classes_page
from revops.report import dead_capital, experiment_results, exports, flow_hours, job_stories, overview, profit
from revops.report import failures as failures_page
from revops.report import fleet as fleet_page
from revops.report import peers as peers_page

_PNL_PAGES = {
    "channel": profit.by_channel, "peer": profit.by_peer, "day": profit.by_span, "month": profit.by_span
}  # fmt: skip
_window_days = click.option(
    "--window-days", type=click.IntRange(1, 36_500), metavar="N", help="Days of the window (report.window_days)."
)


class _Report(Command, LazyGroup):
    """A command that shows the whole when no part of it is named."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in two groups, then the parts."""
        Command.format_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)


@click.group("report", cls=_Report, invoke_without_command=True)
@_window_days
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


@report.command("peers", cls=Command)
@_window_days
@common
def peers(options: CommonOptions, window_days: int | None) -> None:
    """How well each peer's payments succeed, how long it holds them, and what it brings. Reads the database only."""
    from revops.cycle import peers as cycle

    parent = click.get_current_context().parent
    days = window_days if window_days is not None or parent is None else parent.params["window_days"]
    value = cycle.run(options, window_days=days)
    Output(options).product("report peers", value, lambda: peers_page.peers(value))


@report.command("rebalances", cls=Command)
@click.option("--job", "job_key", type=click.IntRange(min=1), metavar="N", help="One job with all that is known of it.")
@click.option(
    "--last", "job_count", type=click.IntRange(1, 10_000), default=20, show_default=True, metavar="N",
    help="How many of the latest jobs.",
)  # fmt: skip
@common
def rebalances(options: CommonOptions, job_key: int | None, job_count: int) -> None:
    """What became of rebalance jobs, what they cost, and what of it was sold (what the channel would have lacked
    without it); with -v each step and payment. Reads the database only.
    """
    from revops.cycle import job_stories as cycle

    value = cycle.run(options, job_key, job_count)
    alone = job_key is not None
    each_step = options.verbosity > 0 or alone
    Output(options).product(
        "report rebalances", value, lambda: job_stories.rebalances(value, each_step=each_step, alone=alone)
    )


@report.command("pnl", cls=Command)
@click.option("--by", type=click.Choice(list(_PNL_PAGES)), default="channel", show_default=True, help="A row for each.")
@click.option(
    "--csv", "as_csv", is_flag=True, help="The rows as CSV, exact to the msat; to a file: `revops export pnl`."
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

    if as_csv and options.json:
        raise click.UsageError("--csv and --json don't go together")
    value = cycle.run(options, period_of(first_day, last_day, last_count), by=by)
    if as_csv:
        stream(exports.pnl(value, by, exports.currency_of(value.network)))
    else:
        Output(options).product("report pnl", value, lambda: _PNL_PAGES[by](value))


@report.command("classes", cls=Command)
@common
def classes(options: CommonOptions) -> None:
    """Each open channel's profitability class, since when, and why: profitable, break-even, underwater, stagnant or
    dead. The last `revops rollup` has judged them. Reads the database only.
    """
    from revops.cycle import classes as cycle

    value = cycle.run(options)
    Output(options).product("report classes", value, lambda: classes_page.classes(value))


@report.command("dead", cls=Command)
@common
def dead(options: CommonOptions) -> None:
    """Channels whose capital does nothing: what a close would cost now, what the capital earns elsewhere on this node,
    and when a move would be paid. Advice only: nothing is ever closed. Reads the database only.
    """
    from revops.cycle import dead_capital as cycle

    value = cycle.run(options)
    Output(options).product("report dead", value, lambda: dead_capital.dead(value))


@report.command("failures", cls=Command)
@period_options
@common
def failures(options: CommonOptions, first_day: int | None, last_day: int | None, last_count: int | None) -> None:
    """Which forwards failed over a period (the last 30 days), at which exit, whether we refused them or they failed
    beyond us, why, and what helps. Reads the database only.
    """
    from revops.cycle import failures as cycle

    value = cycle.run(options, period_of(first_day, last_day, last_count))
    Output(options).product("report failures", value, lambda: failures_page.failures(value))


@report.command("flows", cls=Command)
@click.option(
    "--last-hours", "hour_count", type=click.IntRange(1, 8_784), default=24, show_default=True, metavar="N",
    help="How many hours, the one that runs among them.",
)  # fmt: skip
@click.option("--channel", metavar="SCID|CHANNEL_ID|PEER_ID|ALIAS", help="One channel, or those of a peer, only.")
@common
def flows(options: CommonOptions, hour_count: int, channel: str | None) -> None:
    """What went through the node, or a channel, hour by hour (UTC), as far back as single forwards are kept
    (retention.forwards_days). Reads the database only.
    """
    from revops.cycle import flow_hours as cycle

    value = cycle.run(options, hour_count, channel)
    Output(options).product("report flows", value, lambda: flow_hours.flows(value))


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
