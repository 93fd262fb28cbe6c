"""`revops splice plan`, `revops splice run` and `revops splice list`."""

from __future__ import annotations

import click

from revops.cli.groups import LazyGroup
from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.cli.rows import ListPage, last_option, row_options
from revops.domain.options import CommonOptions
from revops.report import splices


@click.group("splice", cls=LazyGroup)
def splice() -> None:
    """Move capacity to where it earns, by splices."""


@splice.command("plan", cls=Command)
@common
def plan(options: CommonOptions) -> None:
    """Choose splices that are worth their transaction, store them as a plan, and print it (not with -q): into channels
    whose capacity binds, out of the wallet, or out of channels that do nothing. Sends nothing to the node.
    """
    from revops.cycle import splice_plan as cycle

    output = Output(options)
    with output.working() as watched:
        chosen = cycle.run(watched)
    if options.json or options.verbosity >= 0:
        output.product(
            "splice plan",
            chosen,
            lambda: splices.splice_plan(chosen, each_skip=options.verbosity > 0, dry_run=options.dry_run),
        )


@splice.command("run", cls=Command)
@common
def run(options: CommonOptions) -> None:
    """Follow the splices that are under way until they are locked in, then begin one of the stored plan, if it is still
    worth it and within its limits. Begins nothing in mode "observe".
    """
    from revops.cycle import splice_run as cycle

    output = Output(options)
    with output.working() as watched:
        summary = cycle.run(watched)
    output.news("splice run", summary, lambda: splices.splice_run(summary, dry_run=options.dry_run))


@splice.command("list", cls=Command)
@last_option(20)
@row_options
@common
def listed(options: CommonOptions, count: int, page: ListPage) -> None:
    """The splices that were begun, and what became of each, the latest first. Reads the database only."""
    from revops.cycle import splice_list as cycle

    value = cycle.run(options, count)
    page.show(options, "splice list", value, "splices", splices.splice_list)
