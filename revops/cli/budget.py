"""`revops budget check` and `budget history`."""

from __future__ import annotations

import click

from revops.cli.groups import LazyGroup
from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.domain.options import CommonOptions
from revops.errors import NothingLeft
from revops.report import budgets


@click.group("budget", cls=LazyGroup)
def budget() -> None:
    """What may be spent, and what was."""


@budget.command("check", cls=Command)
@common
def check(options: CommonOptions) -> None:
    """Say what is spent, reserved and left of each budget, which limit is in force, and when there will be room again.
    Exit 1 when nothing is left to reserve for a rebalance, or spending is suspended.

    For crontabs: revops budget check -q && revops rebalance run
    """
    from revops.cycle import budget as cycle

    value = cycle.run(options)
    Output(options).news("budget check", value, lambda: budgets.check(value))
    if value.left_msat <= 0:
        raise NothingLeft(budgets.nothing_left(value))


@budget.command("history", cls=Command)
@click.option(
    "--days", "day_count", type=click.IntRange(1, 36_500), default=30, show_default=True, metavar="N",
    help="How many days back, today (UTC) among them.",
)  # fmt: skip
@common
def history(options: CommonOptions, day_count: int) -> None:
    """What each budget spent, reserved and gave back on each day, and how many payments a limit stopped. Reads the
    database only.
    """
    from revops.cycle import budget as cycle

    value = cycle.history(options, day_count)
    Output(options).product("budget history", value, lambda: budgets.history(value))
