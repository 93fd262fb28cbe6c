"""`revops experiment start`, `stop` and `status`."""

from __future__ import annotations

from typing import Final

import click

from revops.cli.groups import LazyGroup
from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.domain.options import CommonOptions
from revops.report import experiments

#: All but "off", which prices nothing; a test holds them equal to the configuration's.
STRATEGIES: Final = ("hill_climb", "demand", "proportional", "static", "match_peer")
_HOUR_SECONDS: Final = 3_600


@click.group("experiment", cls=LazyGroup)
def experiment() -> None:
    """Two strategies by turns on your own node, to tell which of them earns more."""


@experiment.command("start", cls=Command)
@click.option("--a", required=True, type=click.Choice(STRATEGIES), help="What to compare with: yours, as a rule.")
@click.option("--b", required=True, type=click.Choice(STRATEGIES), help="The one to be tried.")
@click.option(
    "--block-hours", type=click.IntRange(1, 336), default=72, show_default=True, metavar="H",
    help="How long a strategy's turn is; the first third of each isn't measured.",
)  # fmt: skip
@click.option(
    "--days", type=click.IntRange(1, 366), default=42, show_default=True, metavar="D",
    help="How long it goes on, at most: as many pairs of blocks as fit.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), metavar="N", help="For the draws; without it one is drawn.")
@common
def start(options: CommonOptions, a: str, b: str, block_hours: int, days: int, seed: int | None) -> None:
    """Register an experiment; the next `revops fees adjust` carries it out.

    Blocks are drawn for each peer: half of them A's, half B's. What is compared, how long, and when it is stopped
    early is written down now and can't be changed. Channels take part that no pin or rule says otherwise of.

    \b
    For example, whether demand earns more than the hill_climb that is configured:
      revops experiment start --a hill_climb --b demand
      revops experiment start --a hill_climb --b demand --block-hours 48 --days 28
    """
    from revops.cycle import experiment as cycle

    block_count = 2 * (days * 24 // (2 * block_hours))
    if not block_count:
        raise click.BadParameter(f"{days} days hold no pair of blocks of {block_hours} h", param_hint="'--days'")
    output = Output(options)
    with output.working() as watched:
        value = cycle.start(
            watched, a, b, block_seconds=block_hours * _HOUR_SECONDS, block_count=block_count, seed=seed
        )
    output.answer("experiment start", value, lambda: experiments.started(value, dry_run=options.dry_run))


@experiment.command("stop", cls=Command)
@common
def stop(options: CommonOptions) -> None:
    """End the experiment that runs: the configured strategies go on from here. What was recorded can still be read."""
    from revops.cycle import experiment as cycle

    output = Output(options)
    with output.working() as watched:
        value = cycle.stop(watched)
    output.answer("experiment stop", value, lambda: experiments.stopped(value, dry_run=options.dry_run))


@experiment.command("status", cls=Command)
@common
def status(options: CommonOptions) -> None:
    """What runs, or ran last, and how far it is; nothing of its result. Reads the database only."""
    from revops.cycle import experiment as cycle

    value = cycle.status(options)
    Output(options).product("experiment status", value, lambda: experiments.status(value))
