"""`revops rebalance plan` and `revops rebalance run`."""

from __future__ import annotations

import click

from revops.cli.groups import LazyGroup
from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.domain.options import CommonOptions
from revops.report import rebalances


@click.group("rebalance", cls=LazyGroup)
def rebalance() -> None:
    """Refill the channels that earn, out of those that have to spare."""


@rebalance.command("plan", cls=Command)
@common
def plan(options: CommonOptions) -> None:
    """Choose circular rebalances that are worth their cost, store them as a plan, and print it (not with -q)."""
    from revops.cycle import rebalance_plan as cycle

    output = Output(options)
    with output.working() as watched:
        chosen = rebalances.in_order(cycle.run(watched))
    if options.json or options.verbosity >= 0:
        output.product(
            "rebalance plan",
            chosen,
            lambda: rebalances.rebalance_plan(chosen, each_skip=options.verbosity > 0, dry_run=options.dry_run),
        )


@rebalance.command("run", cls=Command)
@common
def run(options: CommonOptions) -> None:
    """Settle what earlier runs left in flight, then execute the stored plan within the budget."""
    from revops.cycle import rebalance as cycle

    output = Output(options)
    with output.working() as watched:
        summary = cycle.run(watched)
    output.news("rebalance run", summary, lambda: rebalances.rebalance_run(summary, dry_run=options.dry_run))
