"""`revops ads adjust`."""

from __future__ import annotations

import click

from revops.cli.groups import LazyGroup
from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.domain.options import CommonOptions
from revops.report import ads as page


@click.group("ads", cls=LazyGroup)
def ads() -> None:
    """Lend liquidity of the on-chain wallet to others, for a fee."""


@ads.command("adjust", cls=Command)
@common
def adjust(options: CommonOptions) -> None:
    """Run one cycle of liquidity ads: sync, decide what is offered and at which rates, in mode "act" offer it, record.

    Only on a node with experimental-dual-fund. With --dry-run nothing is sent or recorded.
    """
    from revops.cycle import ads as cycle

    output = Output(options)
    with output.working() as watched:
        value = cycle.run(watched)
    output.news("ads adjust", value, lambda: page.adjusted(value, dry_run=options.dry_run))
