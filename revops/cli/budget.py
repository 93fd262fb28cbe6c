"""`revops budget check`."""

from __future__ import annotations

import click

from revops.cli.groups import LazyGroup
from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.domain.options import CommonOptions
from revops.errors import NothingLeft
from revops.report import summaries


@click.group("budget", cls=LazyGroup)
def budget() -> None:
    """What may be spent on routing fees."""


@budget.command("check", cls=Command)
@common
def check(options: CommonOptions) -> None:
    """Say what is spent, reserved and left. Exit 1 when nothing is left to reserve.

    For crontabs: revops budget check -q && revops rebalance run
    """
    from revops.cycle import budget as cycle

    verdict = cycle.run(options)
    Output(options).news("budget check", verdict, lambda: summaries.budget(verdict))
    if verdict.left_msat <= 0:
        raise NothingLeft(summaries.nothing_left(verdict))
