"""`revops report channels` and `report decisions`: pages with a row for each."""

from __future__ import annotations

import click

from revops.cli.options import Command, common
from revops.cli.rows import ListPage, row_options
from revops.domain.options import CommonOptions
from revops.report import channel_list, decision_list


@click.command("channels", cls=Command)
@click.option(
    "--window-days", type=click.IntRange(1, 366), metavar="N", help="UTC days of the window (report.window_days)."
)
@click.option("--closed", is_flag=True, help="Those that are gone, too.")
@row_options
@common
def channels(options: CommonOptions, window_days: int | None, closed: bool, page: ListPage) -> None:
    """Each channel: what it holds, asks for and earned, how it is judged, and what it earned day by day. Reads the
    database only.

    For example: revops report channels --where 'local_msat<1000000sat' --sort -window.earned_msat
    """
    from revops.cycle import channel_list as cycle

    value = cycle.run(options, window_days, closed=closed)
    page.show(options, "report channels", value, "channels", channel_list.channels)


@click.command("decisions", cls=Command)
@click.option(
    "--last", "count", type=click.IntRange(1, 1_000_000), default=200, show_default=True, metavar="N",
    help="How many of the latest to choose from.",
)  # fmt: skip
@row_options
@common
def decisions(options: CommonOptions, count: int, page: ListPage) -> None:
    """What was decided of fees and rebalances, and why: changes, what was put off, and what was left alone. Reads the
    database only.

    For example: revops report decisions --where outcome=change --where 'command=fees adjust'
    """
    from revops.cycle import decision_list as cycle

    value = cycle.run(options, count)
    page.show(options, "report decisions", value, "decisions", decision_list.decisions)
