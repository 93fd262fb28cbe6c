"""`revops rollup`."""

from __future__ import annotations

import click

from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.domain.options import CommonOptions
from revops.report import summaries


@click.command("rollup", cls=Command)
@common
def rollup(options: CommonOptions) -> None:
    """Summarise old rows, then prune them. What they add up to is kept for ever, closed channels included."""
    from revops.cycle import rollup as cycle

    output = Output(options)
    with output.working() as watched:
        summary = cycle.run(watched)
    output.news("rollup", summary, lambda: summaries.rollup(summary))
