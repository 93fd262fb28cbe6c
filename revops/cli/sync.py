"""`revops sync`."""

from __future__ import annotations

import click

from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.domain.options import CommonOptions
from revops.report import summaries


@click.command("sync", cls=Command)
@common
def sync(options: CommonOptions) -> None:
    """Copy what is new on the node into the database.

    Every command that may act does this first; by itself it keeps the records up to date between them.
    """
    from revops.cycle import sync as cycle

    output = Output(options)
    with output.working() as watched:
        summary = cycle.run(watched)
    output.news("sync", summary, lambda: summaries.sync(summary))
