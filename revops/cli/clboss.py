"""`revops clboss status` and `clboss release`."""

from __future__ import annotations

import click

from revops.cli.groups import LazyGroup
from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.domain.options import CommonOptions
from revops.report import clboss as page


@click.group("clboss", cls=LazyGroup)
def clboss() -> None:
    """What the plugin CLBOSS leaves to revops."""


@clboss.command("status", cls=Command)
@common
def status(options: CommonOptions) -> None:
    """Which peers CLBOSS doesn't manage, in what, and who asked for it; what the next run will take. Asks the node."""
    from revops.cycle import clboss as cycle

    value = cycle.status(options)
    Output(options).product("clboss status", value, lambda: page.status(value))


@clboss.command("release", cls=Command)
@click.argument("names", nargs=-1, metavar="[PEER_ID|ALIAS]...")
@common
def release(options: CommonOptions, names: tuple[str, ...]) -> None:
    """Give back to CLBOSS what revops took from it, of these peers or of all.

    What you have unmanaged yourself stays so.
    """
    from revops.cycle import clboss as cycle

    value = cycle.release(options, names)
    Output(options).answer("clboss release", value, lambda: page.released(value, dry_run=options.dry_run))
