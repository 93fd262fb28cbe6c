"""`revops status`."""

from __future__ import annotations

import click

from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.domain.options import CommonOptions
from revops.report import status as page


@click.command("status", cls=Command)
@common
def status(options: CommonOptions) -> None:
    """How the node stands, on one screen: what needs a look, what was earned and spent, what may still be spent, and
    what happens next. Reads the database only.
    """
    from revops.cycle import status as cycle

    value = cycle.run(options)
    Output(options).product("status", value, lambda: page.status(value))
