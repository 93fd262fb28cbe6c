"""`revops history`."""

from __future__ import annotations

import click

from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.domain.options import CommonOptions
from revops.report import history as page


@click.command("history", cls=Command)
@click.argument("name", required=False, metavar="[SCID|CHANNEL_ID|PEER_ID|ALIAS]")
@common
def history(options: CommonOptions, name: str | None) -> None:
    """What the node, or a channel or peer of it, has earned and cost in its whole life: closed channels and the time
    before revops was installed included, as far as the node remembers them. Reads the database only.
    """
    from revops.cycle import history as cycle

    value = cycle.run(options, name)
    Output(options).product("history", value, lambda: page.history(value))
