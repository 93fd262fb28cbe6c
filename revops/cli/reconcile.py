"""`revops reconcile`."""

from __future__ import annotations

import click

from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.domain.options import CommonOptions
from revops.errors import Unexplained
from revops.report import reconciliation


@click.command("reconcile", cls=Command)
@common
def reconcile(options: CommonOptions) -> None:
    """Hold all that the records say against the node, to the msat: fees, what went through each channel, balances,
    the wallet, closed channels, rebalances. Each difference comes with its likely cause. Exit 1 where one has none.
    In a pipe, as from cron, it prints with -v or --json only, or where something isn't explained; with -q the exit code
    alone says so.
    """
    from revops.cycle import reconcile as cycle

    output = Output(options)
    with output.working() as watched:
        value = cycle.run(watched)
    show = output.news if value.agrees else output.answer
    show("reconcile", value, lambda: reconciliation.reconciliation(value))
    if not value.agrees:
        raise Unexplained(reconciliation.unexplained(value))
