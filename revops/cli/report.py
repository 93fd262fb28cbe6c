"""`revops report`."""

from __future__ import annotations

import click

from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.domain.options import CommonOptions
from revops.report import overview


@click.command("report", cls=Command)
@click.option(
    "--window-days", type=click.IntRange(1, 36_500), metavar="N", help="Days of the window (report.window_days)."
)
@click.option(
    "--decisions", "decision_count", type=click.IntRange(0, 10_000), default=20, show_default=True, metavar="N",
    help="How many of the latest decisions.",
)  # fmt: skip
@common
def report(options: CommonOptions, window_days: int | None, decision_count: int) -> None:
    """What the node earned and cost, its channels, and what was decided and why. Reads the database only."""
    from revops.cycle import report as cycle

    value = cycle.run(options, window_days=window_days, decision_count=decision_count)
    Output(options).product("report", value, lambda: overview.report(value))
